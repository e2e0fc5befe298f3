"""The reference: what the last good partitions of a stream make us expect, and how far a figure is from that.

One law judges shares of 10 rows and of 10 million. A share is expected to be the pooled share of the reference. Its
variance has three parts: sampling of its own rows, sampling of the reference's rows, and the variance between
partitions that sampling does not explain (DerSimonian and Laird's estimate, and a part of its own error on top, for a
short history underestimates it as often as not). The tail is that of a binomial of as many rows as have this variance
(Camp and Paulson's approximation), since a normal one calls the first vote of a rare labeling function a sensation.
The number of rows follows the same law with a Poisson tail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Share = tuple[float, float]
"""Part and whole: rows on which something holds, and all rows that were looked at."""

FEWEST = 5
"""Partitions without which there is no reference."""
UNSURE = 0.5
"""Standard errors of the variance between partitions that are added to its estimate."""
STEADIEST = 0.05
"""Smallest relative standard deviation that the number of rows is believed to have."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far a figure is from what was expected.

    Attributes
    ----------
    figure, expected
        The figure, and its value in the reference.
    z
        Normal score of the tail beyond the figure: positive above the reference, negative below, 0 within.
    partitions
        Number of partitions in the reference.
    law
        Function that gives `z` of any other figure.
    """

    figure: float
    expected: float
    z: float
    partitions: int
    law: Callable[[float], float]

    @property
    def effect(self) -> float:
        """Difference between the figure and what was expected."""
        return self.figure - self.expected

    def interval(self, z: float, top: float = math.inf) -> tuple[float, float]:
        """Figures that are not further than `z` from what was expected; found by bisection of the law."""
        top = min(top, max(self.figure, self.expected, 1e-9) * 16)
        return _crossing(self.law, 0.0, self.expected, -z), _crossing(self.law, self.expected, top, z)


def share_deviation(part: float, whole: float, reference: Sequence[Share]) -> Deviation | None:
    """Compare a share with the shares of a reference.

    Parameters
    ----------
    part, whole
        Rows on which something holds, of so many.
    reference
        Part and whole of each partition of the reference.

    Returns
    -------
    Deviation or None
        None if there are no rows, or fewer than five partitions in the reference.
    """
    known = [(k, n) for k, n in reference if n > 0]
    if whole <= 0 or len(known) < FEWEST:
        return None
    total = sum(n for _, n in known)
    mean = (sum(k for k, _ in known) + 0.5) / (total + 1)
    mean = min(max(mean, 1e-12), 1 - 1e-12)
    noise = mean * (1 - mean)
    between = _between([k / n for k, n in known], [n / noise for _, n in known], mean)
    spread = 1 + sum(n * n for _, n in known) / total**2
    variance = noise / whole + noise / total + between * spread
    freedom = _freedom(len(known), variance, between * spread)
    rows = max(noise / variance, 1e-9)

    def law(share: float) -> float:
        return _as_normal(tail_score(share * rows, rows, mean), freedom)

    share = part / whole
    return Deviation(share, mean, law(share), len(known), law)


def count_deviation(count: float, reference: Sequence[float]) -> Deviation | None:
    """Compare a number of rows with those of a reference; see `share_deviation`."""
    known = [n for n in reference if n > 0]
    if len(known) < FEWEST:
        return None
    m, mean = len(known), sum(known) / len(known)
    between = _between([n / mean for n in known], [mean] * m, 1.0)
    variance = max((1 / mean + between) * (1 + 1 / m), STEADIEST**2)
    freedom = _freedom(m, variance, between * (1 + 1 / m))

    def law(n: float) -> float:
        return _as_normal(tail_score(n / mean / variance, math.inf, 1 / variance), freedom)

    return Deviation(count, mean, law(count), m, law)


def excess_deviation(excess: float, noise: float, reference: Sequence[float]) -> Deviation | None:
    """Compare a distance, above what sampling explains, with those of a reference, with a normal law.

    Parameters
    ----------
    excess
        Distance less its mean under sampling alone.
    noise
        Standard deviation under sampling alone.
    reference
        Excess of each partition of the reference.
    """
    m = len(reference)
    if m < FEWEST:
        return None
    mean = max(sum(reference) / m, 0.0)
    between = sum((x - mean) ** 2 for x in reference) / (m - 1) * (1 + UNSURE * math.sqrt(2 / (m - 1)))
    variance = noise**2 + between * (1 + 1 / m)
    freedom = _freedom(m, variance, between * (1 + 1 / m))

    def law(x: float) -> float:
        return _as_normal((x - mean) / math.sqrt(max(variance, 1e-18)), freedom)

    return Deviation(excess, mean, law(excess), m, law)


def tail_score(k: float, n: float, mean: float) -> float:
    """Normal score of the tail beyond k in a binomial of n trials; for infinite n, in a Poisson distribution.

    Parameters
    ----------
    k, n
        Successes and trials; neither needs to be whole.
    mean
        Probability of a success; the expected number of them if n is infinite.

    Returns
    -------
    float
        Positive if at least k is improbable, negative if at most k is, 0 if neither is less probable than one half.
    """
    if (above := _score_of_at_most(k - 1, n, mean)) > 0:
        return above
    return min(_score_of_at_most(k, n, mean), 0.0)


def _score_of_at_most(k: float, n: float, mean: float) -> float:
    """Camp and Paulson's normal score of P(X <= k)."""
    if k < 0 or k >= n:
        return 0.0
    b = 1 / (9 * (k + 1))
    if math.isinf(n):
        a, ratio = 0.0, (k + 1) / mean
    else:
        a, ratio = 1 / (9 * (n - k)), (k + 1) * (1 - mean) / ((n - k) * mean)
    root = math.cbrt(ratio)
    return ((1 - b) * root - (1 - a)) / math.sqrt(b * root * root + a)


def _between(values: Sequence[float], weights: Sequence[float], mean: float) -> float:
    """Variance between partitions that sampling does not explain; weights are one over the sampling variances."""
    m, total = len(values), sum(weights)
    scale = total - sum(w * w for w in weights) / total
    if scale <= 0:
        return 0.0
    q = sum(w * (x - mean) ** 2 for w, x in zip(weights, values, strict=True))
    sure = max(q, m - 1) / (m - 1)  # the larger it is, the larger is its own error
    return max(q - (m - 1) + UNSURE * math.sqrt(2 * (m - 1)) * sure, 0.0) / scale


def _freedom(m: int, variance: float, between: float) -> float:
    """Degrees of freedom of a variance of which a part is estimated from m partitions (Satterthwaite)."""
    return (m - 1) * (variance / between) ** 2 if between > 0 else math.inf


def _as_normal(t: float, freedom: float) -> float:
    """Normal score of a Student's t (Wallace's approximation)."""
    if math.isinf(freedom) or freedom > 1e6:
        return t
    size = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return math.copysign(size, t)


def _crossing(law: Callable[[float], float], low: float, high: float, z: float) -> float:
    """Figure at which a growing law has the value z, between two others."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if law(middle) < z else (low, middle)
    return (low + high) / 2
