"""A data root in a folder of this machine."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from beambell.store.backend import Entry, Observer


class LocalDraft:
    """A file in the staging folder, renamed to its name once its bytes are on the disk."""

    def __init__(self, folder: LocalFolder, path: Path, file: BinaryIO) -> None:
        self.file = file
        self._folder = folder
        self._path = path

    def publish(self, name: str) -> None:
        """Wait for the disk, then rename."""
        target = Path(self._folder.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        self._folder.observe("sync", name)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._folder.observe("rename", name)
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
        Function that is called just before each change.
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

    def arrow(self) -> tuple[Any, str]:
        """Arrow's own file system, and the root's absolute path."""
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem(), str(Path(self._base).absolute())

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


def _stat_stamp(stat: os.stat_result) -> str:
    return f"{stat.st_ino} {stat.st_mtime_ns} {stat.st_size}"
