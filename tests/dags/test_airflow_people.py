"""A model is trained, and people decide on it: at once, late, or not at all.

On PostgreSQL where it is installed, else on SQLite. The tests are one story, in order.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest
from fortnight import OF_THE_MODEL, PROMOTE, RETRAIN, RUN_S, airflow_of, project_of, run_of
from projects import change_params, run_stages

from beambell import Project
from beambell.registry import champion, decisions
from beambell.stages.order import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_local import LocalAirflow

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]

DELAYS_S = (0.0, 0.2, 0.6, 1.2, 3.0)  # of answers: Airflow may fail the task of one that comes at once


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled by `beambell run`."""
    folder = project_of(tmp_path_factory.mktemp("project"), 2)
    run_stages(folder, *(stage.name for stage in STAGES if stage.name not in OF_THE_MODEL))
    return folder


@pytest.fixture(scope="module")
def airflow(
    project: Path, database: dict[str, str], dags_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    with airflow_of(project, database, dags_folder, tmp_path_factory.mktemp("airflow")) as airflow:
        yield airflow


def test_a_model_is_trained_once_and_waits_for_a_person(airflow: LocalAirflow, project: Path) -> None:
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
