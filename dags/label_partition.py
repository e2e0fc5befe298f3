"""The records delivered in a stretch of time become labels, if the gate agrees.

A run belongs to one **partition key**: the UTC day whose deliveries it takes in (`2026-01-03`; the hour or the month
for streams of that grain, in a DAG of their own). The schedule makes the key of the stretch just ended; a manual run
names it. Running a key again is harmless: what has not changed is not computed again, and the same input gives the
same bytes.

Records that arrive late belong to an earlier partition. `ingest` puts them there, and the stages after it bring
everything stale up to the key, so that late records are labelled by the run that received them.

`schedule` in `params.yaml` says when. A run after which it says nothing ends at once, without work; the next that it
names takes what such runs left, too, so that no day is left out.

When labeling functions changed and many partitions are behind, `backfill_lfs` is started and waited for.

Wrong usage and a failed gate are not retried. When the gate says no, the last good labels stay published.

*What to do when something is red: docs/operating.md.*
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.date_time import DateTimeSensor
from airflow.sdk import Param, dag, task, task_group
from airflow.sdk.exceptions import AirflowFailException
from declared import in_order, stage_named, stages_of
from deliveries import DeliverySensor
from schedule import DAG_IDS, Schedule, read_schedule
from stages import START, PlanOperator, defaults, stream_param

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cadence import Cadence

_LOG = logging.getLogger("airflow.task")
KEY = "{{ partition_key }}"
TAKEN = ("--from", "{{ cadence.taken(dag_run)[0] }}", "--to", KEY)
UP_TO = ("--to", KEY)


def label_partition(grain: str, schedule: Schedule) -> Any:
    """Make the DAG of the streams of one grain."""
    names = [stream.name for stream in schedule.streams[grain]]
    streams = schedule.only(grain)
    cadence = schedule.cadence(grain)

    @dag(  # type: ignore[untyped-decorator]
        dag_id=DAG_IDS[grain],
        dag_display_name=f"Label each {grain}",
        description=f"Ingest, vote, label and judge what was delivered in one {grain}. Runs at {cadence.cron} (UTC).",
        schedule=cadence.timetable,
        start_date=START,
        catchup=False,
        max_active_runs=1,  # the state has one writer
        default_args=defaults(schedule),
        user_defined_macros={"cadence": cadence},
        params={
            "streams": stream_param(
                names, f"\n\n**Which {grain}** goes into *Partition Key*, among the advanced options below."
            ),
            "wait_minutes": Param(
                schedule.wait_minutes,
                title="Wait for files, in minutes",
                description_md="A stream whose files have not arrived by then is left out of this run.",
                type="integer",
                minimum=0,
                maximum=2880,
            ),
        },
        tags=["beambell", "labels", grain],
        doc_md=__doc__,
    )
    def build() -> None:
        ingested = _deliveries(schedule, grain)
        voted = _votes(schedule, streams)
        ingested >> voted >> _labels(streams, cadence)

    return build()


def _in_time() -> DateTimeSensor:
    """Make the task that waits for the day of the month on which runs are to come."""
    return DateTimeSensor(
        task_id="in_time",
        target_time="{{ cadence.begins(dag_run) }}",
        mode="reschedule",
        poke_interval=timedelta(minutes=5),
        timeout=timedelta(days=62),
        execution_timeout=timedelta(minutes=5),
        doc_md="Lets a scheduled run wait for the day of the month that `schedule.month` names.",
    )


def _deliveries(schedule: Schedule, grain: str) -> Any:
    cadence = schedule.cadence(grain)

    @task_group(tooltip="Wait for the files of each stream, and read them into partitions.")  # type: ignore[untyped-decorator]
    def deliveries() -> None:
        @task.short_circuit(  # type: ignore[untyped-decorator]
            execution_timeout=timedelta(minutes=1),
            doc_md="Refuses a run without a partition key, before any data is touched. Returns the key, or ends "
            "the run if `schedule` leaves its partition to a later one.",
        )
        def check_key(partition_key: str | None = None, dag_run: Any = None) -> str | None:
            if not partition_key:
                raise AirflowFailException(
                    "This run has no partition key, so there is nothing to label. In the trigger form it is among the "
                    'advanced options. Trigger it again with one: {"logical_date": null, "partition_key": "2026-01-03"}'
                )
            taken = cadence.taken(dag_run)
            if not taken:
                _LOG.info("%s: left to the run of %s UTC (%s)", partition_key, cadence.due(partition_key), cadence.cron)
            elif len(taken) > 1:
                _LOG.info("%s to %s had no run of their own: this one takes them", taken[0], taken[-2])
            return partition_key if taken else None

        stages = stages_of("deliveries")
        ingested = in_order(stages, TAKEN, schedule.only(grain), ingest={"trigger_rule": "none_failed"})
        checked = begun = check_key()
        if grain == "month" and not cadence.every:
            begun = _in_time()
            checked >> begun
        for stream in schedule.streams[grain]:
            begun >> DeliverySensor(task_id=f"files_of_{stream.name}", stream=stream, cadence=cadence) >> ingested[0]

    return deliveries()


def _votes(schedule: Schedule, streams: Sequence[str]) -> Any:
    @task_group(tooltip="Let the labeling functions vote, and sum up their votes.")  # type: ignore[untyped-decorator]
    def votes() -> None:
        many_are_behind = PlanOperator(
            task_id="many_are_behind",
            command=stage_named("apply").words(UP_TO),
            streams=streams,
            counted="LFs changed",
            least=schedule.backfill_over + 1,
            doc_md=f"Skipped, and so is the next: unless more than {schedule.backfill_over} partitions have votes of "
            "labeling functions that were changed since.",
        )
        backfill_lfs = TriggerDagRunOperator(
            task_id="backfill_lfs",
            trigger_dag_id="backfill_lfs",
            trigger_run_id="for__{{ dag.dag_id }}__{{ run_id }}",
            conf={"to": KEY, "labels": False},
            logical_date=None,
            reset_dag_run=True,
            wait_for_completion=True,
            poke_interval=5,
            allowed_states=["success", "failed"],
            failed_states=[],
            execution_timeout=timedelta(hours=24),
            doc_md="Brings the votes of earlier partitions up to the current labeling functions, bit by bit. However "
            "that ends, this run goes on: `apply_lfs` does what is left.",
        )
        stages = stages_of("votes")
        voted = in_order(stages, UP_TO, streams, **{stages[0].name: {"trigger_rule": "none_failed"}})
        many_are_behind >> backfill_lfs >> voted[0]

    return votes()


def _labels(streams: Sequence[str], cadence: Cadence) -> Any:
    @task_group(tooltip="Fit the label model, label, and let the gate judge.")  # type: ignore[untyped-decorator]
    def labels() -> None:
        in_order(stages_of("labels"), UP_TO, streams, validate={"cadence": cadence})

    return labels()


_schedule = read_schedule()
for _grain in _schedule.streams:
    label_partition(_grain, _schedule)
