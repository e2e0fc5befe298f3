from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from dvc_render.vega import VegaRenderer
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.errors import TrainingError
from beambell.model import Evaluation, evaluate
from beambell.model.evaluation import wilson_interval


def names(K: int) -> tuple[str, ...]:
    return tuple(f"c{k}" for k in range(K))


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    """Known classes with at least one known, and coarse probabilities, so that ties and certainties occur."""
    K, n = draw(st.integers(2, 4) | st.integers(2, 20)), draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = rng.integers(-1, draw(st.integers(1, K)), n).astype(np.int8)
    y[rng.integers(n)] = rng.integers(K)
    counts = rng.multinomial(draw(st.sampled_from([1, 4, 1000])), rng.dirichlet(np.ones(K), n))
    return y, counts / counts.sum(axis=1, keepdims=True)


def ece(y: np.ndarray, p: np.ndarray, bins: int) -> float:
    """The definition, word for word and slow."""
    total = 0.0
    for b in range(bins):
        rows = [i for i in range(len(y)) if min(int(p[i].max() * bins), bins - 1) == b]
        if rows:
            right = np.mean([y[i] in (tied := np.flatnonzero(p[i] == p[i].max())) and 1 / len(tied) for i in rows])
            total += len(rows) / len(y) * abs(right - np.mean([p[i].max() for i in rows]))
    return total


@settings(max_examples=60, deadline=None)
@given(predictions(), st.integers(2, 30))
def test_figures_equal_sklearns(case: tuple[np.ndarray, np.ndarray], bins: int) -> None:
    y, proba = case
    K = proba.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a division by zero would warn
        result = evaluate(y, proba, classes=names(K), bins=bins)
    gold, p = y[y >= 0].astype(int), proba[y >= 0]
    predicted, labels = p.argmax(axis=1), np.arange(K)
    assert result.n == len(gold)
    # A tie of k classes is k answers of weight 1/k.
    row, answer = np.nonzero(p == p.max(axis=1, keepdims=True))
    weight = 1 / np.bincount(row)[row]
    weighted = {"y_true": gold[row], "y_pred": answer, "sample_weight": weight}
    np.testing.assert_allclose(result.accuracy, sk.accuracy_score(**weighted))
    np.testing.assert_allclose(result.macro_f1, sk.f1_score(**weighted, average="macro", zero_division=0))
    expected = sk.precision_recall_fscore_support(**weighted, labels=labels, zero_division=0)
    found = [(s.precision, s.recall, s.f1, s.support) for s in result.scores]
    np.testing.assert_allclose(found, np.transpose(expected))
    np.testing.assert_array_equal(result.confusion, sk.confusion_matrix(gold, predicted, labels=labels))
    np.testing.assert_allclose(result.log_loss, sk.log_loss(gold, p, labels=labels), rtol=1e-9, atol=1e-12)
    brier = sk.brier_score_loss(gold, p, labels=labels, scale_by_half=True)
    np.testing.assert_allclose(result.brier, brier, atol=1e-12)
    np.testing.assert_allclose(result.calibration_error, ece(gold, p, bins), atol=1e-12)
    if K == 2 and 0 < gold.sum() < len(gold):
        np.testing.assert_allclose(result.roc_auc, sk.roc_auc_score(gold, p[:, 1]))
    else:
        assert result.roc_auc is None


@settings(max_examples=60, deadline=None)
@given(predictions())
def test_bounds_and_sums(case: tuple[np.ndarray, np.ndarray]) -> None:
    y, proba = case
    result = evaluate(y, proba, classes=names(proba.shape[1]))
    for share in (result.accuracy, result.majority_accuracy, result.macro_f1, result.brier, result.calibration_error):
        assert -1e-12 <= share <= 1 + 1e-12
    low, high = result.accuracy_interval
    assert 0 <= low <= result.accuracy <= high <= 1
    assert result.log_loss >= 0
    assert sum(each.rows for each in result.calibration) == result.n == result.confusion.sum()
    for each in result.calibration:
        assert each.low - 1e-12 <= each.predicted <= each.high + 1e-12
    rows = result.confusion_rows()
    assert len(rows) == result.n
    assert sum(row["actual"] == row["predicted"] for row in rows) == np.trace(result.confusion)
    text = json.dumps(result.to_metrics(), allow_nan=False)
    assert json.loads(text)["rows"] == result.n


@settings(deadline=None)
@given(predictions())
def test_unknown_rows_and_the_order_of_rows_do_not_matter(case: tuple[np.ndarray, np.ndarray]) -> None:
    y, proba = case
    K = proba.shape[1]

    def written(result: Evaluation) -> tuple[object, ...]:
        return result.to_metrics(), result.confusion_rows()

    known = y >= 0
    expected = written(evaluate(y, proba, classes=names(K)))
    assert written(evaluate(y[known], proba[known], classes=names(K))) == expected
    metrics, confusion = written(evaluate(y[::-1], proba[::-1], classes=names(K)))
    assert confusion == expected[1]
    assert metrics["accuracy"] == expected[0]["accuracy"]  # type: ignore[index]


def test_perfect_and_perfectly_wrong() -> None:
    y = np.array([0, 1, 1])
    right = evaluate(y, np.eye(2)[y], classes=names(2))
    assert (right.accuracy, right.macro_f1, right.log_loss, right.brier) == (1, 1, 0, 0)
    assert (right.calibration_error, right.roc_auc) == (0, 1)
    wrong = evaluate(y, np.eye(2)[1 - y], classes=names(2))
    assert (wrong.accuracy, wrong.macro_f1, wrong.brier, wrong.calibration_error) == (0, 0, 1, 1)
    assert wrong.roc_auc == 0
    assert np.isfinite(wrong.log_loss)


def test_one_class_only() -> None:
    result = evaluate([1, 1], [[0.4, 0.6], [0.2, 0.8]], classes=names(2))
    metrics = result.to_metrics()
    assert "roc_auc" not in metrics
    assert metrics["macro_f1"] == metrics["majority_accuracy"] == 1
    assert metrics["classes"]["c0"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}


def test_metrics_of_a_worked_example() -> None:
    result = evaluate([0, 0, 1, -1], [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [1, 0]], classes=("ham", "spam"))
    metrics = result.to_metrics()
    assert metrics["rows"] == 3
    assert metrics["accuracy"] == 0.666667
    assert metrics["brier"] == round((0.01 + 0.36 + 0.09) / 3, 6)
    assert metrics["classes"]["spam"] == {"precision": 0.5, "recall": 1.0, "f1": 0.666667, "support": 1}
    assert result.calibration_rows() == [
        {"low": 0.6, "high": 0.7, "predicted": 0.6, "observed": 0.0, "rows": 1},
        {"low": 0.7, "high": 0.8, "predicted": 0.7, "observed": 1.0, "rows": 1},
        {"low": 0.9, "high": 1.0, "predicted": 0.9, "observed": 1.0, "rows": 1},
    ]


def test_dvcs_confusion_template_takes_the_rows() -> None:
    result = evaluate([0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]], classes=("ham", "spam"))
    rows = result.confusion_rows()
    assert rows == [
        {"actual": "ham", "predicted": "ham"},
        {"actual": "ham", "predicted": "spam"},
        {"actual": "spam", "predicted": "spam"},
    ]
    points = [row | {"rev": "workspace"} for row in rows]
    plot = VegaRenderer(points, "confusion", template="confusion", x="actual", y="predicted")
    content = plot.get_filled_template()
    # The template counts what it is given: rows, not counts.
    assert content["spec"]["transform"][0]["aggregate"] == [{"op": "count", "as": "xy_count"}]
    assert len(content["data"]["values"]) == 3


@settings(deadline=None)
@given(st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_solves_its_equation(case: tuple[int, int]) -> None:
    successes, n = case
    z = 1.959963984540054
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= high <= 1
    if n:
        share = successes / n
        for end in (low, high):
            assert abs(abs(share - end) - z * np.sqrt(end * (1 - end) / n)) < 1e-7


@pytest.mark.parametrize(
    ("y", "proba", "message"),
    [
        (np.array([], np.int8), np.empty((0, 2)), "none of 0 rows"),
        ([-1, -1], np.full((2, 2), 0.5), "none of 2 rows"),
        ([0, 2], np.full((2, 2), 0.5), "row 1: class 2 is not one of -1 .. 1"),
        ([0, -2], np.full((2, 2), 0.5), "row 1: class -2"),
        ([0.0, 1.0], np.full((2, 2), 0.5), "float64"),
        ([[0], [1]], np.full((2, 2), 0.5), "not a list of integers"),
        ([0, 1], np.full((3, 2), 0.5), r"\[3, 2\], but there are 2 rows"),
        ([0, 1], [[0.5, 0.5], [0.5, np.inf]], "row 1: 1 rows are not probabilities"),
        (1, np.full((1, 2), 0.5), "not a list of integers"),
    ],
)
def test_impossible_evaluation_says_why_and_what_to_do(y: object, proba: object, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        evaluate(y, proba, classes=("ham", "spam"))  # type: ignore[arg-type]
    assert caught.value.fix
