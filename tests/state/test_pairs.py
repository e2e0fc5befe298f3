from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.state import pairs
from beambell.state.pairs import count_pairs

LARGEST = 2**63 - 1


def one_by_one(patterns: np.ndarray, counts: np.ndarray, cardinality: int) -> list[list[int]]:
    """Count with Python's own integers."""
    d = patterns.shape[1] * cardinality
    found = [[0] * d for _ in range(d)]
    for votes, rows in zip(patterns.tolist(), counts.tolist(), strict=True):
        at = [j * cardinality + vote for j, vote in enumerate(votes) if vote >= 0]
        for i in at:
            for j in at:
                found[i][j] += rows
    return found


@settings(deadline=None)
@given(st.data(), st.integers(2, 17), st.integers(1, 12), st.integers(0, 9))
def test_pairs_are_those_counted_one_by_one(data: st.DataObject, cardinality: int, m: int, n: int) -> None:
    votes = st.lists(st.integers(-1, cardinality - 1), min_size=m, max_size=m)
    patterns = np.array(data.draw(st.lists(votes, min_size=n, max_size=n)), np.int8).reshape(n, m)
    limit = LARGEST // max(n, 1)
    rows = data.draw(st.lists(st.integers(-limit, limit) | st.integers(-3, 3), min_size=n, max_size=n))
    counts = np.array(rows, np.int64)
    assert count_pairs(patterns, counts, cardinality).tolist() == one_by_one(patterns, counts, cardinality)


@pytest.mark.parametrize("cardinality", [2, 126])
def test_many_classes_and_many_lfs(cardinality: int) -> None:
    rng = np.random.default_rng(0)
    patterns = rng.integers(-1, cardinality, (40, 23)).astype(np.int8)
    counts = rng.integers(1, 2**50, 40)
    assert count_pairs(patterns, counts, cardinality).tolist() == one_by_one(patterns, counts, cardinality)


def test_blocks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    patterns = rng.integers(-1, 2, (100, 7)).astype(np.int8)
    counts = rng.integers(-(2**40), 2**40, 100)
    whole = count_pairs(patterns, counts, 2)
    monkeypatch.setattr(pairs, "_BLOCK", 7)
    np.testing.assert_array_equal(count_pairs(patterns, counts, 2), whole)
