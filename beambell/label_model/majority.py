"""Majority vote: the baseline that is hard to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from beambell.arrays import Floats, Votes
from beambell.label_model.base import Fitted, LabelModel, Params
from beambell.state import FeedbackCounts, PatternCounts
from beambell.state.patterns import default_names


@dataclass(eq=False)
class MajorityVote(LabelModel):
    """Give all probability to the class with the most votes, in equal parts to classes that tie.

    Equal to snorkel's ``MajorityLabelVoter``. A row without votes is a tie of all classes.

    Parameters
    ----------
    cardinality
        Number of classes K. With it, it predicts without being fitted, for any number of labeling functions:
        there is nothing to learn.
    """

    kind: ClassVar[str] = "majority"
    cardinality: int | None = None

    def _learn(self, counts: PatternCounts, feedback: FeedbackCounts | None) -> Params:  # noqa: ARG002
        return {}  # there is nothing to learn

    def _posterior(self, patterns: Votes, fitted: Fitted) -> Floats:
        votes = np.stack([(patterns == y).sum(axis=1) for y in range(fitted.cardinality)], axis=1)
        top = (votes == votes.max(axis=1, keepdims=True)).astype(np.float64)
        return np.asarray(top / top.sum(axis=1, keepdims=True))

    def _require(self, L: npt.ArrayLike | None = None) -> Fitted:
        if self._fitted is None and self.cardinality is not None and L is not None and np.ndim(L) == 2:
            return Fitted(default_names(np.shape(L)[1]), self.cardinality, {})
        return super()._require(L)
