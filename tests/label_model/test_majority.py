from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from snorkel.labeling.model import MajorityLabelVoter

from beambell.label_model import MajorityVote
from beambell.state import PatternCounts

K = 3
votes = hnp.arrays(np.int8, st.tuples(st.integers(1, 20), st.integers(1, 6)), elements=st.integers(-1, K - 1))


@settings(deadline=None)
@given(votes)
def test_equal_to_snorkel(L: np.ndarray) -> None:
    expected = MajorityLabelVoter(cardinality=K)
    fitted = MajorityVote().fit(PatternCounts.from_votes(L, K))
    for model in (fitted, MajorityVote(cardinality=K)):
        np.testing.assert_array_equal(model.predict_proba(L), expected.predict_proba(L))
        np.testing.assert_array_equal(model.predict(L), expected.predict(L, tie_break_policy="abstain"))


def test_rows_without_votes_and_ties() -> None:
    model = MajorityVote(cardinality=K)
    L = np.array([[-1, -1], [0, 2], [2, 2], [-1, 1]])
    assert model.predict_proba(L).tolist() == [[1 / 3] * 3, [0.5, 0, 0.5], [0, 0, 1], [0, 1, 0]]
    assert model.predict(L).tolist() == [-1, -1, 2, 1]
    assert model.predict(L, tie_break="lowest").tolist() == [0, 0, 2, 1]


def test_no_rows() -> None:
    model = MajorityVote().fit(PatternCounts.zero(K, ["a", "b"]))
    assert model.predict_proba(np.empty((0, 2), np.int8)).shape == (0, K)
    assert model.predict(np.empty((0, 2), np.int8)).shape == (0,)
