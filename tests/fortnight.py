"""Projects that Airflow works on in the heavy tests, and what `beambell run` makes of the same input."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from airflow_local import LocalAirflow
from projects import change_params, published, run_stages, small_project

if TYPE_CHECKING:
    from pathlib import Path

LABEL, BACKFILL, RETRAIN, PROMOTE = "label_partition", "backfill_lfs", "retrain_model", "promote_model"
FEEDBACK, MAINTENANCE = "ingest_feedback", "maintenance"
RUN_S = 600.0
OF_THE_MODEL = {"train", "evaluate", "register", "promote"}
AFTER_LABELS = ("models/", "evaluation/", "decisions/")
BY_HISTORY = ("models/registry/", "decisions/")  # numbered by how often one trained and decided, which is no input
GIVEN = ("raw", "gold", "reviews")  # below the data root
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


def days_of(n: int) -> list[str]:
    """Keys of the first days of the generated data."""
    return [f"2026-01-{day:02d}" for day in range(1, n + 1)]


def project_of(folder: Path, days: int) -> Path:
    """Make a project with a labeling function to edit, one that can be made slow, and a gate that lets all pass."""
    small_project(folder, days=days, scale=0.03, label_model={"kind": "majority", "options": {}})
    (folder / "lfs.yaml").write_text(LFS % "subscribe")
    (folder / "slow_lfs.py").write_text(SLOW_LFS)
    change_params(
        folder,
        lfs={"files": ["lfs.yaml"], "modules": ["labeling_functions.spam", "slow_lfs"]},
        promotion={"min_rows": 5, "min_gain": -1.0, "max_recall_drop": 1.0, "mode": "off"},
        feedback={"evaluate": 0.0},
        schedule={"backfill_over": 10, "backfill_days": 5, "approval_hours": 1.0, "retry_minutes": 0.02},
        gate={"min_coverage": 0.01},
    )
    return folder


def airflow_of(
    project: Path, database: dict[str, str], dags_folder: Path, home: Path, *, scheduled: bool = False
) -> LocalAirflow:
    """Make an Airflow for a project that notices within seconds what others notice within minutes."""
    settings = {
        **database,
        "BEAMBELL_PROJECT": str(project),
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
    }
    return LocalAirflow(home, dags_folder, settings, scheduled=scheduled)


def run_of(airflow: LocalAirflow, dag_id: str, key: str | None = None, **conf: Any) -> str:
    """Trigger a run, see it succeed, and return its id."""
    run_id = airflow.trigger(dag_id, key, conf=conf)
    assert airflow.wait(dag_id, run_id, timeout_s=RUN_S) == "success", airflow.explain(dag_id, run_id)
    return run_id


def labelled(folder: Path) -> dict[str, bytes]:
    """What a reader sees of everything up to the labels."""
    return {name: data for name, data in published(folder).items() if not name.startswith(AFTER_LABELS)}


def of_any_history(folder: Path) -> dict[str, bytes]:
    """What a reader sees, without what is numbered by history."""
    return {name: data for name, data in published(folder).items() if not name.startswith(BY_HISTORY)}


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
    """See two projects published the same bytes."""
    assert set(mine) == set(theirs)
    assert [name for name in mine if mine[name] != theirs[name]] == []
