"""Seeded draws that never change from one machine or Python version to the next."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Rng:
    """All randomness of the generator, made from one function.

    Python promises the sequence of ``Random.random`` for ever, but not that of ``choice``; so
    everything here comes from it by exact arithmetic (no ``log`` or ``pow``, whose last bit varies).

    Parameters
    ----------
    *seed
        Words that name this source of randomness; equal words, equal draws.
    """

    __slots__ = ("unit",)

    def __init__(self, *seed: object) -> None:
        self.unit = Random("/".join(map(str, seed))).random  # noqa: S311  # nothing here is secret

    def chance(self, probability: float) -> bool:
        """Be true with this probability."""
        return self.unit() < probability

    def below(self, n: int) -> int:
        """Draw a whole number from 0 to n - 1."""
        return int(self.unit() * n)

    def between(self, low: int, high: int) -> int:
        """Draw a whole number from low to high, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """Draw one item, each as likely as the others."""
        return items[int(self.unit() * len(items))]

    def heavy_tail(self, scale: float, most: int) -> int:
        """Draw from 0 to ``most``: half the draws are below ``scale``, a few are far above (a Pareto tail)."""
        return min(most, int(scale / (1.0 - self.unit()) - scale))


class Weighted(Generic[T]):
    """Items to draw with unequal weights.

    Parameters
    ----------
    weights
        Pairs of an item and its weight.
    """

    def __init__(self, weights: Iterable[tuple[T, float]]) -> None:
        pairs = list(weights)
        self.items = [item for item, _ in pairs]
        self._upto = list(accumulate(weight for _, weight in pairs))

    def __len__(self) -> int:
        return len(self.items)

    def draw(self, rng: Rng) -> T:
        """Draw one item."""
        position = bisect_right(self._upto, rng.unit() * self._upto[-1])
        return self.items[min(position, len(self.items) - 1)]


def zipf(items: Sequence[T], *, flatness: float = 2.0) -> Weighted[T]:
    """Weigh the item of rank r by 1 / (r + flatness), as people's activity is distributed."""
    return Weighted((item, 1.0 / (rank + flatness)) for rank, item in enumerate(items))
