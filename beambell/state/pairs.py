"""How often two labeling functions cast which two votes: what label models ask of a table of patterns.

A product of indicator matrices would say it, with d = m K columns and p d**2 multiplications. Instead, labeling
functions are taken in groups of so few that a group has at most 256 patterns of its own: each pattern becomes one
small number per group, the rows of each pair of numbers are counted, and only those small tables are multiplied out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from beambell.arrays import Counts, Votes

_GROUP_PATTERNS: Final = 256
_BLOCK: Final = 2**18  # patterns at a time
_LOW_BITS: Final = 31  # sums of so many bits over a block are exact in floating point


def count_pairs(patterns: Votes, counts: Counts, cardinality: int) -> Counts:
    """Count the rows on which LF i voted y and LF j voted z.

    Parameters
    ----------
    patterns, counts
        Votes int8 [p, m], -1 where a labeling function abstained, and rows of each pattern, int64 [p], whose absolute
        values add up to no more than int64 holds.
    cardinality
        Number of classes K.

    Returns
    -------
    ndarray
        int64 [m K, m K], at ``[i K + y, j K + z]``; exact.
    """
    d = patterns.shape[1] * cardinality
    total = np.zeros((d, d), np.int64)
    for start in range(0, len(counts), _BLOCK):
        codes = _Groups(patterns[start : start + _BLOCK], cardinality)
        rows = counts[start : start + _BLOCK]
        high = rows >> _LOW_BITS
        total += codes.pairs(rows & (2**_LOW_BITS - 1))
        if high.any():
            total += codes.pairs(high) << _LOW_BITS
    return total


class _Groups:
    """Patterns as one small number per group of labeling functions, and what each number means."""

    def __init__(self, patterns: Votes, cardinality: int) -> None:
        n, m = patterns.shape
        self._d, base, size = m * cardinality, cardinality + 1, 1
        while base ** (size + 1) <= _GROUP_PATTERNS:
            size += 1
        self._columns, self._numbers, self._means = [], [], []
        for first in range(0, m, size):
            last = min(first + size, m)
            number = np.zeros(n, np.int64)
            for j in range(first, last):
                number *= base
                number += patterns[:, j]
                number += 1
            self._numbers.append(number)
            self._columns.append(slice(first * cardinality, last * cardinality))
            self._means.append(_indicators(last - first, base))

    def pairs(self, rows: Counts) -> Counts:
        """Count pairs of votes; the sum of the rows must be exact in floating point, where products are fast."""
        found = np.zeros((self._d, self._d))
        weights = rows.astype(np.float64)
        for one, (columns, number, means) in enumerate(zip(self._columns, self._numbers, self._means, strict=True)):
            alone = np.bincount(number, weights, len(means))
            found[columns, columns] = (means * alone[:, None]).T @ means
            for other in range(one):
                theirs = self._means[other]
                both = np.bincount(number * len(theirs) + self._numbers[other], weights, len(means) * len(theirs))
                found[columns, self._columns[other]] = means.T @ both.reshape(len(means), len(theirs)) @ theirs
                found[self._columns[other], columns] = found[columns, self._columns[other]].T
        return found.astype(np.int64)


def _indicators(size: int, base: int) -> npt.NDArray[np.float64]:
    """Say which votes each number stands for: [base ** size, size (base - 1)], 1 at ``[number, i K + y]``."""
    digits = np.arange(base**size)[:, None] // base ** np.arange(size)[::-1] % base
    votes = digits[:, :, None] == np.arange(1, base)
    return np.asarray(votes.reshape(base**size, -1), np.float64)
