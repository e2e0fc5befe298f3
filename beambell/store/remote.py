"""A data root in whatever fsspec reaches by URL: an object store, or a file system elsewhere."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO

from beambell.errors import StorageError
from beambell.store.backend import Entry, Observer
from beambell.store.conditional import ConditionalObject, S3Object
from beambell.store.reaching import reach

WHOLE = 32 << 20  # a remote file up to this size is one request, not one per part that is looked at
READ_AHEAD = 8 << 20  # what comes with each part of a larger one: s3fs's own 50 MB is ten times a group of rows
READERS = 32  # requests at a time: an object store answers slowly, and many at once
GIVE_ETAGS = {"s3", "gs", "abfs"}
AT_ONCE = 8  # and so many pieces of work, each of which may hold a table


class RemoteDraft:
    """A temporary file of this machine, uploaded once it is whole."""

    def __init__(self, store: ObjectStore, path: str, file: BinaryIO) -> None:
        self.file = file
        self._store = store
        self._path = path

    def publish(self, name: str) -> None:
        """Upload: an object appears when its last byte has arrived, so no rename is needed."""
        self.file.flush()
        self._store.observe("write", name)
        self._store.fs.put_file(self._path, self._store.path(name))


class ObjectStore:
    """Anything that fsspec reaches by URL. Listings are never cached: others write, too.

    Parameters
    ----------
    root
        URL such as ``s3://bucket/prefix``; credentials come from the environment or fsspec's own configuration.
    observe
        Function that is called just before each change.
    """

    at_once = AT_ONCE

    def __init__(self, root: str, observe: Observer) -> None:
        self._base = root.rstrip("/")
        self.observe = observe
        self.fs: Any = reach(root, where=f"data in params.yaml: {root}", kind=StorageError)[0]
        # Where reads can be split, s3fs for one asks for the size first: a request more for each small file.
        self._in_one_piece = {"max_concurrency": 1} if hasattr(self.fs, "max_concurrency") else {}
        self._key: str = self.fs._strip_protocol(self._base).rstrip("/")
        protocols = {self.fs.protocol} if isinstance(self.fs.protocol, str) else set(self.fs.protocol)
        self.lasting_stamps = not protocols.isdisjoint(GIVE_ETAGS)

    def path(self, name: str) -> str:
        """Full URL."""
        return f"{self._base}/{name}" if name else self._base

    def arrow(self) -> tuple[Any, str]:
        """Arrow's view of the same fsspec file system, and the root's key in it."""
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        return PyFileSystem(FSSpecHandler(self.fs)), self._key

    def open(self, name: str, size: int | None) -> BinaryIO:
        """Open for reading; a small file comes whole, in one request."""
        if size is not None and not self.comes_in_parts(size):
            return io.BytesIO(self.read(name))
        return self.fs.open(self.path(name), "rb", block_size=READ_AHEAD)  # type: ignore[no-any-return]

    def comes_in_parts(self, size: int) -> bool:
        """Whether it is too large for one request."""
        return size > WHOLE

    def read(self, name: str) -> bytes:
        """Read whole, in one request."""
        return self.fs.cat_file(self.path(name), **self._in_one_piece)  # type: ignore[no-any-return]

    def read_many(self, names: Sequence[str]) -> dict[str, bytes]:
        """Read side by side: the waiting is shared. (``fs.cat`` would first ask of each whether it is there.)."""

        def get(name: str) -> bytes | None:
            try:
                return self.read(name)
            except FileNotFoundError:
                return None

        with ThreadPoolExecutor(READERS) as pool:
            found = dict(zip(names, pool.map(get, names), strict=True))
        return {name: data for name, data in found.items() if data is not None}

    def stamp(self, name: str) -> str | None:  # noqa: ARG002 - what the protocol says
        """Nothing: asking would take a request, as reading does."""
        return None

    def exists(self, name: str) -> bool:
        """Whether an object is there."""
        return bool(self.fs.exists(self.path(name)))

    def walk(self, folder: str) -> dict[str, Entry]:
        """All objects below a folder, in order: one request for a thousand."""
        try:
            found = self.fs.find(self.path(folder), detail=True)
        except FileNotFoundError:
            return {}
        entries = {self._name(path): _info_entry(info) for path, info in found.items()}
        return dict(sorted(entries.items()))

    def stamps(self, folder: str, file_name: str) -> dict[str, str]:
        """What the listing says of those files."""
        tail = f"/{file_name}"
        return {
            name.removesuffix(tail): entry.stamp for name, entry in self.walk(folder).items() if name.endswith(tail)
        }

    def list(self, folder: str) -> Iterable[str]:
        """Names of the objects directly below a folder."""
        names = (name[len(folder) + 1 :] for name in self.walk(folder))
        return (name for name in names if "/" not in name)

    @contextmanager
    def draft(self) -> Iterator[RemoteDraft]:
        """Write into a temporary file of this machine first: half an upload must never look like an object."""
        with tempfile.NamedTemporaryFile(prefix="beambell-") as file:
            yield RemoteDraft(self, file.name, file)  # type: ignore[arg-type]

    def put(self, name: str, data: bytes) -> None:
        """Write an object."""
        self.observe("write", name)
        self.fs.pipe_file(self.path(name), bytes(data))  # some file systems insist: no buffers of Arrow

    def rename(self, name: str, target: str) -> None:
        """Copy, then remove: an object keeps its name."""
        self.observe("write", target)
        self.fs.cp_file(self.path(name), self.path(target))
        self.remove(name)

    def remove(self, name: str) -> None:
        """Remove an object."""
        self.observe("remove", name)
        try:
            self.fs.rm_file(self.path(name))
        except FileNotFoundError:
            return

    def remove_tree(self, folder: str) -> None:
        """Remove all objects below a folder."""
        found = [self.path(name) for name in self.walk(folder)]
        if found:
            self.observe("remove", folder)
            self.fs.rm(found)

    def lock_object(self, name: str) -> ConditionalObject | None:
        """The object by which machines keep apart, if this kind of store is known to write on conditions."""
        return S3Object(self.fs, self.path(name)) if "s3" in self.fs.protocol else None

    def _name(self, path: str) -> str:
        return str(self.fs._strip_protocol(path))[len(self._key) :].lstrip("/")


def info_stamp(info: dict[str, Any]) -> str:
    """Sum up what a file system says of a file, so that a replaced file has another stamp."""
    keys = ("size", "ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "modified", "created")
    return " ".join(str(info.get(key)) for key in keys)


def info_modified(info: dict[str, Any]) -> float:
    """Say when a file was last modified, in seconds since 1970, by the clock of where it lies; 0 if that is unknown."""
    times = (info.get(key) for key in ("LastModified", "modified", "mtime", "last_modified", "created"))
    when = next((time for time in times if time is not None), 0.0)
    return when.timestamp() if isinstance(when, datetime) else float(when)


def _info_entry(info: dict[str, Any]) -> Entry:
    return Entry(int(info["size"] or 0), info_stamp(info), info_modified(info))
