from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beambell import label_model
from beambell.errors import LabelModelError
from beambell.label_model import (
    DawidSkene,
    LabelModel,
    MajorityVote,
    SnorkelLabelModel,
    WeightedVote,
    dependencies,
    load,
)
from beambell.state import FeedbackCounts, PatternCounts

K = 3
votes = hnp.arrays(np.int8, st.tuples(st.integers(1, 25), st.integers(1, 5)), elements=st.integers(-1, K - 1))
with_labels = votes.flatmap(
    lambda L: st.tuples(st.just(L), hnp.arrays(np.int64, len(L), elements=st.integers(-1, K - 1)))
)
LEARNERS = [DawidSkene, WeightedVote]


def noisy_votes(n: int, m: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    L = np.where(rng.random((n, m)) < rng.uniform(0.5, 0.9, m), y[:, None], rng.integers(0, classes, (n, m)))
    L[rng.random((n, m)) < rng.uniform(0.2, 0.8, m)] = -1
    return L.astype(np.int8), y


def by_rows(L: np.ndarray, classes: int, steps: int, anchor: float = 500) -> np.ndarray:
    """Anchored expectation maximisation, row by row, in plain loops."""
    n, m = L.shape
    a = max(0.6, 1.5 / classes)
    caution = 0.2 * m * classes / (L >= 0).any(axis=1).sum()
    base, S = np.zeros((classes, m, classes)), np.zeros(m)
    for j in range(m):
        fires = (L[:, j] >= 0).sum()
        S[j] = min(anchor * n / fires if fires else np.inf, 2 * n)
        for y in range(classes):
            for v in range(classes):
                right = a if y == v else (1 - a) / (classes - 1)
                base[y, j, v] = classes * right * ((L[:, j] == v).sum() + 0.01) / n
        base[:, j] *= min(1, 0.999 / base[:, j].sum(axis=1).max())
    q = np.full((n, classes), 1 / classes)
    for i, row in enumerate(L):
        if (row >= 0).any():
            q[i] = [(row == y).sum() / (row >= 0).sum() for y in range(classes)]
    for _ in range(steps):
        says = np.zeros_like(base)  # log-odds, up to what all classes share
        for y in range(classes):
            for j in range(m):
                for v in range(classes):
                    theta = (q[L[:, j] == v, y].sum() + S[j] * base[y, j, v]) / (q[:, y].sum() + S[j])
                    says[y, j, v] = np.log(theta / base[y, j, v])
        says -= says.mean(axis=0)
        says = np.log(base) + np.sign(says) * np.maximum(abs(says) - caution, 0)
        for i, row in enumerate(L):
            odds = np.exp(sum((says[:, j, row[j]] for j in np.flatnonzero(row >= 0)), np.zeros(classes)))
            q[i] = odds / odds.sum()
    return q


@pytest.mark.parametrize("classes", [2, 4])
def test_equal_to_plain_loops_over_rows(classes: int) -> None:
    L, _ = noisy_votes(200, 5, classes)
    L[:, 1] = np.where(L[:, 1] == 1, 1, -1)  # votes for one class only, as most do
    counts = PatternCounts.from_votes(L, classes)
    for steps in (1, 4):
        model = DawidSkene(max_iterations=steps).fit(counts)
        np.testing.assert_allclose(model.predict_proba(L), by_rows(L, classes, steps), atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(with_labels, st.randoms(use_true_random=False))
def test_names_and_numbers_of_classes_and_functions_do_not_matter(data: Any, random: Any) -> None:
    L, y = data
    order, classes = list(range(L.shape[1])), list(range(K))
    random.shuffle(order)
    random.shuffle(classes)
    renamed = np.array([*classes, -1])
    for kind in LEARNERS:
        model = kind().fit(PatternCounts.from_votes(L, K), FeedbackCounts.from_labels(L, y, K))
        proba = model.predict_proba(L)
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        again = kind().fit(
            PatternCounts.from_votes(L[:, order], K), FeedbackCounts.from_labels(L[:, order], y, K)
        )  # fmt: skip
        np.testing.assert_allclose(again.predict_proba(L[:, order]), proba, atol=1e-3)
        other = kind().fit(
            PatternCounts.from_votes(renamed[L], K), FeedbackCounts.from_labels(renamed[L], renamed[y], K)
        )
        np.testing.assert_allclose(other.predict_proba(renamed[L])[:, classes], proba, atol=1e-3)


@settings(deadline=None, max_examples=60)
@given(with_labels)
def test_what_a_label_is_made_of_adds_up(data: Any) -> None:
    L, y = data
    counts, feedback = PatternCounts.from_votes(L, K), FeedbackCounts.from_labels(L, y, K)
    for kind in LEARNERS:
        model = kind().fit(counts, feedback)
        for pattern, proba in zip(counts.patterns, model.posterior(counts.patterns), strict=True):
            why = model.explain(pattern)
            assert why.posterior == tuple(proba)
            assert [(one.lf, one.vote) for one in why.votes] == [
                (name, vote) for name, vote in zip(counts.lfs, pattern.tolist(), strict=True) if vote >= 0
            ]
            score = np.sum([why.prior, why.reviewed, *(one.log_odds for one in why.votes)], axis=0)
            np.testing.assert_allclose(np.exp(score) / np.exp(score).sum(), proba, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(votes, st.integers(2, 1000))
def test_more_rows_of_the_same(L: np.ndarray, times: int) -> None:
    counts = PatternCounts.from_votes(L, K)
    for kind in (MajorityVote, WeightedVote):
        options = {} if kind is MajorityVote else {"damp_copies": False}
        np.testing.assert_array_equal(
            kind(**options).fit(counts).predict_proba(L), kind(**options).fit(counts * times).predict_proba(L)
        )
    # In units of a part of a row it is the same rows, to the last bit or nearly.
    parts = (counts * times).in_units(times)
    np.testing.assert_allclose(
        DawidSkene().fit(parts).predict_proba(L), DawidSkene().fit(counts).predict_proba(L), atol=1e-4
    )


def test_the_same_counts_give_the_same_bytes() -> None:
    L, y = noisy_votes(500, 6, K)
    labels = np.where(np.arange(500) % 7 == 0, y, -1)
    models = []
    for order in (np.arange(500), np.random.default_rng(3).permutation(500)):
        halves = [PatternCounts.from_votes(L[part], K) for part in np.array_split(order, 3)]
        feedback = FeedbackCounts.from_labels(L[order], labels[order], K)
        models.append(DawidSkene().fit(PatternCounts.sum(halves), feedback).params())
    assert {name: array.tobytes() for name, array in models[0].items()} == {
        name: array.tobytes() for name, array in models[1].items()
    }


def test_it_does_not_collapse_on_functions_that_vote_for_one_class_each() -> None:
    rng = np.random.default_rng(5)
    y = (rng.random(4000) < 0.1).astype(int)
    L = np.full((4000, 8), -1, np.int8)
    for j in range(8):
        chance = np.where(y == j % 2, 0.3, 0.05)
        L[:, j] = np.where(rng.random(4000) < chance, j % 2, -1)
    covered = (L >= 0).any(axis=1)
    labels = DawidSkene().fit(PatternCounts.from_votes(L, 2)).predict(L[covered], tie_break="lowest")
    assert (labels == y[covered]).mean() > 0.8
    assert 0.05 < (labels == 1).mean() < 0.5


def test_with_few_rows_it_is_the_majority_vote() -> None:
    L, _ = noisy_votes(30, 12, 6)
    counts = PatternCounts.from_votes(L, 6)
    np.testing.assert_array_equal(DawidSkene().fit(counts).predict(L), MajorityVote().fit(counts).predict(L))
    many = PatternCounts.from_votes(np.concatenate([noisy_votes(4000, 12, 6)[0], L]), 6)
    assert (DawidSkene().fit(many).predict(L) != MajorityVote().fit(many).predict(L)).any()


def test_to_vote_often_does_not_make_a_vote_weaker() -> None:
    L, _ = noisy_votes(1000, 5, 5)
    L[:, 0] = np.where(np.arange(1000) % 5 < 3, 0, -1)  # more often than a class of a fifth of the rows allows
    counts, conflict = PatternCounts.from_votes(L, 5), np.array([[0, 1, -1, -1, -1]])
    assert DawidSkene(caution=1e9).fit(counts).predict(conflict).tolist() == [-1]


def test_a_few_labels_of_a_tie_do_not_settle_what_votes_are_worth() -> None:
    L, y = noisy_votes(2000, 6, 4)
    counts, labels = PatternCounts.from_votes(L, 4), np.full(2000, -1)
    labels[:3] = y[:3]
    taught = DawidSkene().fit(counts, FeedbackCounts.from_labels(L, labels, 4)).params()
    assert np.abs(taught["feedback_votes"]).max() < 0.1
    labels[:400] = y[:400]
    taught = DawidSkene().fit(counts, FeedbackCounts.from_labels(L, labels, 4)).params()
    assert np.abs(taught["feedback_votes"]).max() > 0.3


def test_rows_without_votes() -> None:
    L, _ = noisy_votes(100, 4, K)
    L[:40] = -1
    counts, silent = PatternCounts.from_votes(L, K), np.full((1, 4), -1)
    assert DawidSkene().fit(counts).predict(silent).tolist() == [-1]
    balance = [0.2, 0.3, 0.5]
    np.testing.assert_allclose(DawidSkene(class_balance=balance).fit(counts).predict_proba(silent), [balance])
    covered_only = FeedbackCounts.from_labels(L[40:], np.where((L[40:] >= 0).any(axis=1), 2, -1), K)
    for kind in (DawidSkene, WeightedVote, MajorityVote):
        model = kind().fit(counts, covered_only)
        np.testing.assert_allclose(model.predict_proba(silent), 1 / K)  # what covered rows are says nothing of it
        assert not model.reviewed(silent).any()
        model = kind().fit(counts, FeedbackCounts.from_labels(L[:4], [1, 1, 1, 0], K))
        np.testing.assert_allclose(model.predict_proba(silent), [np.array([1 + 2 / 3, 3 + 2 / 3, 2 / 3]) / 6])
        assert model.reviewed(silent).tolist() == [[1, 3, 0]]


@pytest.mark.parametrize("kind", [DawidSkene, WeightedVote, SnorkelLabelModel, MajorityVote])
def test_feedback_helps(kind: type[LabelModel]) -> None:
    rng = np.random.default_rng(1)
    L, y = noisy_votes(2000, 6, 2)
    L[:, 0] = np.where(rng.random(2000) < 0.9, 1 - y, y)  # one that is mostly wrong, and votes always
    labels = np.where(rng.random(2000) < 0.1, y, -1)
    counts, rest = PatternCounts.from_votes(L, 2), labels < 0
    options = {"n_epochs": 50} if kind is SnorkelLabelModel else {}

    def right(model: LabelModel) -> float:
        return float(model.predict_proba(L[rest])[np.arange(rest.sum()), y[rest]].mean())

    feedback = FeedbackCounts.from_labels(L, labels, 2)
    assert right(kind(**options).fit(counts, feedback)) > right(kind(**options).fit(counts)) + 0.01


@pytest.mark.parametrize("kind", ["dawid_skene", "weighted"])
@pytest.mark.parametrize("classes", [2, 20])
@pytest.mark.parametrize("times", [1, 10**9])
def test_degenerate_votes_and_feedback(kind: str, classes: int, times: int) -> None:
    rng = np.random.default_rng(0)
    some = rng.integers(-1, classes, (40, 4)).astype(np.int8)
    never_and_always = some.copy()
    never_and_always[:, :2] = -1, classes - 1
    for L in (some[:0], some[:1], some[:, :1], np.full((9, 3), -1), np.array([[0, 1]] * 50), never_and_always):
        y = rng.integers(0, classes, len(L))
        counts, labels = PatternCounts.from_votes(L, classes) * times, FeedbackCounts.from_labels(L, y, classes)
        one = FeedbackCounts.from_labels(L, np.where(y == y[:1].sum(), y, -1), classes)
        with np.errstate(all="raise", under="ignore"):
            for feedback in (None, labels, labels * times, one):
                proba = label_model.create(kind).fit(counts, feedback).predict_proba(np.concatenate([L, L[:1] * 0]))
                assert np.isfinite(proba).all()
                np.testing.assert_allclose(proba.sum(axis=1), 1)


@pytest.mark.parametrize("kind", ["dawid_skene", "weighted"])
def test_bad_input(kind: str) -> None:
    def proba(L: Any, classes: int = 2, y: Any = None, at: Any = None) -> np.ndarray:
        L = np.asarray(L, np.int8)
        feedback = None if y is None else FeedbackCounts.from_labels(L if at is None else at, y, classes)
        found = label_model.create(kind).fit(PatternCounts.from_votes(L, classes), feedback).predict_proba(L)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.sum(axis=1), 1)
        return found

    rng = np.random.default_rng(0)
    assert proba(np.empty((0, 3))).shape == (0, 2)
    assert proba(np.empty((0, 3)), y=[1, 1], at=np.array([[1, -1, 0], [-1, -1, -1]])).shape == (0, 2)
    np.testing.assert_array_equal(proba(np.full((9, 3), -1)), 0.5)  # no covered row
    assert proba([[1], [-1], [1], [0]])[:, 1].tolist() == pytest.approx([0.7, 0.5, 0.7, 0.3], abs=0.1)  # one function
    assert proba([[1, 1, 0]])[0].argmax() == 1  # one row
    np.testing.assert_array_equal(proba([[0, 1]] * 50), 0.5)  # all in conflict
    L, y = noisy_votes(300, 4, 2)
    L[:, 0], L[:, 1] = -1, 1  # one that never votes, one that always does
    proba(L)
    proba(L, y=np.where(y == 1, 1, -1))  # one class only
    proba(L, y=np.full(5, 1), at=np.full((5, 4), 0))  # patterns that the state has not
    proba(L, y=y)
    many = rng.integers(-1, 100, (500, 7))
    proba(many, 100)
    proba(many, 100, y=np.where(rng.random(500) < 0.1, rng.integers(0, 100, 500), -1))


def test_what_cannot_be_fitted() -> None:
    L, y = noisy_votes(30, 3, 2)
    counts = PatternCounts.from_votes(L, 2)
    with pytest.raises(LabelModelError, match=r"restrict\(\)"):
        DawidSkene().fit(counts, FeedbackCounts.from_labels(L[:, :2], y, 2))
    with pytest.raises(LabelModelError, match="3 labeling functions and 3 classes"):
        DawidSkene().fit(counts, FeedbackCounts.from_labels(L, y, 3))
    with pytest.raises(LabelModelError, match="fewer than no rows"):
        DawidSkene().fit(counts, -FeedbackCounts.from_labels(L, y, 2))
    with pytest.raises(LabelModelError, match="class_balance"):
        DawidSkene(class_balance=[0.5, 0.6]).fit(counts)
    for options in ({"class_balance": "learned"}, {"accuracy": 1.5}, {"anchor": 0}):
        with pytest.raises(LabelModelError, match="impossible value"):
            label_model.create("dawid_skene", **options)
    with pytest.raises(LabelModelError, match="does not add up log-odds"):
        MajorityVote().fit(counts).explain(L[0])


def test_class_balance() -> None:
    rng = np.random.default_rng(2)
    y = (rng.random(3000) < 0.15).astype(int)
    L = np.where(rng.random((3000, 5)) < 0.75, y[:, None], 1 - y[:, None])
    L[rng.random(L.shape) < 0.5] = -1
    covered = (L >= 0).any(axis=1)
    counts = PatternCounts.from_votes(L, 2)
    uniform, given, learned = (
        DawidSkene(class_balance=balance).fit(counts) for balance in (None, [0.85, 0.15], "estimated")
    )
    right = [(model.predict(L[covered]) == y[covered]).mean() for model in (uniform, given, learned)]
    assert right[0] < right[2]
    assert right[0] < right[1]
    assert 0.15 < learned.params()["class_balance"][1] < 0.5


def test_who_copies_whom() -> None:
    L, _ = noisy_votes(1000, 4, 2)
    nearly = L[:, 1].copy()
    nearly[np.flatnonzero(nearly >= 0)[::17]] = -1
    part = np.where(np.arange(1000) % 4 == 0, L[:, 2], -1)
    other_way = np.where(L[:, 3] >= 0, 1 - L[:, 3], -1)  # the same rows, the other class: no copy
    L = np.column_stack([L, L[:, 0], nearly, part, other_way])
    names = ["a", "b", "c", "d", "a again", "nearly b", "part of c", "against d"]
    found = {(pair.kind, pair.lf, pair.of) for pair in dependencies(PatternCounts.from_votes(L, 2, names))}
    assert found == {("copy", "a again", "a"), ("copy", "nearly b", "b"), ("subset", "part of c", "c")}
    voice = DawidSkene().fit(PatternCounts.from_votes(L, 2, names)).params()["voice"]
    assert voice[0] == voice[4] == 0.5
    assert 0.5 < voice[1] == voice[5] < 1
    assert voice[[2, 3, 6, 7]].tolist() == [1.0] * 4


def test_saved_and_loaded(tmp_path: Any) -> None:
    L, y = noisy_votes(80, 4, K)
    counts, feedback = PatternCounts.from_votes(L, K), FeedbackCounts.from_labels(L[:20], y[:20], K)
    for kind in (DawidSkene, WeightedVote, MajorityVote):
        model = kind().fit(counts, feedback)
        model.save(tmp_path / kind.kind)
        again = load(tmp_path / kind.kind)
        assert type(again) is kind
        np.testing.assert_array_equal(again.predict_proba(L), model.predict_proba(L))
    (tmp_path / "weighted" / "params.npz").write_bytes(b"PK")
    for folder in ("weighted", "nowhere"):
        with pytest.raises(LabelModelError, match="no readable label model"):
            load(tmp_path / folder)


def test_ten_thousand_patterns_take_less_than_two_seconds() -> None:
    L = np.random.default_rng(0).integers(-1, 5, (10_000, 50))
    counts = PatternCounts.from_votes(L, 5)
    assert counts.n_patterns == 10_000
    start = time.process_time()
    DawidSkene().fit(counts)
    assert time.process_time() - start < 2
