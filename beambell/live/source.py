"""What every live source is: parts of a log, each read on from any offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Records of one part of a source, in order of their offsets.

    Attributes
    ----------
    part
        Name of the part: letters, digits, dots and dashes.
    first, next
        Offset of the first record, and the offset to read on from. ``first == next`` if there is none.
    values
        Bytes of the n records as they came, each a JSON object if it is right; empty bytes for a tombstone.
    offsets
        Offset of each record, int64 [n], rising. There may be gaps, as in a compacted topic.
    arrived
        Time of arrival of each record, milliseconds since 1970, int64 [n].
    behind
        Number of records that the source has beyond ``next``; -1 where that is not known.
    lost
        Pairs of offsets, the first and the one after the last, of records that the source no longer has.
    """

    part: str
    first: int
    next: int
    values: tuple[bytes, ...]
    offsets: Int64s
    arrived: Int64s
    behind: int = -1
    lost: tuple[tuple[int, int], ...] = ()

    @classmethod
    def empty(cls, part: str, offset: int, behind: int = 0) -> Chunk:
        """Make the chunk of a part in which nothing new has arrived."""
        nothing = np.empty(0, np.int64)
        return cls(part, offset, offset, (), nothing, nothing, behind)

    def __len__(self) -> int:
        return len(self.values)


class Source(Protocol):
    """Log of one stream, in one or more parts; every method may raise `LiveSourceError` while it is away."""

    def parts(self) -> Sequence[str]:
        """Return the names of all parts, sorted, also of those that have no records yet."""
        ...

    def bounds(self, part: str) -> tuple[int, int]:
        """Return the first offset that can still be read, and the one that the next record will have."""
        ...

    def read(self, part: str, offset: int, most: int, wait_s: float) -> Chunk:
        """Read at most so many records from an offset on, and wait at most so many seconds for the first.

        An offset that is no longer there (retention passed) is skipped: the chunk begins at the first that is, and its
        ``lost`` says which are gone.
        """
        ...

    def commit(self, part: str, offset: int) -> None:
        """Note at the source that all before an offset is landed; for people who watch it: nothing relies on it."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
