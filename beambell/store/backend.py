"""A backend: what a data root can do, wherever its bytes lie. It makes a whole file visible in one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from beambell.store.conditional import ConditionalObject

CHUNK = 1 << 20
"""Bytes that are read at a time."""

Observer = Callable[[str, str], None]


@dataclass(frozen=True)
class Entry:
    """A file as a listing shows it.

    Attributes
    ----------
    bytes
        Size in bytes.
    stamp
        Changes when the file is replaced.
    modified
        Time of the last change, in seconds since 1970, by the clock of where the file lies.
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


class Backend(Protocol):
    """What a data root can do; all names are relative to it.

    Attributes
    ----------
    at_once
        Number of pieces of work to do side by side, so that not each waits for its own requests.
    lasting_stamps
        Whether stamps tell contents apart for good, by a digest or a number that only grows; and not by a clock.
    """

    at_once: int
    lasting_stamps: bool

    def path(self, name: str) -> str:
        """Full path or URL."""
        ...

    def arrow(self) -> tuple[Any, str]:
        """Arrow's file system for these bytes, and the path of the root in it."""
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
