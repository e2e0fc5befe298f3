"""What people's labels say about a label model's posterior: a regression that is anchored to it.

The logit of class y, given pattern p, becomes ``t log q_py + b_y + sum_j W_{j, vote, y}``, where q is what the label
model said. It is fitted to the people's labels, and to q itself on all covered rows, which stands for as many labels as
the anchor says. The anchor grows with the number of labels: whoever asks only about the hardest rows gets labels that
are true of these, and must not turn all the others. For the same reason the labels of one pattern count for no more
than its fair share of all of them (and one more), however many of its rows were picked.

Of what it finds, it keeps what is more than chance: a weight w with the standard error e, given so many labels, becomes
w (1 - (e/w)^2), or zero where that is negative (the garrote, Breiman 1995; e is the diagonal of the sandwich estimator,
Huber 1967). Where votes tie or nearly, a few labels would otherwise settle at random what the label model had settled
by all rows.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from beambell.arrays import Floats, Votes

ANCHOR: Final = 30.0
"""Labels that the label model's own word is worth, before there are any."""
ANCHOR_PER_LABEL: Final = 0.5
"""And more with each label."""
CHANCE: Final = 1.2
"""Standard errors of a weight that are taken for chance."""
_RIDGE: Final = 1.0
_RIDGE_SCALE: Final = 2.0
_SMALLEST: Final = 1e-300
_SMALL_SQUARE: Final = 1e-30


def fit(
    patterns: Votes, rows: Floats, proba: Floats, labels: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, np.float64]:
    """Fit it.

    Parameters
    ----------
    patterns
        Vote patterns, int8 [p, m], each with a vote.
    rows
        Number of rows of each pattern, [p].
    proba
        Probabilities that the label model gives each pattern, [p, K].
    labels
        Number of rows of each pattern that people gave each label, [p, K].

    Returns
    -------
    votes
        Weights W of votes, [m, K, K]: the amount by which LF j's vote v changes the logit of class y, at ``[j, v, y]``.
    bias
        Bias b of each class, [K].
    scale
        Factor t on the logarithms of the label model's probabilities.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    K, m = proba.shape[1], patterns.shape[1]
    target, seen_votes = _target(rows, proba, labels), indicators(patterns, K)
    seen = np.flatnonzero(seen_votes.T @ labels.sum(axis=1).astype(np.float64))
    X = seen_votes[:, seen].tocsr()
    objective = _Objective(X, X.T.tocsr(), _log(proba), target)
    start = np.zeros(len(seen) * K + K + 1)
    start[-1] = 1.0
    with threadpool_limits(1, "blas"):  # sums do not depend on how many processors there are
        found = minimize(objective, start, jac=True, method="L-BFGS-B", options=_OPTIONS)
    weights = found.x[:-1].reshape(-1, K)
    error = CHANCE * objective.errors(found.x, labels)
    weights = weights * np.maximum(1 - error**2 / np.maximum(weights**2, _SMALL_SQUARE), 0.0)
    votes = np.zeros((m * K, K))
    votes[seen] = weights[:-1]
    return votes.reshape(m, K, K), weights[-1], np.float64(found.x[-1])


_OPTIONS = {"maxiter": 200, "ftol": 1e-9, "gtol": 1e-3}


def scores(patterns: Votes, proba: Floats, votes: Floats, bias: Floats, scale: float) -> Floats:
    """Logits [p, K] of what it makes of a label model's posterior [p, K]."""
    score = scale * _log(proba) + bias
    for j in range(patterns.shape[1]):
        fired = np.flatnonzero(patterns[:, j] >= 0)
        score[fired] += votes[j, patterns[fired, j]]
    return score


def indicators(patterns: Votes, cardinality: int) -> Any:
    """Sparse float64 [p, m K]: 1 at ``[p, j K + v]`` where LF j votes v."""
    from scipy import sparse

    p, m = patterns.shape
    row, j = np.nonzero(patterns >= 0)
    column = j * cardinality + patterns[row, j]
    return sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(p, m * cardinality))


def fair_share(share: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """Count the labels [p, K] of a pattern for no more than its share [p] of all rows would get, and one more."""
    given, total = labels.sum(axis=1), float(labels.sum())
    return np.asarray(labels * np.minimum(1.0, (1.0 + total * share) / np.maximum(given, 1))[:, None])


def _target(rows: Floats, proba: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    share = rows / max(rows.sum(), 1e-300)
    anchor = (ANCHOR + ANCHOR_PER_LABEL * float(labels.sum())) * share[:, None] * proba
    return np.asarray(fair_share(share, labels) + anchor)


def _log(proba: Floats) -> Floats:
    logs = np.log(np.maximum(proba, _SMALLEST))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


class _Objective:
    """Weighted cross-entropy with ridges, and its gradient, as a function of ``[W, b, t]``."""

    def __init__(self, X: Any, transposed: Any, logs: Floats, target: Floats) -> None:
        self.X, self.transposed, self.logs, self.target = X, transposed, logs, target
        self.total = target.sum(axis=1, keepdims=True)

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        K = self.target.shape[1]
        W, b, t = x[: -K - 1].reshape(-1, K), x[-K - 1 : -1], x[-1]
        logs = self._log_proba(x)
        loss = -(self.target * logs).sum()
        loss += _RIDGE * ((W**2).sum() + (b**2).sum()) + _RIDGE_SCALE * (t - 1) ** 2
        error = self.total * np.exp(logs) - self.target
        slope = (error * self.logs).sum() + 2 * _RIDGE_SCALE * (t - 1)
        by_vote = self.transposed @ error + 2 * _RIDGE * W
        return float(loss), np.concatenate([by_vote.ravel(), error.sum(axis=0) + 2 * _RIDGE * b, [slope]])

    def errors(self, x: Floats, labels: npt.NDArray[np.int64]) -> Floats:
        """Standard errors of ``[W, b]`` at x, for as many labels as there are of each pattern."""
        proba = np.exp(self._log_proba(x))
        spread = proba * (1 - proba)
        noise = self._by_weight(labels.sum(axis=1, keepdims=True) * spread)
        return np.asarray(np.sqrt(noise) / (self._by_weight(self.total * spread) + 2 * _RIDGE))

    def _by_weight(self, of_patterns: Floats) -> Floats:
        return np.vstack([self.transposed @ of_patterns, of_patterns.sum(axis=0)])

    def _log_proba(self, x: Floats) -> Floats:
        K = self.target.shape[1]
        score = x[-1] * self.logs + x[-K - 1 : -1] + self.X @ x[: -K - 1].reshape(-1, K)
        score -= score.max(axis=1, keepdims=True)
        return np.asarray(score - np.log(np.exp(score).sum(axis=1, keepdims=True)))
