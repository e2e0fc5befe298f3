"""The store is looked after: what is damaged is found, what nothing names is removed, and the project is summed up.

Nothing here changes an artefact. Damage that is found fails the run; the log names each file and what to do.
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, Param, dag
from declared import LONG
from schedule import read_schedule
from stages import START, StageOperator, defaults

schedule = read_schedule()


@dag(  # type: ignore[untyped-decorator]
    dag_display_name="Maintenance",
    description="Verify, remove garbage, sum up.",
    schedule=CronTriggerTimetable(schedule.maintenance, timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=defaults(schedule),
    params={
        "deep": Param(
            default=False,
            title="Read every byte",
            description_md="Otherwise names and sizes only, which finds no flipped bit.",
            type="boolean",
        ),
        "keep_history": Param(
            "all",
            title="Past revisions that keep their data",
            description_md="A number, or `all`. Past manifests are always kept.",
            type="string",
            pattern=r"^(all|\d{1,6})$",
        ),
    },
    tags=["beambell", "store"],
    doc_md=__doc__,
)
def maintenance() -> None:
    """Verify, then tidy, then sum up."""
    verify = StageOperator(
        task_id="verify",
        command=["beambell", "verify", "{{ '--deep' if params.deep }}"],
        execution_timeout=LONG,
        retries=1,
        doc_md="Checks every manifest, file and reference. Fails if anything is damaged.",
    )
    gc = StageOperator(
        task_id="gc",
        command=["beambell", "gc", "--keep-history", "{{ params.keep_history }}"],
        execution_timeout=LONG,
        trigger_rule="all_done",
        doc_md="Removes data files that no manifest names, and what dead jobs left.",
    )
    summary = StageOperator(
        task_id="summary",
        command=["beambell", "summary"],
        pool="default_pool",
        doc_md="Sums up streams, coverage, gate, quality and models; the figures are in the task's XCom.",
    )
    verify >> gc >> summary


maintenance()
