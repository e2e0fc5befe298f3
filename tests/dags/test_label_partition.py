"""``label_partition`` on a real Airflow, with the real stages, over a real project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow_local import LocalAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAG = "label_partition"
DAYS = ("2026-01-01", "2026-01-02")
RUN_S = 240.0  # 55 to 105 s were measured on two cores with a load of 5 to 9


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from projects import small_project

    return small_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def airflow(project: Path, dags_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    with LocalAirflow(home, dags_folder, {"BEAMBELL_PROJECT": str(project)}) as airflow:
        yield airflow


def test_a_run_without_a_key_is_refused_by_the_first_task(airflow: LocalAirflow) -> None:
    run_id = airflow.trigger(DAG)
    assert airflow.wait(DAG, run_id, timeout_s=120) == "failed"
    tasks = airflow.tasks(DAG, run_id)
    assert (tasks.pop("check_key")["state"], {task["state"] for task in tasks.values()}) == (
        "failed",
        {"upstream_failed"},
    )
    assert "This run has no partition key" in airflow.task_log(DAG, run_id, "check_key")


def test_a_run_labels_its_partition(airflow: LocalAirflow, project: Path) -> None:
    runs = {day: airflow.trigger(DAG, day) for day in DAYS}
    for day, run_id in runs.items():
        state = airflow.wait(DAG, run_id, timeout_s=RUN_S)
        assert state == "success", airflow.explain(DAG, run_id)
        assert list((project / "data" / "labels").glob(f"stream=*/dt={day}/manifest.json")), day

        assert airflow.xcom(DAG, run_id, "check_key") == day
        for task_id in ("ingest", "apply_lfs", "merge", "fit", "label", "validate"):
            report = airflow.xcom(DAG, run_id, task_id)
            assert report["figures"], (day, task_id, report)
            assert f"--project {project}" in airflow.task_log(DAG, run_id, task_id)

    events = airflow.call("GET", "/api/v2/assets/events")["asset_events"]
    assert {event["partition_key"] for event in events} == set(DAYS)
