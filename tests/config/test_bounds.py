"""Small documents that unfold or nest without end, and values that YAML reads as what they are not."""

from __future__ import annotations

import resource

import pytest

from beambell.config import load_params
from beambell.config.bounds import DEEPEST, check_yaml
from beambell.errors import CatalogueError, ConfigError
from beambell.labeling.yaml_files import read_lfs

GOOD = """\
project: tiny
classes: [ham, spam]
lfs: {modules: [mine]}
streams:
  comments: &c
    inputs: ["raw/{dt}.csv"]
"""


def laughs(levels: int, width: int = 10) -> str:
    lines = ["a0: &a0 [lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def merges(levels: int) -> str:
    lines = ["m0: &m0 {k: v, l: w}"]
    lines += [f"m{n}: &m{n} {{x: *m{n - 1}, y: *m{n - 1}, z: *m{n - 1}}}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


DEEP = {
    "lists": "[" * 100_000,
    "closed lists": "[" * 60_000 + "]" * 60_000,
    "sections": "{a: " * 100_000,
    "blocks": "".join(f"{' ' * n}a:\n" for n in range(2_000)),
    "dashes": "- " * 50_000 + "x\n",
    "keys": "? " * 50_000 + "x\n",
}
WIDE = {"laughs": laughs(12), "many laughs": laughs(30), "sections": merges(20), "wide": laughs(3, width=20_000)}
ENDLESS = {"list": "a: &a [*a]\n", "section": "a: &a {b: {c: *a}}\n", "key": "a: &a {? *a : 1}\n"}


def read_params(folder, text: str) -> None:
    (folder / "params.yaml").write_text(text)
    load_params(folder)


def read_yaml_lfs(folder, text: str) -> None:
    (folder / "params.yaml").write_text(text)
    read_lfs(folder / "params.yaml", "params.yaml", ("ham", "spam"))


@pytest.mark.parametrize("read", [read_params, read_yaml_lfs])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        *((text, f"more than {DEEPEST} levels of nesting") for text in DEEP.values()),
        *((text, "repeat more than 100,000 values") for text in WIDE.values()),
        *((text, "stands within what it repeats") for text in ENDLESS.values()),
    ],
    ids=[*DEEP, *(f"wide {name}" for name in WIDE), *(f"endless {name}" for name in ENDLESS)],
)
def test_a_document_without_end_is_refused_with_its_line(tmp_path, read, text: str, problem: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((ConfigError, CatalogueError), match=rf"params.yaml:\d+: .*{problem}"):
        read(tmp_path, text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


def test_what_people_repeat_may_be_repeated(tmp_path) -> None:
    text = GOOD + "  tickets: {<<: *c, grain: hour}\n  mails: *c\n"
    (tmp_path / "params.yaml").write_text(text)
    params = load_params(tmp_path)
    assert params.streams["tickets"].grain == "hour"
    assert params.streams["mails"] == params.streams["comments"]
    check_yaml("".join(f"- {{kind: keyword, any_of: [w{n}, v{n}]}}\n" for n in range(50_000)))  # long, and not deep
    check_yaml("words: &w [" + ", ".join(f"w{n}" for n in range(5_000)) + "]\nagain: [*w, *w, *w]\n")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1" * 5_000, "int"),
        ("2026-13-45", "timestamp"),
        ("2026-02-30 10:00:00", "timestamp"),
        ("!!int ''", "int"),
        ("!!int x", "int"),
        ("!!float x", "float"),
        ("!!bool perhaps", "bool"),
        ("!!timestamp soon", "timestamp"),
    ],
)
@pytest.mark.parametrize("line", ["gate: {{min_coverage: {}}}", "label_model: {{options: {{x: [1, {}]}}}}"])
def test_a_value_that_is_none_of_its_kind_is_named_with_its_line(tmp_path, line: str, value: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"params.yaml:7: not valid YAML: '.{{0,60}}(\.\.\.)?' is no {kind}"):
        read_params(tmp_path, GOOD + line.format(value) + "\n")
    entry = f"- kind: numeric\n  name: a\n  above: {value}\n  field: x\n  label: 1\n"
    with pytest.raises(CatalogueError, match=r"params.yaml:3.*above"):
        read_yaml_lfs(tmp_path, entry)


@pytest.mark.parametrize("make", ["directory", "no file", "binary", "empty", "nul"])
def test_what_is_no_document_is_said(tmp_path, make: str) -> None:
    path = tmp_path / "params.yaml"
    {
        "directory": path.mkdir,
        "no file": lambda: None,
        "binary": lambda: path.write_bytes(bytes(range(256))),
        "empty": lambda: path.write_text(""),
        "nul": lambda: path.write_text("project: a\0b\n"),
    }[make]()
    with pytest.raises(ConfigError, match=r"params\.yaml"):
        load_params(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("BEAMBELL__BEAM__OPTIONS", "[" * 100_000, "levels of nesting"),
        ("BEAMBELL__LABEL_MODEL__OPTIONS", '{"a":' * 100_000, "levels of nesting"),
        ("BEAMBELL__BEAM__OPTIONS", "--x=1", "not JSON"),
        ("BEAMBELL__CLASSES", "ham,spam", "not JSON"),
        ("BEAMBELL__STREAMS", '{"c":', "not JSON"),
        ("BEAMBELL__BEEM__WORKERS", "3", "did you mean BEAMBELL__BEAM"),
        ("BEAMBELL__BEAM__WORKRES", "3", "did you mean 'workers'"),
        ("BEAMBELL__BEAM__WORKERS", "many", "valid integer"),
        ("BEAMBELL__GATE__MIN_COVERAGE", "2", "less than or equal to 1"),
        ("BEAMBELL__LFS", "5", "should be a section"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path, monkeypatch, name: str, value: str, words: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=words) as caught:
        read_params(tmp_path, GOOD)
    assert f"the environment variable {name}" in str(caught.value)
