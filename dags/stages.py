"""A stage of BeamBell as an Airflow task: the same command that a person, ``dvc repro`` or CI runs.

Nothing of BeamBell is imported here. A stage is a child process, so the scheduler and the DAG processor never pay for
Beam or torch, a stage that dies cannot take its worker along, and a killed task leaves no process behind.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink, Param
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)
from alerts import on_failure
from schedule import project_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context
    from cadence import Cadence
    from schedule import Schedule

WRITER_POOL = "beambell_writer"
"""Pool with one slot: whoever writes to the project waits in Airflow's queue, and not for the project's lock."""

ENVIRONMENT = "beambell_env"
"""Airflow connection whose extra holds environment variables for the stages, such as an object store's credentials."""

START = datetime(2020, 1, 1, tzinfo=UTC)

DONE, FAILED, USAGE, GATE = range(4)
"""Exit codes of every stage, as in ``beambell.errors.ExitCode``; importing that would import BeamBell."""

_MEANING = {
    FAILED: "The stage failed; it may succeed when it is tried again.",
    USAGE: "The stage was asked for something impossible; trying again cannot help.",
    GATE: "The quality gate said no. The last good labels stay published.",
}
_FINAL = frozenset({USAGE, GATE})
_GRACE_S = 3.0  # Airflow kills a task for good 5 s after it asked it to stop
_TAIL_LINES = 20
_LEAST_SECRET = 5  # characters; what is shorter is a number or a switch, and Airflow does not mask it either
_PR_SET_PDEATHSIG = 1


def defaults(schedule: Schedule) -> dict[str, Any]:
    """Arguments of every task; `StageOperator` does not retry what trying again cannot help, whatever this says."""
    delay = timedelta(minutes=schedule.retry_minutes)
    return {
        "owner": "beambell",
        "retries": 2,
        "retry_delay": delay,
        "retry_exponential_backoff": True,
        "max_retry_delay": 15 * delay,
        "execution_timeout": timedelta(minutes=30),
        "on_failure_callback": on_failure,
    }


def stream_param(names: Sequence[str], hint: str = "") -> Param:
    """Make the field of a trigger form that narrows a run to some streams; a hint is added to what it says."""
    return Param(
        [],
        title="Streams",
        description_md=f"Only these streams. Leave it empty for all of them.{hint}",
        type="array",
        items={"type": "string", "enum": list(names)},
        examples=list(names),
    )


class StageOperator(BaseOperator):  # type: ignore[misc]
    """Run one stage as a command, stream its log, and return the figures it reports.

    Parameters
    ----------
    command
        What follows ``python -m``: a module and its arguments. Templated; an argument that renders to nothing is left
        out. ``--project DIR --json`` is added here. An empty command skips the task.
    streams
        Streams to narrow the stage to; the run's own param ``streams``, if it is given, wins. ``None``: the stage
        knows no streams.
    **kwargs
        Whatever every operator takes. The pool is `WRITER_POOL` unless another is named.

    Notes
    -----
    The command logs on stderr and prints one JSON object on stdout, which becomes the task's XCom. It exits with 0
    when done, 1 when it failed, 2 on wrong usage and 3 when the gate said no; 2 and 3 are not retried. The project is
    looked up where the task runs, so that workers may keep it in different places.
    """

    template_fields: Sequence[str] = ("command",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"command": "py"}
    ui_color = "#d9ead3"

    def __init__(self, *, command: Sequence[str], streams: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**{"pool": WRITER_POOL, **kwargs})
        self.command = command
        self.streams = streams
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> Any:
        """Run the command to its end.

        Returns
        -------
        dict
            What the stage reported.

        Raises
        ------
        AirflowFailException
            Trying again cannot help: wrong usage, a failed gate, or a command that did not report.
        AirflowException
            The stage failed, or was killed.
        """
        if not self.command:
            raise AirflowSkipException("There is nothing to do.")
        project = project_dir()
        arguments = [str(argument) for argument in self.command if str(argument)]
        narrowed = self._narrowed(context)
        code, output, tail = self._run([*arguments, *narrowed, "--project", str(project), "--json"], cwd=project)
        if code == DONE:
            return self.done(read_report(output), context)
        report = None
        with suppress(AirflowFailException):  # a stage that says no may say by which figures
            report = read_report(output)
        if report is not None:
            if code == GATE and self.tolerates(report, context):
                return self.done(report, context)
            context["ti"].xcom_push(key="return_value", value=report)
        meaning = _MEANING.get(code, f"The stage ended unexpectedly ({_cause(code)}).")
        error = AirflowFailException if code in _FINAL else AirflowException
        raise error(f"{self.task_id}: {meaning}\n{tail}".rstrip())

    def done(self, report: dict[str, Any], context: Context) -> Any:
        """Sum up what the stage reported, and return it."""
        figures = report.get("figures") or {}
        if figures:
            self.log.info("%s", ", ".join(f"{name} {value}" for name, value in figures.items()))
        for warning in report.get("warnings") or ():
            self.log.warning("%s", warning)
        return report

    def tolerates(self, report: dict[str, Any], context: Context) -> bool:
        """Whether a no of the gate is of no concern to this run."""
        return False

    def on_kill(self) -> None:
        """Stop the command and everything it started; Airflow calls this on a kill and on a timeout."""
        if self._process is not None:
            _stop(self._process)

    def _narrowed(self, context: Context) -> list[str]:
        if self.streams is None:
            return []
        chosen = (context.get("params") or {}).get("streams") or self.streams
        return [word for name in chosen for word in ("--stream", name)]

    def _run(self, arguments: list[str], cwd: Any) -> tuple[int, str, str]:
        """Return the command's exit code, its stdout, and the last lines of its log."""
        argv = [sys.executable, "-m", *arguments]
        variables = stage_environment()
        secrets = [value for value in variables.values() if len(value) >= _LEAST_SECRET]
        self.log.info("Running %s", subprocess.list2cmdline(argv))
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        # stdout goes to a file: no second pipe that could fill up while the log is read. A session of its own makes
        # the command and its children one group, to be killed as one.
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as stdout,
            subprocess.Popen(
                argv,
                cwd=cwd,
                env={**_without_airflow(os.environ), **variables},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, resolved beforehand
            ) as process,
        ):
            assert process.stderr is not None
            self._process = process
            try:
                for line in process.stderr:
                    tail.append(_masked(line.rstrip(), secrets))
                    self.log.info("%s", tail[-1])
                code = process.wait()
            finally:
                _stop(process)
                self._process = None
            stdout.seek(0)
            return code, stdout.read(), "\n".join(tail)


class PlanOperator(StageOperator):
    """Ask a stage what it would do, and skip what depends on it if that is too little.

    Parameters
    ----------
    counted
        The figure of the plan that counts; the number of its tasks if ``None``.
    least
        Less than this skips. A run whose param ``force`` is true needs one task.
    **kwargs
        As of `StageOperator`; ``--dry-run`` is added to the command.
    """

    ui_color = "#e6f1f2"

    def __init__(self, *, command: Sequence[str], counted: str | None = None, least: int = 1, **kwargs: Any) -> None:
        super().__init__(command=[*command, "--dry-run"], **{"pool": "default_pool", **kwargs})
        self.counted = counted
        self.least = least

    def done(self, report: dict[str, Any], context: Context) -> dict[str, Any]:
        """Return the plan, or skip."""
        plan: dict[str, Any] = report["plans"][0]
        waits = len(plan["tasks"])
        count = plan["figures"].get(self.counted, 0) if self.counted else waits
        context["ti"].xcom_push(key="counted", value=count)
        forced = (context.get("params") or {}).get("force") and waits
        reasons = ", ".join(dict.fromkeys(task["reason"] for task in plan["tasks"][:100]))
        self.log.info("%s: %d tasks (%s); counted %d of at least %d", plan["stage"], waits, reasons, count, self.least)
        if count < self.least and not forced:
            raise AirflowSkipException(f"{count} of at least {self.least}: nothing to do yet.")
        return plan


class ReportLink(BaseOperatorLink):  # type: ignore[misc]
    """The gate's report of a run, where ``BEAMBELL_REPORTS_URL`` says that the project's ``.beambell`` is served."""

    name = "Gate report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the address; a file on the worker if nothing serves it."""
        return _gate_report()


class ValidateOperator(StageOperator):
    """Run the gate; announce what it let pass.

    A no about partitions of another day that an earlier run was told already does not fail this run. What this run
    judged, and its own partitions, does.

    Parameters
    ----------
    cadence
        Which partitions a run takes; only its own if ``None``.
    **kwargs
        As of `StageOperator`.
    """

    operator_extra_links = (ReportLink(),)

    def __init__(self, *, cadence: Cadence | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cadence = cadence

    def execute(self, context: Context) -> Any:
        """Run the gate, and say where its report is, whatever it said."""
        try:
            return super().execute(context)
        finally:
            self.log.info("Gate report: %s", _gate_report())

    def tolerates(self, report: dict[str, Any], context: Context) -> bool:
        """Whether only partitions are refused that an earlier run reported."""
        details = report.get("details") or {}
        if "refused" not in details:
            return False
        run = context["dag_run"]
        taken = self.cadence.taken(run) if self.cadence else [getattr(run, "partition_key", None)]
        own = [name for name in details["refused"] if name.partition("/")[2] in taken]
        mine = {*own, *(name for name in details["refused"] if name in details["judged"])}
        if not mine:
            self.log.warning("Still refused, as reported before: %s", ", ".join(details["refused"]))
        return not mine

    def done(self, report: dict[str, Any], context: Context) -> dict[str, Any]:
        """Announce the labels: under the run's own key, or under the dates of what was published."""
        report = super().done(report, context)
        published, newest = report["details"]["published"], report["details"]["newest"]
        key = getattr(context["dag_run"], "partition_key", None)
        if not published and (key is None or newest != key):
            context["ti"].xcom_push(key="return_value", value=report)
            raise AirflowSkipException("There are no labels to announce.")
        for outlet in self.outlets:
            event = context["outlet_events"][outlet]
            event.extra = {"published": len(published), **(report.get("figures") or {})}
            if key is None:
                event.add_partitions(sorted({name.partition("/")[2] for name in published}))
        return report


def _gate_report() -> str:
    base = os.environ.get("BEAMBELL_REPORTS_URL")
    folder = base.rstrip("/") if base else (project_dir() / ".beambell").as_uri()
    return f"{folder}/gate/partitions.html"


def stage_environment() -> dict[str, str]:
    """Environment variables of the connection `ENVIRONMENT`, if there is one; the task's log masks their values."""
    from airflow.sdk import Connection
    from airflow.sdk.log import mask_secret

    try:
        extra = Connection.get(ENVIRONMENT).extra_dejson
    except AirflowNotFoundException:
        return {}
    variables = {str(name): str(value) for name, value in extra.items()}
    for value in variables.values():
        mask_secret(value)  # whatever it is called: Airflow by itself knows secrets by names such as "password"
    return variables


def _masked(text: str, secrets: Sequence[str]) -> str:
    """Replace secrets. Airflow masks a task's log, but not what the LocalExecutor copies of it to the scheduler's."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _without_airflow(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out Airflow's settings and connections: a stage has no use for the database's password."""
    secret = ("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_")
    return {name: value for name, value in environment.items() if not name.startswith(secret)}


try:
    _LIBC = ctypes.CDLL(None, use_errno=True)
    _PRCTL: Any = _LIBC.prctl
except (OSError, AttributeError):  # not Linux: a stage then outlives a worker that is killed
    _PRCTL = None


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when the task's own process dies, however it dies."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


def read_report(output: str) -> dict[str, Any]:
    """Return the JSON object on a stage's stdout."""
    try:
        report = json.loads(output)
    except ValueError:
        report = None
    if not isinstance(report, dict):
        raise AirflowFailException(f"The stage must print one JSON object on stdout, but printed: {output[-500:]!r}")
    return report


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _stop(process: subprocess.Popen[str]) -> None:
    """End a session leader's whole group: politely while the leader lives, then for certain."""
    with suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)
