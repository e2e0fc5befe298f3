"""The live job is looked at every few minutes: whether it runs, and whether it labels what comes.

Airflow watches the job and never is it: a job of hours or months does not fit into a task. The task fails, and so sends
the usual alert, when the job died, says nothing any more, or a part of a source has records and none comes. With
`schedule.live_restart: on_failure` a job that died is started again first, on the machine of the task.

A job that was stopped on purpose, or never ran, is no alarm: then the run is skipped. There is such a DAG only where
`live.streams` of params.yaml names a source.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import CronTriggerTimetable, dag
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from live_alarms import DIED, alarm, is_at_rest
from schedule import project_dir, read_schedule
from stages import START, StageOperator, defaults, read_report

if TYPE_CHECKING:
    from airflow.sdk import Context

schedule = read_schedule()


class WatchOperator(StageOperator):
    """Ask a live job how it is; start it again if it died and that is wanted.

    Parameters
    ----------
    restart
        Whether to start a job again that died.
    **kwargs
        As of `StageOperator`.
    """

    def __init__(self, *, restart: bool, **kwargs: Any) -> None:
        super().__init__(command=["beambell", "live", "status"], **{"pool": "default_pool", **kwargs})
        self.restart = restart

    def execute(self, context: Context) -> dict[str, Any]:
        """Return what the job says of itself.

        Raises
        ------
        AirflowSkipException
            If no job is wanted.
        AirflowFailException
            If something is wrong with it; the message says what to do.
        """
        status = self._status()
        if is_at_rest(status):
            raise AirflowSkipException("No live job is wanted: none ever ran, or it was stopped on purpose.")
        if status["state"] == DIED and self.restart:
            self.log.warning("%s It is started again.", alarm(status, time.time()))
            self._command("start", "--detach")
            status = self._status()
        if said := alarm(status, time.time()):
            raise AirflowFailException(said)
        return status

    def _status(self) -> dict[str, Any]:
        _, output, _ = self._command("status", "--json")  # exits with 1 where something is wrong
        return read_report(output)

    def _command(self, *words: str) -> tuple[int, str, str]:
        return self._run(["beambell", "live", *words, "--project", str(project_dir())], cwd=project_dir())


@dag(  # type: ignore[untyped-decorator]
    dag_display_name="Watch the live job",
    description="See whether the live job runs and labels what comes.",
    schedule=CronTriggerTimetable(schedule.watch_live, timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=defaults(schedule),
    tags=["beambell", "live"],
    doc_md=__doc__,
)
def watch_live() -> None:
    """Look once."""
    WatchOperator(
        task_id="watch",
        restart=schedule.live_restart == "on_failure",
        doc_md="Fails with what is wrong and what to do, or returns what `beambell live status` says.",
    )


if schedule.live_streams:
    watch_live()
