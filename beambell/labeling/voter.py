"""A process in which labeling functions in Python vote: one that hangs, or ends it, takes no other with it.

It is started and asked by `beambell.labeling.apart`, loads the catalogue by itself, and ends with whoever started it,
however that ends.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from beambell.errors import BeamBellError, CatalogueError
from beambell.labeling.catalogue import Catalogue
from beambell.labeling.core import LabelingFunction
from beambell.labeling.evaluate import Cast, cast_votes
from beambell.labeling.files import is_loading
from beambell.labeling.row import Columns

_LIBRARIES: Final = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib")
_SYSTEM: Final = ("/dev/", "/proc/", "/sys/", "/etc/", "/usr/share/", "/usr/lib/")


@dataclass(frozen=True)
class Source:
    """Where the labeling functions of a project come from.

    Attributes
    ----------
    modules, files, classes
        Names of modules, globs of YAML files and names of classes, as `Catalogue.load` takes them.
    root
        The project's folder.
    """

    modules: tuple[str, ...]
    files: tuple[str, ...]
    classes: tuple[str, ...]
    root: Path

    def load(self) -> Catalogue:
        """Load them."""
        return Catalogue.load(self.modules, files=self.files, classes=self.classes, root=self.root)


@dataclass(frozen=True)
class Rows:
    """Rows that are to be voted on next, as an Arrow stream.

    Attributes
    ----------
    table
        The stream's bytes.
    stream, cardinality
        Name of their stream, and the number of classes.
    fingerprints
        Fingerprints, by name, of the labeling functions that will be asked.
    """

    table: bytes
    stream: str
    cardinality: int
    fingerprints: dict[str, str]


@dataclass(frozen=True)
class Ask:
    """One labeling function is to vote on some of the rows.

    Attributes
    ----------
    name
        Name of the labeling function.
    start, stop, step
        Rows, so many at a time: what became of each part is told at once.
    time_limit_s
        Seconds for each part.
    """

    name: str
    start: int
    stop: int
    step: int
    time_limit_s: float | None


@dataclass(frozen=True)
class Part:
    """What became of one part of the rows.

    Attributes
    ----------
    cast
        The votes.
    opened
        Names of files, and addresses, that were opened meanwhile.
    """

    cast: Cast
    opened: tuple[str, ...]


def main(arguments: Sequence[str]) -> None:
    """Serve until nobody asks any more: descriptors of the connection, and of the pipe that ends with its other end."""
    connection, lifeline = (int(argument) for argument in arguments)
    _end_with(lifeline)
    with Connection(connection) as asked:
        _serve(asked)


def _end_with(lifeline: int) -> None:
    """End when the pipe does: by a signal, which reaches code that never returns to Python, and by a thread."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # it has ended already
        os._exit(1)

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _serve(asked: Connection) -> None:
    try:
        source: Source = asked.recv()
        catalogue = source.load()
    except Exception as error:  # noqa: BLE001  # whatever a user's module raises
        asked.send(_as_ours(error))
        return
    _warm_up()
    asked.send(catalogue.fingerprints)
    opened = _Opened(source.root)
    sys.addaudithook(opened.see)
    given: _Given | None = None
    while True:
        try:
            request: Rows | Ask = asked.recv()
        except (EOFError, OSError):
            return
        if isinstance(request, Rows):
            if given is not None:
                given.release()
            given = _Given(request)
            continue
        assert given is not None
        try:
            for part in given.parts(catalogue[request.name], request, opened):
                asked.send(part)
        except Exception as error:  # noqa: BLE001  # a resource that cannot be loaded, for example
            asked.send(_as_ours(error))


def _warm_up() -> None:
    """Make a row, which has Arrow import what it needs for that: no labeling function should be charged for it."""
    Columns(pa.table({"ts": pa.array([0], pa.timestamp("us", tz="UTC"))})).rows(None)


class _Given:
    """Rows to vote on, and who did.

    Parameters
    ----------
    rows
        Rows as they were sent.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._table: pa.Table = pa.ipc.open_stream(pa.py_buffer(rows.table)).read_all()
        self._columns = Columns(self._table, stream=rows.stream)
        self._voted: list[LabelingFunction] = []

    def parts(self, lf: LabelingFunction, ask: Ask, opened: _Opened) -> Iterator[Part]:
        """Let one labeling function vote, part by part."""
        self._voted.append(lf)
        for start in range(ask.start, max(ask.stop, ask.start + 1), ask.step):
            columns, n_rows = self._columns, min(ask.step, ask.stop - start)
            if n_rows < self._table.num_rows:
                columns = Columns(self._table.slice(start, n_rows), stream=self._rows.stream)
            with opened.noting():
                cast = cast_votes(
                    lf,
                    columns,
                    self._rows.stream,
                    cardinality=self._rows.cardinality,
                    fingerprint=self._rows.fingerprints.get(lf.name),
                    time_limit_s=ask.time_limit_s,
                )
            yield Part(cast, opened.take())

    def release(self) -> None:
        """Let those who voted forget the rows."""
        for lf in self._voted:
            lf.release()


def _as_ours(error: Exception) -> BeamBellError:
    if isinstance(error, BeamBellError):
        try:
            pickle.dumps(error)
        except Exception:  # noqa: BLE001  # its details may hold anything
            return type(error)(error.message, where=error.where, fix=error.fix)
        return error
    return CatalogueError(
        f"the process in which labeling functions vote failed\n{''.join(traceback.format_exception(error))}",
        fix="this is a defect of BeamBell or of its environment: please report it with the lines above",
    )


class _Opened:
    """What is opened while a labeling function votes, but for modules, libraries and its resources.

    Parameters
    ----------
    root
        The project's folder: files in it are named relative to it.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root.absolute())
        self._prefixes = tuple({f"{prefix}{os.sep}" for prefix in (sys.prefix, sys.base_prefix)}) + _SYSTEM
        self._on = False
        self._names: dict[str, None] = {}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what is opened meanwhile."""
        self._on = True
        try:
            yield
        finally:
            self._on = False

    def take(self) -> tuple[str, ...]:
        """Return what was noted, and forget it."""
        names, self._names = tuple(self._names), {}
        return names

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Be told of anything that the interpreter does."""
        if not self._on:
            return
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            name = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100  # a path object would be slow here
            if not (name.endswith(_LIBRARIES) or name.startswith(self._prefixes) or is_loading()):
                self._names[os.path.relpath(name, self._root) if name.startswith(self._root) else name] = None
        elif event == "socket.connect":
            self._names[f"the address {arguments[1]!r:.100}"] = None
        elif event == "subprocess.Popen":
            self._names[f"the program {arguments[0]!r:.100}"] = None


if __name__ == "__main__":
    main(sys.argv[1:])
