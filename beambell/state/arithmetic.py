"""Arithmetic of counts, int64: exact, or an error; never rounded, never wrapped around."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from beambell.arrays import Counts, Integers
from beambell.errors import StateError
from beambell.state.analysis import EXACT_IN_FLOAT

MAX_ROWS: Final = 2**63 - 1


def check_counts(counts: npt.ArrayLike, n: int) -> Counts:
    """Return counts of n patterns as int64 [n].

    Raises
    ------
    StateError
        If they have another shape or type.
    """
    array = np.asarray(counts)
    if array.shape != (n,) or not (np.can_cast(array.dtype, np.int64) and np.issubdtype(array.dtype, np.integer)):
        raise StateError(f"counts are int64 [{n}], not {array.dtype} {list(array.shape)}", where="rows")
    return array.astype(np.int64)


def magnitude(counts: Counts) -> int:
    """Add up absolute values, exactly."""
    if np.abs(counts.astype(np.float64)).sum() < EXACT_IN_FLOAT:
        return int(np.abs(counts).sum())
    return sum(map(abs, counts.ravel().tolist()))


def add_up(counts: Counts, inverse: Integers, n_patterns: int) -> Counts:
    """Add up the counts of each pattern, [n] or [n, K]; where int64 might overflow, with Python's own integers.

    Raises
    ------
    StateError
        If the sum for one pattern exceeds int64.
    """
    shape = (n_patterns, *counts.shape[1:])
    if magnitude(counts) <= MAX_ROWS:
        sums = np.zeros(shape, np.int64)
        np.add.at(sums, inverse, counts)
        return sums
    exact = np.zeros(shape, object)
    np.add.at(exact, inverse, counts.astype(object))
    if any(abs(total) > MAX_ROWS for total in exact.ravel()):
        raise StateError(f"more than {MAX_ROWS} rows of one pattern cannot be counted", where="rows")
    return exact.astype(np.int64)


def scaled(counts: Counts, factor: int) -> Counts:
    """Multiply counts by an integer, exactly or not at all.

    Raises
    ------
    StateError
        If a product exceeds int64.
    """
    if magnitude(counts) * abs(factor) > MAX_ROWS:
        raise StateError(f"more than {MAX_ROWS} rows cannot be counted", where="rows")
    return counts * np.int64(factor) if counts.size else counts


def halved_counts(counts: Counts, times: int) -> Counts:
    """Divide counts by a power of two, exactly or not at all.

    Raises
    ------
    StateError
        If a count is not divisible.
    """
    divisor = 2**times
    if counts.size and (times > 62 or np.any(counts % divisor)):
        raise StateError(f"counts that are not divisible by {divisor} would have to be rounded", where="rows")
    return counts // divisor if counts.size else counts
