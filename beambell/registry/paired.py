"""Two versions on the same rows: how much better one is, and how much of that may be chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beambell.arrays import Floats, Integers

DRAWS: Final = 2_000
_DRAWS_OF_RANKS: Final = 200
_SEED: Final = 20260101
_SMALLEST: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Gain:
    """Gain of a challenger over a champion, in units of a metric; positive is better, whichever way the metric goes.

    Attributes
    ----------
    lower, upper
        Bounds between which it lies with the confidence that was asked for.
    rows
        Number of rows that both were judged by.
    method
        Name of what the bounds come from: ``bootstrap``, or ``normal`` for means over rows.
    """

    lower: float
    upper: float
    rows: int
    method: str


def gain_interval(
    metric: str, labels: Integers, challenger: Floats, champion: Floats, confidence: float = 0.9
) -> Gain | None:
    """Bound the gain of one version over the other by what other rows of the same kind would have shown.

    Rows are drawn with replacement, for both versions the same ones: what is hard for both says nothing of the
    difference (the paired bootstrap; Efron and Tibshirani 1993). Means over rows need no drawing. The draws do not
    change from run to run.

    Parameters
    ----------
    metric
        Name of the metric: ``accuracy``, ``macro_f1``, ``roc_auc``, ``log_loss`` or ``brier``.
    labels
        Class of each row, int [n].
    challenger, champion
        Probability of each class by each version, float64 [n, K].
    confidence
        Share of the draws that lie between the bounds, in (0, 1).

    Returns
    -------
    Gain or None
        ``None`` where there are fewer than two rows, or the metric says nothing of them.
    """
    n, K = challenger.shape
    if n < 2:
        return None
    if metric in ("log_loss", "brier"):
        better = _losses(metric, labels, champion) - _losses(metric, labels, challenger)
        half = _quantile((1 + confidence) / 2) * float(better.std(ddof=1)) / np.sqrt(n)
        return Gain(float(better.mean() - half), float(better.mean() + half), n, "normal")
    if metric == "roc_auc":
        drawn = _draws_of_ranks(labels, challenger[:, 1], champion[:, 1]) if K == 2 else np.empty(0)
    else:
        drawn = _draws_of_cells(metric, labels, challenger.argmax(axis=1), champion.argmax(axis=1), K)
    if not len(drawn):
        return None
    lower, upper = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Gain(float(lower), float(upper), n, "bootstrap")


def _losses(metric: str, labels: Integers, proba: Floats) -> Floats:
    of_label = proba[np.arange(len(labels)), labels]
    if metric == "log_loss":
        losses: Floats = -np.log(np.clip(of_label, _SMALLEST, 1.0))
        return losses
    squares: Floats = 0.5 * ((proba**2).sum(axis=1) - 2 * of_label + 1)
    return squares


def _draws_of_cells(metric: str, labels: Integers, mine: Integers, theirs: Integers, K: int) -> Floats:
    """Draw what such metrics depend on alone: how many rows have each label, and each pair of answers."""
    cells, counts = np.unique((labels * K + mine) * K + theirs, return_counts=True)
    label, one, other = cells // (K * K), cells // K % K, cells % K
    drawn = np.random.default_rng(_SEED).multinomial(counts.sum(), counts / counts.sum(), DRAWS)
    if metric == "accuracy":
        gains: Floats = drawn @ ((one == label).astype(float) - (other == label)) / counts.sum()
        return gains
    return _macro_f1(drawn, label, one, K) - _macro_f1(drawn, label, other, K)


def _macro_f1(drawn: npt.NDArray[np.int64], label: Integers, said: Integers, K: int) -> Floats:
    total, there = np.zeros(len(drawn)), np.zeros(len(drawn))
    for k in range(K):
        both = drawn[:, (label == k) & (said == k)].sum(axis=1)
        either = drawn[:, label == k].sum(axis=1) + drawn[:, said == k].sum(axis=1)
        total += np.where(either > 0, 2 * both / np.maximum(either, 1), 0)
        there += either > 0
    score: Floats = total / np.maximum(there, 1)
    return score


def _draws_of_ranks(labels: Integers, mine: Floats, theirs: Floats) -> Floats:
    positive = labels == 1
    if positive.all() or not positive.any():
        return np.empty(0)
    random, n, gains = np.random.default_rng(_SEED), len(labels), []
    groups = [np.unique(score, return_inverse=True)[1] for score in (mine, theirs)]
    for _ in range(_DRAWS_OF_RANKS):
        weight = random.multinomial(n, np.full(n, 1 / n)).astype(float)
        if 0 < weight[positive].sum() < n:
            gains.append(_auc(weight, positive, groups[0]) - _auc(weight, positive, groups[1]))
    return np.array(gains)


def _auc(weight: Floats, positive: npt.NDArray[np.bool_], group: Integers) -> float:
    """Area under the ROC curve of weighted rows: the chance that a positive one is above a negative one."""
    ups = np.bincount(group, weight * positive)
    downs = np.bincount(group, weight * ~positive)
    below = np.cumsum(downs) - downs / 2
    return float((ups * below).sum() / (ups.sum() * downs.sum()))


def _quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)
