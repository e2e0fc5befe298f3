"""What a year brings, in minutes: backfills, late data, edits, kills, people; then the bytes of `beambell run`.

On PostgreSQL where it is installed, else on SQLite. The tests are one story, in order.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from airflow_local import LocalAirflow
from airflow_services import Postgres
from projects import change_params, published, run_stages, small_project

from beambell import Project
from beambell.cli.stages import STAGES
from beambell.registry import champion, decisions
from beambell.store import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3600)]

LABEL, BACKFILL, RETRAIN, PROMOTE = "label_partition", "backfill_lfs", "retrain_model", "promote_model"
FEEDBACK, MAINTENANCE = "ingest_feedback", "maintenance"
DAYS = [f"2026-01-{day:02d}" for day in range(1, 15)]
LAST = DAYS[-1]
RUN_S = 600.0
TASKS = ("deliveries.ingest", "votes.aggregate", "votes.apply_lfs", "votes.merge", "labels.fit", "labels.label")
OF_THE_MODEL = {"train", "evaluate", "register", "promote"}
AFTER_LABELS = ("models/", "evaluation/", "decisions/")
BY_HISTORY = ("models/registry/", "decisions/")  # numbered by how often one trained and decided, which is no input
GIVEN = ("raw", "gold", "reviews")  # below the data root
DELAYS_S = (0.0, 0.2, 0.6, 1.2, 3.0)  # of answers: Airflow may fail the task of one that comes at once
LFS = "- {kind: keyword, name: edited, any_of: [%s], label: spam}\n"
SLOW_LFS = '''
import time
from pathlib import Path

from beambell.labeling import ABSTAIN, labeling_function

SIGN, AT_WORK = "slow", "at_work"  # below the folder a stage works in, which is the project's


@labeling_function()
def patient(row):
    """Takes its time while a sign says so; votes the same."""
    for _ in range(600):
        if not Path(SIGN).exists():
            break
        Path(AT_WORK).touch()
        time.sleep(0.1)
    return ABSTAIN
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_project(
        tmp_path_factory.mktemp("project"), days=14, scale=0.03, label_model={"kind": "majority", "options": {}}
    )
    (folder / "lfs.yaml").write_text(LFS % "subscribe")
    (folder / "slow_lfs.py").write_text(SLOW_LFS)
    change_params(
        folder,
        lfs={"files": ["lfs.yaml"], "modules": ["labeling_functions.embedded", "slow_lfs"]},
        promotion={"min_rows": 5, "min_gain": -1.0, "max_recall_drop": 1.0, "mode": "off"},
        feedback={"evaluate": 0.0},
        schedule={"backfill_over": 10, "backfill_days": 5, "approval_hours": 1.0, "retry_minutes": 0.02},
        gate={"min_coverage": 0.01},
    )
    return folder


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """PostgreSQL of its own, if it is installed; its socket's path must be short."""
    if not Postgres.installed():
        yield {}
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        postgres = Postgres(Path(folder) / "pg")
        postgres.start()
        try:
            yield {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url}
        finally:
            postgres.stop()


@pytest.fixture(scope="module")
def airflow(
    project: Path, database: dict[str, str], dags_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    settings = {
        **database,
        "BEAMBELL_PROJECT": str(project),
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
    }
    with LocalAirflow(tmp_path_factory.mktemp("airflow"), dags_folder, settings, scheduled=True) as airflow:
        airflow.unpause(LABEL, BACKFILL, PROMOTE, FEEDBACK, MAINTENANCE)
        yield airflow


def run_of(airflow: LocalAirflow, dag_id: str, key: str | None = None, **conf: Any) -> str:
    """Trigger a run, see it succeed, and return its id."""
    run_id = airflow.trigger(dag_id, key, conf=conf)
    assert airflow.wait(dag_id, run_id, timeout_s=RUN_S) == "success", airflow.explain(dag_id, run_id)
    return run_id


class Backfill:
    """A backfill of all days, from the command line; it goes on while the test does something else."""

    def __init__(self, airflow: LocalAirflow, *words: str) -> None:
        self._airflow = airflow
        self._before = set(airflow.runs(LABEL))
        span = ("--from-date", DAYS[0], "--to-date", LAST)
        airflow.airflow("backfill", "create", "--dag-id", LABEL, *span, "--max-active-runs", "3", *words)

    def wait(self) -> list[str]:
        """Wait for its end, see it succeed, and return its runs."""
        self._airflow.wait_until(self._ended, 3 * RUN_S, "the backfill does not end")
        failed = [self._airflow.explain(LABEL, run) for run, state in self._runs().items() if state == "failed"]
        assert not failed, failed[0]
        return list(self._runs())

    def _ended(self) -> bool:
        return len(self._runs()) == len(DAYS) and set(self._runs().values()) <= {"success", "failed"}

    def _runs(self) -> dict[str, str]:
        runs = self._airflow.runs(LABEL)
        return {run: runs[run] for run in runs if run not in self._before and run.startswith("backfill")}


def done(airflow: LocalAirflow, runs: list[str]) -> set[int]:
    """How much each stage of some runs had to do."""
    return {airflow.xcom(LABEL, run, task)["done"] for run in runs for task in TASKS}


def labelled(folder: Path) -> dict[str, bytes]:
    """What a reader sees of everything up to the labels."""
    return {name: data for name, data in published(folder).items() if not name.startswith(AFTER_LABELS)}


def of_any_history(folder: Path) -> dict[str, bytes]:
    """What a reader sees, without what is numbered by history."""
    return {name: data for name, data in published(folder).items() if not name.startswith(BY_HISTORY)}


def test_a_backfill_labels_a_fortnight(airflow: LocalAirflow, project: Path, tmp_path: Path) -> None:
    backfill = Backfill(airflow)
    fresh = by_beambell_run(project, tmp_path)
    assert done(airflow, backfill.wait()) > {0}
    assert_same(labelled(project), labelled(fresh))


# -- people -------------------------------------------------------------------------------------------------------


def test_a_model_is_trained_once_and_waits_for_a_person(airflow: LocalAirflow, project: Path) -> None:
    airflow.unpause(RETRAIN)
    run_id = run_of(airflow, RETRAIN)
    assert airflow.tasks(RETRAIN, run_id)["promotion.promote"]["state"] == "success"
    assert served(project) is None
    again = run_of(airflow, RETRAIN, force=True)
    assert airflow.tasks(RETRAIN, again)["version.train"]["state"] == "skipped"


def test_a_rollback_by_trigger(airflow: LocalAirflow, project: Path) -> None:
    change_params(project, model={"C": 5.0})
    run_of(airflow, RETRAIN, force=True)
    for version in ("v1", "v2"):
        run_of(airflow, PROMOTE, version=version, approval="none", override=True)
    run_of(airflow, PROMOTE, action="rollback", reason="it got worse")
    assert served(project) == "spam@v1"
    made = decisions(Project(project), "spam")[-1]
    assert (made.action, made.before, made.reason) == ("rollback", "spam@v2", "it got worse")


def test_with_approval_retraining_asks_a_person(airflow: LocalAirflow, project: Path) -> None:
    change_params(project, model={"C": 6.0}, promotion={"mode": "approval"}, schedule={"approval_hours": 1.0})
    token = airflow.call("GET", f"/api/v2/dags/{RETRAIN}")["file_token"]
    airflow.call("PUT", f"/api/v2/parseDagFile/{token}")  # else it is read again in ten minutes

    def proposes() -> bool:
        tasks = airflow.call("GET", f"/api/v2/dags/{RETRAIN}/tasks")["tasks"]
        return "promotion.propose" in {task["task_id"] for task in tasks}

    airflow.wait_until(proposes, 120, "the DAG is not read again")
    before = set(airflow.runs(PROMOTE))
    run_id = run_of(airflow, RETRAIN, force=True)
    assert airflow.xcom(RETRAIN, run_id, "promotion.promote")["figures"]["proposed"] == "spam@v3"
    (asked,) = set(airflow.runs(PROMOTE)) - before
    answer(airflow, asked, "Approve")
    assert airflow.wait(PROMOTE, asked, timeout_s=RUN_S) == "success", airflow.explain(PROMOTE, asked)
    assert served(project) == "spam@v3"


@pytest.fixture(scope="module")
def second_backfill(airflow: LocalAirflow, project: Path) -> SimpleNamespace:
    """The same days once more, though they ran already, and what was published before."""
    airflow.call("PATCH", f"/api/v2/dags/{RETRAIN}", {"is_paused": True})
    before = labelled(project)
    return SimpleNamespace(before=before, run=Backfill(airflow, "--reprocess-behavior", "completed"))


@pytest.mark.usefixtures("second_backfill")  # it runs meanwhile
@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize("choice", ["Reject", "Approve", None])
def test_people_decide(airflow: LocalAirflow, project: Path, choice: str | None, turn: int) -> None:
    shutil.rmtree(project / "data" / "decisions", ignore_errors=True)  # each turn starts as the first
    if choice is None:
        change_params(project, schedule={"approval_hours": 0.001})  # a task reads it when it starts
    run_id = airflow.trigger(PROMOTE, conf={"reason": f"turn {turn}"})
    if choice:
        answer(airflow, run_id, choice, after_s=DELAYS_S[turn])
    assert airflow.wait(PROMOTE, run_id, timeout_s=RUN_S) == "success", airflow.explain(PROMOTE, run_id)
    record = airflow.xcom(PROMOTE, run_id, "answer")
    made = [(d.action, d.by, d.at, d.reason) for d in decisions(Project(project), "spam")]
    if choice is None:
        assert (record["decision"], made) == ("no answer", [])
    else:
        verb = {"Approve": "promote", "Reject": "decline"}[choice]
        assert made == [(verb, record["by"], record["at"], f"turn {turn}")]
    assert served(project) == ("spam@v3" if choice == "Approve" else None)


def served(project: Path) -> str | None:
    best = champion(Project(project), "spam")
    return best.name if best else None


def answer(airflow: LocalAirflow, run_id: str, choice: str, after_s: float = 0.0) -> None:
    """Answer once, as soon as the question is there or a little later."""
    path = f"/api/v2/dags/{PROMOTE}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"

    def asked() -> bool:
        try:
            return airflow.call("GET", path)["response_received"] is False
        except AssertionError:  # 404
            return False

    airflow.wait_until(asked, RUN_S, "nobody asks")
    time.sleep(after_s)
    airflow.call("PATCH", path, {"chosen_options": [choice], "params_input": {}})


def test_a_second_backfill_computed_nothing(
    airflow: LocalAirflow, project: Path, second_backfill: SimpleNamespace
) -> None:
    assert done(airflow, second_backfill.run.wait()) == {0}
    assert_same(labelled(project), second_backfill.before)


# -- late data, edits ---------------------------------------------------------------------------------------------


def test_late_records_are_labelled_by_the_run_that_received_them(airflow: LocalAirflow, project: Path) -> None:
    late = {"comment_id": "late-1", "text": "subscribe to my channel", "created_at": "2026-01-05T10:00:00Z"}
    late |= {"author": "someone", "video": "v1", "likes": 0}
    (project / "data" / "raw" / "comments" / f"{LAST}.late.jsonl").write_text(json.dumps(late) + "\n")
    run_id = run_of(airflow, LABEL, LAST)
    assert "comments/2026-01-05" in airflow.xcom(LABEL, run_id, "labels.validate")["details"]["published"]
    assert "late-1" in set(Project(project).labels("comments", "2026-01-05")["id"])


def test_an_edit_of_a_labeling_function_is_backfilled_and_relabelled(airflow: LocalAirflow, project: Path) -> None:
    before = Project(project).catalogue.fingerprints["edited"]
    (project / "lfs.yaml").write_text(LFS % "subscribe, channel")
    after = Project(project).catalogue.fingerprints["edited"]
    assert after != before
    run_id = run_of(airflow, LABEL, LAST)
    assert airflow.tasks(LABEL, run_id)["votes.backfill_lfs"]["state"] == "success"
    (started,) = [run for run in airflow.runs(BACKFILL) if run.endswith(run_id)]
    parts = airflow.call("GET", f"/api/v2/dags/{BACKFILL}/dagRuns/{started}/taskInstances")["task_instances"]
    assert {t["state"] for t in parts if t["task_id"] == "votes.apply_lfs"} == {"success"}
    assert len([t for t in parts if t["task_id"] == "votes.apply_lfs"]) >= 3  # five days at a time
    votes = Project(project).store.partitions(Layout.VOTES).values()
    assert {lf["fingerprint"] for m in votes for lf in m.facts["lfs"] if lf["name"] == "edited"} == {after}
    run_of(airflow, BACKFILL)  # once more, by hand: there is nothing to do
    opened = Project(project)
    assert [s.name for s in STAGES if s.name not in OF_THE_MODEL and s.plan(opened, opened.select()).tasks] == []


# -- kills --------------------------------------------------------------------------------------------------------


def interrupted(airflow: LocalAirflow, project: Path, interrupt: Callable[[str], None]) -> str:
    """Let a day be voted on again, slowly; interrupt that within the Beam job, and return the run."""
    for manifest in (project / "data" / "votes").rglob(f"dt={LAST}/manifest.json"):
        manifest.unlink()
    (project / "at_work").unlink(missing_ok=True)
    (project / "slow").touch()
    try:
        run_id = airflow.trigger(LABEL, LAST)
        airflow.wait_until((project / "at_work").exists, RUN_S, "the labeling function does not run")
        interrupt(run_id)
    finally:
        (project / "slow").unlink()
    return run_id


def stages_of(project: Path) -> list[psutil.Process]:
    """Find the processes of stages that work on the project."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "beambell" in words and str(project) in words:
            with suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def test_a_task_killed_through_the_api_leaves_nothing_torn_and_two_runs_at_once_mend_it(
    airflow: LocalAirflow, project: Path
) -> None:
    before = published(project)

    def fail(run_id: str) -> None:
        path = f"/api/v2/dags/{LABEL}/dagRuns/{run_id}/taskInstances/votes.apply_lfs"
        airflow.call("PATCH", path, {"new_state": "failed"})
        airflow.wait_until(lambda: not stages_of(project), 60, "the stage lives on")

    run_id = interrupted(airflow, project, fail)
    assert airflow.wait(LABEL, run_id, timeout_s=RUN_S) == "failed"
    # A DAG has one run at a time, but a backfill does not count.
    span = {"from_date": f"{LAST}T00:00:00Z", "to_date": f"{LAST}T00:00:00Z", "reprocess_behavior": "completed"}
    seen = set(airflow.runs(LABEL))
    airflow.call("POST", "/api/v2/backfills", {"dag_id": LABEL, "max_active_runs": 1, **span})
    one = airflow.trigger(LABEL, LAST)
    (other,) = set(airflow.runs(LABEL)) - seen - {one}
    assert [airflow.wait(LABEL, run, timeout_s=RUN_S) for run in (one, other)] == ["success"] * 2
    first, second = (airflow.tasks(LABEL, run) for run in (one, other))
    assert first["deliveries.check_key"]["start_date"] < second["labels.validate"]["end_date"]
    assert second["deliveries.check_key"]["start_date"] < first["labels.validate"]["end_date"]
    assert published(project) == before


def test_a_worker_that_is_killed_takes_its_stage_along_and_the_next_try_succeeds(
    airflow: LocalAirflow, project: Path
) -> None:
    before = published(project)

    def kill(_: str) -> None:
        (stage,) = stages_of(project)
        worker = stage.parent()
        assert worker is not None
        worker.kill()
        airflow.wait_until(lambda: not stages_of(project), 60, "the stage lives on")

    run_id = interrupted(airflow, project, kill)
    assert airflow.wait(LABEL, run_id, timeout_s=RUN_S) == "success", airflow.explain(LABEL, run_id)
    assert airflow.tasks(LABEL, run_id)["votes.apply_lfs"]["try_number"] == 2
    assert published(project) == before


def test_a_scheduler_that_is_killed_and_started_again_ends_its_run_right(airflow: LocalAirflow, project: Path) -> None:
    before = published(project)

    def kill(_: str) -> None:
        os.kill(airflow.pid_of("scheduler"), signal.SIGKILL)
        time.sleep(1.0)
        airflow.start_service("scheduler")

    run_id = interrupted(airflow, project, kill)
    assert airflow.wait(LABEL, run_id, timeout_s=RUN_S) == "success", airflow.explain(LABEL, run_id)
    assert published(project) == before


# -- the end of the year ------------------------------------------------------------------------------------------


def test_maintenance_finds_no_damage(airflow: LocalAirflow) -> None:
    run_id = run_of(airflow, MAINTENANCE, deep=True)
    assert airflow.xcom(MAINTENANCE, run_id, "verify")["ok"]
    assert airflow.xcom(MAINTENANCE, run_id, "summary")["model"]["stage"] in {None, "prod"}


def test_feedback_is_taken_in_and_labels_follow_it(airflow: LocalAirflow, project: Path) -> None:
    labels = Project(project).labels("comments", "2026-01-02")
    row = labels[labels["label"] == 0].iloc[0]["id"]
    review = f"row_id,stream,verdict,label,reviewer,time\n{row},comments,label,spam,ada,2026-01-05T12:00:00Z\n"
    airflow.unpause(RETRAIN)
    (project / "data" / "reviews").mkdir()
    (project / "data" / "reviews" / "ada.csv").write_text(review)
    run_id = run_of(airflow, FEEDBACK)
    assert "comments/2026-01-02" in airflow.xcom(FEEDBACK, run_id, "labels.validate")["details"]["published"]
    labels = Project(project).labels("comments", "2026-01-02")
    assert labels[labels["id"] == row]["label"].tolist() == [1]
    again = run_of(airflow, FEEDBACK)
    assert airflow.tasks(FEEDBACK, again)["labels.fit"]["state"] == "skipped"
    run_of(airflow, RETRAIN, force=True)


def test_after_all_that_the_bytes_are_those_of_beambell_run(project: Path, tmp_path: Path) -> None:
    fresh = by_beambell_run(project, tmp_path)
    assert_same(of_any_history(project), of_any_history(fresh))


def by_beambell_run(project: Path, folder: Path) -> Path:
    """Make the same project anew from the same files, by `beambell run` alone."""
    fresh = folder / "fresh"
    shutil.copytree(project, fresh, ignore=shutil.ignore_patterns("data", ".beambell", "__pycache__"))
    for name in GIVEN:
        if (project / "data" / name).exists():
            shutil.copytree(project / "data" / name, fresh / "data" / name)
    run_stages(fresh)
    return fresh


def assert_same(mine: dict[str, bytes], theirs: dict[str, bytes]) -> None:
    assert set(mine) == set(theirs)
    assert [name for name in mine if mine[name] != theirs[name]] == []
