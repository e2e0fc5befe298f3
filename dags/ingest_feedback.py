"""What people said of labels is taken in, and labels and model learn from it.

Reads the feedback files that are new. If there was anything, the label model is fitted again, and what it labels
otherwise is published when the gate agrees; that in turn starts `retrain_model`, when enough has changed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag, task, task_group
from declared import in_order, stage_named, stages_of
from schedule import read_schedule
from stages import START, defaults

schedule = read_schedule()


@dag(  # type: ignore[untyped-decorator]
    dag_display_name="Take in feedback",
    description="Take in feedback files, and label anew if there were any.",
    schedule=CronTriggerTimetable(schedule.feedback, timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=defaults(schedule),
    params={
        "relabel": Param(
            default=False,
            title="Label anew even without new feedback",
            description_md="For feedback that was taken in, but not used: because a later stage failed, for instance.",
            type="boolean",
        )
    },
    tags=["beambell", "feedback"],
    doc_md=__doc__,
)
def ingest_feedback() -> None:
    """Take in, then label anew if there was anything."""
    sync = stage_named("feedback").operator(task_id="sync")

    @task.short_circuit(  # type: ignore[untyped-decorator]
        execution_timeout=timedelta(minutes=1), doc_md="Ends the run here if there was nothing new."
    )
    def anything_new(report: dict[str, Any], params: dict[str, Any] | None = None) -> bool:
        return bool(report["done"] or (params or {}).get("relabel"))

    @task_group(tooltip="Fit, label and judge.")  # type: ignore[untyped-decorator]
    def labels() -> None:
        in_order(stages_of("labels"))

    anything_new(sync.output) >> labels()


ingest_feedback()
