"""Weighted vote: each labeling function's word counts for as much as people found it right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from beambell.arrays import Floats, Votes
from beambell.label_model.balance import balance_option, check_balance
from beambell.label_model.base import Fitted, LabelModel, Params, add_up, softmax
from beambell.label_model.correction import fair_share
from beambell.label_model.dependencies import voices
from beambell.state import FeedbackCounts, PatternCounts
from beambell.state import patterns as packing

_NEARLY = 1e-6


@dataclass(eq=False)
class WeightedVote(LabelModel):
    """Add up, for each class, the log-odds of the precision of those who vote for it.

    Without feedback all precisions are the prior's, and the winner is the majority's (with copies of one labeling
    function counted once). Nothing is learned from the votes: the one to choose if you want to be able to follow
    every label with pencil and paper.

    Parameters
    ----------
    precision
        Prior mean of the precision of a labeling function; half better than chance (1.5/K) at least.
    strength
        Reviewed votes that it is worth.
    class_balance
        Share of each class, summing to 1; uniform by default.
    damp_copies
        Whether labeling functions that copy each other share one voice.

    Raises
    ------
    ValueError
        If an option is out of its range, or ``class_balance`` is a word.
    """

    kind: ClassVar[str] = "weighted"
    precision: float = 0.7
    strength: float = 10.0
    class_balance: Sequence[float] | None = None
    damp_copies: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.class_balance, str):
            raise ValueError("class_balance is a list of shares")  # noqa: TRY004 - an option's value, for all kinds
        balance_option(self.class_balance)
        if self.class_balance is not None:
            self.class_balance = [float(share) for share in self.class_balance]
        if not (0 < self.precision < 1 and self.strength > 0):
            raise ValueError("precision is between 0 and 1, and strength positive")

    def _learn(self, counts: PatternCounts, feedback: FeedbackCounts | None) -> Params:
        K, m = counts.cardinality, counts.n_lfs
        right, reviewed = np.zeros(m), np.zeros(m)
        if feedback is not None:
            labels = self._labels(counts, feedback)
            for y in range(K):
                right += ((feedback.patterns == y) * labels[:, y, None]).sum(axis=0)
            reviewed += ((feedback.patterns >= 0) * labels.sum(axis=1)[:, None]).sum(axis=0)
        mean = max(self.precision, 1.5 / K)
        return {
            "precision": (right + self.strength * mean) / (reviewed + self.strength),
            "voice": voices(counts) if self.damp_copies else np.ones(m),
            "class_balance": check_balance(self.class_balance, K, self.kind),
        }

    def _labels(self, counts: PatternCounts, feedback: FeedbackCounts) -> Floats:
        """People's labels [p, K], those of a pattern that was picked too often weighing less."""
        known, wanted = packing.keys(counts.packed), packing.keys(feedback.packed)
        at = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
        rows = np.where(known[at] == wanted, counts.counts[at], 0) if len(known) else np.zeros(len(wanted))
        covered = counts.counts[(counts.patterns >= 0).any(axis=1)].sum()
        return fair_share(rows / max(covered, 1), feedback.counts)

    def _evidence(self, fitted: Fitted) -> tuple[Floats, Floats]:
        K, params = fitted.cardinality, fitted.params
        precision = np.clip(params["precision"], _NEARLY, 1 - _NEARLY)
        weight = params["voice"] * np.log(precision * (K - 1) / (1 - precision))
        # Only the class voted for gets something, so that equal votes add up to equal figures, to the last bit.
        return weight[:, None, None] * np.eye(K), np.log(params["class_balance"])

    def _posterior(self, patterns: Votes, fitted: Fitted) -> Floats:
        return softmax(add_up(patterns, *self._evidence(fitted)))
