"""A stage of BeamBell as an Airflow task: the same command that a person, ``dvc repro`` or CI runs.

Nothing of BeamBell is imported here. A stage is a child process, so the scheduler and the DAG processor never pay for
Beam or torch, a stage that dies cannot take its worker along, and a killed task leaves no process behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

LABELS = Asset("beambell_labels", uri="beambell://labels")
"""Labels that passed the gate, one event per partition key. Consumers schedule on it."""

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


def project_dir() -> Path:
    """Return the project the DAGs work on: ``BEAMBELL_PROJECT``, else the repository that holds this folder."""
    return Path(os.environ.get("BEAMBELL_PROJECT") or Path(__file__).parents[1]).resolve()


class StageOperator(BaseOperator):  # type: ignore[misc]
    """Run one stage as a command, stream its log, and return the figures it reports.

    Parameters
    ----------
    command
        What follows ``python -m``: a module and its arguments. Templated. ``--project DIR --json`` is added here.
    **kwargs
        Whatever every operator takes.

    Notes
    -----
    The command logs on stderr and prints one JSON object on stdout, which becomes the task's XCom. It exits with 0
    when done, 1 when it failed, 2 on wrong usage and 3 when the gate said no; 2 and 3 are not retried. The project is
    looked up where the task runs, so that workers may keep it in different places.
    """

    template_fields: Sequence[str] = ("command",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"command": "py"}
    ui_color = "#d9ead3"

    def __init__(self, *, command: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = list(command)
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
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
        project = project_dir()
        code, output, tail = self._run([*self.command, "--project", str(project), "--json"], cwd=project)
        if code == DONE:
            return _report(output)
        with suppress(AirflowFailException):  # a stage that says no may say by which figures
            context["ti"].xcom_push(key="return_value", value=_report(output))
        meaning = _MEANING.get(code, f"The stage ended unexpectedly ({_cause(code)}).")
        error = AirflowFailException if code in _FINAL else AirflowException
        raise error(f"{self.task_id}: {meaning}\n{tail}".rstrip())

    def on_kill(self) -> None:
        """Stop the command and everything it started; Airflow calls this on a kill and on a timeout."""
        if self._process is not None:
            _stop(self._process)

    def _run(self, arguments: list[str], cwd: Path) -> tuple[int, str, str]:
        """Return the command's exit code, its stdout, and the last lines of its log."""
        argv = [sys.executable, "-m", *arguments]
        self.log.info("Running %s", subprocess.list2cmdline(argv))
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        # stdout goes to a file: no second pipe that could fill up while the log is read. A session of its own makes
        # the command and its children one group, to be killed as one.
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as stdout,
            subprocess.Popen(
                argv,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            ) as process,
        ):
            assert process.stderr is not None
            self._process = process
            try:
                for line in process.stderr:
                    tail.append(line.rstrip())
                    self.log.info("%s", tail[-1])
                code = process.wait()
            finally:
                _stop(process)
                self._process = None
            stdout.seek(0)
            return code, stdout.read(), "\n".join(tail)


def _report(output: str) -> dict[str, Any]:
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
