"""Where bytes lie: a local folder, or whatever fsspec reaches. Each makes a whole file visible in one step."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from beambell.errors import StorageError
from beambell.store.conditional import ConditionalObject, S3Object
from beambell.store.reaching import reach

CHUNK = 1 << 20
WHOLE = 32 << 20  # a remote file up to this size is one request, not one per part that is looked at
READ_AHEAD = 8 << 20  # what comes with each part of a larger one: s3fs's own 50 MB is ten times a group of rows
READERS = 32  # requests at a time: an object store answers slowly, and many at once
GIVE_ETAGS = {"s3", "gs", "abfs"}
AT_ONCE = 8  # and so many pieces of work, each of which may hold a table

Observer = Callable[[str, str], None]


@dataclass(frozen=True)
class Entry:
    """A file as a listing shows it.

    Attributes
    ----------
    bytes
        Its size.
    stamp
        Changes when the file is replaced.
    modified
        When it was, in seconds since 1970, by the clock of where it lies.
    """

    bytes: int
    stamp: str
    modified: float


class Draft(Protocol):
    """A file under way, invisible until it is published."""

    file: BinaryIO

    def publish(self, name: str) -> None:
        """Make it visible under its name, in one step."""
        ...


class Place(Protocol):
    """What a data root can do; all names are relative to it.

    Attributes
    ----------
    at_once
        How many pieces of work to do side by side, so that not each waits for its own requests.
    lasting_stamps
        Whether stamps tell contents apart for good, by a digest or a number that only grows; and not by a clock.
    """

    at_once: int
    lasting_stamps: bool

    def path(self, name: str) -> str:
        """Full path or URL."""
        ...

    def open(self, name: str, size: int | None) -> BinaryIO:
        """Open for reading; ``size`` is a hint."""
        ...

    def comes_in_parts(self, size: int) -> bool:
        """Whether of a file of that size only those parts are transferred that are read."""
        ...

    def read(self, name: str) -> bytes:
        """Read whole."""
        ...

    def read_many(self, names: Sequence[str]) -> dict[str, bytes]:
        """Read many small files whole; those that are gone are left out."""
        ...

    def stamp(self, name: str) -> str | None:
        """Something that changes when the file is replaced, if that is cheaper to ask than to read the file."""
        ...

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        ...

    def walk(self, folder: str) -> dict[str, Entry]:
        """All files below a folder, in order."""
        ...

    def stamps(self, folder: str, file_name: str) -> dict[str, str]:
        """Folders below a folder that hold a file of that name, in order, each with the file's stamp.

        None is looked for below a folder that holds one.
        """
        ...

    def list(self, folder: str) -> Iterable[str]:
        """Names of the files in a folder."""
        ...

    def draft(self) -> Any:
        """Context of a `Draft`, thrown away unless it was published."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write a scratch file, which need not outlive a crash."""
        ...

    def rename(self, name: str, target: str) -> None:
        """Give a file another name, in one step where there is such a thing."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def remove_tree(self, folder: str) -> None:
        """Remove a folder and all below it, if it is there."""
        ...

    def lock_object(self, name: str) -> ConditionalObject | None:
        """The object by which machines keep apart, if there can be such a thing."""
        ...


class LocalDraft:
    """A file in the staging folder, renamed to its name once its bytes are on the disk."""

    def __init__(self, place: LocalFolder, path: Path, file: BinaryIO) -> None:
        self.file = file
        self._place = place
        self._path = path

    def publish(self, name: str) -> None:
        """Wait for the disk, then rename."""
        target = Path(self._place.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        self._place.observe("sync", name)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._place.observe("rename", name)
        self._path.replace(target)


class LocalFolder:
    """A folder of this machine.

    Parameters
    ----------
    root
        The folder.
    staging
        Name of the folder below it for what is not finished.
    observe
        Told of each change just before it is made.
    """

    at_once = 1  # a disk answers at once
    lasting_stamps = False

    def __init__(self, root: str, staging: str, observe: Observer) -> None:
        self._base = root.rstrip("/")
        self._staging = staging
        self.observe = observe

    def path(self, name: str) -> str:
        """Full path."""
        return f"{self._base}/{name}" if name else self._base

    def open(self, name: str, size: int | None) -> BinaryIO:  # noqa: ARG002 - what the protocol says
        """Open for reading."""
        return Path(self.path(name)).open("rb")

    def comes_in_parts(self, size: int) -> bool:  # noqa: ARG002 - what the protocol says
        """No: it is here."""
        return False

    def read(self, name: str) -> bytes:
        """Read whole."""
        return Path(self.path(name)).read_bytes()

    def read_many(self, names: Sequence[str]) -> dict[str, bytes]:
        """Read one after the other: a disk answers at once."""
        found = {}
        for name in names:
            try:
                found[name] = self.read(name)
            except (FileNotFoundError, NotADirectoryError):
                continue
        return found

    def stamp(self, name: str) -> str | None:
        """Inode, time of change and size."""
        try:
            return _stat_stamp(os.stat(self.path(name)))  # noqa: PTH116 - called for every manifest there is
        except OSError:
            return None

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        return Path(self.path(name)).exists()

    def walk(self, folder: str) -> dict[str, Entry]:
        """All files below a folder, in order; those that vanish meanwhile are left out."""
        start, found = len(self._base) + 1, {}
        for place, _, names in os.walk(self.path(folder)):
            for name in names:
                path = f"{place}/{name}"
                try:
                    stat = os.stat(path)  # noqa: PTH116
                except FileNotFoundError:
                    continue
                found[path[start:]] = Entry(stat.st_size, _stat_stamp(stat), stat.st_mtime)
        return dict(sorted(found.items()))

    def stamps(self, folder: str, file_name: str) -> dict[str, str]:
        """Ask for that file in each folder, and look at no other: there are several times as many."""
        found, todo = {}, [folder] if folder else [*self._folders("")]
        while todo:
            here = todo.pop()
            stamp = self.stamp(f"{here}/{file_name}")
            if stamp is None:
                todo += [f"{here}/{name}" for name in self._folders(here)]
            else:
                found[here] = stamp
        return dict(sorted(found.items()))

    def list(self, folder: str) -> Iterable[str]:
        """Names of the files in a folder."""
        return [entry.name for entry in self._entries(folder) if not entry.is_dir()]

    def _folders(self, folder: str) -> Sequence[str]:
        return [entry.name for entry in self._entries(folder) if entry.is_dir(follow_symlinks=False)]

    def _entries(self, folder: str) -> Sequence[os.DirEntry[str]]:
        try:
            with os.scandir(self.path(folder)) as entries:
                return [*entries]
        except (FileNotFoundError, NotADirectoryError):
            return ()

    @contextmanager
    def draft(self) -> Iterator[LocalDraft]:
        """Write into the staging folder, which is on the same disk, so that a rename is enough."""
        path = Path(self.path(f"{self._staging}/{uuid.uuid4().hex}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        self.observe("write", f"{self._staging}/{path.name}")
        file = path.open("wb")
        try:
            yield LocalDraft(self, path, file)
        finally:
            try:
                file.close()  # on a full disk, what is still in the buffer makes closing fail
            finally:
                path.unlink(missing_ok=True)

    def put(self, name: str, data: bytes) -> None:
        """Write in place, without waiting for the disk."""
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        self.observe("write", name)
        path.write_bytes(data)

    def rename(self, name: str, target: str) -> None:
        """Rename, in one step."""
        self.observe("rename", target)
        Path(self.path(name)).replace(self.path(target))

    def remove(self, name: str) -> None:
        """Remove a file, and the folders that this empties."""
        path = Path(self.path(name))
        self.observe("remove", name)
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == Path(self._base):
                return
            try:
                parent.rmdir()
            except OSError:
                return

    def remove_tree(self, folder: str) -> None:
        """Remove a folder and all below it."""
        path = self.path(folder)
        if Path(path).exists():
            self.observe("remove", folder)
            shutil.rmtree(path, ignore_errors=True)

    def lock_object(self, name: str) -> None:  # noqa: ARG002 - what the protocol says
        """None: the lock of the operating system does it."""
        return


class RemoteDraft:
    """A temporary file of this machine, uploaded once it is whole."""

    def __init__(self, place: ObjectStore, path: str, file: BinaryIO) -> None:
        self.file = file
        self._place = place
        self._path = path

    def publish(self, name: str) -> None:
        """Upload: an object appears when its last byte has arrived, so no rename is needed."""
        self.file.flush()
        self._place.observe("write", name)
        self._place.fs.put_file(self._path, self._place.path(name))


class ObjectStore:
    """Anything that fsspec reaches by URL. Listings are never cached: others write, too.

    Parameters
    ----------
    root
        Such as ``s3://bucket/prefix``; credentials come from the environment or fsspec's own configuration.
    observe
        Told of each change just before it is made.
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


def _stat_stamp(stat: os.stat_result) -> str:
    return f"{stat.st_ino} {stat.st_mtime_ns} {stat.st_size}"
