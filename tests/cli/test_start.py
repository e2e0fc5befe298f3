"""The first steps of somebody new, as typed: a project from nothing, and its first labeling function."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml
from projects import REPOSITORY, change_params, write_params

from beambell import Project
from beambell.cli import main


@pytest.fixture
def beambell(capsys):
    """Run a command in this process; gives exit code, stdout and stderr."""

    def beambell(*words):
        code = 0
        try:
            main(words)
        except SystemExit as exit_:
            code = exit_.code or 0
        return code, *capsys.readouterr()

    return beambell


@pytest.fixture
def bare(tmp_path):
    """Make a project of which there is nothing but its parameters."""

    def bare(*modules):
        params = {"project": "p", "classes": ["a", "b"], "streams": {"s": {"inputs": ["raw/*.csv"]}}}
        write_params(tmp_path, {**params, "lfs": {"modules": list(modules)}})
        return tmp_path

    return bare


@pytest.mark.parametrize(
    ("module", "made"),
    [
        ("my_lfs", ["my_lfs.py"]),
        ("labeling_functions.spam", ["labeling_functions/__init__.py", "labeling_functions/spam.py"]),
        ("teams.one.lfs", ["teams/__init__.py", "teams/one/__init__.py", "teams/one/lfs.py"]),
    ],
)
def test_the_first_labeling_function_makes_its_module(beambell, bare, module, made):
    folder = bare(module)
    code, out, err = beambell("lf", "new", "refund", "--kind", "keyword", "--project", str(folder), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["made"] == made
    assert json.loads(out)["place"] == f"{made[-1]}:6"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py")) == sorted(made)
    assert Project(folder).catalogue.names == ("refund",)
    code, out, _ = beambell("lf", "new", "thanks", "--kind", "python", "--project", str(folder))
    assert (code, "made" in out) == (0, False)
    assert Project(folder).catalogue.names == ("refund", "thanks")


def test_a_glob_that_fits_no_file_is_told_and_nothing_is_made(beambell, bare):
    folder = bare("labeling_functions.mine")
    change_params(folder, lfs={"files": ["labeling_functions/*.yaml"]})
    code, _, err = beambell("lf", "new", "refund", "--kind", "keyword", "--project", str(folder))
    assert code == 1
    assert "make such a file, or take the pattern off lfs: files" in err
    assert not (folder / "labeling_functions").exists()


def test_a_folder_that_is_there_becomes_the_package(beambell, bare):
    folder = bare("lfs.mails")
    (folder / "lfs").mkdir()
    assert beambell("lf", "new", "refund", "--kind", "keyword", "--project", str(folder))[0] == 0
    assert Project(folder).catalogue.places == {"refund": "lfs/mails.py:6"}


def test_a_module_without_any_gets_its_first(beambell, bare):
    folder = bare("my_lfs")
    (folder / "my_lfs.py").write_text("HAM, B = 0, 1\n")
    code, out, _ = beambell("lf", "new", "refund", "--kind", "keyword", "--project", str(folder))
    assert code == 0
    assert "label=B" in out


@pytest.mark.parametrize(
    ("modules", "name", "message"),
    [
        (["pkg.lfs", "nowhere_at_all"], "refund", "No module named 'nowhere_at_all'"),
        (["pkg.lfs"], "keyword", "uses the name 'keyword' already"),
        (["pkg..lfs"], "refund", "'pkg..lfs' cannot be a module"),
        (["snorkel.labeling"], "refund", "belongs to an installed package"),
    ],
)
def test_what_fails_leaves_nothing_behind(beambell, bare, modules, name, message):
    folder = bare(*modules)
    if name == "keyword":
        (folder / "pkg").mkdir()
        (folder / "pkg" / "lfs.py").write_text("from beambell.labeling import keyword\n")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, _, err = beambell("lf", "new", name, "--kind", "keyword", "--project", str(folder))
    assert code != 0
    assert message in err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert (folder / "pkg").exists() == (name == "keyword")


def test_where_there_is_no_labeling_function_yet_the_way_to_the_first_is_named(beambell, bare):
    folder = bare("my_lfs")
    code, _, err = beambell("lf", "list", "--project", str(folder))
    assert (code, "No module named 'my_lfs'" in err, "beambell lf new NAME" in err) == (1, True, True)
    (folder / "my_lfs.py").write_text("")
    code, _, err = beambell("lf", "list", "--project", str(folder))
    assert (code, "no labeling functions in my_lfs" in err, "beambell lf new NAME" in err) == (1, True, True)


STARTED = [
    "params.yaml",
    "labeling_functions/__init__.py",
    "labeling_functions/mails.py",
    "data/raw/mails/2026-01-03.csv",
]
AROUND = [
    "README.md",
    ".gitignore",
    ".dvcignore",
    ".pre-commit-config.yaml",
    ".github/workflows/labeling-functions.yml",
    "tests/test_labeling_functions.py",
    "dvc.yaml",
]


def test_from_nothing_to_labels_and_a_labeling_function_of_ones_own(beambell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = beambell("init", "shop")
    assert (code, err) == (0, "")
    for shown in (*(f"made shop/{file}" for file in [*STARTED, *AROUND]), "cd shop", "beambell run", "beambell lf new"):
        assert shown in out
    monkeypatch.chdir(tmp_path / "shop")
    assert beambell("run")[0] == 0
    labels = [label for day in (1, 2, 3) for label in Project().labels("mails", f"2026-01-0{day}")["label"]]
    assert len(labels) == 30
    assert {0, 1} <= set(labels)
    assert beambell("lf", "new", "refund", "--kind", "keyword")[0] == 0
    module = tmp_path / "shop" / "labeling_functions" / "mails.py"
    module.write_text(module.read_text().replace('["a word", "or a phrase"]', '["refund", "money back"]'))
    code, out, _ = beambell("lf", "test", "refund", "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 30
    code, out, _ = beambell("run", "--json")
    assert code == 0
    outcomes = {outcome["stage"]: outcome for outcome in json.loads(out)["outcomes"]}
    assert [outcomes[stage]["done"] for stage in ("ingest", "apply", "label")] == [0, 3, 3]
    assert outcomes["apply"]["figures"]["dead_letters"] == 0
    assert Project().votes("mails", "2026-01-01")["refund"].max() == 1
    checked = [sys.executable, "-m", "ruff", "check", "--select=F,E,B,I", "--config", REPOSITORY / "pyproject.toml"]
    subprocess.run([*checked, module], check=True, capture_output=True)


def test_a_project_is_started_here_and_named_after_the_folder(beambell, tmp_path, monkeypatch):
    for folder, name in (("2026", "2026"), ("No", "no"), ("Größe (neu)", "gr-e-neu"), ("_", "starter")):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        code, out, _ = beambell("init", "--json")
        assert code == 0
        made = json.loads(out)
        assert (made["project"], made["files"], made["next"][0]) == (name, [*STARTED, *AROUND], "beambell run")
        assert Project().params.project == name
        assert Project().catalogue.names == ("asks", "broken")
    label_model = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["label_model"]
    assert Project().params.label_model.model_dump() == label_model


@pytest.mark.parametrize("file", STARTED)
def test_what_is_there_is_not_overwritten(beambell, tmp_path, file):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    code, _, err = beambell("init", str(tmp_path))
    assert code == 2
    assert f"{file} would be overwritten" in err
    assert [one.read_text() for one in tmp_path.rglob("*") if one.is_file()] == ["mine"]
    code, _, err = beambell("init", str(path))
    assert (code, "this is a file" in err) == (2, True)


@pytest.mark.parametrize("file", AROUND)
def test_what_lies_around_a_project_is_left_alone(beambell, tmp_path, file):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    code, out, _ = beambell("init", str(tmp_path), "--json")
    assert (code, json.loads(out)["kept"], path.read_text()) == (0, [file], "mine")


def test_all_labeling_functions_are_tried_at_once(beambell, tmp_path):
    beambell("init", str(tmp_path))
    code, out, _ = beambell("lf", "test", "--project", str(tmp_path))
    assert (code, out) == (0, "2 labeling functions load; there are no rows yet\n")
    beambell("ingest", "--project", str(tmp_path))
    code, out, _ = beambell("lf", "test", "--project", str(tmp_path))
    assert (code, out.count("of 30 rows, fails on 0")) == (0, 2)
    with (tmp_path / "labeling_functions/mails.py").open("a") as module:
        module.write("\n\n@labeling_function(fields=('text',), label=OTHER)\ndef fails(row):\n    return row.gone\n")
    code, _, err = beambell("lf", "test", "--project", str(tmp_path))
    assert (code, "'fails'" in err) == (1, True)


@pytest.mark.parametrize("words", [["generate"], ["status"], ["lf", "list"]])
def test_without_a_project_the_way_to_one_is_named(beambell, tmp_path, words):
    code, _, err = beambell(*words, "--project", str(tmp_path))
    assert code == 2
    assert "there is no params.yaml here" in err
    assert "beambell init" in err


def test_the_demo_s_streams_are_not_generated_where_nobody_reads_them(beambell, tmp_path):
    beambell("init", str(tmp_path))
    for command in ("demo", "generate"):
        code, _, err = beambell(command, "--project", str(tmp_path))
        assert code == 2
        assert "names no stream 'comments'" in err
    assert [path.name for path in (tmp_path / "data" / "raw").iterdir()] == ["mails"]
