"""Bits of a word, for loops that numba compiles."""

from __future__ import annotations

import numba
import numpy as np

# Multiplied by a power of two, its six highest bits tell which power.
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_POSITION = np.zeros(64, dtype=np.uint8)
_POSITION[[(1 << bit) * 0x03F79D71B4CB0A89 % 2**64 >> 58 for bit in range(64)]] = np.arange(64)


@numba.njit(nogil=True, cache=True)
def lowest(word):  # type: ignore[no-untyped-def]
    """Return the position of the lowest bit that is set."""
    return np.uint64(_POSITION[((word & (~word + np.uint64(1))) * _DE_BRUIJN) >> np.uint64(58)])
