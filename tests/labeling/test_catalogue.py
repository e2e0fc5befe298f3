"""The catalogue: every labeling function of a project, or a clear word on why not."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent
from types import ModuleType

import pytest
from projects import REPOSITORY

from beambell.errors import CatalogueError, UsageError
from beambell.labeling import Catalogue, keyword

HEADER = "from beambell.labeling import ABSTAIN, keyword, labeling_function, regex\n"


@pytest.fixture(autouse=True)
def _clean_imports():
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in ("lfs", "pkg", "helpers", "more"):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    def write(root="project", **files):
        for name, text in files.items():
            path = tmp_path / root / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(HEADER + dedent(text))
        return tmp_path / root

    return write


def test_finds_all_kinds_of_objects_sorted_by_name(write):
    pytest.importorskip("snorkel")
    root = write(
        lfs="""
        from snorkel.labeling import labeling_function as snorkel_lf

        zulu = keyword("zulu", any_of=["z"], label=1)
        also_zulu = zulu
        several = [regex(f"r{n}", pattern=str(n), label=0) for n in range(2)]
        pair = (keyword("pair", any_of=["p"], label=1), "not one")

        @labeling_function()
        def alpha(row):
            return ABSTAIN

        @snorkel_lf()
        def mike(x):
            return 1
        """,
        more="from lfs import zulu\nbravo = keyword('bravo', any_of=['b'], label=0)",
    )
    catalogue = Catalogue.load(["lfs", "more"], root=root)
    assert catalogue.names == ("alpha", "bravo", "mike", "pair", "r0", "r1", "zulu")
    assert [lf.name for lf in catalogue] == [lf.name for lf in catalogue.lfs] == list(catalogue.names)
    assert tuple(catalogue.fingerprints) == catalogue.names
    assert len(catalogue) == 7
    assert "mike" in catalogue
    assert catalogue["mike"].vote({}) == 1
    assert "def alpha(row)" in catalogue.source("alpha")
    with pytest.raises(UsageError, match="did you mean alpha"):
        catalogue["alpah"]


def test_order_of_modules_does_not_matter(write):
    root = write(lfs="b = keyword('b', any_of=['b'], label=0)", more="a = keyword('a', any_of=['b'], label=0)")
    one, other = (Catalogue.load(names, root=root) for names in (["lfs", "more"], ["more", "lfs"]))
    assert list(one.fingerprints.items()) == list(other.fingerprints.items())


def test_two_of_one_name_are_refused(write):
    text = "lf = keyword('same', any_of=['x'], label=1)"
    with pytest.raises(CatalogueError, match=r"named 'same', at lfs\.py:2 and more\.py:2"):
        Catalogue.load(["lfs", "more"], root=write(lfs=text, more=text))
    with pytest.raises(CatalogueError, match="share a name: k"):
        Catalogue([keyword("k", any_of=["x"], label=1), keyword("k", any_of=["y"], label=1)])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("@labeling_function()\ndef bad(row):\n    return 1\n" * 2, (3, 6)),
        ("import beambell.labeling as b\n" + "@b.batch_labeling_function\ndef bad(t):\n    return []\n" * 2, (4, 7)),
        ("bad = keyword('bad', any_of=['x'], label=1)\n" * 2, (2, 3)),
        ("bad = keyword('one', any_of=['x'], label=1)\nbad: object = regex('two', pattern='x', label=0)", (2, 3)),
        ("_a = regex('a', pattern='x', label=0)\n" + "bad = (~_a).named('bad', label=1)\n" * 2, (3, 4)),
        ("import snorkel.labeling as s\n" + "@s.labeling_function()\ndef bad(x):\n    return 1\n" * 2, (4, 7)),
        ("bad = keyword('b', any_of=['x'], label=1)\n@labeling_function()\ndef bad(row):\n    return 1", (2, 4)),
    ],
)
def test_one_that_another_of_its_name_would_replace_is_refused(write, text, lines):
    pytest.importorskip("snorkel.labeling")
    with pytest.raises(CatalogueError) as caught:
        Catalogue.load(["lfs"], root=write(lfs=text))
    first, second = lines
    assert f"`bad` is defined twice, at lfs.py:{first} and lfs.py:{second}" in caught.value.message
    assert (caught.value.where, caught.value.fix) == (f"lfs.py:{second}", "rename one of them, or take one out")


def test_a_name_that_is_given_again_on_purpose_is_fine(write):
    root = write(
        lfs="""
        import re

        x = keyword("x", any_of=["x"], label=1)
        x = x.named("y", label=0)

        LFS = []
        lf = regex("r0", pattern="0", label=0)
        LFS.append(lf)
        lf = regex("r1", pattern="1", label=0)
        LFS.append(lf)

        words = re.compile("a")
        words = re.compile("b")

        if words.pattern == "b":
            either = keyword("either", any_of=["x"], label=1)
        else:
            either = keyword("or", any_of=["x"], label=1)

        for n in range(2):
            each = keyword(f"each_{n}", any_of=["x"], label=1)

        def plain(row):
            return x

        plain = labeling_function()(plain)

        gone = keyword("gone", any_of=["x"], label=1)
        del gone
        gone = keyword("come_back", any_of=["x"], label=1)
        _part = keyword("part", any_of=["x"], label=1)
        _part = keyword("part", any_of=["y"], label=1)

        @labeling_function()
        def local(row):
            either = 1
            return either
        """
    )
    catalogue = Catalogue.load(["lfs"], root=root)
    assert catalogue.names == ("come_back", "each_1", "either", "local", "plain", "r0", "r1", "y")
    assert catalogue.places["either"] == "lfs.py:20"


def test_a_condition_without_a_name_is_refused(write):
    parts = "ok = keyword('ok', any_of=['x'], label=1)\n_a = keyword('a', any_of=['y'], label=1)\n"
    for text, message in (("pushy = ok & ~_a", "`pushy` is a"), ("pushy = [ok, ok | _a]", "`pushy` holds a")):
        with pytest.raises(CatalogueError, match=f"{message} condition without a name") as caught:
            Catalogue.load(["lfs"], root=write(lfs=parts + text))
        assert caught.value.where == "lfs.py:4"
        assert 'call .named("pushy", label=...)' in (caught.value.fix or "")
        assert "underscore: _pushy" in (caught.value.fix or "")
    both = "_unused = ok | _a\npart = ok & ~_a\npushy = part.named('pushy', label=1)\n"
    root = write(lfs=parts + both + "from helpers import not_ok", helpers=parts + "not_ok = ~ok")
    assert Catalogue.load(["lfs"], root=root).names == ("ok", "pushy")


def test_none_at_all_is_refused(write):
    with pytest.raises(CatalogueError, match="no labeling functions in lfs"):
        Catalogue.load(["lfs"], root=write(lfs="x = 1"))
    with pytest.raises(CatalogueError, match="no labeling functions"):
        Catalogue([])


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("x = 1\nimport helpers\n", "helpers.py:3", "ZeroDivisionError: division by zero"),
        ("def f(:\n", "lfs.py:2", "SyntaxError"),
        ("x = 1\nimport nowhere_at_all\n", "lfs.py:3", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("import sys\nsys.exit(3)\n", "lfs.py:3", "SystemExit: 3"),
    ],
)
def test_an_import_that_fails_names_file_and_line(write, text, place, message):
    root = write(lfs=text, helpers="\n1 / 0\n")
    with pytest.raises(CatalogueError) as caught:
        Catalogue.load(["lfs"], root=root)
    assert caught.value.where == place
    assert message in caught.value.message
    assert caught.value.fix


def test_what_we_refuse_ourselves_is_said_as_it_is_with_its_place(write):
    helpers = "def make(word):\n    return regex('bad',\n        pattern=word,\n        label=0)\n"
    root = write(lfs="from helpers import make\n\nbad = make('(a')\n", helpers=helpers)
    with pytest.raises(CatalogueError) as caught:
        Catalogue.load(["lfs"], root=root)
    assert caught.value.where == "helpers.py:3, labeling function 'bad'"
    assert caught.value.message.startswith("pattern: '(a' is not a regular expression")
    assert "needs a backslash" in (caught.value.fix or "")


def test_an_object_that_cannot_be_adopted_has_its_place(write):
    pytest.importorskip("snorkel")
    text = "from snorkel.labeling import LabelingFunction\n\nbad = LabelingFunction('a-b', lambda x: 1)"
    with pytest.raises(CatalogueError, match="the name must be letters") as caught:
        Catalogue.load(["lfs"], root=write(lfs=text))
    assert caught.value.where == "lfs.py:4, labeling function 'a-b'"


def test_a_module_that_does_not_exist(write):
    with pytest.raises(CatalogueError, match="No module named 'more'"):
        Catalogue.load(["more"], root=write(lfs=""))


def test_an_edit_is_seen_even_within_one_second_and_of_equal_length(write):
    for n in (0, 1, 0):
        text = f"import helpers\n@labeling_function()\ndef lf(row):\n    return helpers.N + {n}"
        root = write(lfs=text, helpers=f"N = {n}")
        assert Catalogue.load(["lfs"], root=root)["lf"].vote({}) == 2 * n
    assert not list(root.rglob("*.pyc"))


@pytest.fixture
def installed(write, monkeypatch):
    """Packages that are installed elsewhere: `pkg`, with an `__init__.py`, and one that a team shares."""
    text = "lf = keyword('of_others', any_of=['x'], label=1)"
    there = write(root="site", **{"pkg.__init__": "", "pkg.lfs": text, "more.__init__": "", "more.lfs": text})
    monkeypatch.syspath_prepend(str(there))


def test_a_folder_without_init_wins_over_an_installed_package(write, installed):
    text = "from pkg.sub import helpers\nlf = keyword('own', any_of=['x'], label=helpers.N)"
    roots = [write(root=f"p{n}", **{"pkg.lfs": text, "pkg.sub.helpers": f"N = {n}"}) for n in (0, 1)]
    for n, root in enumerate(roots):
        catalogue = Catalogue.load(["pkg.lfs"], root=root)
        assert catalogue.places == {"own": "pkg/lfs.py:3"}
        assert catalogue["own"].label == n
    with pytest.raises(CatalogueError, match="no labeling functions in pkg"):
        Catalogue.load(["pkg"], root=roots[0])


def test_a_folder_that_lacks_the_module_is_not_filled_up_from_elsewhere(write, installed):
    root = write(other="")
    (root / "pkg").mkdir()
    with pytest.raises(CatalogueError, match=r"No module named 'pkg\.lfs'"):
        Catalogue.load(["pkg.lfs"], root=root)


def test_what_is_not_in_the_project_comes_from_elsewhere(write, installed):
    assert Catalogue.load(["more.lfs"], root=write(other="")).names == ("of_others",)


def test_a_folder_of_data_does_not_hide_a_library(write, installed):
    root = write(lfs="from more.lfs import lf")
    (root / "more").mkdir()
    (root / "more" / "rows.csv").write_text("a,b\n")
    assert Catalogue.load(["lfs"], root=root).names == ("of_others",)


def test_projects_do_not_see_each_others_modules(write):
    text = "from pkg import helpers\n@labeling_function()\ndef lf(row):\n    return helpers.N"
    roots = [write(root=f"p{n}", **{"pkg.__init__": "", "pkg.lfs": text, "pkg.helpers": f"N = {n}"}) for n in (0, 1)]
    first = Catalogue.load(["pkg.lfs"], root=roots[0])
    second = Catalogue.load(["pkg.lfs"], root=roots[1])
    assert (first["lf"].vote({}), second["lf"].vote({})) == (0, 1)
    assert first.fingerprints != second.fingerprints
    assert str(roots[0]) not in sys.path
    assert Catalogue.load(["pkg.lfs"], root=roots[0]).fingerprints == first.fingerprints
    assert sys.path[0] == str(roots[0])


def test_all_of_an_earlier_project_is_forgotten_and_nothing_else(write, monkeypatch):
    text = """
        import sys, pkg.deep.words, replaced
        sys.modules["alias"] = pkg.deep.words
        lf = keyword("k", any_of=[pkg.deep.words.WORD], label=1)
    """
    pkg = {"pkg.__init__": "", "pkg.deep.__init__": "", "pkg.deep.words": "WORD = 'free'"}
    one = write(root="one", lfs=text, replaced="", **pkg)
    two = write(root="two", more="lf = keyword('m', any_of=['x'], label=1)")
    theirs = {"lfs", "pkg", "pkg.deep", "pkg.deep.words", "replaced", "alias"}
    Catalogue.load(["lfs"], root=one)
    assert theirs <= {*sys.modules}
    monkeypatch.setitem(sys.modules, "replaced", ModuleType("replaced"))  # is not the project's any more
    Catalogue.load(["more"], root=two)
    assert theirs & {*sys.modules} == {"replaced"}


def test_files_are_found_from_the_root(write):
    root = write(lfs="from beambell.labeling import lookup\nlf = lookup('lf', field='text', file='v.txt', label=1)")
    (root / "v.txt").write_text("yes\n")
    assert Catalogue.load(["lfs"], root=root)["lf"].vote({"text": "yes"}) == 1


def test_our_own_package_is_never_reloaded(write):
    import beambell.labeling.core as before

    Catalogue.load(["lfs"], root=write(lfs="lf = keyword('k', any_of=['x'], label=1)"))
    assert sys.modules["beambell.labeling.core"] is before


def test_a_clone_that_was_opened_as_a_project_stays_importable(tmp_path):
    """BeamBell itself comes from there: processes that vote for the next project import it."""
    code = f"""
import sys
from pathlib import Path

import beambell
from beambell.labeling import Catalogue

ours = str(Path(beambell.__file__).parents[1])
(Path({str(tmp_path)!r}) / "mine.py").write_text(
    "from beambell.labeling import keyword\\nfree = keyword('free', any_of=['free'], label=1)\\n"
)
Catalogue.load(["labeling_functions.spam"], root=Path(ours))
for _ in range(2):
    Catalogue.load(["mine"], root=Path({str(tmp_path)!r}))
    assert ours in sys.path
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
