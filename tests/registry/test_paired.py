"""The gain of one version over another: laws of its bounds, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from beambell.registry.paired import gain_interval

METRICS = ["accuracy", "macro_f1", "roc_auc", "log_loss", "brier"]


def said(y: np.ndarray, skill: float, seed: int, K: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1, (len(y), K)) + skill * np.eye(K)[y]
    p = np.exp(scores)
    return p / p.sum(axis=1, keepdims=True)


def truth(n: int, K: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, K, n)


@pytest.mark.parametrize("metric", METRICS)
def test_the_same_version_is_no_better_than_itself(metric):
    y = truth(300)
    found = gain_interval(metric, y, said(y, 1, 1), said(y, 1, 1))
    assert (found.lower, found.upper, found.rows) == (0, 0, 300)


@pytest.mark.parametrize("metric", METRICS)
def test_who_changes_places_changes_the_sign(metric):
    y = truth(400)
    one, other = said(y, 2, 1), said(y, 1, 2)
    there, back = gain_interval(metric, y, one, other), gain_interval(metric, y, other, one)
    assert (there.lower, there.upper) == pytest.approx((-back.upper, -back.lower), abs=0.006)
    assert there.lower > 0  # much better, on many rows
    assert gain_interval(metric, y, one, other) == there


@pytest.mark.parametrize("metric", METRICS)
def test_more_rows_say_more(metric):
    widths = []
    for n in (100, 1_600):
        y = truth(n)
        found = gain_interval(metric, y, said(y, 1, 1), said(y, 1, 2))
        widths.append(found.upper - found.lower)
    assert 2.5 < widths[0] / widths[1] < 6


def test_equal_versions_look_better_by_more_than_chance_as_rarely_as_is_said():
    wrong = 0
    for seed in range(300):
        y = truth(200, seed=seed)
        found = gain_interval("accuracy", y, said(y, 1, 1_000 + seed), said(y, 1, 5_000 + seed))
        wrong += found.lower > 0
    assert wrong / 300 < 0.05 + 0.04


def test_many_classes_and_odd_rows():
    y = truth(200, 7)
    assert gain_interval("macro_f1", y, said(y, 3, 1, 7), said(y, 1, 2, 7)).lower > 0
    assert gain_interval("roc_auc", y, said(y, 3, 1, 7), said(y, 1, 2, 7)) is None
    one_class = np.zeros(50, np.int64)
    assert gain_interval("roc_auc", one_class, said(one_class, 1, 1), said(one_class, 1, 2)) is None
    assert gain_interval("accuracy", one_class[:1], np.full((1, 2), 0.5), np.full((1, 2), 0.5)) is None
    sure = np.eye(2)[truth(50)]
    assert np.isfinite(gain_interval("log_loss", 1 - truth(50), sure, sure[:, ::-1]).lower)
