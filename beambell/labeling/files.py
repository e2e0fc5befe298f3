"""Files that labeling functions depend on: found from the project's root, known by their content."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from beambell.credentials import WHERE_THEY_BELONG, credentials
from beambell.errors import LabelingFunctionError

_root: ContextVar[Path | None] = ContextVar("project_root", default=None)
_is_loading: ContextVar[bool] = ContextVar("is_loading", default=False)
_loading = threading.RLock()


Stamp = tuple[int, int, int]

_read: ContextVar[dict[Path, Stamp | None] | None] = ContextVar("read", default=None)


@contextmanager
def noting_reads() -> Iterator[dict[Path, Stamp | None]]:
    """Note the files that labeling functions are made from meanwhile, each with its stamp."""
    read: dict[Path, Stamp | None] = {}
    token = _read.set(read)
    try:
        yield read
    finally:
        _read.reset(token)


def note_read(path: Path) -> None:
    """Note that a file is about to be read."""
    read = _read.get()
    if read is not None:
        read.setdefault(path, stamp_of(path))


def stamp_of(path: Path) -> Stamp | None:
    """Size, time of change and number of a file: another one once it was written; ``None`` if it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


@contextmanager
def project_root(root: Path) -> Iterator[None]:
    """Resolve relative file names from this folder while labeling functions are being defined."""
    token = _root.set(root.absolute())
    try:
        yield
    finally:
        _root.reset(token)


def find(name: str | Path) -> Path:
    """Return the absolute path of a file (or folder) named relative to the project's root.

    Raises
    ------
    LabelingFunctionError
        If there is none, or the name is a URL with credentials.
    """
    if found := credentials(str(name)):
        raise LabelingFunctionError(f"the name of a file holds {found}", fix=WHERE_THEY_BELONG)
    path = (_root.get() or Path.cwd()) / name
    if not path.exists():
        raise LabelingFunctionError(
            "there is no such file", where=str(name), fix="file names are relative to the project, where params.yaml is"
        )
    note_read(path)
    return path


def read_lines(name: str | Path) -> list[tuple[int, str]]:
    """Read a text file (UTF-8): its lines without surrounding whitespace, numbered from 1, empty ones left out.

    Raises
    ------
    LabelingFunctionError
        If it is missing, or is not UTF-8 (naming file and line).
    """
    try:
        data = find(name).read_bytes()
    except OSError as error:
        raise LabelingFunctionError(f"cannot be read: {error.strerror}", where=str(name)) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LabelingFunctionError("is not UTF-8", where=f"{name}:{line}", fix="save the file as UTF-8") from error
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file."""
    return path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Resource:
    """A file or folder that a Python labeling function needs, loaded on first use, once per process.

    Give it as ``@labeling_function(resources={"model": Resource("models/toxic.json", load=read_model)})``; the
    function then receives what ``load`` returned as its keyword argument ``model``. Its content is part of
    the labeling function's fingerprint.

    Parameters
    ----------
    name
        Path relative to the project's root.
    load
        Turns the absolute path into what the function receives; the text of the file by default.
    """

    name: str
    load: Callable[[Path], Any] = read_text
    path: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", find(self.name))

    @property
    def value(self) -> Any:
        """What ``load`` made of the file."""
        with _loading:
            return self._value

    @cached_property
    def _value(self) -> Any:
        token = _is_loading.set(True)
        try:
            value = self.load(self.path)
        finally:
            _is_loading.reset(token)
        if "digest" in self.__dict__ and self._stamps() != self._stamps_then:
            raise LabelingFunctionError(
                "the file was changed after the labeling functions that use it were loaded",
                where=self.name,
                fix="run again: the next run votes with what is there then",
            )
        return value

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the content; of a folder, of its files' relative names and contents."""
        _ = self._stamps_then
        return content_digest(self.path)

    @cached_property
    def _stamps_then(self) -> list[tuple[str, int, int]]:
        return self._stamps()

    def _stamps(self) -> list[tuple[str, int, int]]:
        """Name, size and time of change of each file."""
        files = sorted(_files(self.path))
        return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]


def is_loading() -> bool:
    """Whether a resource is being loaded in this thread: the files that are read meanwhile are known."""
    return _is_loading.get()


def content_digest(path: Path) -> str:
    """SHA-256 (hex) of a file; of a folder, of its files' relative names and contents."""
    if path.is_file():
        return _file_digest(path)
    listing = "".join(f"{file.relative_to(path).as_posix()}\0{_file_digest(file)}\n" for file in sorted(_files(path)))
    return hashlib.sha256(listing.encode()).hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    yield from (file for file in path.rglob("*") if file.is_file())


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
