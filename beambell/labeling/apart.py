"""The plain evaluation in processes of its own: who hangs, or ends its process, loses only its own votes.

`beambell.labeling.time_limit` stops Python code from within. A call into C that waits or never ends (``time.sleep``,
a socket, a catastrophic regular expression) it cannot stop, and ``os._exit``, a signal or a crash end the process, in
the worst case silently. So what is left to Python votes in another process, which is killed then, and started again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Pipe
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa

from beambell.arrays import ABSTAIN
from beambell.errors import BeamBellError, CatalogueError
from beambell.labeling.core import LabelingFunction
from beambell.labeling.evaluate import Cast, DeadLetter, Evaluation, gather, prepare
from beambell.labeling.row import PAST, ROW_COLUMNS
from beambell.labeling.time_limit import TOO_SLOW
from beambell.labeling.voter import Ask, Part, Rows, Source

MOST_KILLS: Final = 8
"""How often a labeling function's process may end, or be killed, before it is not asked any more."""

CAREFUL_STEP: Final = 1_024
"""Rows at a time, once the process of a labeling function has ended in the middle."""

_LONGEST_START_S: Final = 600.0
_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from beambell.labeling.voter import main; main(sys.argv[2:])"
)


class _GoneError(Exception):
    """The process ended, or was killed because the time was up.

    Parameters
    ----------
    error, message
        Type and text of the error that is recorded of the rows that it was asked for.
    """

    def __init__(self, error: type[Exception], message: str) -> None:
        super().__init__(message)
        self.error = error.__name__
        self.message = message


class Voters:
    """Processes in which labeling functions of a project vote, one for each thread that asks.

    Parameters
    ----------
    source
        Source of the labeling functions; each process loads them by itself.

    Attributes
    ----------
    opened
        Files and addresses that labeling functions opened while they voted, by name.
    """

    def __init__(self, source: Source) -> None:
        self.opened: dict[str, set[str]] = {}
        self._source = source
        self._idle: list[_Voter] = []
        self._all: list[_Voter] = []
        self._killed: Counter[str] = Counter()
        self._lock = threading.Lock()
        weakref.finalize(self, _kill, self._all)

    def start(self, number: int) -> None:
        """Start so many processes; they are waited for when they are asked."""
        started = [_Voter(self._source) for _ in range(number)]
        with self._lock:
            self._idle += started
            self._all += started

    def close(self) -> None:
        """End them all."""
        with self._lock:
            _kill(self._all)
            self._idle.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def evaluate(
        self,
        lfs: Iterable[LabelingFunction],
        table: pa.Table,
        *,
        cardinality: int,
        stream: str,
        fingerprints: Mapping[str, str] | None = None,
        time_limit_s: float | None = None,
    ) -> Evaluation:
        """Apply labeling functions to rows of one stream, exactly as `beambell.labeling.evaluate` does.

        Rows on which a labeling function ends its process, or with which it is not done when its time is up and some
        more, are failures. When its process ends, the others of its rows are voted on again.

        Raises
        ------
        LabelingFunctionError
            Before anything runs: a column is missing or of a wrong type, a label is not a class.
        CatalogueError
            If the labeling functions have changed since they were loaded.
        """
        lfs = prepare(lfs, table, cardinality=cardinality, stream=stream)
        voting = [lf for lf in lfs if lf.votes_on(stream)]
        silent = Cast(np.full(table.num_rows, ABSTAIN, np.int8), (), 0.0)
        if not voting:
            return gather(lfs, table.num_rows, [silent] * len(lfs))
        known = {lf.name: (fingerprints or {}).get(lf.name, "") for lf in voting}
        rows = Rows(_as_bytes(table, voting), stream, cardinality, known)
        with self._session(rows) as session:
            cast = {lf.name: session.cast(lf.name, table, time_limit_s) for lf in voting}
        return gather(lfs, table.num_rows, [cast.get(lf.name, silent) for lf in lfs])

    @contextmanager
    def _session(self, rows: Rows) -> Iterator[_Session]:
        session = _Session(self, rows)
        try:
            yield session
        except BaseException:
            session.end()
            raise
        with self._lock:
            if session.voter is not None:
                self._idle.append(session.voter)

    def _take(self) -> _Voter:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        voter = _Voter(self._source)
        with self._lock:
            self._all.append(voter)
        return voter

    def _count_kill(self, name: str) -> None:
        with self._lock:
            self._killed[name] += 1

    def _is_given_up(self, name: str) -> bool:
        return self._killed[name] >= MOST_KILLS

    def _note_opened(self, name: str, what: Iterable[str]) -> None:
        with self._lock:
            self.opened.setdefault(name, set()).update(what)


def _kill(voters: list[_Voter]) -> None:
    for voter in voters:
        voter.kill()
    voters.clear()


class _Session:
    """Voting on the same rows, in one process after the other.

    Parameters
    ----------
    voters
        Processes to take one from.
    rows
        The rows.
    """

    def __init__(self, voters: Voters, rows: Rows) -> None:
        self.voter: _Voter | None = None
        self._voters = voters
        self._rows = rows

    def end(self) -> None:
        """Kill the process, if there is one."""
        if self.voter is not None:
            self.voter.kill()
            self.voter = None

    def cast(self, name: str, table: pa.Table, time_limit_s: float | None) -> Cast:
        """Let one labeling function vote on all rows; where its process ends, find the row, and go on after it."""
        votes = np.full(table.num_rows, ABSTAIN, np.int8)
        letters: list[DeadLetter] = []
        seconds = 0.0
        todo = [(0, table.num_rows, max(1, table.num_rows))]
        while todo:
            start, stop, step = todo.pop()
            if self._voters._is_given_up(name):
                gone = _GoneError(ChildProcessError, f"given up: its process ended {MOST_KILLS} times")
                letters += self._letters(name, table, start, stop, gone)
                continue
            try:
                for part in self._parts(Ask(name, start, stop, step, time_limit_s)):
                    n_rows = len(part.cast.votes)
                    votes[start : start + n_rows] = part.cast.votes
                    letters += part.cast.dead_letters
                    seconds += part.cast.seconds
                    start += n_rows
            except _GoneError as gone:
                self.end()
                self._voters._count_kill(name)
                end = min(start + step, stop)
                if end < stop:
                    todo.append((end, stop, step))
                if end - start <= 1 or gone.error == TimeoutError.__name__:
                    letters += self._letters(name, table, start, end, gone)
                else:
                    todo.append((start, end, CAREFUL_STEP if step > CAREFUL_STEP else 1))
        return Cast(votes, tuple(letters), seconds)

    def _parts(self, ask: Ask) -> Iterator[Part]:
        if self.voter is None:
            self.voter = self._voters._take()
        if self.voter.rows is not self._rows:
            self.voter.give(self._rows)
        for part in self.voter.parts(ask):
            if part.opened:
                self._voters._note_opened(ask.name, part.opened)
            yield part

    def _letters(self, name: str, table: pa.Table, start: int, stop: int, gone: _GoneError) -> list[DeadLetter]:
        ids = table["id"].slice(start, stop - start).to_pylist() if "id" in table.column_names else range(start, stop)
        fingerprint = self._rows.fingerprints[name]
        return [DeadLetter(str(id_), name, fingerprint, gone.error, gone.message, "") for id_ in ids]


class _Voter:
    """One process, and what it was asked.

    Parameters
    ----------
    source
        Source of the labeling functions.
    """

    def __init__(self, source: Source) -> None:
        self.rows: Rows | None = None
        self._fingerprints: dict[str, str] | None = None
        self._connection, theirs = Pipe()
        ends, self._lifeline = os.pipe()
        given = theirs.fileno(), ends
        command = [sys.executable, "-u", "-c", _BOOT, json.dumps(sys.path), *map(str, given)]
        try:
            # What a labeling function prints is no result. A session of its own: what it starts is killed with it.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=given, start_new_session=True
            )
        finally:
            theirs.close()
            os.close(ends)
        with suppress(OSError):  # it is gone already: that is found out when it is asked
            self._connection.send(source)

    def give(self, rows: Rows) -> None:
        """Hand over rows.

        Raises
        ------
        CatalogueError
            If it has other labeling functions than these.
        """
        if self._fingerprints is None:
            self._fingerprints = self._loaded()
        for name, fingerprint in rows.fingerprints.items():
            if fingerprint and self._fingerprints.get(name) != fingerprint:
                raise CatalogueError(
                    "the labeling function was changed while votes were being cast: none of these were published",
                    where=name,
                    fix="run again: the next run votes with what is there then",
                )
        self._send(rows)
        self.rows = rows

    def _loaded(self) -> dict[str, str]:
        """Wait until the labeling functions are loaded; return their fingerprints."""
        try:
            fingerprints: dict[str, str] = self._answer(_LONGEST_START_S)
        except _GoneError as gone:
            how = "takes longer than ten minutes" if gone.error == TimeoutError.__name__ else "ends its process"
            raise CatalogueError(
                f"to import the modules of labeling functions {how}: {gone.message}",
                where="lfs.modules",
                fix="see what they do when they are imported",
            ) from None
        return fingerprints

    def parts(self, ask: Ask) -> Iterator[Part]:
        """Ask, and yield what became of the rows, part by part."""
        self._send(ask)
        parts = max(1, -(-(ask.stop - ask.start) // ask.step))
        for _ in range(parts):
            yield self._answer(None if ask.time_limit_s is None else ask.time_limit_s + _grace(ask.time_limit_s))

    def kill(self) -> None:
        """End the process, and all that it started; once, for its number may be another's afterwards."""
        if self._lifeline < 0:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._connection.close()
        os.close(self._lifeline)
        self._lifeline = -1

    def _send(self, request: Any) -> None:
        try:
            self._connection.send(request)
        except OSError:
            raise self._gone() from None

    def _answer(self, seconds: float | None) -> Any:
        try:
            if not self._connection.poll(seconds):
                raise _GoneError(TimeoutError, TOO_SLOW)
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if isinstance(answer, BeamBellError):
            raise answer
        return answer

    def _gone(self) -> _GoneError:
        deadline = time.monotonic() + 5.0
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        code = self._process.returncode
        how = f"exit status {code}" if code is None or code >= 0 else f"killed by {signal.Signals(-code).name}"
        return _GoneError(ChildProcessError, f"it ended the process that it votes in ({how})")


def _grace(seconds: float) -> float:
    """Seconds to wait beyond a time limit: the function is stopped from within, and its failures are written down."""
    return max(5.0, seconds / 4)


def _as_bytes(table: pa.Table, lfs: Iterable[LabelingFunction]) -> bytes:
    """Write the columns that labeling functions read as an Arrow stream."""
    fields = [lf.fields for lf in lfs]
    if None not in fields:
        read = {field for some in fields for field in some or ()} | set(ROW_COLUMNS)
        table = table.select([name for name in table.column_names if name in read or name.startswith(PAST)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data
