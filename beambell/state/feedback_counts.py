"""Feedback counts: how many rows with a vote pattern people gave which label. They add and subtract as rows do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import NO_CLASS, Counts, Integers, Packed, Votes
from beambell.errors import StateError
from beambell.state import patterns as packing
from beambell.state.arithmetic import MAX_ROWS, add_up, magnitude, scaled
from beambell.state.count_tables import read_facts, write_table
from beambell.state.group import Group
from beambell.state.pattern_counts import PatternCounts


@dataclass(frozen=True, eq=False, repr=False)
class FeedbackCounts(Group):
    """How many rows of each vote pattern have which label, by people's word.

    Make it with `from_labels`, `from_table` or `zero`. It does not change; its arrays are read-only.

    Attributes
    ----------
    lfs
        Names of the m labeling functions, in the order of the votes.
    cardinality
        Number of classes K.
    packed
        The p distinct patterns, ascending, packed, uint8 [p, width].
    counts
        Labelled rows per pattern and class, int64 [p, K]; no row of it is all zeros. Negative in a difference.

    Raises
    ------
    StateError
        If the counts exceed int64.
    """

    lfs: tuple[str, ...]
    cardinality: int
    packed: Packed
    counts: Counts

    def __post_init__(self) -> None:
        if magnitude(self.counts) > MAX_ROWS:
            raise StateError(f"more than {MAX_ROWS} rows cannot be counted", where="rows")
        self.packed.setflags(write=False)
        self.counts.setflags(write=False)

    # -- making them -----------------------------------------------------------------------------------------

    @classmethod
    def from_labels(
        cls, L: npt.ArrayLike, y: npt.ArrayLike, cardinality: int, lfs: Sequence[str] | None = None
    ) -> Self:
        """Count labels by vote pattern.

        Parameters
        ----------
        L
            Votes, [n, m], -1 where a labeling function abstained.
        y
            Labels, integers [n]: 0..K-1, or -1 where nobody gave one. Such rows do not count.
        cardinality
            Number of classes K.
        lfs
            Names of the m labeling functions; ``lf_0``, ``lf_1`` and so on if there are none.

        Raises
        ------
        StateError
            If something is not a label, or there is not one for every row.
        LabelingFunctionError
            If something is not a vote.
        """
        votes = packing.check_votes(L, cardinality, lfs)
        names = packing.default_names(votes.shape[1]) if lfs is None else tuple(lfs)
        labels = _check_labels(y, len(votes), cardinality)
        known = np.flatnonzero(labels != NO_CLASS)
        one_hot = np.zeros((len(known), cardinality), np.int64)
        one_hot[np.arange(len(known)), labels[known]] = 1
        return cls._of(names, cardinality, packing.pack(votes[known], cardinality, lfs), one_hot)

    @classmethod
    def zero(cls, cardinality: int, lfs: Sequence[str]) -> Self:
        """Count no labels: the neutral element."""
        return cls.from_labels(np.empty((0, len(lfs)), np.int8), np.empty(0, np.int8), cardinality, lfs)

    @classmethod
    def sum(cls, parts: Iterable[FeedbackCounts]) -> Self:
        """Add many at once.

        Raises
        ------
        StateError
            If there are none, if they are of different labeling functions or classes, or if a count is too large.
        """
        parts = list(parts)
        if not parts:
            raise StateError("the sum of no feedback counts is unknown", fix="start from FeedbackCounts.zero(...)")
        first = parts[0]
        for part in parts[1:]:
            if (part.lfs, part.cardinality) != (first.lfs, first.cardinality):
                raise StateError(
                    "feedback counts of different labeling functions or classes do not add",
                    fix="bring them to the same labeling functions: restrict(), extend()",
                )
        packed, counts = (np.concatenate([getattr(part, name) for part in parts]) for name in ("packed", "counts"))
        return cls._of(first.lfs, first.cardinality, packed, counts)

    @classmethod
    def _of(cls, lfs: tuple[str, ...], cardinality: int, packed: Packed, counts: Counts) -> Self:
        distinct, inverse, _ = packing.unique(packed)
        rows = add_up(counts, inverse, len(distinct))
        kept = rows.any(axis=1)
        return cls(lfs, int(cardinality), distinct[kept], rows[kept])

    # -- the group -------------------------------------------------------------------------------------------

    def __mul__(self, factor: object) -> FeedbackCounts:
        """Count every label that many times."""
        if not isinstance(factor, int):
            return NotImplemented
        return self._of(self.lfs, self.cardinality, self.packed, scaled(self.counts, factor))

    def restrict(self, lfs: Sequence[str]) -> FeedbackCounts:
        """Forget the votes of the other labeling functions (see `PatternCounts.restrict`)."""
        return self._by_class(lambda counts: counts.restrict(lfs))

    def extend(self, lfs: Sequence[str]) -> FeedbackCounts:
        """Let further labeling functions abstain on every row (see `PatternCounts.extend`)."""
        return self._by_class(lambda counts: counts.extend(lfs))

    def _by_class(self, change: Any) -> FeedbackCounts:
        changed = [change(self.of_class(k)) for k in range(self.cardinality)]
        rows = [np.zeros((part.n_patterns, self.cardinality), np.int64) for part in changed]
        for k, part in enumerate(changed):
            rows[k][:, k] = part.counts
        packed = np.concatenate([part.packed for part in changed])
        return self._of(changed[0].lfs, self.cardinality, packed, np.concatenate(rows))

    def of_class(self, k: int) -> PatternCounts:
        """Pattern counts of the rows that were labelled ``k``."""
        return PatternCounts.from_packed(self.packed, self.cardinality, self.lfs, self.counts[:, k])

    def to_pattern_counts(self) -> PatternCounts:
        """Pattern counts of all rows that were labelled."""
        return PatternCounts.sum([self.of_class(k) for k in range(self.cardinality)])

    def __repr__(self) -> str:
        return f"FeedbackCounts({self.n_rows} rows, {self.n_patterns} patterns, {self.cardinality} classes)"

    def __reduce__(self) -> tuple[Any, ...]:
        return FeedbackCounts, (self.lfs, self.cardinality, self.packed, self.counts)

    def _key(self) -> tuple[object, ...]:
        return self.lfs, self.cardinality, self.packed.tobytes(), self.counts.tobytes()

    # -- what they tell --------------------------------------------------------------------------------------

    @property
    def n_patterns(self) -> int:
        """Number of distinct patterns with a label, p."""
        return len(self.counts)

    @property
    def n_rows(self) -> int:
        """Number of labelled rows."""
        return int(self.counts.sum())

    @cached_property
    def patterns(self) -> Votes:
        """The distinct patterns in lexicographic order, int8 [p, m], -1 where a labeling function abstained."""
        votes = packing.unpack(self.packed, len(self.lfs), self.cardinality)
        votes.setflags(write=False)
        return votes

    # -- as a table ------------------------------------------------------------------------------------------

    def to_table(self) -> pa.Table:
        """Lay them out as an Arrow table: ``pattern`` (fixed-size binary), ``y_0 .. y_{K-1}`` (int64)."""
        by_class = dict(zip(self._columns(self.cardinality), self.counts.T, strict=True))
        return write_table(self.packed, self.lfs, self.cardinality, by_class, {})

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Read them back from a table.

        Raises
        ------
        StateError
            If it is not such a table.
        """
        facts = read_facts(table, {"pattern"})
        columns = cls._columns(facts["cardinality"])
        facts = read_facts(table, {"pattern", *columns})
        if any(table[name].type != pa.int64() or table[name].null_count for name in columns):
            raise StateError("counts of labels are int64 without nulls", where="rows")
        counts = np.column_stack([np.from_dlpack(table[name].combine_chunks()) for name in columns])
        packed, lfs = packing.from_arrow(table["pattern"]), tuple(facts["lfs"])
        packing.unpack(packed, len(lfs), facts["cardinality"])  # raises where a pattern is impossible
        return cls._of(lfs, facts["cardinality"], packed, counts)

    @staticmethod
    def _columns(cardinality: int) -> list[str]:
        return [f"y_{k}" for k in range(cardinality)]


def _check_labels(y: npt.ArrayLike, n: int, cardinality: int) -> Integers:
    labels = np.asarray(y)
    if labels.shape != (n,) or not np.issubdtype(labels.dtype, np.integer):
        raise StateError(f"labels are integers [{n}], not {labels.dtype} {list(labels.shape)}", where="y")
    if labels.size and not (labels.min() >= NO_CLASS and labels.max() < cardinality):
        raise StateError(
            "something is not a label", where="y", fix=f"labels are 0 to {cardinality - 1}, or -1 for none"
        )
    return labels.astype(np.int64)
