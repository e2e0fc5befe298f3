"""Counting the characters of a text, and comparing what was counted with bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np

from beambell.labeling.compiler import kernels
from beambell.labeling.compiler.alphabet import FILL, Array, Script
from beambell.labeling.compiler.texts import Texts
from beambell.labeling.declarative import Number, nearest_float

LEAST: Final = -(2**63)
MOST: Final = 2**63 - 1

LANES: Final = 8
"""Sets that one `Tally` counts."""

FEW: Final = 3
"""Sets of few ranges that are counted faster one by one than by a `Tally`."""

RANGES: Final = 4
"""Ranges that a set may have to be counted by `InRanges`."""


class Range(NamedTuple):
    """An output for what is at least ``low`` and at most ``high``."""

    output: int
    low: Number | None
    high: Number | None


@dataclass(frozen=True, eq=False)
class Within:
    """Ranges of numbers, prepared for `kernels.within`: lows, highs and outputs."""

    lows: Array
    highs: Array
    outputs: Array

    @classmethod
    def whole(cls, ranges: Sequence[Range]) -> Within:
        """Make one for int64."""
        lows, highs = np.array([_whole(low, high) for _, low, high in ranges], dtype=np.int64).T.copy()
        return cls(lows, highs, _outputs(ranges))

    @classmethod
    def real(cls, ranges: Sequence[Range]) -> Within:
        """Make one for float64."""
        lows = np.array([_float(low, -math.inf, math.inf) for _, low, _ in ranges], dtype=np.float64)
        highs = np.array([_float(high, math.inf, -math.inf) for _, _, high in ranges], dtype=np.float64)
        return cls(lows, highs, _outputs(ranges))

    def run(self, values: Array, known: Array, hits: Array) -> None:
        """Compare all known values with all bounds."""
        kernels.within(values, known, self.lows, self.highs, self.outputs, hits)


class Counted(NamedTuple):
    """What is to be counted: the characters of a set, or their unbroken runs.

    Attributes
    ----------
    script
        Script in which texts are written.
    inside
        bool [256], which of its bytes stand for characters of the set; what stands for none is not.
    run
        Whether it is the runs.
    ranges
        Ranges that the numbers are compared with.
    """

    script: Script
    inside: Array
    run: bool
    ranges: Within


class Counter(Protocol):
    """Counts and compares."""

    def run(self, texts: Texts, hits: Array) -> None:
        """Set the outputs of the texts whose numbers are within bounds."""


@dataclass(frozen=True, eq=False)
class Sizes:
    """Counts all characters: they are known."""

    ranges: Within

    def run(self, texts: Texts, hits: Array) -> None:
        """See `Counter`."""
        self.ranges.run(texts.sizes, texts.valid, hits)


class Bounds(NamedTuple):
    """Up to four ranges of bytes, as `kernels.count` compares eight bytes at once with them.

    Attributes
    ----------
    at_least, beyond
        uint64 [4], what to add to the lower seven bits of each byte, so that the eighth tells whether it is at least
        the first of a range, or beyond the last.
    high
        uint64 [4], what turns the highest bit of each byte of the half that a range is in into a one.
    outside
        Mask of all bits if bytes in no range are meant, else of none.
    """

    at_least: Array
    beyond: Array
    high: Array
    outside: np.uint64

    @classmethod
    def of(cls, inside: Array) -> Bounds | None:
        """Make them for a set of bytes, bool [256], if there are few enough ranges."""
        for outside in (0, 1):
            ranges = list(_ranges(inside != bool(outside)))
            if len(ranges) <= RANGES:
                sums = np.array([*ranges, *[(0, 0, 0)] * (RANGES - len(ranges))], dtype=np.uint64)
                at_least, beyond, high = sums.T.copy()
                return cls(at_least, beyond, high, np.uint64(outside * (2**64 - 1)))
        return None


@dataclass(frozen=True, eq=False)
class InRanges:
    """Counts a set of few ranges of bytes, or its runs."""

    script: Script
    bounds: Bounds
    runs: bool
    ranges: Within

    def run(self, texts: Texts, hits: Array) -> None:
        """See `Counter`."""
        counts = np.empty(texts.n_rows, dtype=np.int64)
        written = texts.written(self.script)
        kernels.count(written.words, written.starts, *self.bounds, self.runs, counts)
        self.ranges.run(counts, texts.valid, hits)


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts up to eight sets, or their runs, in one pass. See `kernels.tally`."""

    script: Script
    packed: Array
    runs: np.uint64
    ranges: tuple[Within, ...]

    @classmethod
    def of(cls, some: Sequence[Counted]) -> Tally:
        """Make one for texts in one script."""
        packed, runs = np.zeros(256, dtype=np.uint64), 0
        for lane, counted in enumerate(some):
            packed[counted.inside] |= np.uint64(1 << 8 * lane)
            runs |= counted.run << 8 * lane
        return cls(some[0].script, packed, np.uint64(runs), tuple(counted.ranges for counted in some))

    def run(self, texts: Texts, hits: Array) -> None:
        """See `Counter`."""
        counts = np.empty((len(self.ranges), texts.n_rows), dtype=np.int64)
        written = texts.written(self.script)
        kernels.tally(written.words, written.starts, texts.sizes, self.packed, self.runs, counts)
        for count, ranges in zip(counts, self.ranges, strict=True):
            ranges.run(count, texts.valid, hits)


def counters(counted: Iterable[Counted]) -> Iterator[Counter]:
    """Find the fastest way to count all these sets."""
    sets = []
    for one in counted:
        if one.inside[:FILL].all() and not one.run:
            yield Sizes(one.ranges)
        else:
            sets.append((one, Bounds.of(one.inside)))
    few = [InRanges(one.script, bounds, one.run, one.ranges) for one, bounds in sets if bounds is not None]
    if len(few) == len(sets) <= FEW:
        yield from few
        return
    by_script: dict[Script, list[Counted]] = {}
    for one, _ in sets:
        by_script.setdefault(one.script, []).append(one)
    for alike in by_script.values():
        for start in range(0, len(alike), LANES):
            yield Tally.of(alike[start : start + LANES])


def _ranges(inside: Array) -> Iterator[tuple[int, int, int]]:
    """Yield what `Bounds` has for each range, none of which goes on from one half to the other."""
    every_byte = 2**64 // 255
    for half, high in ((inside[:128], 2**64 - 1), (inside[128:], 0)):
        edges = np.flatnonzero(np.diff(half, prepend=False, append=False)).tolist()
        for first, behind in zip(edges[::2], edges[1::2], strict=True):
            yield (128 - first) * every_byte, (128 - behind) * every_byte, high


def _outputs(ranges: Sequence[Range]) -> Array:
    return np.array([output for output, _, _ in ranges], dtype=np.int64)


def _whole(low: Number | None, high: Number | None) -> tuple[int, int]:
    """Return bounds that int64 can hold and that no int64 tells from the given ones."""
    if (low is not None and low > MOST) or (high is not None and high < LEAST):
        return MOST, LEAST
    return (
        LEAST if low is None or low < LEAST else math.ceil(low),
        MOST if high is None or high > MOST else math.floor(high),
    )


def _float(bound: Number | None, unbounded: float, towards: float) -> float:
    nearest = nearest_float(bound, towards)
    return unbounded if nearest is None else nearest
