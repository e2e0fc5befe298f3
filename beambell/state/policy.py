"""How much a row counts in the state, by its age: all the same, only the last days, or half as much every so often.

Age is counted in days, from the newest partition of the project. Every weight is an integer (see
`beambell.state.pattern_counts`), so a weighted state is exact: what joins it can leave it, in any order, bit for bit.

Decay would seem to change the weight of every row each new day. It does not, if weights are counted from a fixed day:
a day ``d = q H + r`` (H days are a half-life) has the weight ``2**q M(r)`` with ``M(r) = round(2**(12 + r / H))``, and
only the size of *one row of the newest day*, the unit, grows. Weights would grow without bounds, so

- they are counted from 16 half-lives before the newest day; what is older weighs less than 1/65536, and leaves;
- when the newest day passes a multiple of H, every count is halved, exactly: all that is left is divisible by two.

So one new partition costs one partition under every policy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

HALF_LIVES: Final = 16
PRECISION_BITS: Final = 12


@dataclass(frozen=True)
class Policy:
    """The weight of a row by its age.

    Parameters
    ----------
    kind
        ``all``, ``window`` or ``decay``.
    days
        Length of the window in days: the newest day, and the days before it.
    half_life_days
        After which a row counts half as much as one of the newest day.
    """

    kind: Literal["all", "window", "decay"] = "all"
    days: int | None = None
    half_life_days: int | None = None

    @property
    def horizon(self) -> int | None:
        """How many days back a row has any weight; ``None`` if for ever."""
        if self.kind == "window":
            return self.days
        return HALF_LIVES * (self.half_life_days or 1) if self.kind == "decay" else None

    def weight(self, day: int, newest: int) -> int:
        """Weight of a row, in units; 0 beyond the horizon.

        Parameters
        ----------
        day, newest
            Days of the row and of the newest partition, as ``date.toordinal()`` counts them.
        """
        if self.horizon is not None and newest - day >= self.horizon:
            return 0
        if self.kind != "decay":
            return 1
        half_lives, rest = divmod(day, self.half_life_days or 1)
        return self._mantissa(rest) << (half_lives - self._base(newest))

    def unit(self, newest: int) -> int:
        """Weight of a row of the newest day: one whole row."""
        return self.weight(newest, newest)

    def halvings(self, before: int, newest: int) -> int:
        """How often every count is halved when the newest day moves; negative if it moves back, and counts double."""
        return self._base(newest) - self._base(before) if self.kind == "decay" else 0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"kind": self.kind, "days": self.days, "half_life_days": self.half_life_days}

    def __str__(self) -> str:
        sentences: dict[str, Callable[[], str]] = {
            "all": lambda: "all partitions, equally",
            "window": lambda: f"the last {self.days} days",
            "decay": lambda: f"half as much every {self.half_life_days} days",
        }
        return sentences[self.kind]()

    def _base(self, newest: int) -> int:
        return newest // (self.half_life_days or 1) - HALF_LIVES

    def _mantissa(self, rest: int) -> int:
        # round(2 ** (12 + rest / H)) in integers, the same on every machine: the H-th root of 2 ** (12 H + rest).
        H = self.half_life_days or 1
        return _rounded_root(1 << (PRECISION_BITS * H + rest), H)


@lru_cache(maxsize=10_000)
def _rounded_root(n: int, degree: int) -> int:
    """Integer nearest to the root of a number: the largest x with (2x - 1)**degree <= 2**degree n."""
    low, high = 1, 1 << (PRECISION_BITS + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if (2 * middle - 1) ** degree <= n << degree:
            low = middle
        else:
            high = middle - 1
    return low
