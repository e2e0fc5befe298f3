"""How good predicted probabilities are, measured on rows whose class is known.

Arithmetic on numpy arrays only: the definitions are few and short, and an evaluation need not wait for
scikit-learn to be imported. The tests compare each figure with scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from beambell.arrays import Floats
from beambell.errors import TrainingError
from beambell.model.checks import check_probabilities

Z_95 = 1.959963984540054  # the standard normal's 97.5 % quantile
DECIMALS = 6  # of written figures: enough for any comparison, few enough for stable diffs


@dataclass(frozen=True, slots=True)
class ClassScores:
    """How one class fares; a ratio without a denominator is 0, as in scikit-learn."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows whose highest probability falls in ``[low, high)``; the last bin includes 1.

    Attributes
    ----------
    predicted
        Mean of their highest probabilities.
    observed
        The share of them that was predicted rightly. In a calibrated model the two are equal.
    """

    low: float
    high: float
    predicted: float
    observed: float
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Figures of a set of predictions.

    Attributes
    ----------
    n
        Rows with a known class.
    accuracy, accuracy_interval
        Share predicted rightly, and its 95 % Wilson interval.
    majority_accuracy
        Accuracy of always answering the commonest of the known classes: what there is to beat.
    macro_f1
        Mean F1 over the classes that occur, known or predicted.
    log_loss
        Mean of ``-log`` of the known class's probability.
    brier
        Half the mean squared distance from the known class's one-hot vector, in [0, 1]; of two classes the
        usual Brier score.
    calibration_error
        Expected calibration error of the highest probability, in [0, 1].
    roc_auc
        Area under the ROC curve of the second of two classes; ``None`` where undefined.
    scores
        Scores per class.
    confusion
        int64 [K, K], rows of class i predicted as j; here the first of equals, since rows are whole.
    calibration
        The bins that have rows.
    """

    classes: tuple[str, ...]
    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    majority_accuracy: float
    macro_f1: float
    log_loss: float
    brier: float
    calibration_error: float
    roc_auc: float | None
    scores: tuple[ClassScores, ...]
    confusion: npt.NDArray[np.int64]
    calibration: tuple[CalibrationBin, ...]

    def to_metrics(self) -> dict[str, Any]:
        """Figures for a metrics file, rounded; ``roc_auc`` is absent where undefined."""
        low, high = self.accuracy_interval
        figures = {
            "accuracy": self.accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "majority_accuracy": self.majority_accuracy,
            "macro_f1": self.macro_f1,
            "log_loss": self.log_loss,
            "brier": self.brier,
            "calibration_error": self.calibration_error,
        }
        if self.roc_auc is not None:
            figures["roc_auc"] = self.roc_auc
        per_class = {
            name: {
                "precision": _rounded(score.precision),
                "recall": _rounded(score.recall),
                "f1": _rounded(score.f1),
                "support": score.support,
            }
            for name, score in zip(self.classes, self.scores, strict=True)
        }
        return {
            "rows": self.n,
            **{name: _rounded(figure) for name, figure in figures.items()},
            "classes": per_class,
        }

    def confusion_rows(self) -> list[dict[str, str]]:
        """One ``{actual, predicted}`` per evaluated row: DVC's ``confusion`` template does the counting."""
        return [
            {"actual": actual, "predicted": predicted}
            for actual, counts in zip(self.classes, self.confusion.tolist(), strict=True)
            for predicted, count in zip(self.classes, counts, strict=True)
            for _ in range(count)
        ]

    def calibration_rows(self) -> list[dict[str, float | int]]:
        """One ``{low, high, predicted, observed, rows}`` per bin with rows, in ascending order."""
        return [
            {
                "low": _rounded(each.low),
                "high": _rounded(each.high),
                "predicted": _rounded(each.predicted),
                "observed": _rounded(each.observed),
                "rows": each.rows,
            }
            for each in self.calibration
        ]


def evaluate(y: npt.ArrayLike, proba: npt.ArrayLike, *, classes: Sequence[str], bins: int = 10) -> Evaluation:
    """Compare predicted probabilities with known classes.

    Parameters
    ----------
    y
        Integers [n]: the known class, or -1 where it is unknown; such rows are ignored.
    proba
        [n, K], each row a distribution. The prediction is the most probable class; where k are equal, each counts
        for 1/k, so that no figure depends on the order of the classes.
    classes
        K names.
    bins
        Equal widths that the highest probability is binned to for calibration.

    Raises
    ------
    TrainingError
        If no class is known, or the arrays do not fit each other.
    """
    names = tuple(classes)
    known_y = np.asarray(y)
    _check_classes(known_y, len(names))
    probabilities = check_probabilities(proba, rows=len(known_y), classes=names)
    known = known_y >= 0
    gold, p = known_y[known].astype(np.intp), probabilities[known]
    n, K = p.shape
    chosen = p == p.max(axis=1, keepdims=True)
    answers = chosen / chosen.sum(axis=1, keepdims=True)  # of k equals, each is answered in 1/k of the cases
    shared = np.zeros((K, K))
    np.add.at(shared, gold, answers)
    right = float(np.trace(shared))
    scores = _class_scores(shared)
    occurs = shared.sum(axis=0) + shared.sum(axis=1) > 0
    confusion = np.bincount(gold * K + p.argmax(axis=1), minlength=K * K).reshape(K, K).astype(np.int64)
    calibration = _calibration(p.max(axis=1), answers[np.arange(n), gold], bins)
    of_gold = p[np.arange(n), gold]
    return Evaluation(
        classes=names,
        n=n,
        accuracy=right / n,
        accuracy_interval=wilson_interval(right, n),
        majority_accuracy=float(confusion.sum(axis=1).max() / n),
        macro_f1=float(np.mean([score.f1 for score, there in zip(scores, occurs, strict=True) if there])),
        log_loss=float(-np.log(np.clip(of_gold, np.finfo(np.float64).eps, 1.0)).mean()),
        brier=float(0.5 * ((p**2).sum(axis=1) - 2 * of_gold + 1).mean()),
        calibration_error=sum(each.rows * abs(each.observed - each.predicted) for each in calibration) / n,
        roc_auc=_roc_auc(gold == 1, p[:, 1]) if K == 2 else None,
        scores=scores,
        confusion=confusion,
        calibration=calibration,
    )


def wilson_interval(successes: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a proportion; unlike the normal one it stays in [0, 1] for small ``n``."""
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and n successes one end is exact, whatever the rounding.
    return max(0.0, centre - half) if successes else 0.0, min(1.0, centre + half) if successes < n else 1.0


def _check_classes(y: npt.NDArray[Any], K: int) -> None:
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise TrainingError(
            f"known classes are {y.dtype} {list(y.shape)}, not a list of integers",
            fix="pass the number of the class per row, -1 where it is unknown",
        )
    if not len(y) or y.max() < 0:
        raise TrainingError(
            f"none of {len(y)} rows has a known class, so there is nothing to evaluate on",
            fix="give gold labels or feedback for rows that were not trained on",
        )
    if y.min() < -1 or y.max() >= K:
        row = int(np.argmax((y < -1) | (y >= K)))
        raise TrainingError(
            f"class {y[row]} is not one of -1 .. {K - 1}",
            where=f"row {row}",
            fix="check that the gold labels use the classes of params.yaml, in that order",
        )


def _class_scores(confusion: Floats) -> tuple[ClassScores, ...]:
    hits, predicted, support = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return tuple(
        ClassScores(
            precision=_ratio(hit, chosen),
            recall=_ratio(hit, there),
            f1=_ratio(2 * hit, chosen + there),
            support=round(there),
        )
        for hit, chosen, there in zip(hits.tolist(), predicted.tolist(), support.tolist(), strict=True)
    )


def _calibration(confidence: Floats, right: Floats, bins: int) -> tuple[CalibrationBin, ...]:
    which = np.minimum((confidence * bins).astype(np.intp), bins - 1)
    rows = np.bincount(which, minlength=bins)
    predicted = np.bincount(which, weights=confidence, minlength=bins)
    observed = np.bincount(which, weights=right, minlength=bins)
    return tuple(
        CalibrationBin(
            low=b / bins,
            high=(b + 1) / bins,
            predicted=float(predicted[b] / rows[b]),
            observed=float(observed[b] / rows[b]),
            rows=int(rows[b]),
        )
        for b in np.flatnonzero(rows)
    )


def _roc_auc(positive: npt.NDArray[np.bool_], score: Floats) -> float | None:
    """Probability that a positive outscores a negative, ties counting half (Mann and Whitney)."""
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return None
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    surplus = ranks[inverse][positive].sum() - n_positive * (n_positive + 1) / 2
    return float(surplus / (n_positive * n_negative))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0


def _rounded(figure: float) -> float:
    return round(float(figure), DECIMALS)
