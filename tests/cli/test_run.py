"""`beambell run`: what one partition or one stage could not do stops nobody else, and is told at the end."""

from __future__ import annotations

import json
import shutil

import pytest
from projects import change_params, tree_bytes

from beambell import Project, __version__
from beambell.cli import app as commands
from beambell.cli import console, main
from beambell.errors import GateError, PartError, StorageError, TrainingError
from beambell.stages.order import STAGES
from beambell.stages.stage import Outcome, Plan, Refusal, Task
from beambell.store import Layout
from beambell.store.files import Files
from beambell.workshop.starter import start

NAMES = [stage.name for stage in STAGES]

REFUSED = "mails/2026-01-02"
"""The one of the starter's three partitions in which fewer than 75 % of the rows have a vote."""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """The starter project with candidate labels, not judged yet; not to be changed."""
    folder = tmp_path_factory.mktemp("run") / "p"
    start(folder)
    for stage in STAGES[: NAMES.index("validate")]:
        stage.refresh(Project(folder), Project(folder).select())
    return folder


@pytest.fixture
def project(labelled, tmp_path):
    return shutil.copytree(labelled, tmp_path / "p")


@pytest.fixture
def beambell(project, capsys):
    def call(*words):
        code = 0
        try:
            main([*words, "--project", str(project)])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


def learnt(folder):
    model = Project(folder).store.read(Layout.END_MODEL)
    return sorted(model.facts["labels"]) if model else []


def test_a_run_goes_on_with_what_the_gate_lets_pass(project, beambell):
    change_params(project, gate={"min_coverage": 0.75})
    code, out, err = beambell("run")
    assert code == 3
    assert REFUSED in err
    assert "0.7; it must be at least 0.75" in err
    assert learnt(project) == ["mails/2026-01-01", "mails/2026-01-03"]
    assert any(line.startswith("register") and "complaints@v1" in line for line in out.splitlines())

    before = tree_bytes(project / "data")
    assert beambell("run")[0] == 3
    assert tree_bytes(project / "data") == before

    code, out, _ = beambell("run", "--json")
    document = json.loads(out)
    assert (code, document["kind"], document["details"]["refused"]) == (3, "GateError", [REFUSED])
    ends = {outcome["stage"]: outcome["ended"] for outcome in document["outcomes"]}
    assert ends == {stage.name: "refused" if stage.name == "validate" else "done" for stage in STAGES}
    (failure,) = document["details"]["failures"][REFUSED]
    assert (failure["figure"], failure["threshold"]) == (0.7, 0.75)


def test_status_names_what_is_refused_and_plans_what_a_run_does(project, beambell):
    change_params(project, gate={"min_coverage": 0.75})
    beambell("validate")
    code, out, _ = beambell("status", "--json")
    plans = {plan["stage"]: plan for plan in json.loads(out)["plans"]}
    (refused,) = plans["validate"]["refused"]
    assert (code, refused["key"], plans["validate"]["tasks"]) == (0, REFUSED, [])
    assert "0.75" in refused["reason"]
    assert refused["judged"].endswith("Z")
    shown = beambell("status")[1]
    assert REFUSED in shown
    assert refused["judged"] in shown
    would = {stage for stage, plan in plans.items() if plan["tasks"]}
    document = json.loads(beambell("run", "--json")[1])
    assert {outcome["stage"] for outcome in document["outcomes"] if outcome["done"]} >= would == {"train"}


def test_labels_published_earlier_are_learnt_where_newer_ones_are_refused(project, beambell):
    assert beambell("validate")[0] == 0
    change_params(project, gate={"min_coverage": 0.75})
    assert beambell("run")[0] == 3
    assert REFUSED in learnt(project)
    change_params(project, gate={"min_coverage": 0.1})
    assert beambell("run")[0] == 0
    assert json.loads(beambell("status", "--json")[1])["plans"][NAMES.index("validate")]["refused"] == []


def test_all_refused_is_no_error_of_the_stages_after_the_gate(project, beambell):
    change_params(project, gate={"min_coverage": 0.99})
    code, _, err = beambell("run")
    assert code == 3
    assert "refuses 3 of the partitions" in err
    assert learnt(project) == []
    assert beambell("run", "--from", "2026-01-03", "--to", "2026-01-03")[0] == 3


def stages_that_raise(errors):
    """Stages that do nothing, but for those that raise."""

    class Fake:
        def __init__(self, name):
            self.name = name

        def plan(self, project, selection):
            return Plan(self.name)

        def run(self, project, plan):
            if self.name in errors:
                raise errors[self.name]
            return Outcome(self.name, 1)

    return tuple(Fake(stage.name) for stage in STAGES)


PART = {"done": 2, "current": 1, "figures": {"rows": 20}}


@pytest.mark.parametrize(
    ("errors", "code", "ended"),
    [
        ({"validate": GateError("no")}, 3, {"validate": "refused"}),
        ({"ingest": PartError("a stream has no file", details=PART)}, 1, {"ingest": "failed"}),
        (
            {"ingest": PartError("x"), "validate": GateError("no"), "apply": PartError("y")},
            1,
            {"ingest": "failed", "apply": "failed", "validate": "refused"},
        ),
        (
            {"validate": GateError("no"), "train": TrainingError("nothing left")},
            1,
            {"validate": "refused", "train": "failed"}
            | dict.fromkeys(("evaluate", "register", "promote", "predict"), "not run"),
        ),
        (
            {"merge": OSError(28, "No space left")},
            1,
            {"merge": "failed"} | dict.fromkeys(NAMES[NAMES.index("merge") + 1 :], "not run"),
        ),
        ({"ingest": StorageError("full")}, 1, {"ingest": "failed"} | dict.fromkeys(NAMES[1:], "not run")),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else None,
)
def test_a_stage_that_fails_wholly_stops_what_comes_after_it_and_one_that_fails_in_part_nobody(
    project, beambell, monkeypatch, errors, code, ended
):
    monkeypatch.setattr(commands, "STAGES", stages_that_raise(errors))
    got, out, err = beambell("run", "--json")
    document = json.loads(out)
    assert got == code
    assert {o["stage"]: o["ended"] for o in document["outcomes"] if o["ended"] != "done"} == ended
    assert len(document["outcomes"]) == len(STAGES)
    for error in errors.values():
        assert getattr(error, "message", "the disk is full") in err
    assert beambell("run")[0] == code


def test_what_a_stage_did_before_it_failed_in_part_is_told(beambell, monkeypatch):
    monkeypatch.setattr(commands, "STAGES", stages_that_raise({"ingest": PartError("a file is gone", details=PART)}))
    first = json.loads(beambell("run", "--json")[1])["outcomes"][0]
    assert (first["done"], first["current"], first["figures"], first["error"]["error"]) == (
        2,
        1,
        {"rows": 20},
        "a file is gone",
    )
    assert "rows 20" in beambell("run")[1]


# -- what people read ----------------------------------------------------------------------------------------------


def test_a_run_with_nothing_to_do_says_so_in_one_line(project, beambell):
    beambell("run")
    (line,) = beambell("run")[1].splitlines()
    assert line.startswith("nothing to do in ingest, ")
    assert len(beambell("merge")[1].splitlines()) == 1  # a stage of its own tells its figures
    change_params(project, model={"C": 3.0})
    lines = beambell("run")[1].splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["train", "register"]
    assert lines[-1].startswith("nothing to do in ")


def test_a_decision_that_holds_is_told_though_nothing_was_done(beambell):
    beambell("run")
    beambell("models", "promote", "--by", "ann", "--reason", "first", "--override")
    assert any(line.startswith("promote ") and "ann" in line for line in beambell("run")[1].splitlines())


def test_the_version_and_the_commands_in_order_of_use(capsys):
    shown = {}
    for word in ("--version", "--help"):
        with pytest.raises(SystemExit) as stop:
            main([word])
        assert stop.value.code == 0
        shown[word] = capsys.readouterr().out
    assert shown["--version"] == f"beambell {__version__}\n"
    commands = shown["--help"].split("Commands:")[1].splitlines()
    listed = [line.split()[0] for line in commands if line.startswith("  ") and line[2] != " "]
    stages = [stage.name for stage in STAGES if stage.name != "feedback"]
    assert listed[:3] == ["init", "run", "status"]
    assert [name for name in listed if name in stages] == stages
    assert listed.index("promote") < listed.index("verify") < listed.index("demo")


LONG = "a_labeling_function_whose_name_is_as_long_as_names_may_be"


@pytest.mark.parametrize("columns", [None, 40, 80], ids=["a file", "40 columns", "80 columns"])
def test_no_name_and_no_label_is_cut(project, beambell, columns, monkeypatch):
    classes = ["other", "Beschwerde über eine Lieferung, die niemals ankam"]
    (project / "labeling_functions" / "mails.py").write_text(
        f"from beambell.labeling import keyword\n{LONG} = keyword({LONG!r}, any_of=['late'], label=1)\n"
    )
    change_params(project, classes=classes)
    if columns:
        monkeypatch.setattr(console, "FILE_WIDTH", columns)
    code, out, err = beambell("lf", "list")
    assert code == 0, err
    assert "…" not in out
    if columns is None:
        assert LONG in out
        assert classes[1] in out
    else:  # what is folded goes on in the lines below, column by column
        assert all(out.count(letter) >= (LONG + classes[1]).count(letter) for letter in "abfgnüw")


def test_work_on_a_terminal_shows_how_far_it_is():
    seen = []
    with console._counted("apply", seen.append) as announce:  # what a spinner shows
        announce(3)
        for name in ("votes/a/votes-1.parquet", "votes/a/manifest.json", "votes/b/manifest.json"):
            Files.observer("publish", name)
    assert seen == ["apply 0 of 3 ...", "apply 1 of 3 ...", "apply 2 of 3 ..."]
    assert Files.observer is None


def test_lists_of_a_plan_are_bounded(capsys):
    waiting = tuple(Task(f"mails/2026-{n:04}", "waits") for n in range(500))
    tasks = tuple(Task(f"mails/2025-{n:04}", "new") for n in range(500))
    refused = tuple(Refusal(f"mails/2024-{n:04}", "0.1 < 0.3", "2026-01-01T00:00:00Z") for n in range(500))
    console.Console(as_json=False).plan(Plan("apply", tasks, 0, waiting, refused=refused))
    out = capsys.readouterr().out
    assert len(out) < 3000
    assert out.count("495 more") == 3
    assert out.count("500") == 3
