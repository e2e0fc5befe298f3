"""The figures that the default label model is held to, on published votes with gold labels.

Accuracy counts a tie of k classes as 1/k, so that no figure depends on the order of the classes.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from beambell.label_model import DawidSkene, MajorityVote, dependencies
from beambell.state import FeedbackCounts, PatternCounts

DATA = Path(__file__).parents[2].parent / "shared" / "data"
CLASSES = {"youtube": 2, "sms": 2, "chemprot": 10, "video": 2}


@cache
def read(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    path = DATA / name / f"{split}.parquet"
    if not path.exists():
        pytest.skip(f"{split} of {name} is not here: see shared/data")
    table = pq.read_table(path)
    votes = [table[c].to_numpy() for c in table.column_names if c.startswith("lf_")]
    return np.column_stack(votes).astype(np.int8), table["label"].to_numpy().astype(np.int64)


def fit_and_judge(name: str) -> tuple[PatternCounts, np.ndarray, np.ndarray]:
    """Counts to fit on; covered votes and gold labels to judge by."""
    L, y = read(name, "train")
    judged, gold = read(name, "test") if name == "video" else (L, y)
    covered = (judged >= 0).any(axis=1)
    return PatternCounts.from_votes(L, CLASSES[name]), judged[covered], gold[covered]


def accuracy(y: np.ndarray, proba: np.ndarray) -> float:
    best = proba == proba.max(axis=1, keepdims=True)
    return float(100 * (best / best.sum(axis=1, keepdims=True))[np.arange(len(y)), y].mean())


def log_loss(y: np.ndarray, proba: np.ndarray) -> float:
    return float(-np.log(np.clip(proba[np.arange(len(y)), y], np.finfo(float).eps, 1)).mean())


@pytest.mark.parametrize(("name", "least"), [("youtube", 87.5), ("sms", 96.8), ("chemprot", 54.8), ("video", 88.8)])
def test_accuracy_without_feedback(name: str, least: float) -> None:
    counts, L, y = fit_and_judge(name)
    assert accuracy(y, DawidSkene().fit(counts).predict_proba(L)) >= least


def test_log_loss_without_feedback() -> None:
    losses: dict[type, list[float]] = {DawidSkene: [], MajorityVote: []}
    for name in CLASSES:
        counts, L, y = fit_and_judge(name)
        for kind, loss in losses.items():
            loss.append(log_loss(y, kind().fit(counts).predict_proba(L)))
    assert np.mean(losses[DawidSkene]) < 0.55 * np.mean(losses[MajorityVote])


@pytest.mark.parametrize("n", [50, 100, 200, 500])
@pytest.mark.parametrize("name", CLASSES)
def test_a_hundred_rows_are_enough_to_start(name: str, n: int) -> None:
    _, L, y = fit_and_judge(name)
    rows = read(name, "train")[0]
    drawn = [np.random.default_rng(seed).choice(len(rows), n, replace=False) for seed in range(10)]
    points = []
    for of in (np.arange(n), *drawn):
        counts = PatternCounts.from_votes(rows[of], CLASSES[name])
        few, majority = (kind().fit(counts).predict_proba(L) for kind in (DawidSkene, MajorityVote))
        points.append(accuracy(y, few) - accuracy(y, majority))
    assert points[0] > -2
    assert np.mean(points) > -1.5


def pick(how: str, proba: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nan_to_num(proba * np.log(proba)).sum(axis=1) + 1e-9
    if how == "top":
        return np.argsort(-entropy, kind="stable")[:n]
    return rng.choice(len(proba), n, replace=False, p=entropy / entropy.sum() if how == "proportional" else None)


def after_feedback(
    name: str, how: str, share: float, draws: int = 10, lfs: np.ndarray | None = None
) -> tuple[float, float]:
    """Accuracy on the covered rows that were not reviewed, with and without the feedback on the others."""
    L, y = read(name, "test" if name == "video" else "train")
    L = L if lfs is None else L[:, lfs]
    counts, covered = PatternCounts.from_votes(L, CLASSES[name]), np.flatnonzero((L >= 0).any(axis=1))
    without = DawidSkene().fit(counts).predict_proba(L)
    found = []
    for seed in range(1 if how == "top" else draws):
        rng = np.random.default_rng(seed)
        reviewed = covered[pick(how, without[covered], round(share * len(covered)), rng)]
        labels = np.full(len(y), -1)
        labels[reviewed] = y[reviewed]
        feedback = FeedbackCounts.from_labels(L, labels, CLASSES[name])
        rest = np.setdiff1d(covered, reviewed)
        proba = DawidSkene().fit(counts, feedback).predict_proba(L[rest])
        found.append((accuracy(y[rest], proba), accuracy(y[rest], without[rest])))
    return tuple(np.mean(found, axis=0).tolist())  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("name", "share", "least"), [("youtube", 0.05, 91.5), ("chemprot", 0.05, 57.5), ("chemprot", 0.1, 58.5)]
)
def test_accuracy_with_random_feedback(name: str, share: float, least: float) -> None:
    assert after_feedback(name, "random", share)[0] >= least


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("how", ["random", "proportional", "top"])
@pytest.mark.parametrize("name", CLASSES)
def test_feedback_does_no_harm_however_the_rows_were_picked(name: str, how: str, share: float) -> None:
    with_feedback, without = after_feedback(name, how, share, draws=3)
    assert with_feedback > without - 1


@pytest.mark.parametrize("name", ["youtube", "chemprot"])
def test_feedback_hardly_ever_does_harm_to_some_of_the_labeling_functions(name: str) -> None:
    m, points = read(name, "train")[0].shape[1], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        lfs = rng.choice(m, rng.integers(5, m), replace=False)
        for how, share in product(["random", "proportional", "top"], [0.01, 0.05, 0.1]):
            with_feedback, without = after_feedback(name, how, share, draws=3, lfs=lfs)
            points.append(with_feedback - without)
    assert np.mean(np.array(points) < -1) < 0.06
    assert min(points) > -2.5
    assert np.mean(points) > 0.7


def test_pasting_a_labeling_function_moves_next_to_no_label() -> None:
    L, _ = read("youtube", "train")
    covered = (L >= 0).any(axis=1)
    once = DawidSkene().fit(PatternCounts.from_votes(L, 2)).predict(L[covered])
    for j in range(L.shape[1]):
        pasted = np.column_stack([L] + [L[:, j]] * 4)
        counts = PatternCounts.from_votes(pasted, 2)
        labels = DawidSkene().fit(counts).predict(pasted[covered])
        assert (labels != once).mean() <= 0.01
        copies = [pair for pair in dependencies(counts) if pair.kind == "copy"]
        assert {pair.lf for pair in copies} == {f"lf_{i}" for i in range(10, 14)}
        assert f"lf_{j}" in {pair.of for pair in copies}
        rng, nearly = np.random.default_rng(j), pasted.copy()
        for i in range(10, 14):  # each of which lacks one vote in fifty
            fired = np.flatnonzero(nearly[:, i] >= 0)
            nearly[rng.choice(fired, len(fired) // 50, replace=False), i] = -1
        labels = DawidSkene().fit(PatternCounts.from_votes(nearly, 2)).predict(nearly[covered])
        assert (labels != once).mean() <= 0.01
