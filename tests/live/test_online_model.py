"""The online end model as arithmetic: it learns, forgets nothing on paper, and is not lost to odd input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.errors import ArtefactError
from beambell.live.learner import Lesson, Scores
from beambell.live.online_model import OnlineModel

TEXTS = ["win a free phone", "see you at lunch", "free gift card now", "the meeting is at ten"]
PROBA = np.array([[0.1, 0.9], [0.9, 0.1], [0.05, 0.95], [0.8, 0.2]])


def taught(times: int = 30) -> OnlineModel:
    model = OnlineModel(2, 2**10)
    for _ in range(times):
        model.learn(model.features(TEXTS), PROBA)
    return model


def test_it_learns_what_it_is_told():
    model = taught()
    assert (model.predict_proba(model.features(TEXTS)).argmax(axis=1) == PROBA.argmax(axis=1)).all()
    assert model.predict_proba(model.features(["free phone for you"]))[0, 1] > 0.6


def test_it_is_tested_on_rows_before_it_learns_from_them():
    model = OnlineModel(2, 2**10)
    X = model.features(TEXTS)
    assert np.allclose(model.learn(X, PROBA), 0.5)
    before = model.predict_proba(X)
    assert np.array_equal(model.learn(X, PROBA), before)
    assert not np.allclose(model.predict_proba(X), before)


@given(st.lists(st.text(max_size=60), max_size=8), st.integers(2, 5))
@settings(deadline=None, max_examples=30)
def test_whatever_the_texts_it_gives_probabilities(texts, k):
    model = OnlineModel(k, 2**10)
    X = model.features([*texts, None, "", "x" * 100_000])
    q = np.full((X.shape[0], k), 1 / k)
    q[0] = np.eye(k)[k - 1]
    for _ in range(3):
        said = model.learn(X, q)
        assert np.isfinite(said).all()
        assert np.allclose(said.sum(axis=1), 1)


def test_it_is_written_down_and_goes_on_as_if_nothing_had_happened():
    model = taught()
    again = OnlineModel.from_bytes(model.to_bytes(), "here")
    assert again.to_bytes() == model.to_bytes() == taught().to_bytes()
    for one in (model, again):
        one.learn(one.features(TEXTS), PROBA)
    assert again.to_bytes() == model.to_bytes()
    with pytest.raises(ArtefactError):
        OnlineModel.from_bytes(model.to_bytes()[:100], "here")


def test_a_lesson_goes_on_after_an_offset():
    model = OnlineModel(2, 2**10)
    lesson = Lesson(np.array([3, 5, 9, 11]), ("a", "b", "c", "d"), model.features(TEXTS), PROBA)
    rest = lesson.after(9)
    assert rest.ids == ("c", "d")
    assert rest.offsets.tolist() == [9, 11]
    assert np.array_equal(rest.proba, PROBA[2:])
    assert (rest.features != model.features(TEXTS[2:])).nnz == 0


def test_scores_are_of_all_rows_and_of_the_newest():
    scores = Scores(["ham", "spam"], 2)
    assert scores.to_dict()["accuracy"] is None
    scores.add(PROBA[:, ::-1], PROBA)  # all wrong
    scores.add(PROBA[:2], PROBA[:2])
    scores.add_answer(is_right=True)
    scores.add_answer(is_right=False)
    told = scores.to_dict()
    assert (told["rows"], told["accuracy"], told["recent_accuracy"]) == (6, round(2 / 6, 6), 1.0)
    assert told["recall"] == {"ham": round(1 / 3, 6), "spam": round(1 / 3, 6)}
    assert (told["answers"], told["answers_right"]) == (2, 1)
    assert told["log_loss"] > told["recent_log_loss"]
