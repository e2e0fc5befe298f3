"""How far a floating-point number can be trusted to be the number that was meant."""

from __future__ import annotations

from typing import Final, Self

import pyarrow as pa

EXACT: Final = 2**53
"""From here on a float of 64 bits may stand for another whole number."""

_EXACT_BY_WIDTH: Final = {16: 2**11, 32: 2**24, 64: EXACT}


class Narrow(float):
    """A number that was kept in fewer than 64 bits, so that it lost its last digits earlier.

    Parameters
    ----------
    number
        Number as it was kept.
    kind
        Arrow's floating type that it came in.
    """

    until: int

    def __new__(cls, number: float, kind: pa.DataType) -> Self:
        """Widen the number, and remember its type."""
        narrow = super().__new__(cls, number)
        narrow.until = exact_until(kind)
        return narrow


def exact_until(kind: pa.DataType) -> int:
    """Give the first whole number from which on a floating type may stand for another."""
    return _EXACT_BY_WIDTH[kind.bit_width]


def is_exact(number: float) -> bool:
    """Tell whether a float stands for one whole number, and for no other."""
    return number.is_integer() and abs(number) < (number.until if isinstance(number, Narrow) else EXACT)
