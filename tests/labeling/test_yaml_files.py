"""Labeling functions in YAML: the same ones as in Python, and errors that say where to look."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

from beambell.errors import CatalogueError, ConfigError
from beambell.labeling import Catalogue, count, fingerprint, keyword, length, lexicon, lookup, numeric, regex

CLASSES = ("other", "complaint", "no")


@pytest.fixture
def load(tmp_path):
    def load(text, pattern="*.yaml", **options):
        (tmp_path / "lfs.yaml").write_text(dedent(text), **options)
        return Catalogue.load([], files=[pattern], classes=CLASSES, root=tmp_path)

    return load


def test_every_kind_has_the_fingerprint_of_its_python_form(load, tmp_path):
    (tmp_path / "blocked.txt").write_text("eve\n")
    catalogue = load(r"""
        # A comment.
        - kind: keyword
          name: refund
          any_of: [refund, money back]
          label: complaint
          streams: [mail]
          description: Wants money.
        - {kind: regex, name: url, pattern: 'https?://\S+', flags: [IGNORECASE, DOTALL], label: 1}
        - {kind: count, name: shouting, of: "!", min: 3, label: complaint}
        - {kind: length, name: short, max: 4, unit: words, label: other}
        - {kind: numeric, name: big, field: amount, min: 60.0, label: complaint}
        - {kind: lookup, name: known, field: author, values: [ann, 7], label: other}
        - {kind: lookup, name: blocked, field: author, file: blocked.txt, label: complaint}
        - kind: lexicon
          name: angry
          weights: {awful: 1, thanks: -1}
          threshold: 0.5
          label: complaint
        - {kind: keyword, name: exact, any_of: ["don\u2019t"], fold: false, label: other}
        - {kind: lookup, name: exactly, field: author, values: [ann], fold: no, label: other}
        - {kind: keyword, name: _question, any_of: [why, how], label: other}
        - {kind: combination, name: rude, when: "angry & ~(_question | short)", label: complaint, owner: ann}
    """)
    angry = lexicon("angry", weights={"awful": 1, "thanks": -1}, threshold=0.5, label=1)
    short = length("short", max=4, unit="words", label=0)
    expected = [
        keyword("refund", any_of=["money back", "refund"], label=1, streams=["mail"]),
        regex("url", pattern=re.compile(r"https?://\S+", re.IGNORECASE | re.DOTALL), label=1),
        count("shouting", of="!", min=3, label=1),
        short,
        numeric("big", field="amount", min=60, label=1),
        lookup("known", field="author", values=["ann", "7"], label=0),
        lookup("blocked", field="author", values=["eve"], label=1),
        angry,
        keyword("exact", any_of=["don\u2019t"], label=0, fold=False),
        lookup("exactly", field="author", values=["ann"], label=0, fold=False),
        (angry & ~(keyword("q", any_of=["how", "why"], label=0) | short)).named("rude", label=1),
    ]
    assert {lf.name: fingerprint(lf) for lf in expected} == catalogue.fingerprints
    row = {"text": "awful!!! do you hear me", "author": "eve", "amount": 60, "stream": "mail"}
    assert [catalogue[lf.name].vote(row) for lf in expected] == [lf.vote(row) for lf in expected]
    assert (catalogue["rude"].vote(row), catalogue["rude"].owner) == (1, "ann")
    assert catalogue["refund"].description == "Wants money."
    assert (catalogue.places["refund"], catalogue.places["url"]) == ("lfs.yaml:3", "lfs.yaml:9")


LEXICON = "- kind: lexicon\n  name: a\n  label: 1\n"
GOOD = "- {kind: length, name: a, max: 3, label: other}\n"


@pytest.mark.parametrize(
    ("text", "where", "message", "fix"),
    [
        ("- {kind: keywrod, name: a}", "lfs.yaml:1, labeling function 'a'", "no kind 'keywrod'", "'keyword'"),
        ("- {name: a}", "lfs.yaml:1, labeling function 'a'", "it has no kind", "keyword, regex"),
        (GOOD + "- kind: length\n  name: b\n  maxs: 3\n", "lfs.yaml:4, labeling function 'b'", "'maxs'", "'max'"),
        (GOOD + "- kind: length\n  name: b\n  max: 3\n", "lfs.yaml:2, labeling function 'b'", "needs label", "label:"),
        ("- kind: length\n  name: a\n  max: 3\n  label: complaynt", "lfs.yaml:4,", "class 'complaynt'", "'complaint'"),
        ("- kind: length\n  name: a\n  max: 3\n  label: no", "lfs.yaml:4,", "not False", "quotes"),
        ("- kind: length\n  name: a\n  max: 3\n  label: 3", "lfs.yaml:4,", "class 3", "complaint"),
        ("- kind: keyword\n  name: a\n  any_of: [ja, yes]\n  label: 1", "lfs.yaml:3,", "not True", "quotes"),
        (
            "- kind: regex\n  name: a\n  pattern: '('\n  label: 1",
            "lfs.yaml:3,",
            "not a regular expression",
            "backslash",
        ),
        ("- kind: count\n  name: a\n  of: '(a'\n  min: 1\n  label: 1", "lfs.yaml:3,", "not a regular", "backslash"),
        ("- kind: regex\n  name: a\n  pattern: 5\n  label: 1", "lfs.yaml:3,", "not 5", "quotes"),
        ('- kind: regex\n  name: a\n  pattern: "\\d+"\n  label: 1', "lfs.yaml:3", "escape character", r"'\d+'"),
        ("- {kind: regex, name: yes, pattern: a, label: 1}", "lfs.yaml:1", "name must be letters", "quotes"),
        (LEXICON + "  weights: {good: .nan}\n  threshold: 1", "lfs.yaml:4,", "'good' must be a finite", "2 or -0.5"),
        (LEXICON + "  weights: {no: 1}\n  threshold: 1", "lfs.yaml:4,", "strings, not False", "quotes"),
        (LEXICON + "  weights: {good: 1}\n  threshold: .inf", "lfs.yaml:5,", "threshold must be", "2 or -0.5"),
        ("- kind: regex\n  name: a\n  pattern: a\n  flags: [IGNORE]\n  label: 1", "lfs.yaml:4,", "'IGNORE'", "IGNORE"),
        ("- kind: length\n  name: a\n  max: 3\n  max: 4\n  label: 1", "lfs.yaml:4", "'max' is given twice", "keep one"),
        (GOOD + "\n" + GOOD, "lfs.yaml:3,", "second one of this name; the first is at lfs.yaml:1", "rename"),
        (GOOD + "- {kind: keyword, name: b, any_of: [x], fold: 'no', label: 1}", "lfs.yaml:2,", "not 'no'", "or false"),
        ("a: 1", "lfs.yaml:1", "expected a list", "- kind:"),
        ("- refund", "lfs.yaml:1", "expected keys and values", "- kind:"),
        ("- {kind: length\n- x", "lfs.yaml:2", "not valid YAML", None),
        ("- !!python/object/apply:os.system [ls]", "lfs.yaml:1", "expected keys", None),
        ("- {kind: !!python/name:os.system '', name: a}", "lfs.yaml:1", "could not determine a constructor", None),
        (GOOD + "- {kind: combination, name: b, when: c, label: 1}", "lfs.yaml:2,", "named 'c'", "there are: a"),
        (GOOD + "- {kind: combination, name: b, when: a(), label: 1}", "lfs.yaml:2,", "'a()' is not a", "&"),
        (GOOD + "- {kind: combination, name: b, when: a &, label: 1}", "lfs.yaml:2,", "cannot be read", "&"),
        (GOOD + "- {kind: combination, name: b, when: a, label: 1, field: x}", "lfs.yaml:2,", "'field'", None),
        ("- {kind: lookup, name: a, field: x, file: none.txt, label: 1}", "lfs.yaml:1,", "no such file", "relative"),
        ("# nothing", None, "no labeling functions in *.yaml", None),
    ],
)
def test_errors_name_file_line_and_key(load, text, where, message, fix):
    with pytest.raises(CatalogueError) as caught:
        load(text)
    assert message in caught.value.message
    assert (caught.value.where or "").startswith(where or "")
    assert (fix or "") in (caught.value.fix or "")
    assert ("quotes" in (caught.value.fix or "")) == (fix in ("quotes", r"'\d+'"))


def test_yaml_anchors_can_be_shared(load):
    catalogue = load("""
        - &first {kind: keyword, name: a, any_of: [x], label: other, owner: ann}
        - {<<: *first, name: b, label: complaint}
    """)
    assert [(lf.name, lf.label, lf.owner, lf.any_of) for lf in catalogue] == [
        ("a", 0, "ann", ("x",)),
        ("b", 1, "ann", ("x",)),
    ]


@pytest.mark.parametrize("text", ["- &a {kind: keyword, name: a, any_of: [*a], label: 1}", "- {kind: [a], name: a}"])
def test_odd_structures(load, text):
    with pytest.raises(CatalogueError, match=r"a stands within what it repeats|no kind \['a'\]"):
        load(text)


def test_files_that_cannot_be_read(load, tmp_path):
    with pytest.raises(CatalogueError, match=r"no file fits 'nowhere/\*.yaml'"):
        load(GOOD, "nowhere/*.yaml")
    with pytest.raises(CatalogueError, match="no file fits '/etc/hosts'"):
        load(GOOD, "/etc/hosts")
    for pattern in ("", "a**b"):
        with pytest.raises(CatalogueError, match="no file fits"):
            load(GOOD, pattern)
    with pytest.raises(CatalogueError, match="not UTF-8"):
        load(GOOD.replace("a,", "ä,"), encoding="latin-1")


def test_modules_and_files_share_one_space_of_names(tmp_path):
    (tmp_path / "lfs.yaml").write_text(GOOD)
    (tmp_path / "some_lfs.py").write_text(
        "from beambell.labeling import length\n\nx = length('b', max=3, label=0)\n\nlf = length('a', max=3, label=0)\n"
    )
    with pytest.raises(CatalogueError, match=r"named 'a', at some_lfs\.py:5 and lfs\.yaml:1"):
        Catalogue.load(["some_lfs"], files=["lfs.yaml"], classes=CLASSES, root=tmp_path)
    (tmp_path / "lfs.yaml").write_text(GOOD.replace("a,", "c,"))
    catalogue = Catalogue.load(["some_lfs"], files=["lfs.yaml"], classes=CLASSES, root=tmp_path)
    assert catalogue.places == {"a": "some_lfs.py:5", "b": "some_lfs.py:3", "c": "lfs.yaml:1"}


def test_params_need_modules_or_files(tmp_path):
    from beambell.config import load_params

    text = "project: p\nclasses: [a, b]\nstreams: {s: {inputs: [x]}}\nlfs: {}\n"
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ConfigError, match="name modules, files or both"):
        load_params(tmp_path)
    (tmp_path / "params.yaml").write_text(text.replace("{}", "{files: ['*.yaml']}"))
    assert load_params(tmp_path).lfs.files == ("*.yaml",)
