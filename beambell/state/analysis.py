"""What labeling functions do on the data, from vote patterns and how many rows have them.

Everything is a marginal of the counts, so it costs the same for a thousand rows and for a billion, and it equals
snorkel's ``LFAnalysis`` on the votes of all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from beambell.arrays import ABSTAIN, Counts, Mask, Packed, Votes
from beambell.errors import StateError
from beambell.state import patterns as packing

EXACT_IN_FLOAT: Final = 2**53
_BLOCK: Final = 2**18  # votes looked at a time: they stay in the cache, and no product is worth a second thread


@dataclass(frozen=True, slots=True)
class LFStatistics:
    """What one labeling function did.

    Attributes
    ----------
    name
        Name of the labeling function.
    polarity
        The classes it voted for, ascending.
    rows
        Rows it was asked about.
    votes
        Rows it voted on.
    overlapping
        Number of these rows on which another labeling function voted, too.
    conflicting
        Number of these rows on which another labeling function voted for another class.
    """

    name: str
    polarity: tuple[int, ...]
    rows: int
    votes: int
    overlapping: int
    conflicting: int

    @property
    def coverage(self) -> float:
        """Share of the rows it voted on."""
        return _share(self.votes, self.rows)

    @property
    def overlaps(self) -> float:
        """Share of the rows on which it voted and another one did, too."""
        return _share(self.overlapping, self.rows)

    @property
    def conflicts(self) -> float:
        """Share of the rows on which it voted and another one voted for another class."""
        return _share(self.conflicting, self.rows)


@dataclass(frozen=True, slots=True)
class LFAnalysis:
    """What a set of labeling functions did.

    Attributes
    ----------
    rows
        Rows in all.
    covered
        Rows with at least one vote.
    overlapping
        Rows with at least two votes.
    conflicting
        Rows with votes for at least two classes.
    lfs
        One entry per labeling function, in their order.
    """

    rows: int
    covered: int
    overlapping: int
    conflicting: int
    lfs: tuple[LFStatistics, ...]

    @property
    def coverage(self) -> float:
        """Share of the rows with at least one vote."""
        return _share(self.covered, self.rows)

    @property
    def overlap_rate(self) -> float:
        """Share of the rows with at least two votes."""
        return _share(self.overlapping, self.rows)

    @property
    def conflict_rate(self) -> float:
        """Share of the rows with votes for at least two classes."""
        return _share(self.conflicting, self.rows)


def analyse(patterns: Votes, counts: Counts, names: Sequence[str]) -> LFAnalysis:
    """Analyse labeling functions by their vote patterns.

    Parameters
    ----------
    patterns
        Distinct vote patterns, int8 [p, m], -1 where a labeling function abstained.
    counts
        Rows per pattern, int64 [p].
    names
        Names of the m labeling functions.

    Returns
    -------
    LFAnalysis
        Counts of rows, with shares as properties; a share of no rows is 0.

    Raises
    ------
    StateError
        If the shapes do not belong together, or a count is negative.
    """
    if patterns.shape != (len(counts), len(names)):
        raise StateError(
            f"{patterns.shape[0]} patterns of {patterns.shape[1]} votes, but {len(counts)} counts "
            f"and {len(names)} labeling functions"
        )
    if np.any(counts < 0):
        raise StateError("only rows that are there can be analysed, and a count is negative", where="counts")
    return _analysis(_sums(patterns, counts, int(patterns.max(initial=-1)) + 1), int(counts.sum()), names)


def analyse_packed(packed: Packed, counts: Counts, cardinality: int, names: Sequence[str]) -> LFAnalysis:
    """Analyse labeling functions by their vote patterns as they are packed, uint8 [p, width].

    Raises
    ------
    StateError
        As `analyse` does.
    """
    kernels = packing.kernels(len(packed))
    if kernels is None or np.any(counts < 0):
        return analyse(packing.unpack(packed, len(names), cardinality), counts, names)
    votes, voted = np.zeros((3, len(names), cardinality), np.int64), np.zeros(3, np.int64)
    kernels.tally(packing.frozen(packed), packing.frozen(counts), packing.bits_per_vote(cardinality), votes, voted)
    sums = np.zeros((len(names) + 1, cardinality + 2), np.int64)
    sums[:-1, :-2], sums[:-1, -2], sums[:-1, -1] = votes.sum(axis=0), votes[1:].sum(axis=(0, 2)), votes[2].sum(axis=1)
    sums[-1, [0, -2, -1]] = voted.sum(), voted[1:].sum(), voted[2]
    return _analysis(sums, int(counts.sum()), names)


def _sums(patterns: Votes, counts: Counts, K: int) -> Counts:
    """Add up rows, int64 [m + 1, K + 2].

    By labeling function: the rows on which it voted for each class; with others; with others for different classes.
    Last: the rows with a vote, with several votes, with votes for different classes.
    """
    m = patterns.shape[1]
    sums = np.zeros((m + 1, K + 2), np.int64)
    for block, rows in blocks(patterns, counts):
        voted = block != ABSTAIN
        fired = voted.sum(axis=1)
        classes = np.zeros(len(block), np.int8)
        for y in range(K):
            chosen = block == y
            sums[:m, y] += weighed(rows, chosen)
            classes += chosen.any(axis=1)
        sums[m, 0] += rows[fired >= 1].sum()
        for column, mask in ((K, fired >= 2), (K + 1, classes >= 2)):
            if mask.any():
                sums[:m, column] += weighed(rows[mask], voted[mask])
                sums[m, column] += rows[mask].sum()
    return sums


def _analysis(sums: Counts, n_rows: int, names: Sequence[str]) -> LFAnalysis:
    lfs = tuple(
        LFStatistics(
            name=name,
            polarity=tuple(np.flatnonzero(by_class).tolist()),
            rows=n_rows,
            votes=int(by_class.sum()),
            overlapping=int(several),
            conflicting=int(disputed),
        )
        for name, (*_, several, disputed), by_class in zip(names, sums, sums[:, :-2], strict=False)
    )
    covered, overlapping, conflicting = sums[-1, [0, -2, -1]].tolist()
    return LFAnalysis(n_rows, covered, overlapping, conflicting, lfs)


def blocks(patterns: Votes, counts: Counts) -> Iterator[tuple[Votes, Counts]]:
    """Cut patterns [p, m] and their counts [p] into pieces whose votes stay in the cache."""
    step = max(1, _BLOCK // max(1, patterns.shape[1]))
    for start in range(0, len(counts), step):
        yield patterns[start : start + step], counts[start : start + step]


def weighed(rows: Counts, mask: Mask) -> Counts:
    """Add up the rows of the patterns for which each column holds, exactly.

    Parameters
    ----------
    rows
        Rows per pattern, int64 [p].
    mask
        bool [p, m].

    Returns
    -------
    ndarray
        int64 [m].
    """
    # Floating-point products are many times faster, and exact on integers up to 2**53.
    number = np.float64 if np.abs(rows).sum(dtype=np.float64) < EXACT_IN_FLOAT else np.int64
    return np.asarray((rows.astype(number) @ mask.astype(number)).astype(np.int64))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
