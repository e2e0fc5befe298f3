"""What a topic or folder has becomes labels every few minutes, without a job that runs all the time.

`beambell live land` moves what is new at the sources of `live.streams` into the project, each record exactly once, and
ends. If there was anything, the ordinary stages follow, up to published labels. A run that finds nothing new is
skipped from there on: that is visibly not the same as success.

There is such a DAG only where `live.streams` of params.yaml names a source. While a live job of the project runs, it
lands by itself: then the task `land` fails and says so. Pause this DAG, or stop that job.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task, task_group
from declared import LONG, in_order, stages_of
from schedule import read_schedule
from stages import START, StageOperator, defaults, stream_param

schedule = read_schedule()


@dag(  # type: ignore[untyped-decorator]
    dag_display_name="Label micro-batches",
    description="Land what the live sources have, and label it.",
    schedule=CronTriggerTimetable(schedule.microbatch, timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=defaults(schedule),
    params={"streams": stream_param(schedule.live_streams)},
    tags=["beambell", "labels", "live"],
    doc_md=__doc__,
)
def label_microbatch() -> None:
    """Land, then label if there was anything."""
    land = StageOperator(
        task_id="land",
        command=["beambell", "live", "land", "--no-run"],
        streams=schedule.live_streams,
        execution_timeout=LONG,
        doc_md="Moves what is new at the sources into the project, exactly once.",
    )

    @task.short_circuit(  # type: ignore[untyped-decorator]
        execution_timeout=timedelta(minutes=1), doc_md="Ends the run here if there was nothing new."
    )
    def anything_new(report: dict[str, Any]) -> bool:
        return any(one["records"] for one in report["landed"])

    @task_group(tooltip="Read into partitions, vote, fit, label and judge.")  # type: ignore[untyped-decorator]
    def labels() -> None:
        in_order([stage for group in ("deliveries", "votes", "labels") for stage in stages_of(group)])

    anything_new(land.output) >> labels()


if schedule.live_streams:
    label_microbatch()
