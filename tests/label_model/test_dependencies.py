"""Labeling functions that say the same: what chance gives is not likeness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.label_model.dependencies import _beyond_chance, _pairs, dependencies
from beambell.state import PatternCounts


def independent(p: int, q: int, rows: int = 400) -> PatternCounts:
    """Count two functions that vote, by chance alone, on ``p`` and ``q`` percent of the rows of class 1."""
    of_class = rows // 2
    both = of_class * p * q // 10_000
    first, second = of_class * p // 100 - both, of_class * q // 100 - both
    none = rows - both - first - second
    patterns = [(1, 1)] * both + [(1, -1)] * first + [(-1, 1)] * second + [(-1, -1)] * none
    return PatternCounts.from_votes(np.array(patterns, np.int8), 2)


@pytest.mark.parametrize(("p", "q"), [(50, 50), (50, 25), (25, 50), (50, 10)])
def test_votes_that_fall_by_chance_are_not_alike(p, q):
    """The larger of the two has half of its class, so that the size of the class is guessed right."""
    counts = independent(p, q)
    likeness = _pairs(counts)[2]
    assert likeness[0, 1] > 0
    assert _beyond_chance(counts, likeness)[0, 1] == pytest.approx(0, abs=0.01)


@given(st.integers(5, 60), st.integers(5, 60), st.integers(0, 60), st.integers(0, 400))
def test_likeness_beyond_chance_is_at_most_the_likeness(first, second, both, none):
    votes = [(1, -1)] * first + [(-1, 1)] * second + [(1, 1)] * both + [(-1, -1)] * none
    counts = PatternCounts.from_votes(np.array(votes, np.int8), 2)
    likeness = _pairs(counts)[2]
    beyond = _beyond_chance(counts, likeness)
    assert (beyond <= likeness + 1e-9).all()
    np.testing.assert_allclose(np.diagonal(beyond), 1.0)


def test_a_copy_is_found_and_functions_that_share_a_class_are_not_one():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 4_000)
    one, other = (np.where(rng.random(4_000) < 0.6, truth, -1) for _ in range(2))
    L = np.column_stack([one, other, one]).astype(np.int8)
    found = dependencies(PatternCounts.from_votes(L, 2, ["one", "other", "again"]))
    assert [(pair.kind, pair.lf, pair.of) for pair in found] == [("copy", "again", "one")]
