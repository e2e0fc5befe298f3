"""The DAGs on a real Airflow, with the real stages, over a real project; the tests are one story, in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from airflow_local import LocalAirflow
from projects import change_params, published, small_project

from beambell import Project
from beambell.registry import champion, versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LABEL, RETRAIN = "label_partition", "retrain_model"
FIRST, SECOND = "2026-01-01", "2026-01-02"
RUN_S = 300.0  # a busy machine is slow, not broken
KEY_TASKS = (
    "deliveries.ingest",
    "votes.feedback",
    "votes.apply_lfs",
    "votes.merge",
    "labels.count",
    "labels.fit",
    "labels.label",
    "labels.validate",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_project(tmp_path_factory.mktemp("project"), days=2, label_model={"kind": "majority", "options": {}})
    change_params(folder, promotion={"min_rows": 5, "min_gain": -1.0, "max_recall_drop": 1.0})
    return folder


@pytest.fixture(scope="module")
def airflow(project: Path, dags_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    with LocalAirflow(home, dags_folder, {"BEAMBELL_PROJECT": str(project)}, scheduled=True) as airflow:
        yield airflow


def announced(airflow: LocalAirflow) -> list[str]:
    """Partition keys of the labels' events, oldest first."""
    events = airflow.call("GET", "/api/v2/assets/events?order_by=timestamp")["asset_events"]
    return [event["partition_key"] for event in events]


def retrained(airflow: LocalAirflow, n: int) -> list[str]:
    """Wait for the n-th run of retraining to end; return the runs that trained."""

    def ended() -> bool:
        states = list(airflow.runs(RETRAIN).values())
        return len(states) >= n and set(states) <= {"success", "failed"}

    airflow.wait_until(ended, RUN_S, f"{RETRAIN} did not run {n} times")
    runs = airflow.runs(RETRAIN)
    assert set(runs.values()) == {"success"}, [airflow.explain(RETRAIN, run) for run in runs]
    return [run for run in runs if airflow.tasks(RETRAIN, run)["version.train"]["state"] == "success"]


def test_the_schedule_makes_the_key_of_the_day_before(airflow: LocalAirflow) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    airflow.unpause(LABEL, RETRAIN)
    airflow.wait_until(lambda: bool(airflow.runs(LABEL)), 60, "no run was scheduled")
    (run_id,) = airflow.runs(LABEL)
    assert airflow.wait(LABEL, run_id, timeout_s=RUN_S) == "success", airflow.explain(LABEL, run_id)
    assert airflow.xcom(LABEL, run_id, "deliveries.check_key") == yesterday
    tasks = airflow.tasks(LABEL, run_id)  # nothing was delivered yesterday, so there is nothing to announce
    assert tasks["deliveries.files_of_comments"]["state"] == tasks["labels.validate"]["state"] == "skipped"
    assert announced(airflow) == []


def test_a_run_without_a_key_is_refused_by_the_first_task(airflow: LocalAirflow) -> None:
    run_id = airflow.trigger(LABEL)
    assert airflow.wait(LABEL, run_id, timeout_s=120) == "failed"
    tasks = airflow.tasks(LABEL, run_id)
    assert (tasks.pop("deliveries.check_key")["state"], {task["state"] for task in tasks.values()}) == (
        "failed",
        {"upstream_failed"},
    )
    log = airflow.task_log(LABEL, run_id, "deliveries.check_key")
    assert "This run has no partition key" in log
    assert "BeamBell: label_partition.deliveries.check_key failed" in log  # the callback of failures


def test_a_run_labels_its_partition_and_says_so(airflow: LocalAirflow, project: Path) -> None:
    run_id = airflow.trigger(LABEL, FIRST)
    assert airflow.wait(LABEL, run_id, timeout_s=RUN_S) == "success", airflow.explain(LABEL, run_id)
    assert list((project / "data" / "labels").glob(f"stream=*/dt={FIRST}/labels.parquet"))
    for task_id in KEY_TASKS:
        report = airflow.xcom(LABEL, run_id, task_id)
        nobody_spoke = task_id in ("votes.feedback", "labels.count")
        assert report["figures"] or nobody_spoke, (task_id, report)
        assert f"--project {project}" in airflow.task_log(LABEL, run_id, task_id)
    assert airflow.xcom(LABEL, run_id, "deliveries.files_of_comments") == {"files": 1}
    skipped = {task for task, about in airflow.tasks(LABEL, run_id).items() if about["state"] == "skipped"}
    assert skipped == {"votes.many_are_behind", "votes.backfill_lfs"}
    assert announced(airflow) == [FIRST]


def test_new_labels_retrain_the_model_once(airflow: LocalAirflow, project: Path) -> None:
    (run_id,) = retrained(airflow, 1)
    assert airflow.xcom(RETRAIN, run_id, "version.evaluate")["figures"]["end_model_accuracy"] > 0.5
    best = champion(Project(project), "spam")
    assert best is not None
    assert (best.name, airflow.xcom(RETRAIN, run_id, "promotion.promote")["figures"]["champion"]) == ("spam@v1",) * 2


@pytest.mark.heavy
def test_labels_that_fail_the_gate_are_not_announced_and_the_good_ones_stay(
    airflow: LocalAirflow, project: Path
) -> None:
    good = {name: data for name, data in published(project).items() if name.startswith("published/")}
    assert good
    change_params(project, gate={"min_coverage": 0.9999})
    run_id = airflow.trigger(LABEL, SECOND)
    assert airflow.wait(LABEL, run_id, timeout_s=RUN_S) == "failed"
    validate = airflow.tasks(LABEL, run_id)["labels.validate"]
    assert (validate["state"], validate["try_number"]) == ("failed", 1)  # it is no use to try again
    assert set(airflow.xcom(LABEL, run_id, "labels.validate")["details"]["refused"]) >= {f"comments/{SECOND}"}
    assert {name: data for name, data in published(project).items() if name.startswith("published/")} == good
    assert announced(airflow) == [FIRST]
    change_params(project, gate={"min_coverage": 0.3})


@pytest.mark.heavy
def test_the_same_key_again_mends_it(airflow: LocalAirflow, project: Path) -> None:
    run_id = airflow.trigger(LABEL, SECOND, conf={"streams": ["comments"]})
    assert airflow.wait(LABEL, run_id, timeout_s=RUN_S) == "success", airflow.explain(LABEL, run_id)
    reports = {task_id: airflow.xcom(LABEL, run_id, task_id) for task_id in KEY_TASKS}
    assert {
        task_id: report["done"] for task_id, report in reports.items() if task_id != KEY_TASKS[-1]
    } == dict.fromkeys(KEY_TASKS[:-1], 0)  # nothing is computed twice
    assert f"comments/{SECOND}" in reports["labels.validate"]["details"]["published"]
    assert announced(airflow) == [FIRST, SECOND]
    assert airflow.tasks(LABEL, run_id)["deliveries.files_of_messages"]["state"] == "skipped"
    assert len(retrained(airflow, 2)) == 2
    assert [version.name for version in versions(Project(project), "spam")] == ["spam@v1", "spam@v2"]
