"""Labels from votes and text: laws of the refiner, its guards, and odd input."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from projects import SHARED_DATA
from scipy.sparse import csr_matrix

from beambell.errors import UsageError
from beambell.label_model import TextRefiner, create
from beambell.label_model.text_model import fold_of


def sample(n: int = 600, K: int = 2, d: int = 12, seed: int = 0, noise: float = 0.35):
    """Texts as vectors around one centre for each class, and votes that are often wrong and say nothing of the text."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K, n)
    X = rng.normal(0, 1, (K, d))[y] * 2 + rng.normal(0, 1, (n, d))
    said = np.where(rng.random(n) < noise, rng.integers(0, K, n), y)
    covered = rng.random(n) < 0.8
    q = np.full((n, K), 1 / K)
    q[covered] = np.eye(K)[said[covered]] * 0.6 + 0.4 / K
    return q, X, np.array([f"text {i}" for i in range(n)]), covered, y


@pytest.mark.parametrize("K", [2, 5, 20])
def test_the_text_mends_votes_that_are_wrong_at_random(K):
    q, X, groups, covered, y = sample(1_500, K, 30)
    refiner = TextRefiner()
    r = refiner.fit(q, X, groups, covered).predict_proba(q, X, groups)
    before, after = (float((p[covered].argmax(1) == y[covered]).mean()) for p in (q, r))
    assert after > before + (0.05 if K == 2 else -0.001)
    losses = [-np.log(np.maximum(p[covered, y[covered]], 1e-6)).mean() for p in (q, r)]
    assert losses[1] < losses[0]
    assert np.allclose(r.sum(axis=1), 1)
    assert (r >= 0).all()
    assert set(refiner.source[covered]) == {"votes+text"}
    assert set(refiner.source[~covered]) == {"votes"}
    assert np.allclose(r[~covered], q[~covered])  # nobody confirmed that the text alone is right


def test_no_row_is_judged_by_a_model_that_saw_its_label():
    q, X, groups, covered, _ = sample()
    groups[::2] = groups[1::2]
    X[::2] = X[1::2]
    refiner = TextRefiner().fit(q, X, groups, covered)
    judged = refiner._scaling.apply(X)[0]
    fold = fold_of(groups, 3)
    at = np.flatnonzero(covered)[:40]
    flipped = q.copy()
    flipped[at] = flipped[at][:, ::-1]
    again = TextRefiner().fit(flipped, X, groups, covered)
    for number in range(3):
        only = fold[at] == number
        one = q.copy()
        one[at[only]] = one[at[only]][:, ::-1]
        other = TextRefiner().fit(one, X, groups, covered)
        part = fold == number
        for before, after in ((refiner, other),):
            known = before._models[number].predict_proba(judged[part], 2)
            assert np.array_equal(known, after._models[number].predict_proba(judged[part], 2))
    assert again.agreement < refiner.agreement


@given(st.randoms(use_true_random=False), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=8)
def test_the_order_of_rows_and_the_length_of_features_change_nothing(random, is_sparse, has_labels):
    q, X, groups, covered, y = sample(240)
    labels = np.where(np.arange(len(y)) % 5 == 0, y, -1) if has_labels else None
    form = csr_matrix if is_sparse else np.asarray
    r = TextRefiner().fit(q, form(X), groups, covered, labels).predict_proba(q, form(X), groups)
    order = np.array(random.sample(range(len(y)), len(y)))
    lengths = np.array([random.uniform(1e-3, 1e3) for _ in order])[:, None] if is_sparse else 1.0
    mixed = (q[order], form(X[order] * lengths), groups[order])
    shuffled = TextRefiner().fit(*mixed, covered[order], None if labels is None else labels[order])
    assert np.allclose(shuffled.predict_proba(*mixed), r[order], atol=1e-6)


def test_the_same_call_gives_the_same_bits():
    q, X, groups, covered, _ = sample()
    first, second = (TextRefiner().fit(q, X, groups, covered).predict_proba(q, X, groups) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_people_have_the_last_word_on_their_rows():
    q, X, groups, covered, y = sample()
    labels = np.where(np.arange(len(y)) % 4 == 0, 1 - y, -1)
    refiner = TextRefiner().fit(q, X, groups, covered, labels)
    r = refiner.predict_proba(q, X, groups)
    own = labels >= 0
    assert np.array_equal(r[own], np.eye(2)[labels[own]])
    assert set(refiner.source[own]) == {"feedback"}


def test_text_that_says_nothing_is_not_believed():
    q, X, groups, covered, y = sample(noise=0.5)
    rng = np.random.default_rng(3)
    nonsense = rng.normal(size=X.shape)
    refiner = TextRefiner().fit(q, nonsense, groups, covered)
    assert refiner.weight == 0
    assert np.array_equal(refiner.predict_proba(q, nonsense, groups), q)
    assert set(refiner.source) == {"votes"}
    good = np.eye(2)[y] * 0.8 + 0.1  # and where people say that the votes are right
    labels = np.where(np.arange(len(y)) % 4 == 0, y, -1)
    assert TextRefiner().fit(good, nonsense, groups, covered, labels).weight == 0


def test_rows_without_a_vote_speak_where_reviewed_ones_confirm_it():
    q, X, groups, covered, y = sample(1_000)
    silent = np.flatnonzero(~covered)
    labels = np.full(len(y), -1)
    labels[silent[:29]] = y[silent[:29]]
    assert not TextRefiner().fit(q, X, groups, covered, labels).speaks_alone
    labels[silent[:60]] = y[silent[:60]]
    refiner = TextRefiner().fit(q, X, groups, covered, labels)
    assert refiner.speaks_alone
    r = refiner.predict_proba(q, X, groups)
    rest = silent[60:]
    assert set(refiner.source[rest]) == {"text"}
    assert (r[rest].argmax(1) == y[rest]).mean() > 0.8
    labels[silent[:60]] = 0  # of one class: to say always that one would be as good
    assert not TextRefiner().fit(q, X, groups, covered, labels).speaks_alone


def test_rows_that_come_later_are_judged_too():
    q, X, groups, covered, _ = sample(800)
    refiner = TextRefiner().fit(q[:600], X[:600], groups[:600], covered[:600])
    r = refiner.predict_proba(q[600:], X[600:], groups[600:])
    assert r.shape == (200, 2)
    assert np.array_equal(r[~covered[600:]], q[600:][~covered[600:]])  # known by their probabilities
    assert len(refiner.source) == 600


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_few_rows_are_left_as_they_are(n, K):
    q, X, groups, covered, _ = sample(30, K)
    refiner = TextRefiner().fit(q[:n], X[:n], groups[:n], covered[:n])
    assert np.isfinite(refiner.predict_proba(q[:n], X[:n], groups[:n])).all()


def test_odd_sets_of_rows_are_left_as_they_are():
    q, X, groups, covered, y = sample(60)
    none = TextRefiner().fit(q, X, groups, np.zeros(60, bool))
    assert np.array_equal(none.predict_proba(q, X, groups), q)
    one_class = np.tile([1.0, 0.0], (60, 1))
    assert np.array_equal(
        TextRefiner().fit(one_class, X, groups, covered).predict_proba(one_class, X, groups), one_class
    )
    same = np.array(["one text"] * 60)
    assert np.isfinite(TextRefiner().fit(q, X, same, covered, y).predict_proba(q, X, same)).all()
    unscaled = TextRefiner().fit(q * 7, X, groups, covered).predict_proba(q * 7, X, groups)
    assert np.allclose(unscaled, TextRefiner().fit(q, X, groups, covered).predict_proba(q, X, groups))
    assert np.allclose(TextRefiner().fit(q, X * 0, groups, covered).predict_proba(q, X * 0, groups).sum(axis=1), 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_vectors_that_are_no_numbers_leave_their_rows_alone(bad, form):
    q, X, groups, covered, _ = sample()
    X[5], X[6, 0] = bad, bad
    refiner = TextRefiner().fit(q, form(X), groups, covered)
    r = refiner.predict_proba(q, form(X), groups)
    assert refiner.unusable == 2
    assert np.array_equal(r[5:7], q[5:7])
    assert np.isfinite(r).all()
    assert (refiner.source == "votes+text").sum() > 100


def test_a_class_that_a_fold_never_saw_is_not_ruled_out():
    q, X, groups, covered, _ = sample(90, 3)
    q[:, :] = [0.5, 0.5, 0.0]
    q[covered & (np.arange(90) % 2 == 0)] = [0.9, 0.1, 0.0]
    at = np.flatnonzero(covered)[0]
    q[at] = [0.1, 0.1, 0.8]
    assert TextRefiner(min_agreement=0).fit(q, X, groups, covered).predict_proba(q, X, groups)[at, 2] > 0.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"q": np.full((600, 2), np.nan)}, "no distribution"),
        ({"q": np.full((600, 2), -1.0)}, "no distribution"),
        ({"q": np.full(600, 0.5)}, r"\[n, K\]"),
        ({"X": np.zeros((599, 3))}, "X has the shape"),
        ({"groups": np.arange(3)}, "groups has the shape"),
        ({"covered": [True]}, "covered has the shape"),
        ({"labels": np.full(600, 2)}, "labels run from"),
    ],
)
def test_what_cannot_be_is_refused_and_said(change, said):
    q, X, groups, covered, _ = sample()
    with pytest.raises(UsageError, match=said):
        TextRefiner().fit(**{"q": q, "X": X, "groups": groups, "covered": covered, "labels": None, **change})


@pytest.mark.parametrize("change", [{"folds": 1}, {"exponent": -1}, {"C": 0}, {"C": float("nan")}, {"min_reviewed": 0}])
def test_parameters_out_of_their_range_are_refused(change):
    with pytest.raises(UsageError, match=next(iter(change))):
        TextRefiner(**change)


def test_it_must_be_fitted_first():
    q, X, groups, *_ = sample()
    with pytest.raises(UsageError, match="not fitted"):
        TextRefiner().predict_proba(q, X, groups)


@pytest.mark.parametrize("groups", [np.arange(50), np.array([f"t{i}" for i in range(50)]), np.array([b"x", b"y"] * 25)])
def test_a_fold_depends_on_the_group_alone(groups):
    fold = fold_of(groups, 3)
    assert np.array_equal(fold[::-1], fold_of(groups[::-1], 3))
    assert set(fold.tolist()) <= {0, 1, 2}


@pytest.mark.parametrize("name", ["youtube", "sms"])
def test_on_published_votes_the_text_helps_or_does_no_harm(name):
    if not (SHARED_DATA / name).is_dir():
        pytest.skip(f"the published data set {name} is not on this machine")
    from beambell.model.features import HashedNgrams, inverse_document_frequency, tfidf
    from beambell.state import PatternCounts

    table = pq.read_table(SHARED_DATA / name / "train.parquet")
    L = np.column_stack([table[c].to_numpy() for c in table.column_names if c.startswith("lf_")]).astype(np.int8)
    y, texts = table["label"].to_numpy(), table["text"].to_pylist()
    q = create("dawid_skene").fit(PatternCounts.from_votes(L, 2, [f"lf{i}" for i in range(L.shape[1])])).posterior(L)
    counts = HashedNgrams().counts(texts)
    X, covered = tfidf(counts, inverse_document_frequency(counts)), (L >= 0).any(axis=1)
    r = TextRefiner().fit(q, X, texts, covered).predict_proba(q, X, texts)
    before, after = ((p[covered].argmax(1) == y[covered]).mean() for p in (q, r))
    losses = [-np.log(np.maximum(p[covered, y[covered]], 1e-6)).mean() for p in (q, r)]
    assert after >= before
    assert losses[1] < 0.92 * losses[0]
