"""Tasks, workers and the scheduler are killed while a Beam job works; what is published stays what it was.

On PostgreSQL where it is installed, else on SQLite.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from fortnight import LABEL, RUN_S, airflow_of, days_of, project_of
from projects import published, run_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_local import LocalAirflow

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]

DAYS = days_of(2)
LAST = DAYS[-1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled and with a model, by `beambell run`."""
    folder = project_of(tmp_path_factory.mktemp("project"), len(DAYS))
    run_stages(folder)
    return folder


@pytest.fixture(scope="module")
def airflow(
    project: Path, database: dict[str, str], dags_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    with airflow_of(project, database, dags_folder, tmp_path_factory.mktemp("airflow")) as airflow:
        yield airflow


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
