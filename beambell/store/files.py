"""Bytes below the data root: a local folder or any fsspec URL. A file appears whole or not at all.

Everything that changes a data root goes through here, and each change is announced to `Files.observer` before it is
made. So the instants at which a process can die are enumerable, and the tests die at each of them in turn.
"""

from __future__ import annotations

import builtins
import hashlib
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TypeVar

from beambell.credentials import WHERE_THEY_BELONG, credentials
from beambell.errors import ArtefactError, ConfigError, reading_errors, storage_errors
from beambell.store.backend import Backend, Draft, Entry, Observer
from beambell.store.layout import Layout
from beambell.store.lease import Lease
from beambell.store.local import LocalFolder
from beambell.store.remote import ObjectStore

SUM_BYTES = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


class HashingSink:
    """A file being written, hashed on the way; the digest becomes part of its name.

    Attributes
    ----------
    sha256, size
        Digest of the bytes so far, in hex digits, and their number.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: Any) -> int:
        """Append bytes."""
        self._hash.update(data)
        written = memoryview(data).nbytes
        self.size += written
        self._file.write(data)
        return written

    def tell(self) -> int:
        """Position, which is the size: the sink only appends."""
        return self.size

    def flush(self) -> None:
        """Hand buffered bytes to the file."""
        self._file.flush()

    def writable(self) -> bool:
        """Say yes, as a file would."""
        return True

    def readable(self) -> bool:
        """Say no, as a file would."""
        return False

    def seekable(self) -> bool:
        """Say no, as a file would."""
        return False

    @property
    def closed(self) -> bool:
        """Whether the file below is closed."""
        return self._file.closed

    def close(self) -> None:
        """Leave the closing to whoever opened the file."""

    @property
    def sha256(self) -> str:
        """Digest of the bytes so far."""
        return self._hash.hexdigest()


class Files:
    """Reads and atomic writes below one root.

    Parameters
    ----------
    root
        A local folder, or an fsspec URL such as ``s3://bucket/prefix`` or ``memory://data``.

    Attributes
    ----------
    observer
        Function that is called with a verb (``write``, ``sync``, ``rename``, ``remove``) and a name just before each
        change below any data root of this process; ``None`` for none.

    Raises
    ------
    ConfigError
        If the URL holds credentials.
    """

    observer: ClassVar[Observer | None] = None

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)
        if found := credentials(self.root):
            raise ConfigError(f"the URL of the data root holds {found}", fix=WHERE_THEY_BELONG)
        self.is_local = "://" not in self.root
        self._lease: Lease | None = None
        self._seen: dict[tuple[str, ...], Any] | None = None
        self._held: dict[str, bytes] = {}
        self._room = 0
        self._holding = threading.Lock()
        self._opened: Backend | None = LocalFolder(self.root, Layout.STAGING, self._announce) if self.is_local else None

    def __repr__(self) -> str:
        return f"Files({self.root!r})"

    @property
    def _backend(self) -> Backend:
        """Where the bytes lie; a remote one is reached at first use, for that takes imports."""
        if self._opened is None:
            self._opened = ObjectStore(self.root, self._announce)
        return self._opened

    @contextmanager
    def leased(self, *, timeout: float) -> Iterator[None]:
        """Keep writers on other machines away, where the data root can be used by several and can tell them apart.

        Parameters
        ----------
        timeout
            Seconds to wait for another writer.

        Raises
        ------
        LockedError
            If another machine still writes then; and by any change in the block once the lease is lost.
        """
        lock = None if self.is_local else self._backend.lock_object(Layout.LEASE)
        if lock is None:
            yield
            return
        lease = Lease(lock)
        with lease.held(timeout=timeout):
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None

    @contextmanager
    def looked_at_once(self, once: bool = True) -> Iterator[None]:
        """Ask for each listing and each manifest once in the block, unless this process changes something.

        For whoever compares what there is as of one moment: over all stages, a plan asks for some folders five times.

        Parameters
        ----------
        once
            Whether to do so; ``False`` for a block in which other processes of a job make changes.
        """
        before, self._seen = self._seen, {} if once else None
        try:
            yield
        finally:
            self._seen = None if before is None else {}

    def _once(self, key: tuple[str, ...], ask: Callable[[], Result]) -> Result:
        seen = self._seen
        if seen is None:
            return ask()
        if key not in seen:
            seen[key] = ask()
        found: Result = seen[key]
        return found

    def _announce(self, verb: str, name: str) -> None:
        if self._seen:
            self._seen = {}
        if self._lease:
            self._lease.check()
        if Files.observer:
            Files.observer(verb, name)

    def path(self, name: str) -> str:
        """Full path or URL of a file or folder below the root."""
        base = self.root.rstrip("/")
        return f"{base}/{name}" if name else base

    @property
    def at_once(self) -> int:
        """How many pieces of work to do side by side, so that not each waits for its own requests: 1 on a disk."""
        return self._backend.at_once

    @property
    def lasting_stamps(self) -> bool:
        """Whether a stamp that was seen before, by whatever process, says that the content is the same."""
        return self._backend.lasting_stamps

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Do something for each item, side by side where requests take a while; yield the results in order.

        Of the results, at most `at_once` are held before they are asked for. When one piece of work fails, those that
        have not begun are left undone.
        """
        if self.at_once == 1:
            yield from map(work, items)
            return
        under_way: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(self.at_once) as pool:
            try:
                for item in items:
                    under_way.append(pool.submit(work, item))
                    if len(under_way) == self.at_once:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            finally:
                for future in under_way:
                    future.cancel()

    # -- reading ---------------------------------------------------------------------------------------------

    def open(self, name: str, size: int | None = None) -> BinaryIO:
        """Open a file for reading.

        Parameters
        ----------
        name
            Name of the file.
        size
            Size in bytes, if it is known: a small remote file is then read in one request.

        Raises
        ------
        ArtefactError
            If there is none.
        """
        try:
            with reading_errors(self.path(name)):
                return self._backend.open(name, size)
        except (FileNotFoundError, NotADirectoryError):
            raise ArtefactError(
                "this file is missing",
                where=self.path(name),
                fix="it was removed after its manifest was written; `beambell run` makes it again",
            ) from None

    def arrow(self) -> tuple[Any, str]:
        """Arrow's file system for what lies here, and the path of the root in it: for lazy tables of many files."""
        return self._backend.arrow()

    def read(self, name: str) -> bytes | None:
        """Read a small file whole, or ``None`` if there is none."""
        return self._once(("read", name), lambda: self._read(name)) if name.endswith(".json") else self._read(name)

    def _read(self, name: str) -> bytes | None:
        try:
            with reading_errors(self.path(name)):
                return self._backend.read(name)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_many(self, names: Sequence[str]) -> dict[str, bytes]:
        """Read small files whole, at once where that helps; those that are not there are left out."""
        with reading_errors(self.root):
            return self._backend.read_many(names)

    def stamp(self, name: str) -> str | None:
        """Something that changes when a local file is replaced; ``None`` where there is no such thing."""
        return self._backend.stamp(name)

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        return self._backend.exists(name)

    def comes_in_parts(self, size: int) -> bool:
        """Whether of a file of that size, in bytes, only those parts are transferred that are read."""
        return self._backend.comes_in_parts(size)

    def is_folder(self, name: str) -> bool:
        """Whether a local folder has this name; an object store has none."""
        return self.is_local and Path(self.path(name)).is_dir()

    def walk(self, folder: str) -> dict[str, Entry]:
        """All files at any depth below a folder, with size and stamp; in order, relative to the root."""
        return {**self._once(("walk", folder), lambda: self._backend.walk(folder))}

    def stamps(self, folder: str, file_name: str) -> dict[str, str]:
        """Folders, at any depth below ``folder``, that hold ``file_name``, each with the stamp of that file.

        In order, relative to the root. None is looked for below a folder that holds one: artefacts hold no artefacts.
        """
        return {**self._once(("stamps", folder, file_name), lambda: self._backend.stamps(folder, file_name))}

    def list(self, folder: str) -> builtins.list[str]:
        """Names of the files in a folder, sorted; none if there is no folder."""
        return sorted(self._backend.list(folder))

    # -- changes ---------------------------------------------------------------------------------------------

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file: readers see the old bytes or the new, never a mixture."""
        with self._draft() as draft:
            draft.file.write(data)
            draft.publish(name)

    @contextmanager
    def appearing(self, name: str) -> Iterator[HashingSink]:
        """Stream a file that becomes visible under its name when the block ends without an error."""
        with self._draft() as draft:
            sink = HashingSink(draft.file)
            yield sink
            draft.publish(name)

    @contextmanager
    def sealed(self, folder: str, role: str, suffix: str) -> Iterator[Sealing]:
        """Stream a file whose name will hold its content's digest: ``<role>-<16 hex digits><suffix>``.

        Yields
        ------
        Sealing
            With ``.sink`` to write to; ``.name`` and the figures are known when the block ends.
        """
        sealing = Sealing()
        with self._draft() as draft:
            sealing.sink = HashingSink(draft.file)
            yield sealing
            sealing.name = f"{role}-{sealing.sink.sha256[:16]}{suffix}"
            draft.publish(f"{folder}/{sealing.name}")

    def stage(self, name: str, data: bytes) -> None:
        """Write a file below the staging folder; after a crash nobody looks for it, so no disk is waited for."""
        with storage_errors(self.root):
            self._backend.put(f"{Layout.STAGING}/{name}", b"".join((data, _sum(data))))

    @contextmanager
    def holding(self, most: int) -> Iterator[None]:
        """Hold what is handed over in the block in memory, up to ``most`` bytes; what is beyond that is staged.

        Only who has this very object reads it there: a process with another stages what it hands over.
        """
        self._room = most
        try:
            yield
        finally:
            self._held, self._room = {}, 0

    def hand_over(self, name: str, data: bytes) -> None:
        """Keep bytes for a later step of a job, which reads them by `staged`: in memory where they are held."""
        with self._holding:
            is_held = len(data) <= self._room
            if is_held:
                self._room -= len(data)
                self._held[name] = data
        if not is_held:
            self.stage(name, data)

    def staged(self, name: str) -> memoryview:
        """Read what was staged or handed over.

        Raises
        ------
        ArtefactError
            If it is gone, or not what was staged.
        """
        if name in self._held:
            return memoryview(self._held[name])
        where = f"{Layout.STAGING}/{name}"
        data = memoryview(self.read(where) or b"")
        content, checksum = data[:-SUM_BYTES], data[-SUM_BYTES:]
        if bytes(checksum) != _sum(content):
            raise ArtefactError(
                "a file of a running job is gone or damaged",
                where=self.path(where),
                fix="run again; if it is so again, look after the disk",
            )
        return content

    def rename(self, name: str, target: str) -> None:
        """Give a file another name; in one step on a disk, as a copy in an object store."""
        with storage_errors(self.root):
            self._backend.rename(name, target)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._backend.remove(name)

    def remove_tree(self, folder: str) -> None:
        """Remove a folder and all below it, if it is there."""
        self._backend.remove_tree(folder)

    @contextmanager
    def _draft(self) -> Iterator[Draft]:
        with storage_errors(self.root), self._backend.draft() as draft:
            yield draft


def _sum(data: bytes | memoryview) -> bytes:
    """Check sum of what one step of a job leaves for the next."""
    return zlib.crc32(data).to_bytes(SUM_BYTES, "little")


class Sealing:
    """What is known of a file while and after it is written.

    Attributes
    ----------
    sink
        File that its bytes go to.
    name
        Final name of the file, once sealed.
    """

    sink: HashingSink
    name: str
