"""Labeling functions that copy each other: found in the pattern counts, reported, and damped.

A label model takes votes as independent once the class is known. Of a copy that is plainly wrong: the same evidence
would be counted twice. Two labeling functions are as alike as the rows where both cast the same vote are many, among
the rows where either votes (Jaccard's index), corrected for chance as Cohen's kappa is: those who vote for a class
that has few other rows would be alike without having heard of each other. From `COPY` on they begin to share one voice,
from `SAME` on they are one; in between is a ramp, so that labels do not jump when a row more makes a pair cross a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from beambell.arrays import Floats
from beambell.state import PatternCounts

COPY: Final = 0.9
"""Likeness beyond chance from which a pair begins to share one voice."""
SAME: Final = 0.95
"""Likeness beyond chance from which it has one voice."""
SUBSET: Final = 0.95
"""Share of a labeling function's votes that another one casts, too, from which it is a part of it."""
MIN_VOTES: Final = 5
"""With fewer, that two of them vote on the same rows says little."""
_CLASS_SIZE: Final = 2.0  # a class is taken for this much larger than the most that one of them votes for it
_BY_CHANCE: Final = 0.25  # one that votes nearly everywhere contains all the others: that much rarer than chance


@dataclass(frozen=True, slots=True)
class Dependency:
    """One labeling function that says again what another one says.

    Attributes
    ----------
    kind
        ``copy``: nearly the same votes on nearly the same rows, which is damped. ``subset``: nearly all its votes
        are among the other's many, which is only reported, since a narrower rule may well be the better one.
    lf, of
        Name of the copying labeling function, and of the one that it copies.
    likeness
        Rows with the same vote of both, as a share of rows with a vote of either.
    contained
        Number of rows with the same vote of both, as a share of the rows on which ``lf`` votes.
    votes
        Rows on which ``lf`` votes.
    """

    kind: Literal["copy", "subset"]
    lf: str
    of: str
    likeness: float
    contained: float
    votes: float


def dependencies(counts: PatternCounts) -> tuple[Dependency, ...]:
    """Say which labeling functions copy which, strongest first.

    Parameters
    ----------
    counts
        Number of rows of each vote pattern.

    Returns
    -------
    tuple of Dependency
        Pairs, strongest first. The later one of two copies is named as the copy; a chain of copies gives each pair.
    """
    same, votes, likeness = _pairs(counts)
    copies = _beyond_chance(counts, likeness) > COPY
    enough = votes >= MIN_VOTES
    contained = np.divide(same, votes[:, None], out=np.zeros_like(same), where=votes[:, None] > 0)
    coverage = votes / max(counts.total / counts.unit, 1.0)
    found = []
    for i, j in np.argwhere(enough[:, None] & enough[None, :]).tolist():
        if i == j:
            continue
        copy = copies[i, j]
        subset = contained[i, j] >= SUBSET and votes[i] < votes[j] and _telling(contained[i, j], coverage[j], votes[i])
        if (copy and i > j) or (subset and not copy):
            kind: Literal["copy", "subset"] = "copy" if copy else "subset"
            figures = float(likeness[i, j]), float(contained[i, j]), float(votes[i])
            found.append(Dependency(kind, counts.lfs[i], counts.lfs[j], *figures))
    return tuple(sorted(found, key=lambda pair: (pair.kind, -pair.likeness, -pair.contained)))


def voices(counts: PatternCounts) -> Floats:
    """Weight of each labeling function's votes, [m]: 1, and 1/c for each of c identical ones."""
    _, votes, likeness = _pairs(counts)
    enough = (votes >= MIN_VOTES).astype(np.float64)
    likeness = _beyond_chance(counts, likeness)
    shared = np.clip((likeness - COPY) / (SAME - COPY), 0.0, 1.0) * np.outer(enough, enough)
    np.fill_diagonal(shared, 1.0)
    return np.asarray(1.0 / shared.sum(axis=1))


def _telling(contained: float, coverage: float, votes: float) -> bool:
    """Say whether far more of its votes would fall outside the other's, if they fell by chance."""
    outside = 1 - coverage
    return bool(votes * outside >= MIN_VOTES and 1 - contained <= _BY_CHANCE * outside)


def _beyond_chance(counts: PatternCounts, likeness: Floats) -> Floats:
    """Likeness [m, m] with 0 for what votes that fall by chance among the rows of their class would have."""
    share = counts.vote_counts() / max(counts.total, 1)
    of_class = np.clip(_CLASS_SIZE * share.max(axis=0, initial=0.0), 1 / counts.cardinality, 1.0)
    both = np.einsum("iv,jv->ij", share / of_class, share)
    votes = share.sum(axis=1)
    either = votes[:, None] + votes[None] - both
    expected = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return np.asarray(1 - (1 - likeness) / np.maximum(1 - expected, 1e-9))


def _pairs(counts: PatternCounts) -> tuple[Floats, Floats, Floats]:
    """Rows with the same vote of both, [m, m]; rows with a vote, [m]; likeness, [m, m]."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):  # the matrices are small: threads would only wait for each other
        both, same = _products(counts)
    votes = np.diagonal(both).copy()
    either = votes[:, None] + votes[None, :] - both
    return same, votes, np.divide(same, either, out=np.zeros_like(same), where=either > 0)


def _products(counts: PatternCounts) -> tuple[Floats, Floats]:
    """Rows with a vote of both, and with the same vote of both, each [m, m]."""
    rows = counts.counts.astype(np.float64)
    # Sums of whole numbers are exact in any order (up to 2**53), whatever the processor makes of a matrix product.
    fired = (counts.patterns >= 0).astype(np.float64)
    both = (fired * rows[:, None]).T @ fired / counts.unit
    same = np.zeros_like(both)
    for y in range(counts.cardinality):
        voted = (counts.patterns == y).astype(np.float64)
        used = np.flatnonzero(voted.any(axis=0))
        if len(used):
            voted = voted[:, used]
            same[np.ix_(used, used)] += (voted * rows[:, None]).T @ voted / counts.unit
    return both, same
