"""The supervisor: keeps a job alive, runs the ordinary stages when a partition closes, and leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from beambell.errors import ExitCode, LiveError
from beambell.live.closed import Closed, is_landed, note_labelled, waiting
from beambell.live.desk import STATUS, TOPICS
from beambell.live.folder import LiveFolder
from beambell.live.gaps import Gaps
from beambell.live.labeler import RAN
from beambell.live.segments import Landing, sweep
from beambell.project import Project
from beambell.store import Layout

PID = "live.pid"
LOG = "live.log"
STOP = "live.stop"
_LONGEST_SILENCE_S = 60.0
_LONGEST_START_S = 300.0
_GRACE_S = 20.0
_LOOK_S = 0.25
_HEALTHY_S = 30.0


@dataclass
class _Job:
    """The process that does the work, with all its children.

    Attributes
    ----------
    process
        Leader of a process group of its own.
    began
        Time at which it was started, by the monotonic clock.
    """

    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)

    def end(self, grace_s: float = _GRACE_S) -> None:
        """Ask the job to land what it has read, then end the whole group."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_s)
        self.kill()

    def kill(self) -> None:
        """End the whole group at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Supervisor:
    """One live job of a project, and what follows when a partition closes.

    Parameters
    ----------
    project
        Project with a section ``live``.
    command
        Words that start the job's process.
    say
        Takes sentences for people.
    """

    def __init__(self, project: Project, command: Sequence[str], say: Callable[[str], None] = lambda _: None) -> None:
        self._project, self._command, self._say = project, list(command), say
        self._folder = LiveFolder(project.store.files, Layout.LIVE)
        self._pid, self._stop = project.volatile / PID, project.volatile / STOP
        self._log = project.volatile / LOG
        self._job: _Job | None = None
        self._wait_s = 1.0
        self._stages: subprocess.Popen[bytes] | None = None
        self._running: list[Closed] = []
        self._again = 0.0
        self._asked_to_stop = False

    def run(self) -> None:
        """Go on until somebody stops it, by `stop`, ``SIGTERM`` or ``SIGINT``.

        Raises
        ------
        LiveError
            If another supervisor of this project is at work.
        """
        self._begin()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask_to_stop())
        try:
            self._job = self._start()
            while not self._is_to_stop():
                self._look_after_job()
                self._look_for_closed()
                time.sleep(_LOOK_S)
        finally:
            self._say("stopping: landing what was read")
            if self._job is not None:
                self._job.end()
            if self._stages is not None:
                self._stages.terminate()
                self._stages.wait()
            self._pid.unlink(missing_ok=True)
            self._stop.unlink(missing_ok=True)

    def ask_to_stop(self) -> None:
        """Stop at the next look."""
        self._asked_to_stop = True

    def _begin(self) -> None:
        self._project.volatile.mkdir(parents=True, exist_ok=True)
        other = running(self._project)
        if other is not None:
            raise LiveError(
                f"a live job of this project is at work: process {other}",
                where=str(self._pid),
                fix="see `beambell live status`; `beambell live stop` ends it",
            )
        self._stop.unlink(missing_ok=True)
        self._pid.write_text(f"{os.getpid()}\n")
        for stream in (*self._project.params.live.streams, "_feedback"):
            for name in sweep(Landing(self._project.store, stream)):
                self._say(f"removed {name}, which a job left half-written: its records are read again")

    def _is_to_stop(self) -> bool:
        return self._asked_to_stop or self._stop.exists()

    def _start(self) -> _Job:
        log = self._log.open("ab")
        process = subprocess.Popen(
            self._command, cwd=self._project.path, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self._say(f"job started: process {process.pid}, log {self._log}")
        return _Job(process)

    def _look_after_job(self) -> None:
        assert self._job is not None
        ended = self._job.process.poll()
        silent = self._silent_s()
        if ended is None and silent < _LONGEST_SILENCE_S:
            if time.monotonic() - self._job.began > _HEALTHY_S:
                self._wait_s = 1.0
            return
        why = f"ended with {ended}" if ended is not None else f"has been silent for {silent:.0f} s"
        self._say(f"the job {why}: starting it again in {self._wait_s:.0f} s; see {self._log}")
        self._job.kill()
        deadline = time.monotonic() + self._wait_s
        while time.monotonic() < deadline and not self._is_to_stop():
            time.sleep(_LOOK_S)
        self._wait_s = min(2 * self._wait_s, self._project.params.live.restart_s)
        if not self._is_to_stop():
            self._job = self._start()

    def _silent_s(self) -> float:
        """Return for how long the job has not said how it is; a job that has just begun may load for some minutes."""
        assert self._job is not None
        told = self._folder.read_json(STATUS) or {}
        lives = time.monotonic() - self._job.began
        said = time.time() - float(told.get("at", 0.0))
        return said if said < lives else max(0.0, lives - _LONGEST_START_S)

    def _look_for_closed(self) -> None:
        if not self._project.params.live.close:
            return
        if self._stages is not None:
            if self._stages.poll() is None:
                return
            self._report()
        due = waiting(self._project.store, self._project.params.live.streams)
        ready = [one for one in due if is_landed(self._project.store, one)]
        if ready and time.monotonic() >= self._again:
            self._run_stages(self._next_dates(ready))

    def _next_dates(self, ready: list[Closed]) -> list[Closed]:
        """Return the first of some partitions, and those that follow with no open one between: one run takes them."""
        opened = {name.partition("/")[2] for name in (self._folder.read_json(STATUS) or {}).get("open", ())}
        ready = sorted(ready, key=lambda one: one.partition.dt)
        first = ready[0].partition.dt
        stop = min((dt for dt in opened if dt > first), default=None)
        return [one for one in ready if stop is None or one.partition.dt < stop]

    def _run_stages(self, ready: list[Closed]) -> None:
        dates = sorted(one.partition.dt for one in ready)
        self._running = ready
        self._say(f"closed: {_names(ready)}; the ordinary stages run")
        words = ["run", "--project", str(self._project.path), "--from", dates[0], "--to", dates[-1], "--json"]
        with self._log.open("ab") as log, (self._project.volatile / "live.stages.json").open("wb") as out:
            self._stages = subprocess.Popen([sys.executable, "-m", "beambell", *words], stdout=out, stderr=log)

    def _report(self) -> None:
        assert self._stages is not None
        code, self._stages = self._stages.returncode, None
        if code in (ExitCode.DONE, ExitCode.GATE):
            for one in self._running:
                note_labelled(self._project.store, one)
            self._again = 0.0
        else:
            self._again = time.monotonic() + self._project.params.live.restart_s
        names = [str(one.partition) for one in self._running]
        self._folder.write_json(RAN, {"at": time.time(), "code": code, "partitions": names})
        self._say(f"the ordinary stages ended with {code} for {_names(self._running)}")


def _names(closed: Sequence[Closed]) -> str:
    return ", ".join(str(one.partition) for one in closed)


def running(project: Project) -> int | None:
    """Return the process of the supervisor of a project's live job; ``None`` if there is none."""
    path = project.volatile / PID
    try:
        number = int(path.read_text())
        os.kill(number, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    except PermissionError:
        return None
    return number if _is_ours(number) else None


def _is_ours(number: int) -> bool:
    """Whether a process is a BeamBell command: after a crash, the number may have gone to any other."""
    command = Path(f"/proc/{number}/cmdline")
    try:
        return b"live" in command.read_bytes()
    except OSError:
        return True  # no such file system: believe the number


def stop(project: Project, wait_s: float = 60.0) -> bool:
    """Ask a project's live job to stop, and wait for that; return whether there was one.

    Raises
    ------
    LiveError
        If it does not end in time.
    """
    number = running(project)
    if number is None:
        return False
    (project.volatile / STOP).touch()
    deadline = time.monotonic() + wait_s
    while running(project) is not None:
        if time.monotonic() > deadline:
            raise LiveError(f"the live job has not ended within {wait_s:.0f} s", where=f"process {number}")
        time.sleep(0.1)
    return True


def read_status(project: Project) -> dict[str, Any]:
    """Return what the live job of a project said last, with whether it is at work; empty if it never ran."""
    folder = LiveFolder(project.store.files, Layout.LIVE)
    told = folder.read(STATUS)
    status: dict[str, Any] = json.loads(told) if told else {}
    alive = running(project) is not None
    if status and not alive and status["state"] == "running":
        status["state"] = "died"
    streams = project.params.live.streams
    closed = [str(one.partition) for one in waiting(project.store, streams)]
    gaps = {stream: [asdict(gap) for gap in Gaps(project.store, stream).all()] for stream in streams}
    return {
        **status,
        "supervisor": running(project),
        "waiting": closed,
        "topics": {stream: folder.at(stream).read_json(TOPICS) for stream in streams},
        "gaps": {stream: found for stream, found in gaps.items() if found},
    }
