"""Processes that a server is made of: known by their ids on disk, ended with all their children, never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from servers.fetched import ServerError

STOP_S, POLL_S, ROUNDS = 15.0, 0.1, 3
_IDS = "processes"
_LOWEST, _HIGHEST = 15_000, 32_000
"""Ports below those that the system gives to clients: one that tries for a dead server could connect to itself."""


class Processes:
    """Named processes, each the leader of a session of its own, with what they start.

    Parameters
    ----------
    folder
        Their logs, and the record of their ids.
    record
        Name of that record.
    """

    def __init__(self, folder: Path, record: str = "processes.json") -> None:
        self.folder = folder
        self._record = folder / record
        self._ours: dict[str, subprocess.Popen[bytes]] = {}

    def spawn(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a process in the background; what it says is added to ``NAME.log``."""
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                list(command),
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._ours[name] = process
        made = psutil.Process(process.pid).create_time()
        self.note(**{_IDS: {**self._recorded(), name: (process.pid, made)}})

    def note(self, **facts: Any) -> None:
        """Add to the record what other processes should know, such as a port; it is gone when all are ended."""
        partial = self._record.with_suffix(".partial")
        partial.write_text(json.dumps({**self._read(), **facts}))
        partial.replace(self._record)

    def noted(self, fact: str) -> Any:
        """Return what was noted; None if it was not."""
        return self._read().get(fact)

    def log(self, name: str) -> Path:
        """Return the log of a process."""
        return self.folder / f"{name}.log"

    def running(self) -> dict[str, int]:
        """Return the ids of those that run, by name; others that got such an id are none of them."""
        return {name: pid for name, (pid, made) in self._recorded().items() if _process(pid, made)}

    def left(self) -> bool:
        """Whether anything runs, be it only what killed ones had started."""
        return bool(_family(_sessions(self._recorded())))

    def wait(self, name: str, ready: Callable[[], bool], limit_s: float) -> None:
        """Wait until a process is ready.

        Raises
        ------
        ServerError
            If it ends before, or is not ready in time.
        """
        deadline = time.monotonic() + limit_s
        while not ready():
            late = time.monotonic() > deadline
            if late or name not in self.running():
                problem = f"is not ready after {limit_s:.0f} s" if late else "ended at once"
                raise ServerError(f"{name} {problem}", where=str(self.log(name)), fix="see the end of that log")
            time.sleep(POLL_S)

    def kill(self, name: str) -> None:
        """End one process and its children by SIGKILL, as the end of their machine would."""
        known = self._recorded()
        self._end({name: known[name]}, signal.SIGKILL)

    def end(self) -> list[str]:
        """End all of them, politely, then for certain; return the names of those that ran."""
        running = sorted(self.running())
        self._end(self._recorded(), signal.SIGTERM)
        self._record.unlink(missing_ok=True)
        return running

    def _end(self, known: Mapping[str, tuple[int, float]], first: signal.Signals) -> None:
        sessions = _sessions(known)
        family = _family(sessions)
        for leader in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, first)
        psutil.wait_procs([process for process in family if process.pid in sessions], timeout=STOP_S)
        for _ in range(ROUNDS):  # whoever is killed may just have started another
            left = [process for process in {*family, *_family(sessions)} if _lives(process)]
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=1.0)
        for name in known:
            if name in self._ours:
                self._ours.pop(name).wait()

    def _recorded(self) -> dict[str, tuple[int, float]]:
        with contextlib.suppress(ValueError, TypeError, AttributeError):  # of another version
            return {name: (pid, made) for name, (pid, made) in self._read().get(_IDS, {}).items()}
        return {}

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):  # none yet, or not whole
            found = json.loads(self._record.read_text())
            return found if isinstance(found, dict) else {}
        return {}


class Guard:
    """A process that ends others as soon as the one that made it is gone, killed perhaps.

    Parameters
    ----------
    folder
        Folder of the processes.
    """

    def __init__(self, folder: Path) -> None:
        # It waits on a pipe, which the system closes with this process, however it ends.
        self._process = subprocess.Popen(
            [sys.executable, "-c", "import servers.processes as s, sys; s.guard(sys.argv[1])", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Let it end all that still runs, and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def guard(folder: str) -> None:
    """Wait until nobody is at the other end of standard input, then end the processes of a folder."""
    sys.stdin.buffer.read()
    Processes(Path(folder)).end()


class Server:
    """What all servers share.

    Parameters
    ----------
    folder
        All their state, made if it is not there.
    """

    parts: tuple[str, ...] = ()
    """Names of its processes, in the order in which they start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.processes = Processes(self.folder)
        self._guard: Guard | None = None

    def start(self) -> Self:
        """Start all of it and return when it is ready; nothing if it runs already, and anew if a part has died.

        Raises
        ------
        ServerError
            If it cannot be started.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        running = self.processes.running()
        if set(running) == set(self.parts):
            self.resume()
            return self
        self.processes.end()
        try:
            self.prepare()
            for part in self.parts:
                self.restart(part)
        except BaseException:
            self.processes.end()
            raise
        return self

    def stop(self) -> list[str]:
        """End all of it, its children too; return the names of the parts that ran."""
        return self.processes.end()

    def kill(self, part: str) -> None:
        """End one part and its children by SIGKILL."""
        self.processes.kill(part)

    def restart(self, part: str) -> None:
        """Start one part, and wait until it is ready."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write what the parts read, before the first of them starts."""
        raise NotImplementedError

    def resume(self) -> None:
        """Find out what an earlier process chose: ports."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Start it, under guard."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._guard = Guard(self.folder)
        try:
            return self.start()
        except BaseException:
            self._guard.dismiss()
            raise

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()
        if self._guard is not None:
            self._guard.dismiss()


def free_ports(number: int) -> list[int]:
    """Return ports on loopback that nobody listens on."""
    found: list[int] = []
    for port in random.sample(range(_LOWEST, _HIGHEST), 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == number:
            break
    return found


def listens(port: int) -> bool:
    """Whether somebody takes connections at a port on loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def _process(pid: int, made: float) -> psutil.Process | None:
    """Return the process that has an id since a time, if it runs."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if abs(process.create_time() - made) < 1 and _lives(process):
            return process
    return None


def _sessions(known: Mapping[str, tuple[int, float]]) -> list[int]:
    """Ids of the sessions of some processes. No process can get such an id while anybody is left in the session."""
    sessions = []
    for pid, made in known.values():
        try:
            reused = abs(psutil.Process(pid).create_time() - made) >= 1
        except psutil.NoSuchProcess:
            reused = False
        if not reused:
            sessions.append(pid)
    return sessions


def _family(sessions: Sequence[int]) -> list[psutil.Process]:
    """Every process of some sessions, also those whose leader was killed, and their children elsewhere."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter() if sessions else ():
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if os.getsid(process.pid) in sessions and _lives(process):
                found |= {process, *process.children(recursive=True)}
    return list(found)


def _lives(process: psutil.Process) -> bool:
    """Whether it runs still: not ended, no zombie, and no other that got its process id."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
