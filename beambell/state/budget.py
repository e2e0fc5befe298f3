"""A budget for patterns. Many labeling functions make nearly every row a pattern of its own, and sums grow like rows.

Above the budget, what follows from single votes and pairs of votes (`Marginals`) stays exact for every row, and of the
patterns a sample is kept: those whose hash is below ``2**(64 - level)``. Which ones does not depend on their counts or
on who added what first, so **the sample of a sum is a function of the sum**: with the exact figures it is a group
again, and everything that holds for `PatternCounts` holds for it.

The level is the highest one that leaves more than half of the budget. It rises by itself as patterns are added. When
so many are taken away that it should fall, the patterns to fall back to are gone; then, and only then, an operation
says so (`IncompleteSampleError`) and the sum has to be made again from its parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa

from beambell.arrays import Counts, Hashes, Packed
from beambell.errors import StateError
from beambell.state.analysis import LFAnalysis, LFStatistics
from beambell.state.arithmetic import add_up, halved_counts, scaled
from beambell.state.count_tables import METADATA_KEY, read_facts
from beambell.state.group import Group
from beambell.state.pattern_counts import PatternCounts

HASH_BITS = 64


class IncompleteSampleError(StateError):
    """So many patterns went away that the sample should hold some that it never kept."""


@dataclass(frozen=True, eq=False)
class Marginals:
    """What is known of every row, whatever becomes of its pattern. All of it is additive.

    Attributes
    ----------
    lfs, cardinality
        Names of the m labeling functions, and number of classes K.
    values
        int64: rows; rows with a vote, with two or more, and with votes for different classes; per LF, the rows on
        which another one voted, too, and on which another one voted otherwise; then [m K, m K], how often LF i voted
        y and LF j voted z.
    """

    lfs: tuple[str, ...]
    cardinality: int
    values: Counts

    @classmethod
    def of(cls, counts: PatternCounts) -> Self:
        """Count them."""
        patterns, rows = counts.patterns, counts.counts
        voted = patterns >= 0
        votes = voted.sum(axis=1)
        lowest = np.where(voted, patterns, np.int8(127)).min(axis=1, initial=127)
        overlapping = votes >= 2
        conflicting = overlapping & (lowest != patterns.max(axis=1, initial=-1))
        single = [rows.sum(), rows[votes >= 1].sum(), rows[overlapping].sum(), rows[conflicting].sum()]
        per_lf = [
            np.where(voted & among[:, None], rows[:, None], 0).sum(axis=0) for among in (overlapping, conflicting)
        ]
        return cls(counts.lfs, counts.cardinality, np.concatenate([single, *per_lf, counts.cooccurrence().ravel()]))

    @classmethod
    def sum(cls, parts: Sequence[Marginals]) -> Self:
        """Add many at once."""
        values = np.stack([part.values for part in parts])
        total = add_up(values, np.zeros(len(parts), np.int64), 1)[0]
        return cls(parts[0].lfs, parts[0].cardinality, total)

    def changed(self, change: Callable[[Counts], Counts]) -> Marginals:
        """Return the same figures, each after a linear change."""
        return Marginals(self.lfs, self.cardinality, change(self.values))

    def restrict(self, lfs: Sequence[str], estimate: Marginals) -> Marginals:
        """Keep some labeling functions: rows and votes are exact; the rest, which is not additive, is an estimate."""
        m, K = len(self.lfs), self.cardinality
        at = [self.lfs.index(name) * K + y for name in lfs for y in range(K)]
        matrix = self.values[4 + 2 * m :].reshape(m * K, m * K)[np.ix_(at, at)]
        values = np.concatenate([self.values[:1], estimate.values[1 : 4 + 2 * len(lfs)], matrix.ravel()])
        return Marginals(tuple(lfs), K, values)

    @property
    def total(self) -> int:
        """Number of rows, in units."""
        return int(self.values[0])

    def cooccurrence(self) -> Counts:
        """How often LF i voted y and LF j voted z, [m K, m K]."""
        m, d = len(self.lfs), len(self.lfs) * self.cardinality
        return self.values[4 + 2 * m :].reshape(d, d)

    def vote_counts(self) -> Counts:
        """How often LF j voted y, [m, K]."""
        return np.diagonal(self.cooccurrence()).reshape(len(self.lfs), self.cardinality)

    def analysis(self) -> LFAnalysis:
        """Coverage, overlaps and conflicts."""
        m, votes = len(self.lfs), self.vote_counts()
        rows, covered, overlapping, conflicting = self.values[:4].tolist()
        lfs = tuple(
            LFStatistics(
                name=name,
                polarity=tuple(np.flatnonzero(votes[j]).tolist()),
                rows=rows,
                votes=int(votes[j].sum()),
                overlapping=int(self.values[4 + j]),
                conflicting=int(self.values[4 + m + j]),
            )
            for j, name in enumerate(self.lfs)
        )
        return LFAnalysis(rows, covered, overlapping, conflicting, lfs)


@dataclass(frozen=True, eq=False, repr=False)
class SampledCounts(PatternCounts):
    """Pattern counts to read, not to add: patterns are a sample, counts estimates, and all figures of LFs exact.

    Attributes
    ----------
    level
        Binary logarithm of the number of patterns that each kept one stands for: one of ``2**level`` is kept.
    marginals
        The exact figures.
    """

    sampled = True
    level: int = 0
    marginals: Marginals = field(kw_only=True)

    @property
    def total(self) -> int:
        """Sum of the counts, in units; exact."""
        return self.marginals.total

    def vote_counts(self) -> Counts:
        """Count the rows on which LF j voted y, in units: int64 [m, K]; exact."""
        return self.marginals.vote_counts()

    def cooccurrence(self) -> Counts:
        """Count the rows on which LF i voted y and LF j voted z, in units: int64 [m K, m K]; exact."""
        return self.marginals.cooccurrence()

    def analysis(self) -> LFAnalysis:
        """Coverage, overlaps and conflicts; exact, unless restricted: then overlaps and conflicts are estimates."""
        return self.marginals.analysis()

    def restrict(self, lfs: Sequence[str]) -> PatternCounts:
        """Forget the votes of the other labeling functions."""
        if tuple(lfs) == self.lfs:
            return self
        plain = PatternCounts(self.lfs, self.cardinality, self.packed, self.counts, self.unit).restrict(lfs)
        marginals = self.marginals.restrict(plain.lfs, Marginals.of(plain))
        return _sampled(plain, self.level, marginals)

    def __reduce__(self) -> tuple[Any, ...]:
        plain = PatternCounts(self.lfs, self.cardinality, self.packed, self.counts, self.unit)
        return _sampled, (plain, self.level, self.marginals)


def _sampled(counts: PatternCounts, level: int, marginals: Marginals) -> SampledCounts:
    return SampledCounts(
        counts.lfs, counts.cardinality, counts.packed, counts.counts, counts.unit, level, marginals=marginals
    )


@dataclass(frozen=True, eq=False, repr=False)
class BudgetedCounts(Group):
    """Pattern counts under a budget: exact as long as they fit, else a sample with exact figures beside it.

    Attributes
    ----------
    sample
        Counts of the patterns that are kept, as they are.
    budget
        Number of patterns to keep, about.
    level
        0 while all are kept; of ``2**level`` one is.
    marginals
        Figures that are exact for all rows; ``None`` at level 0, where they follow from the counts.
    """

    sample: PatternCounts
    budget: int
    level: int = 0
    marginals: Marginals | None = None

    @classmethod
    def of(cls, counts: PatternCounts, budget: int) -> Self:
        """Put counts under a budget.

        Raises
        ------
        StateError
            If the budget is below 1.
        """
        if budget < 1:
            raise StateError("a budget allows at least one pattern", where="max_patterns")
        return cls._settled(counts, budget, 0, None)

    @classmethod
    def sum(cls, parts: Iterable[BudgetedCounts]) -> Self:
        """Add many at once.

        Raises
        ------
        IncompleteSampleError
            If patterns went away, and the sample should now hold some that were not kept.
        StateError
            As `PatternCounts.sum` does, and if budgets differ.
        """
        parts = list(parts)
        if len({part.budget for part in parts}) != 1:
            raise StateError("counts under different budgets do not add", where="max_patterns")
        level = max(part.level for part in parts)
        sample = PatternCounts.sum([_below(part.sample, level) for part in parts])
        marginals = Marginals.sum([part.figures() for part in parts]) if level else None
        return cls._settled(sample, parts[0].budget, level, marginals)

    @classmethod
    def _settled(cls, known: PatternCounts, budget: int, level: int, marginals: Marginals | None) -> Self:
        half = budget // 2
        if known.n_patterns <= half:
            if level:
                raise IncompleteSampleError("the sample of patterns became too small", fix="sum the parts anew")
            return cls(known, budget)
        # The highest level at which more than half of the budget is left is told by the hash at that place.
        deciding = int(np.partition(hashes(known.packed), half)[half])
        settled = HASH_BITS - deciding.bit_length()
        if not settled:
            return cls(known, budget)
        return cls(_below(known, settled), budget, settled, marginals or Marginals.of(known))

    # -- the group -------------------------------------------------------------------------------------------

    def __mul__(self, factor: object) -> BudgetedCounts:
        """Count every row that many times."""
        if not isinstance(factor, int):
            return NotImplemented
        if not factor:
            return BudgetedCounts(self.sample * 0, self.budget)
        return self._changed(self.sample * factor, lambda values: scaled(values, factor))

    def halved(self, times: int) -> BudgetedCounts:
        """Divide every count by a power of two, exactly; a negative one doubles."""
        if times <= 0:
            return self * (1 << -times)
        return self._changed(self.sample.halved(times), lambda values: halved_counts(values, times))

    def in_units(self, unit: int) -> BudgetedCounts:
        """Read the same counts as parts of a row, of which ``unit`` are one row."""
        return self._changed(self.sample.in_units(unit), lambda values: values)

    def _changed(self, sample: PatternCounts, change: Callable[[Counts], Counts]) -> BudgetedCounts:
        marginals = None if self.marginals is None else self.marginals.changed(change)
        return BudgetedCounts(sample, self.budget, self.level, marginals)

    def __repr__(self) -> str:
        return f"BudgetedCounts({self.sample!r}, level {self.level})"

    def _key(self) -> tuple[object, ...]:
        figures = None if self.marginals is None else self.marginals.values.tobytes()
        return self.sample, self.budget, self.level, figures

    # -- what they tell --------------------------------------------------------------------------------------

    def figures(self) -> Marginals:
        """Exact figures of all rows."""
        return self.marginals or Marginals.of(self.sample)

    def counts(self) -> PatternCounts:
        """Pattern counts for label models and analyses: exact, or estimates with exact figures of LFs."""
        if self.marginals is None:
            return self.sample
        return _sampled(self.sample * (1 << self.level), self.level, self.marginals)

    # -- as a table ------------------------------------------------------------------------------------------

    def to_table(self) -> pa.Table:
        """Lay the sample out as a table; level and budget are in its metadata. `marginals` are to be kept beside it."""
        table = self.sample.to_table()
        if not self.level:
            return table
        facts = json.loads(table.schema.metadata[METADATA_KEY]) | {"level": self.level}
        return table.replace_schema_metadata({METADATA_KEY: json.dumps(facts, sort_keys=True).encode()})

    @classmethod
    def from_table(cls, table: pa.Table, budget: int, values: Counts | None = None) -> Self:
        """Read them back.

        Parameters
        ----------
        table
            Table as `to_table` laid it out.
        budget
            Budget that it was made with.
        values
            Counts of the marginals, if it is a sample.

        Raises
        ------
        StateError
            If these do not belong together.
        """
        facts = read_facts(table, {"pattern", "rows"})
        level = facts.pop("level", 0)
        if bool(level) != (values is not None):
            raise StateError("a sample of patterns comes with exact figures, and nothing else does", where="marginals")
        plain = table.replace_schema_metadata({METADATA_KEY: json.dumps(facts).encode()})
        sample = PatternCounts.from_table(plain)
        if values is None:
            return cls(sample, budget)
        if values.shape != (4 + 2 * sample.n_lfs + (sample.n_lfs * sample.cardinality) ** 2,):
            raise StateError("these are figures of other labeling functions", where="marginals")
        return cls(sample, budget, level, Marginals(sample.lfs, sample.cardinality, values))


def hashes(packed: Packed) -> Hashes:
    """Hash packed patterns: uint64 [n], the same on every machine, now and later.

    Eight bytes at a time, each mixed in by the finalizer of SplitMix64.
    """
    n, width = packed.shape
    padded = np.zeros((n, -(-width // 8) * 8), np.uint8)
    padded[:, :width] = packed
    found = np.full(n, width, np.uint64)
    for word in padded.view("<u8").astype(np.uint64).T:
        found = _mixed((found ^ word) + np.uint64(0x9E3779B97F4A7C15))
    return found


def _mixed(x: Hashes) -> Hashes:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _below(counts: PatternCounts, level: int) -> PatternCounts:
    """Keep the patterns of a level."""
    if not level:
        return counts
    kept = hashes(counts.packed) < np.uint64(1 << (HASH_BITS - level))
    return PatternCounts(counts.lfs, counts.cardinality, counts.packed[kept], counts.counts[kept], counts.unit)
