"""The command, as a process: exit codes, JSON, speed of what must be quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from projects import change_params, run_stages, small_project

from beambell import Project
from beambell.stages.order import STAGES
from beambell.store import Layout


def beambell(*words: str, cwd=None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "beambell", *words]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = small_project(tmp_path_factory.mktemp("cli"), label_model={"kind": "majority"})
    run_stages(folder, "ingest", "apply", "screen", "merge", "fit", "label", "validate")
    return folder


def test_help_lists_every_stage_and_imports_nothing_heavy():
    answer = beambell("--help")
    assert answer.returncode == 0
    for stage in (*(stage.name for stage in STAGES), "run", "status", "demo", "lf", "models"):
        assert stage in answer.stdout
    code = (
        "import sys; from beambell.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted(set(sys.modules) & {'numpy','pyarrow','pandas','apache_beam','pydantic',"
        "'great_expectations','torch','sklearn','snorkel','yaml','dvc'}))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"


def test_raw_files_are_generated_until_a_day(tmp_path):
    folder = small_project(tmp_path, days=1, scale=0.01)
    answer = beambell("generate", "--until", "2026-01-03", "--project", str(folder))
    assert answer.returncode == 0, answer.stderr
    days = sorted(path.name.partition(".")[0] for path in (folder / "data" / "raw" / "comments").iterdir())
    assert days == ["2026-01-01", "2026-01-02", "2026-01-03"]
    for impossible in ("2025-12-31", "someday"):
        assert beambell("generate", "--until", impossible, "--project", str(folder)).returncode == 2


def test_a_run_without_work_imports_nothing_heavy(project):
    code = (
        f"import sys; from beambell.cli import main\n"
        f"try: main(['run', '--dry-run', '--project', {str(project)!r}])\n"
        "except SystemExit: print(sorted(set(sys.modules) & "
        "{'apache_beam', 'great_expectations', 'torch', 'snorkel', 'dvc', 'sklearn', 'pandas'}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_status_says_what_and_why_as_json(project):
    answer = beambell("status", "--json", "--project", str(project))
    plans = {plan["stage"]: plan for plan in json.loads(answer.stdout)["plans"]}
    assert [plan for plan in plans if plans[plan]["tasks"]] == ["train"]
    assert plans["train"]["tasks"] == [{"key": "end model", "reason": "new"}]
    assert plans["apply"]["current"] == 6


def test_a_dry_run_changes_nothing(project):
    before = sorted(path for path in (project / "data").rglob("*"))
    answer = beambell("train", "--dry-run", "--project", str(project))
    assert "end model: new" in answer.stdout
    assert sorted(path for path in (project / "data").rglob("*")) == before


def test_lists_are_json(project):
    lfs = json.loads(beambell("lf", "list", "--json", "--project", str(project)).stdout)
    assert len(lfs) >= 15
    assert all(len(lf["fingerprint"]) == 64 and lf["coverage"] is not None for lf in lfs)
    ways = {lf["name"]: (lf["how"], lf["why"]) for lf in lfs}
    assert ways["moderator"] == ("hash", "")
    assert ways["on_topic"] == ("python", "by row")
    assert json.loads(beambell("models", "list", "--json", "--project", str(project)).stdout) == []
    assert "labeling functions" in beambell("lf", "list", "--project", str(project)).stdout
    summary = json.loads(beambell("summary", "--json", "--project", str(project)).stdout)
    assert {view["stream"] for view in summary["streams"]} == {"comments", "messages"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--stream", "mails"], "there is no stream 'mails'"),
        (["run", "--from", "../x"], "'../x' is not a partition's date"),
        (["run", "--from", "2026-01-03", "--to", "2026-01-01"], "is after --to"),
        (["status", "--project", "/nowhere"], "there is no params.yaml here"),
        (["frobnicate"], "No such command"),
    ],
)
def test_wrong_usage_exits_with_2(project, words, message):
    answer = beambell(*words, cwd=project)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_errors_are_json_too(project):
    answer = beambell("run", "--stream", "mails", "--json", "--project", str(project))
    error = json.loads(answer.stdout)
    assert error["kind"] == "UsageError"
    assert "comments, messages" in error["fix"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frobnicate"], "No such command"),
        (["status", "--fast"], "No such option"),
        (["lf", "show"], "Missing argument"),
    ],
)
def test_words_that_are_no_command_are_told_as_json_too(project, words, message):
    answer = beambell(*words, "--json", cwd=project)
    assert answer.returncode == 2
    error = json.loads(answer.stdout)
    assert error["kind"] == "UsageError"
    assert message in error["error"]
    assert message in answer.stderr


def test_the_gate_exits_with_3_and_the_last_good_labels_stay(project):
    labels = Project(project).store.partitions(Layout.LABELS)
    change_params(project, gate={"min_coverage": 0.999})
    try:
        answer = beambell("validate", "--project", str(project))
        again = beambell("run", "--project", str(project))
    finally:
        change_params(project, gate={"min_coverage": 0.3})
    assert answer.returncode == again.returncode == 3
    assert "must be at least 0.999" in answer.stderr
    assert "what to do" in answer.stderr
    assert Project(project).store.partitions(Layout.LABELS) == labels
    model = Project(project).store.read(Layout.END_MODEL)
    assert model.facts["labels"] == {str(partition): manifest.id for partition, manifest in labels.items()}


def test_a_job_is_a_process_of_its_own(project):
    command = [sys.executable, "-m", "beam_jobs.apply_lfs", "--project", str(project), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["current"] == 6
    wrong = subprocess.run([*command, "--stream", "mails"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert json.loads(wrong.stdout)["kind"] == "UsageError"
