"""Earlier partitions get the votes of the current labeling functions, a few days per task.

`label_partition` starts it when labeling functions changed and many partitions are behind; start it by hand to choose
the days, or to have the new labels at once. Unchanged functions never vote twice, and a partition that is up to
date costs nothing, so it can be stopped and started again at any time.

Until the last partition that counts has its votes, state, label model and labels stay as they were.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param, PartitionedAtRuntime, chain, dag, task, task_group
from declared import LONG, in_order, stage_named, stages_of
from schedule import read_schedule
from stages import START, WRITER_POOL, PlanOperator, StageOperator, defaults, stream_param

if TYPE_CHECKING:
    from airflow.sdk import Context

schedule = read_schedule()
RANGE = (
    "{{ '--from' if params['from'] }}",
    "{{ params['from'] or '' }}",
    "{{ '--to' if params['to'] }}",
    "{{ params['to'] or '' }}",
)
DATE = r"^\d{4}-\d{2}(-\d{2}(T\d{2})?)?$"


class BehindOperator(PlanOperator):
    """Find the partitions that are behind, and hand on one command for every few days of them."""

    def done(self, report: dict[str, Any], context: Context) -> Any:
        """Return the commands."""
        plan = super().done(report, context)
        days = sorted({task["key"].partition("/")[2][:10] for task in plan["tasks"]})
        size = context["params"]["days"]
        parts = [days[first : first + size] for first in range(0, len(days), size)]
        return [["beambell", "apply", "--from", part[0], "--to", part[-1]] for part in parts]


def _date(title: str) -> Param:
    return Param(
        None,
        title=title,
        description_md="Included; such as `2026-01-03`. Empty: no bound.",
        type=["null", "string"],
        pattern=DATE,
    )


@dag(  # type: ignore[untyped-decorator]
    dag_display_name="Backfill labeling functions",
    description="Bring the votes, and the labels, of earlier partitions up to the current labeling functions.",
    schedule=PartitionedAtRuntime(),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,  # it has no schedule; and whoever waits for it would wait until it is switched on
    default_args=defaults(schedule),
    params={
        "from": _date("First day"),
        "to": _date("Last day"),
        "streams": stream_param(schedule.stream_names),
        "days": Param(
            schedule.backfill_days,
            title="Days per task",
            description_md="More days per task cost less overhead; fewer show progress more finely.",
            type="integer",
            minimum=1,
            maximum=3660,
        ),
        "labels": Param(
            default=True,
            title="Label anew, too",
            description_md="Fit the label model to the new votes, label, judge and publish.",
            type="boolean",
        ),
    },
    tags=["beambell", "labels"],
    doc_md=__doc__,
)
def backfill_lfs() -> None:
    """Plan, vote in parts, then label."""
    voting, apply = stages_of("votes"), stage_named("apply")
    first, last = voting[: voting.index(apply)], voting[voting.index(apply) + 1 :]

    @task_group(tooltip="Vote, a few days per task.")  # type: ignore[untyped-decorator]
    def votes() -> None:
        behind = BehindOperator(
            task_id="behind",
            command=apply.words(RANGE),
            streams=(),
            least=0,
            doc_md="Finds the partitions whose votes are missing or stale, and cuts them into parts.",
        )
        apply_lfs = StageOperator.partial(
            task_id=apply.task,
            streams=(),
            pool=WRITER_POOL,
            execution_timeout=LONG,
            max_active_tis_per_dagrun=2,
            map_index_template="{{ task.command[3] }} to {{ task.command[5] }}",
            doc_md=f"{apply.text} A few days per task: one writes at a time, the next waits in the pool.",
        ).expand(command=behind.output)
        chain(*in_order(first, RANGE), behind, apply_lfs)

    @task_group(tooltip="Fit, label and judge.")  # type: ignore[untyped-decorator]
    def labels() -> None:
        @task.short_circuit(  # type: ignore[untyped-decorator]
            trigger_rule="none_failed",
            execution_timeout=timedelta(minutes=1),
            doc_md="Ends the run here if only votes were asked for: `label_partition` labels by itself.",
        )
        def wanted(params: dict[str, Any] | None = None) -> bool:
            return bool((params or {}).get("labels"))

        chain(wanted(), *in_order([*last, *stages_of("labels")], RANGE))

    votes() >> labels()


backfill_lfs()
