"""What a year brings, in minutes: backfills, late data, edits, feedback; then the bytes of `beambell run`.

On PostgreSQL where it is installed, else on SQLite. The tests are one story, in order.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fortnight import (
    BACKFILL,
    FEEDBACK,
    LABEL,
    LFS,
    MAINTENANCE,
    OF_THE_MODEL,
    RETRAIN,
    RUN_S,
    airflow_of,
    assert_same,
    by_beambell_run,
    days_of,
    labelled,
    of_any_history,
    project_of,
    run_of,
)

from beambell import Project
from beambell.stages.order import STAGES
from beambell.store import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_local import LocalAirflow

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3600)]

DAYS = days_of(14)
LAST = DAYS[-1]
TASKS = ("deliveries.ingest", "votes.aggregate", "votes.apply_lfs", "votes.merge", "labels.fit", "labels.label")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project_of(tmp_path_factory.mktemp("project"), len(DAYS))


@pytest.fixture(scope="module")
def airflow(
    project: Path, database: dict[str, str], dags_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    with airflow_of(project, database, dags_folder, tmp_path_factory.mktemp("airflow"), scheduled=True) as airflow:
        airflow.unpause(LABEL, BACKFILL, FEEDBACK, MAINTENANCE)
        yield airflow


def backfilled(airflow: LocalAirflow, *words: str) -> list[str]:
    """Backfill all days from the command line, see it succeed, and return its runs."""
    path = f"/api/v2/backfills?dag_id={LABEL}"
    airflow.wait_until(
        lambda: all(known["completed_at"] for known in airflow.call("GET", path)["backfills"]),
        RUN_S,
        "another backfill goes on",  # a DAG has one at a time, and Airflow takes half a minute to see one's end
    )
    before = set(airflow.runs(LABEL))
    span = ("--from-date", DAYS[0], "--to-date", LAST)
    airflow.airflow("backfill", "create", "--dag-id", LABEL, *span, "--max-active-runs", "3", *words)

    def runs() -> dict[str, str]:
        known = airflow.runs(LABEL)
        return {run: known[run] for run in known if run not in before and run.startswith("backfill")}

    def ended() -> bool:
        return len(runs()) == len(DAYS) and set(runs().values()) <= {"success", "failed"}

    airflow.wait_until(ended, 3 * RUN_S, "the backfill does not end")
    failed = [airflow.explain(LABEL, run) for run, state in runs().items() if state == "failed"]
    assert not failed, failed[0]
    return list(runs())


def done(airflow: LocalAirflow, runs: list[str]) -> set[int]:
    """How much each stage of some runs had to do."""
    return {airflow.xcom(LABEL, run, task)["done"] for run in runs for task in TASKS}


def test_a_backfill_labels_a_fortnight(airflow: LocalAirflow, project: Path, tmp_path: Path) -> None:
    assert done(airflow, backfilled(airflow)) > {0}
    assert_same(labelled(project), labelled(by_beambell_run(project, tmp_path)))


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


def test_a_second_backfill_computes_nothing(airflow: LocalAirflow, project: Path) -> None:
    before = labelled(project)
    assert done(airflow, backfilled(airflow, "--reprocess-behavior", "completed")) == {0}
    assert_same(labelled(project), before)


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


def test_maintenance_finds_no_damage(airflow: LocalAirflow) -> None:
    run_id = run_of(airflow, MAINTENANCE, deep=True)
    assert airflow.xcom(MAINTENANCE, run_id, "verify")["ok"]
    assert airflow.xcom(MAINTENANCE, run_id, "summary")["model"]["stage"] in {None, "prod"}


def test_after_all_that_the_bytes_are_those_of_beambell_run(project: Path, tmp_path: Path) -> None:
    fresh = by_beambell_run(project, tmp_path)
    assert_same(of_any_history(project), of_any_history(fresh))
