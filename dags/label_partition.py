"""Every day: the records delivered the day before become labels, if the gate agrees.

A run belongs to one **partition key**, the UTC day whose deliveries it takes in (`2026-01-03`). The schedule makes
the key of the day before; a manual run names it. Running a key again is harmless: what has not changed is
not computed again, and the same input gives the same bytes.

Records that arrive late belong to an earlier day. `ingest` puts them there, and the stages after it bring
everything stale up to the key, so that late records are labelled by the run that received them.

Wrong usage and a failed gate are not retried. When the gate says no, the last good labels stay published.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronPartitionTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException
from stages import LABELS, StageOperator

KEY = "{{ partition_key }}"
ONE_DAY = ["--from", KEY, "--to", KEY]
UP_TO_DAY = ["--to", KEY]


@dag(  # type: ignore[untyped-decorator]
    schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # the state has one writer
    default_args={
        "owner": "beambell",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "execution_timeout": timedelta(minutes=30),
    },
    tags=["beambell", "labels"],
    doc_md=__doc__,
)
def label_partition() -> None:
    """Check the key, then run the stages in order."""

    @task(  # type: ignore[untyped-decorator]
        execution_timeout=timedelta(minutes=1),
        doc_md="Refuses a run without a partition key, before any data is touched. Returns the key.",
    )
    def check_key(partition_key: str | None = None) -> str:
        if not partition_key:
            raise AirflowFailException(
                "This run has no partition key, so there is no day to label. "
                'Trigger it again with one: {"logical_date": null, "partition_key": "2026-01-03"}'
            )
        return partition_key

    ingest = StageOperator(
        task_id="ingest",
        command=["beam_jobs.ingest", *ONE_DAY],
        execution_timeout=timedelta(hours=2),
        doc_md="Beam: takes in the files delivered on this day and splits them by event time. Unreadable records are "
        "quarantined and counted.",
    )
    aggregate = StageOperator(
        task_id="aggregate",
        command=["beam_jobs.aggregate", *UP_TO_DAY],
        execution_timeout=timedelta(hours=2),
        doc_md="Beam: sums up what each author, text or other key did so far, for stateful labeling functions.",
    )
    apply_lfs = StageOperator(
        task_id="apply_lfs",
        command=["beam_jobs.apply_lfs", *UP_TO_DAY],
        execution_timeout=timedelta(hours=2),
        doc_md="Beam: runs the labeling functions over every partition that changed, up to this day, and counts "
        "their vote patterns.",
    )
    merge = StageOperator(
        task_id="merge",
        command=["beambell", "merge"],
        doc_md="Brings the state, the sum of all pattern counts, up to date.",
    )
    fit = StageOperator(
        task_id="fit",
        command=["beambell", "fit"],
        doc_md="Fits the label model on the state.",
    )
    label = StageOperator(
        task_id="label",
        command=["beam_jobs.label", *UP_TO_DAY],
        execution_timeout=timedelta(hours=2),
        doc_md="Beam: writes the probabilistic labels of every stale partition up to this day.",
    )
    validate = StageOperator(
        task_id="validate",
        command=["beambell", "validate", *UP_TO_DAY],
        outlets=[LABELS],
        doc_md="The quality gate. Labels that pass are announced as the asset `beambell_labels` under this key; "
        "labels that fail are not published, and the task shows the figures.",
    )

    check_key() >> ingest >> aggregate >> apply_lfs >> merge >> fit >> label >> validate


label_partition()
