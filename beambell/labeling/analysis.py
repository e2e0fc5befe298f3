"""What labeling functions do on the data, from vote patterns and how many rows have them.

Everything is a marginal of the counts, so it costs the same for a thousand rows and for a billion, and it equals
snorkel's ``LFAnalysis`` on the votes of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beambell.errors import StateError
from beambell.labeling.patterns import Votes

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LFStatistics:
    """What one labeling function did.

    Attributes
    ----------
    name
        Of the labeling function.
    polarity
        The classes it voted for, ascending.
    rows
        Rows it was asked about.
    votes
        Rows it voted on.
    overlapping
        Of these, rows on which another labeling function voted, too.
    conflicting
        Of these, rows on which another labeling function voted for another class.
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
    voted = patterns != -1
    votes = voted.sum(axis=1)
    overlapping = votes >= 2
    lowest = np.where(voted, patterns, np.int8(127)).min(axis=1, initial=127)
    conflicting = overlapping & (lowest != patterns.max(axis=1, initial=-1))

    def rows_where(mask: npt.NDArray[np.bool_]) -> int:
        return int(counts[mask].sum())

    n_rows = int(counts.sum())
    lfs = tuple(
        LFStatistics(
            name=name,
            polarity=tuple(np.unique(patterns[voted[:, j] & (counts > 0), j]).tolist()),
            rows=n_rows,
            votes=rows_where(voted[:, j]),
            overlapping=rows_where(voted[:, j] & overlapping),
            conflicting=rows_where(voted[:, j] & conflicting),
        )
        for j, name in enumerate(names)
    )
    return LFAnalysis(
        rows=n_rows,
        covered=rows_where(votes >= 1),
        overlapping=rows_where(overlapping),
        conflicting=rows_where(conflicting),
        lfs=lfs,
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
