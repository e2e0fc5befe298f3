"""Pattern counts: a partition is reduced once to its vote patterns; everything after is arithmetic on counts.

The *vote pattern* of a row is the tuple of its labeling functions' votes. How many rows have which pattern is all that
a label model, an analysis or a quality gate wants to know of the rows. And pattern counts form a commutative group:

- the state over all partitions and streams is the sum of theirs, in any order;
- a partition that has changed is replaced by subtracting its old counts and adding the new ones, exactly;
- two machines count their shares of the rows, and add.

Equal counts have one form (patterns ascending, no zero counts), hence equal bytes.

Weights are integers, too. Floating-point sums depend on their order, and what was added in one cannot be subtracted
without a rest; so where a row is to weigh less than another (see `beambell.state.policy`), counts are in a finer
*unit*, as prices are in cents: the arithmetic stays that of int64, and the state stays a group, bit for bit.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import ABSTAIN, Counts, Packed, Votes
from beambell.errors import StateError
from beambell.state import patterns as packing
from beambell.state.analysis import LFAnalysis, analyse_packed, blocks, weighed
from beambell.state.arithmetic import MAX_ROWS, add_up, check_counts, halved_counts, magnitude, scaled
from beambell.state.count_tables import read_facts, write_table
from beambell.state.group import Group
from beambell.state.pairs import count_pairs


@dataclass(frozen=True, eq=False, repr=False)
class PatternCounts(Group):
    """How many rows have which vote pattern.

    Make it with `from_votes`, `from_packed`, `from_table` or `zero`. It does not change; its arrays are read-only.

    Attributes
    ----------
    lfs
        Names of the m labeling functions, in the order of the votes.
    cardinality
        Number of classes K.
    packed
        The p distinct patterns, ascending, packed (see `beambell.state.patterns`), uint8 [p, width].
    counts
        Rows per pattern, int64 [p], in parts of a row if rows are weighted. Never zero; negative in a difference.
    unit
        Number of these parts that are one row: 1 where rows are not weighted.

    Raises
    ------
    StateError
        If the unit is below 1, or the counts exceed int64.
    """

    sampled: ClassVar[bool] = False
    lfs: tuple[str, ...]
    cardinality: int
    packed: Packed
    counts: Counts
    unit: int = 1

    def __post_init__(self) -> None:
        if self.unit < 1:
            raise StateError(f"a row is at least one unit, not {self.unit}", where="unit")
        # Every sum of some of the counts then fits into int64, too.
        if magnitude(self.counts) > MAX_ROWS:
            raise StateError(f"more than {MAX_ROWS} rows cannot be counted", where="rows")
        self.packed.setflags(write=False)
        self.counts.setflags(write=False)

    # -- making them -----------------------------------------------------------------------------------------

    @classmethod
    def from_votes(cls, L: npt.ArrayLike, cardinality: int, lfs: Sequence[str] | None = None) -> Self:
        """Count the patterns of a vote matrix.

        Parameters
        ----------
        L
            Votes, [n, m], any integer type; -1 where a labeling function abstained.
        cardinality
            Number of classes K.
        lfs
            Names of the m labeling functions; ``lf_0``, ``lf_1`` and so on if there are none.

        Raises
        ------
        LabelingFunctionError
            If something in it is not a vote.
        StateError
            If it is not a matrix with a column for every labeling function.
        """
        votes = packing.check_votes(L, cardinality, lfs)
        names = packing.default_names(votes.shape[1]) if lfs is None else lfs
        return cls.of_packed(packing.pack(votes, cardinality, lfs), cardinality, names)

    @classmethod
    def of_packed(cls, packed: Packed, cardinality: int, lfs: Sequence[str]) -> Self:
        """Count patterns that were packed just now, in any order: that they can be is not asked again.

        Parameters
        ----------
        packed
            uint8 [n, width], of the votes of m labeling functions for K classes.
        cardinality
            Number of classes K.
        lfs
            Names of the m labeling functions.
        """
        return cls(_check_names(lfs), int(cardinality), *packing.count(packed))

    @classmethod
    def from_packed(
        cls, packed: Packed, cardinality: int, lfs: Sequence[str], counts: npt.ArrayLike | None = None
    ) -> Self:
        """Count packed patterns that come from elsewhere, in any order, each any number of times.

        Parameters
        ----------
        packed
            uint8 [n, width].
        cardinality
            Number of classes K.
        lfs
            Names of the m labeling functions.
        counts
            Rows of each of the n, int64; one each by default.

        Raises
        ------
        StateError
            If these are not patterns of those labeling functions and classes, or not counts.
        """
        names = _check_names(lfs)
        if counts is None:
            counted = cls.of_packed(packing.check_packed(packed, len(names), cardinality), cardinality, names)
            packing.check_possible(counted.packed, len(names), cardinality)
            return counted
        packing.check_possible(packed, len(names), cardinality)
        rows, order = check_counts(counts, len(packed)), packing.keys(packed)
        if not np.all(order[1:] > order[:-1]):  # as in every table of them
            packed, inverse, _ = packing.unique(packed)
            rows = add_up(rows, inverse, len(packed))
        return cls._canonical(names, cardinality, packed, rows)

    @classmethod
    def zero(cls, cardinality: int, lfs: Sequence[str]) -> Self:
        """Count no rows: the neutral element."""
        return cls.from_packed(np.empty((0, packing.packed_width(len(lfs), cardinality)), np.uint8), cardinality, lfs)

    @classmethod
    def sum(cls, parts: Iterable[PatternCounts]) -> Self:
        """Add many at once, much faster than one by one.

        Raises
        ------
        StateError
            If there are none, if they are of different labeling functions or classes, or if a count is too large.
        """
        parts = list(parts)
        if not parts:
            raise StateError("the sum of no pattern counts is unknown", fix="start from PatternCounts.zero(...)")
        for part in parts[1:]:
            parts[0]._check_kin(part)
        lfs, cardinality, unit = parts[0].lfs, parts[0].cardinality, parts[0].unit
        n = sum(part.n_patterns for part in parts)
        if packing.kernels(n) and sum(magnitude(part.counts) for part in parts) <= MAX_ROWS:
            return cls(lfs, cardinality, *_merged([(part.packed, part.counts) for part in parts]), unit)
        distinct, inverse, _ = packing.unique(np.concatenate([part.packed for part in parts]))
        rows = add_up(np.concatenate([part.counts for part in parts]), inverse, len(distinct))
        return cls._canonical(lfs, cardinality, distinct, rows, unit)

    @classmethod
    def weighted_sum(cls, parts: Iterable[tuple[PatternCounts, int]]) -> Self:
        """Add many at once, each times an integer.

        Raises
        ------
        StateError
            As `sum` does.
        """
        return cls.sum([part * weight for part, weight in parts])

    @classmethod
    def _canonical(cls, lfs: tuple[str, ...], cardinality: int, packed: Packed, counts: Counts, unit: int = 1) -> Self:
        kept = counts != 0
        return cls(lfs, int(cardinality), packed[kept], counts[kept], unit)

    # -- the group -------------------------------------------------------------------------------------------

    def __neg__(self) -> PatternCounts:
        """Return the inverse: what, added, leaves nothing."""
        return PatternCounts(self.lfs, self.cardinality, self.packed, -self.counts, self.unit)

    def __mul__(self, factor: object) -> PatternCounts:
        """Count every row that many times.

        Raises
        ------
        StateError
            If a count becomes too large.
        """
        if not isinstance(factor, int):
            return NotImplemented
        rows = scaled(self.counts, factor)
        return PatternCounts._canonical(self.lfs, self.cardinality, self.packed, rows, self.unit)

    def halved(self, times: int) -> PatternCounts:
        """Divide every count by a power of two; a negative one doubles.

        Raises
        ------
        StateError
            If a count is not divisible: it would have to be rounded.
        """
        if times <= 0:
            return self * (1 << -times)
        return PatternCounts(self.lfs, self.cardinality, self.packed, halved_counts(self.counts, times), self.unit)

    def in_units(self, unit: int) -> PatternCounts:
        """Read the same counts as parts of a row, of which ``unit`` are one row."""
        return PatternCounts(self.lfs, self.cardinality, self.packed, self.counts, unit)

    # -- other labeling functions ----------------------------------------------------------------------------

    def restrict(self, lfs: Sequence[str]) -> PatternCounts:
        """Forget the votes of the other labeling functions: the marginal.

        Parameters
        ----------
        lfs
            Names of those to keep, in the order that the patterns will have.

        Raises
        ------
        StateError
            If one of them is none of these.
        """
        names = _check_names(lfs)
        if unknown := [name for name in names if name not in self.lfs]:
            raise StateError(f"there are no votes of {', '.join(unknown)}", where="lfs")
        if names == self.lfs:
            return self
        votes = self.patterns[:, [self.lfs.index(name) for name in names]]
        return self._with_votes(names, votes)

    def extend(self, lfs: Sequence[str]) -> PatternCounts:
        """Let further labeling functions abstain on every row.

        Parameters
        ----------
        lfs
            Names of all, these among them, in the order that the patterns will have.

        Raises
        ------
        StateError
            If one of these is not among them.
        """
        names = _check_names(lfs)
        if missing := [name for name in self.lfs if name not in names]:
            raise StateError(f"{', '.join(missing)} would be lost", where="lfs", fix="to lose them, use restrict()")
        if names == self.lfs:
            return self
        votes = np.full((self.n_patterns, len(names)), ABSTAIN, np.int8)
        votes[:, [names.index(name) for name in self.lfs]] = self.patterns
        return self._with_votes(names, votes)

    def _with_votes(self, names: tuple[str, ...], votes: Votes) -> PatternCounts:
        packed = packing.pack(votes, self.cardinality, names)
        return PatternCounts.from_packed(packed, self.cardinality, names, self.counts).in_units(self.unit)

    # -- equality, and what it needs -------------------------------------------------------------------------

    def __repr__(self) -> str:
        return (
            f"PatternCounts({self.n_rows} rows, {self.n_patterns} patterns, {self.n_lfs} LFs, "
            f"{self.cardinality} classes)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Beam sends accumulators between processes, and copies them on the way: only what is not derived, and packed.
        packed, counts = (pa.compress(np.ascontiguousarray(array), "lz4") for array in (self.packed, self.counts))
        return _unpickled, (self.lfs, self.cardinality, self.packed.shape, packed, counts, self.unit)

    def _key(self) -> tuple[object, ...]:
        return self.lfs, self.cardinality, self.unit, self.packed.tobytes(), self.counts.tobytes()

    def _check_kin(self, other: PatternCounts) -> None:
        if self.sampled or other.sampled:
            raise StateError("a sample of patterns does not add", fix="add BudgetedCounts, and take counts() of that")
        fix = "bring the older ones up to date: `beambell apply`"
        if self.cardinality != other.cardinality:
            raise StateError(f"{self.cardinality} classes do not add to {other.cardinality} classes", fix=fix)
        if self.lfs != other.lfs:
            raise StateError(
                f"pattern counts of different labeling functions do not add: {_difference(self.lfs, other.lfs)}",
                fix=fix,
            )
        if self.unit != other.unit:
            raise StateError(
                f"counts in units of 1/{self.unit} row do not add to counts in units of 1/{other.unit} row",
                where="unit",
            )

    # -- what they tell --------------------------------------------------------------------------------------

    @property
    def n_lfs(self) -> int:
        """Number of labeling functions m."""
        return len(self.lfs)

    @property
    def n_patterns(self) -> int:
        """Number of distinct patterns p."""
        return len(self.counts)

    @property
    def n_rows(self) -> int:
        """Number of rows n, rounded if rows are weighted; in a difference, rows added less rows taken away."""
        return (2 * self.total + self.unit) // (2 * self.unit)

    @property
    def total(self) -> int:
        """Sum of the counts: the number of rows, in units."""
        return int(self.counts.sum())

    @cached_property
    def patterns(self) -> Votes:
        """The distinct patterns in lexicographic order, int8 [p, m], -1 where a labeling function abstained."""
        votes = packing.unpack(self.packed, self.n_lfs, self.cardinality)
        votes.setflags(write=False)
        return votes

    def to_votes(self) -> Votes:
        """Write out a vote matrix with these counts, int8 [n, m], rows in the order of their patterns.

        Raises
        ------
        StateError
            If a count is negative, or rows are weighted.
        """
        if self.unit != 1:
            raise StateError("there is no vote matrix of parts of rows", where="unit")
        if np.any(self.counts < 0):
            raise StateError("there are no votes of fewer than no rows: a count is negative", where="rows")
        return np.repeat(self.patterns, self.counts, axis=0)

    def vote_counts(self) -> Counts:
        """Count the rows on which LF j voted y, in units: int64 [m, K]."""
        total = np.zeros((self.n_lfs, self.cardinality), np.int64)
        for patterns, rows in blocks(self.patterns, self.counts):
            for y in range(self.cardinality):
                total[:, y] += weighed(rows, patterns == y)
        return total

    def coverage(self) -> npt.NDArray[np.float64]:
        """Share of the rows on which each LF voted: float64 [m]; 0 where there are no rows."""
        return np.asarray(self.vote_counts().sum(axis=1) / (self.total or 1), np.float64)

    def cooccurrence(self) -> Counts:
        """Count the rows, in units, on which LF i voted y and LF j z: int64 [m K, m K], at ``[i K + y, j K + z]``."""
        return count_pairs(self.patterns, self.counts, self.cardinality)

    def analysis(self) -> LFAnalysis:
        """Coverage, overlaps and conflicts of the labeling functions, one by one and together; rows in units."""
        return analyse_packed(self.packed, self.counts, self.cardinality, self.lfs)

    # -- as a table ------------------------------------------------------------------------------------------

    def to_table(self) -> pa.Table:
        """Lay them out as an Arrow table: ``pattern`` (fixed-size binary), ``rows`` (int64).

        The names of the labeling functions and the number of classes are in the metadata of its schema.
        """
        facts = {"unit": self.unit} if self.unit != 1 else {}
        return write_table(self.packed, self.lfs, self.cardinality, {"rows": self.counts}, facts)

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Read them back from a table.

        Raises
        ------
        StateError
            If it is not such a table.
        """
        facts = read_facts(table, {"pattern", "rows"})
        if "level" in facts:
            raise StateError("this is a sample of patterns", fix="read it with BudgetedCounts.from_table()")
        pattern, rows = table["pattern"], table["rows"]
        if rows.type != pa.int64() or rows.null_count:
            raise StateError(f"rows are int64 without nulls, not {rows.type}", where="rows")
        counts = np.from_dlpack(rows.combine_chunks())  # to_numpy() would import pandas first
        packed = packing.from_arrow(pattern)
        read = cls.from_packed(packed, facts["cardinality"], facts["lfs"], counts)
        return cls(read.lfs, read.cardinality, read.packed, read.counts, facts.get("unit", 1))


def _unpickled(
    lfs: tuple[str, ...], cardinality: int, shape: tuple[int, int], packed: pa.Buffer, counts: pa.Buffer, unit: int
) -> PatternCounts:
    p, width = shape
    patterns = np.frombuffer(pa.decompress(packed, p * width, "lz4"), np.uint8).reshape(shape)
    return PatternCounts(lfs, cardinality, patterns, np.frombuffer(pa.decompress(counts, 8 * p, "lz4"), np.int64), unit)


def _merged(tables: list[tuple[Packed, Counts]]) -> tuple[Packed, Counts]:
    """Add tables of ascending patterns, always the two shortest: a long one is gone through but once."""
    by_length = [(len(table[1]), number, table) for number, table in enumerate(tables)]
    heapq.heapify(by_length)
    for number in range(len(tables), 2 * len(tables) - 1):
        (*_, one), (*_, other) = heapq.heappop(by_length), heapq.heappop(by_length)
        table = packing.merge(*one, *other)
        heapq.heappush(by_length, (len(table[1]), number, table))
    return by_length[0][2]


def _check_names(lfs: Sequence[str]) -> tuple[str, ...]:
    names = tuple(lfs)
    if isinstance(lfs, str) or not all(isinstance(name, str) for name in names):
        raise StateError("names of labeling functions are a sequence of strings", where="lfs")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise StateError(f"two labeling functions are called {twice[0]!r}", where="lfs", fix="rename one of them")
    return names


def _difference(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    parts = [
        f"{why} {', '.join(names)}"
        for why, names in (
            ("only on the left", [name for name in ours if name not in theirs]),
            ("only on the right", [name for name in theirs if name not in ours]),
        )
        if names
    ]
    return "; ".join(parts) or "the same ones in another order"
