"""Dawid and Skene's model of votes, anchored so that it cannot collapse: the default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from beambell.arrays import Floats, Votes
from beambell.errors import LabelModelError
from beambell.label_model.balance import balance_option, check_balance
from beambell.label_model.base import Fitted, LabelModel, Params, add_up, softmax
from beambell.label_model.correction import indicators
from beambell.label_model.dependencies import voices
from beambell.state import FeedbackCounts, PatternCounts

_SMOOTH = 0.01  # rows: so that a vote that never was is not impossible
_FULL = 0.999  # of all rows, at most, a labeling function votes given a class
_TOLERANCE = 1e-5


@dataclass(eq=False)
class DawidSkene(LabelModel):
    """Learn how each labeling function votes given each class, starting from, and held to, a decent one.

    Plain expectation maximisation (Dawid and Skene 1979) collapses on labeling functions that vote for one class each,
    as most do. Here each has a prior mean, in which its votes are right with the given accuracy, worth so many of its
    votes. That an LF abstains is part of its model, but is no evidence. Copies of one LF share its voice (see
    `dependencies`).

    What a vote is learned to say departs from the prior only by what exceeds ``caution`` times the number of
    parameters per row, in log-odds (soft thresholding, Donoho and Johnstone 1994). With few rows, this is the majority
    vote, ties and all: which of two LFs is the better one is then chance. With many it is as if it were not there.

    Parameters
    ----------
    class_balance
        Share of each class among the covered rows, summing to 1, if you know it; ``estimated`` learns it, held half
        to uniform; uniform by default, which was best on most published data.
    accuracy
        Prior mean of an LF's accuracy; half better than chance (1.5/K) at least, so 0.75 for two classes.
    anchor
        Weight of the first guess, in votes: so many of the LF's own votes, or twice as many as it cast, whichever is
        less.
    caution
        Log-odds that a vote must differ from the prior, if there is a row for each parameter (LFs times classes).
    damp_copies
        Whether labeling functions that copy each other share one voice.
    max_iterations
        Largest number of iterations of expectation maximisation. It stops earlier when no probability changes by more
        than 1e-5.

    Raises
    ------
    ValueError
        If an option is out of its range.
    """

    kind: ClassVar[str] = "dawid_skene"
    corrects: ClassVar[bool] = True
    class_balance: Sequence[float] | Literal["estimated"] | None = None
    accuracy: float = 0.6
    anchor: float = 500.0
    caution: float = 0.2
    damp_copies: bool = True
    max_iterations: int = 100

    def __post_init__(self) -> None:
        self.class_balance = balance_option(self.class_balance)
        if not 0 < self.accuracy < 1:
            raise ValueError(f"accuracy is between 0 and 1, not {self.accuracy}")
        if not self.anchor > 0 or self.max_iterations < 1 or not self.caution >= 0:
            raise ValueError("anchor and max_iterations are positive, and caution is not negative")

    def _learn(self, counts: PatternCounts, feedback: FeedbackCounts | None) -> Params:  # noqa: ARG002
        K, m = counts.cardinality, counts.n_lfs
        rows = counts.counts / counts.unit
        voice = voices(counts) if self.damp_copies else np.ones(m)
        X = indicators(counts.patterns, K)
        transposed = X.T.tocsr()
        by_voice = np.repeat(voice, K)[:, None]
        prior = self._prior(K)
        base, weight = self._base(counts, prior)
        q = _shares(X @ (by_voice * np.tile(np.eye(K), (m, 1))))
        covered = (counts.patterns >= 0).any(axis=1)
        threshold = self.caution * voice.sum() * K / max(rows[covered].sum(), 1.0)
        start = np.log(base)
        evidence = start
        for _ in range(self.max_iterations):
            R = rows[:, None] * q
            firings = (transposed @ R).reshape(m, K, K) + weight[:, None, None] * base
            theta = firings / (R.sum(axis=0) + weight[:, None])[:, None, :]
            evidence = start + _shrunk(np.log(theta) - start, threshold)
            if self.class_balance == "estimated":
                of_class = R[covered].sum(axis=0)
                prior = (of_class + of_class.sum() / K + 1) / (2 * of_class.sum() + K)
            following = softmax(X @ (by_voice * evidence.reshape(m * K, K)) + np.log(prior))
            change = np.abs(following - q).max(initial=0.0)
            q = following
            if change < _TOLERANCE:
                break
        return {"evidence": evidence, "voice": voice, "class_balance": prior}

    def _base(self, counts: PatternCounts, prior: Floats) -> tuple[Floats, Floats]:
        """Prior means [m, K, K] at ``[j, v, y]``, and what they are worth in rows, [m]."""
        K = counts.cardinality
        n = max(float(counts.counts.sum()) / counts.unit, 1.0)
        mu = counts.vote_counts() / max(counts.total, 1) + _SMOOTH / n
        a = max(self.accuracy, 1.5 / K)
        right = np.full((K, K), (1 - a) / (K - 1))
        np.fill_diagonal(right, a)  # [v, y]
        base = mu[:, :, None] * (right / (right @ prior)[:, None])
        # An LF that votes more often than that allows has a class that is larger than the prior says. It is scaled down
        # as a whole, so that its votes say no less than those of other LFs.
        total = base.sum(axis=1).max(axis=1)
        base = base * np.where(total > _FULL, _FULL / total, 1.0)[:, None, None]
        fires = np.maximum(counts.vote_counts().sum(axis=1) / max(counts.total, 1) * n, 1e-9)
        return base, np.minimum(self.anchor * n / fires, 2 * n)

    def _prior(self, cardinality: int) -> Floats:
        given = None if isinstance(self.class_balance, str) else self.class_balance
        return check_balance(given, cardinality, self.kind)

    def _evidence(self, fitted: Fitted) -> tuple[Floats, Floats]:
        params = fitted.params
        if params["evidence"].shape != (len(fitted.lfs), fitted.cardinality, fitted.cardinality):
            raise LabelModelError("evidence has another shape", where=self.kind, fix="fit it again: `beambell fit`")
        return params["evidence"] * params["voice"][:, None, None], np.log(params["class_balance"])

    def _posterior(self, patterns: Votes, fitted: Fitted) -> Floats:
        return softmax(add_up(patterns, *self._evidence(fitted)))


def _shares(votes: Floats) -> Floats:
    total = votes.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, votes / np.maximum(total, 1e-12), 1 / votes.shape[1]))


def _shrunk(log_odds: Floats, threshold: float) -> Floats:
    """Bring log-odds over the last axis nearer to zero by a threshold, and those below it to zero."""
    centred = log_odds - log_odds.mean(axis=-1, keepdims=True)
    return np.asarray(np.sign(centred) * np.maximum(np.abs(centred) - threshold, 0.0))
