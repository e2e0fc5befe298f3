"""The end model is trained again when labels have changed: train, measure, register, promote.

A run starts whenever labels were published (`schedule.retrain: labels` in `params.yaml`), or at fixed times (a cron
expression there). It does nothing if what it would train on was trained on already, or if the labels of fewer than
`schedule.retrain_partitions` partitions have changed since.

The new version is measured on the gold rows that the champion was measured on, too. What then happens, `promotion` in
`params.yaml` says: it is promoted by policy, proposed to a person (`promote_model`), or nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import CronTriggerTimetable, FixedKeyMapper, Param, PartitionedAssetTimetable, dag, task_group
from airflow.sdk.exceptions import AirflowSkipException
from declared import LABELS, in_order, stage_named, stages_of
from schedule import read_schedule
from stages import START, PlanOperator, defaults

if TYPE_CHECKING:
    from airflow.sdk import Context

schedule = read_schedule()
when = (
    PartitionedAssetTimetable(assets=LABELS, default_partition_mapper=FixedKeyMapper("all"))
    if schedule.retrain == "labels"
    else CronTriggerTimetable(schedule.retrain, timezone="UTC")
)


class ProposeOperator(TriggerDagRunOperator):  # type: ignore[misc]
    """Ask people about the version that the policy proposes; skip if it proposes none."""

    def execute(self, context: Context) -> Any:
        """Trigger the DAG that asks."""
        proposed = context["ti"].xcom_pull(task_ids="promotion.promote")["figures"].get("proposed")
        if not proposed:
            raise AirflowSkipException("No version is proposed.")
        self.conf = {"version": proposed, "reason": "proposed by the policy of promotion"}
        return super().execute(context)


@dag(  # type: ignore[untyped-decorator]
    dag_display_name="Retrain the model",
    description="Train, evaluate against the champion, register with DVC, promote by policy.",
    schedule=when,
    start_date=START,
    catchup=False,
    max_active_runs=1,  # the next run sees what this one trained
    default_args=defaults(schedule),
    params={
        "force": Param(
            default=False,
            title="Train even if few partitions changed",
            description_md="Ignores `schedule.retrain_partitions`. What was trained already is never trained again.",
            type="boolean",
        )
    },
    tags=["beambell", "model"],
    doc_md=__doc__,
)
def retrain_model() -> None:
    """Look whether there is anything to learn, then run the stages in order."""
    enough_changed = PlanOperator(
        task_id="enough_changed",
        command=stage_named("train").words(),
        counted="partitions changed",
        least=schedule.retrain_partitions,
        execution_timeout=timedelta(minutes=10),
        doc_md="Skips the run if what it would train on was trained on already, or if too little changed.",
    )

    @task_group(tooltip="Train, measure on gold rows, and give the version a number.")  # type: ignore[untyped-decorator]
    def version() -> None:
        in_order(stages_of("version"))

    @task_group(tooltip="Decide whether the new version takes the champion's place.")  # type: ignore[untyped-decorator]
    def promotion() -> None:
        *_, promote = in_order(stages_of("promotion"))
        if schedule.promotion == "approval":
            promote >> ProposeOperator(
                task_id="propose",
                trigger_dag_id="promote_model",
                logical_date=None,
                doc_md="Starts `promote_model`, which asks a person, if the policy proposes the version.",
            )

    @task_group(tooltip="Let the champion predict, where params.yaml asks for it.")  # type: ignore[untyped-decorator]
    def predictions() -> None:
        in_order(stages_of("predictions"))

    enough_changed >> version() >> promotion() >> predictions()


retrain_model()
