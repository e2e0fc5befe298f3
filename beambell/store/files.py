"""Bytes below the data root: a local folder or any fsspec URL. A file appears whole or not at all."""

from __future__ import annotations

import builtins
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from beambell.errors import ArtefactError
from beambell.store.layout import Layout


class HashingSink:
    """A file being written, hashed on the way; the digest becomes part of its name.

    Attributes
    ----------
    sha256, size
        Of the bytes so far, as hex digits and a count.
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
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)
        self.is_local = "://" not in self.root
        self._fs: Any = None
        self._base = self.root.rstrip("/")

    def __repr__(self) -> str:
        return f"Files({self.root!r})"

    def path(self, name: str) -> str:
        """Full path or URL of a file or folder below the root."""
        return f"{self._base}/{name}" if name else self._base

    @property
    def fs(self) -> Any:
        """The fsspec file system, made at first use: local roots rarely need it."""
        if self._fs is None:
            import fsspec

            self._fs, self._base_on_fs = fsspec.core.url_to_fs(self.root)
        return self._fs

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading.

        Raises
        ------
        ArtefactError
            If there is none.
        """
        try:
            if self.is_local:
                return Path(self.path(name)).open("rb")
            return self.fs.open(self.path(name), "rb")  # type: ignore[no-any-return]
        except FileNotFoundError:
            raise ArtefactError(
                "this file is missing",
                where=self.path(name),
                fix="it was removed after its manifest was written; `beambell run` makes it again",
            ) from None

    def read(self, name: str) -> bytes | None:
        """Read a small file whole, or ``None`` if there is none."""
        try:
            if self.is_local:
                return Path(self.path(name)).read_bytes()
            return self.fs.cat_file(self.path(name))  # type: ignore[no-any-return]
        except (FileNotFoundError, NotADirectoryError):
            return None

    def stamp(self, name: str) -> str | None:
        """Something that changes when a local file is replaced; ``None`` where there is no such thing."""
        if not self.is_local:
            return None
        try:
            stat = os.stat(self.path(name))  # noqa: PTH116 - called for every manifest there is
        except OSError:
            return None
        return f"{stat.st_ino} {stat.st_mtime_ns} {stat.st_size}"

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        return Path(self.path(name)).exists() if self.is_local else bool(self.fs.exists(self.path(name)))

    def find(self, folder: str, file_name: str) -> builtins.list[str]:
        """Folders, at any depth below ``folder``, that hold ``file_name``; sorted, relative to the root."""
        if self.is_local:
            start = len(self._base) + 1
            found = [place for place, _, names in os.walk(self.path(folder)) if file_name in names]
            return sorted(place[start:] for place in found)
        if not self.fs.exists(self.path(folder)):
            return []
        base_path = self.fs._strip_protocol(self._base)
        paths = self.fs.find(self.path(folder))
        return sorted(
            str(path)[len(base_path) :].lstrip("/").rpartition("/")[0]
            for path in paths
            if str(path).endswith(f"/{file_name}")
        )

    def list(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; none if there is no folder."""
        if self.is_local:
            base = Path(self.path(folder))
            return sorted(entry.name for entry in base.iterdir() if entry.is_file()) if base.exists() else []
        if not self.fs.exists(self.path(folder)):
            return []
        return sorted(str(path).rpartition("/")[2] for path in self.fs.ls(self.path(folder), detail=False))

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file: readers see the old bytes or the new, never a mixture."""
        with self._appearing(name) as file:
            file.write(data)

    def stage(self, name: str, data: bytes) -> None:
        """Write a file below the staging folder; after a crash nobody looks for it, so no disk is waited for."""
        path = self.path(f"{Layout.STAGING}/{name}")
        if self.is_local:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(data)
        else:
            self.fs.pipe_file(path, data)

    @contextmanager
    def sealed(self, folder: str, role: str, suffix: str) -> Iterator[Sealing]:
        """Stream a file whose name will hold its content's digest: ``<role>-<16 hex digits><suffix>``.

        Yields
        ------
        Sealing
            With ``.sink`` to write to; ``.name`` and the figures are known when the block ends.
        """
        sealing = Sealing()
        temporary = f"{Layout.STAGING}/{uuid.uuid4().hex}"
        with self._writing(temporary) as file:
            sealing.sink = HashingSink(file)
            yield sealing
        sealing.name = f"{role}-{sealing.sink.sha256[:16]}{suffix}"
        self._move(temporary, f"{folder}/{sealing.name}")

    def remove_tree(self, folder: str) -> None:
        """Remove a folder and all below it, if it is there."""
        import shutil

        if self.is_local:
            shutil.rmtree(self.path(folder), ignore_errors=True)
        elif self.fs.exists(self.path(folder)):
            self.fs.rm(self.path(folder), recursive=True)

    @contextmanager
    def _appearing(self, name: str) -> Iterator[BinaryIO]:
        temporary = f"{Layout.STAGING}/{uuid.uuid4().hex}"
        with self._writing(temporary) as file:
            yield file
        self._move(temporary, name)

    @contextmanager
    def _writing(self, name: str) -> Iterator[BinaryIO]:
        if not self.is_local:
            with self.fs.open(self.path(name), "wb") as file:
                yield file
            return
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _move(self, source: str, target: str) -> None:
        if self.is_local:
            Path(self.path(target)).parent.mkdir(parents=True, exist_ok=True)
            Path(self.path(source)).replace(self.path(target))
        else:
            self.fs.mv(self.path(source), self.path(target))


class Sealing:
    """What is known of a file while and after it is written.

    Attributes
    ----------
    sink
        Where its bytes go.
    name
        Its final name, once sealed.
    """

    sink: HashingSink
    name: str
