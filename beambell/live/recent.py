"""Rows that were labelled last: what answers of people are joined with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from beambell.arrays import Packed


class RecentRow(NamedTuple):
    """A row that was labelled not long ago.

    Attributes
    ----------
    stream, id
        Name of the stream, and id of the row.
    dt
        Date of its partition.
    pattern
        Packed votes.
    """

    stream: str
    id: str
    dt: str
    pattern: bytes


class RecentRows:
    """Rows that were labelled last, by stream and id, with the pattern of their votes.

    Parameters
    ----------
    most
        Number of rows to remember.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: dict[tuple[str, str], tuple[str, bytes]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, stream: str, ids: Iterable[str], dts: Iterable[str], patterns: Packed) -> None:
        """Remember rows; a row that comes again counts as new."""
        if not self._most:
            return
        for name, dt, pattern in zip(ids, dts, patterns, strict=True):
            self._rows.pop((stream, name), None)
            self._rows[stream, name] = dt, pattern.tobytes()
        for key in list(islice(self._rows, max(0, len(self._rows) - self._most))):
            del self._rows[key]

    def find(self, stream: str, name: str) -> RecentRow | None:
        """Return a row; ``None`` if it is not among them."""
        found = self._rows.get((stream, name))
        return None if found is None else RecentRow(stream, name, *found)

    def with_patterns(self, patterns: Collection[bytes]) -> Iterator[RecentRow]:
        """Yield the rows with any of some packed votes, the oldest first."""
        for (stream, name), (dt, pattern) in self._rows.items():
            if pattern in patterns:
                yield RecentRow(stream, name, dt, pattern)
