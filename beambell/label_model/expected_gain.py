"""What the next answers are expected to buy: more accurate labels, and better probabilities.

Nobody knows before the answers. What can be computed is what they would buy if the label model were wrong in the ways
label models usually are. So truths are drawn: what the label model says now, with the log-odds of each vote off by a
normal error, and those of each pattern by another; what feedback has already seen is off by less. For each truth, the
answers are drawn, the label model is fitted again with them, and labels before and after are held to that truth.

The sizes of the errors are set so that the intervals hold about as often as they say on published vote sets
(``python -m benchmarks review_queue`` shows how often). It is an estimate under these assumptions, not a measurement: a
label model that is wrong in another way gains something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from beambell.arrays import Floats
from beambell.label_model import LabelModel
from beambell.label_model.base import softmax
from beambell.label_model.correction import indicators
from beambell.state import FeedbackCounts, PatternCounts

VOTE_ERROR: Final = 1.0
"""Standard deviation of what each vote's log-odds are off by."""
PATTERN_ERROR: Final = 0.7
"""The same of each pattern's."""
DRAWS: Final = 40
INTERVAL: Final = (0.05, 0.95)


@dataclass(frozen=True)
class Estimate:
    """Mean, and the 90 % interval, over the truths that were drawn."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ExpectedGain:
    """What answers are expected to buy, on covered rows.

    Attributes
    ----------
    answers
        Number of answers that are on covered rows, and are fitted to.
    accuracy
        Growth of the share of right labels.
    log_loss
        Fall of the mean log loss of the probabilities, in nats.
    changed
        Share of covered rows that get another label.
    surprises
        Share of the answers that are expected to differ from the label, by the label model's own probabilities.
    """

    answers: float
    accuracy: Estimate
    log_loss: Estimate
    changed: Estimate
    surprises: float


def expected_gain(
    fit: Callable[[FeedbackCounts], LabelModel],
    counts: PatternCounts,
    feedback: FeedbackCounts | None,
    picks: Floats,
    *,
    draws: int = DRAWS,
) -> ExpectedGain:
    """Estimate what answers would buy. The same arguments give the same estimate.

    Parameters
    ----------
    fit
        Fits the label model to the counts and to feedback.
    counts
        Number of rows of each pattern.
    feedback
        Answers there are.
    picks
        Expected number of further answers per pattern of the counts, [p].
    draws
        Number of truths that are drawn; each costs a fit.
    """
    K, covered = counts.cardinality, np.asarray((counts.patterns >= 0).any(axis=1))
    feedback = feedback if feedback is not None else FeedbackCounts.zero(K, counts.lfs)
    model = fit(feedback)
    patterns, packed = counts.patterns[covered], counts.packed[covered]
    rows, picks = counts.counts[covered] / counts.unit, picks[covered]
    before, reviewed = model.posterior(patterns), model.reviewed(patterns)
    votes = indicators(patterns, K)
    known = reviewed.sum(axis=1, keepdims=True) * before * (1 - before)  # what the answers so far tell of each log-odds
    by_vote = 1 / np.sqrt(1 / VOTE_ERROR**2 + votes.T @ known)
    by_pattern = 1 / np.sqrt(1 / PATTERN_ERROR**2 + known)
    logs, rng = np.log(np.maximum(before, 1e-300)), np.random.default_rng(0)
    found = []
    for _ in range(draws):
        error = votes @ (rng.standard_normal(by_vote.shape) * by_vote)
        truth = softmax(logs + error + rng.standard_normal(by_pattern.shape) * by_pattern)
        answers = rng.multinomial(np.minimum(rng.poisson(picks), np.ceil(rows).astype(np.int64)), truth)
        after = fit(feedback + _counted(counts, packed, answers)).posterior(patterns)
        found.append(_gain(before, after, truth, rows))
    accuracy, log_loss, changed = (_estimate(column) for column in np.array(found).T)
    asked = float(picks.sum())
    surprises = float(picks @ (1 - before.max(axis=1))) / asked if asked else 0.0
    return ExpectedGain(asked, accuracy, log_loss, changed, surprises)


def _counted(counts: PatternCounts, packed: npt.NDArray[np.uint8], answers: npt.NDArray[np.int64]) -> FeedbackCounts:
    some = answers.any(axis=1)
    return FeedbackCounts(counts.lfs, counts.cardinality, packed[some], answers[some])


def _gain(before: Floats, after: Floats, truth: Floats, rows: Floats) -> tuple[float, float, float]:
    share = rows / max(float(rows.sum()), 1e-300)
    hard = [_shares(proba) for proba in (before, after)]
    right = [share @ (labels * truth).sum(axis=1) for labels in hard]
    loss = [-share @ (truth * np.log(np.maximum(p, np.finfo(float).eps))).sum(axis=1) for p in (before, after)]
    changed = share @ (1 - np.minimum(*hard).sum(axis=1))
    return float(right[1] - right[0]), float(loss[0] - loss[1]), float(changed)


def _shares(proba: Floats) -> Floats:
    """Hard labels; a tie of k classes is 1/k of each."""
    best = proba >= proba.max(axis=1, keepdims=True) - 1e-9
    return np.asarray(best / best.sum(axis=1, keepdims=True))


def _estimate(values: Floats) -> Estimate:
    low, high = np.quantile(values, INTERVAL)
    return Estimate(*(round(float(value), 6) + 0.0 for value in (values.mean(), low, high)))
