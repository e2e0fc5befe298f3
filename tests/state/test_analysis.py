from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from snorkel.labeling import LFAnalysis as Snorkel

from beambell.errors import StateError
from beambell.state.analysis import analyse, analyse_packed
from beambell.state.patterns import pack

pytestmark = pytest.mark.usefixtures("both_ways")
votes = hnp.arrays(np.int8, st.tuples(st.integers(1, 25), st.integers(1, 5)), elements=st.integers(-1, 2))


@settings(deadline=None)
@given(votes)
def test_equal_to_snorkel_on_all_rows(L: np.ndarray) -> None:
    patterns, counts = np.unique(L, axis=0, return_counts=True)
    ours = analyse(patterns, counts, [f"lf_{j}" for j in range(L.shape[1])])
    theirs = Snorkel(L)
    assert [list(lf.polarity) for lf in ours.lfs] == theirs.lf_polarities()
    assert [lf.coverage for lf in ours.lfs] == theirs.lf_coverages().tolist()
    assert [lf.overlaps for lf in ours.lfs] == theirs.lf_overlaps().tolist()
    assert [lf.conflicts for lf in ours.lfs] == theirs.lf_conflicts().tolist()
    assert ours.coverage == theirs.label_coverage()
    assert ours.overlap_rate == theirs.label_overlap()
    assert ours.conflict_rate == theirs.label_conflict()
    assert ours.rows == len(L)


@settings(deadline=None)
@given(st.integers(2, 127), st.integers(1, 40), st.data())
def test_packed_patterns_say_the_same(cardinality: int, m: int, data: st.DataObject) -> None:
    L = data.draw(
        hnp.arrays(np.int8, st.tuples(st.integers(0, 9), st.just(m)), elements=st.integers(-1, cardinality - 1))
    )
    counts = np.array(data.draw(st.lists(st.integers(0, 2**40), min_size=len(L), max_size=len(L))), np.int64)
    names = [f"lf_{j}" for j in range(m)]
    assert analyse_packed(pack(L, cardinality), counts, cardinality, names) == analyse(L, counts, names)


def test_by_hand() -> None:
    patterns = np.array([[-1, -1], [0, -1], [0, 0], [0, 1]], np.int8)
    found = analyse(patterns, np.array([4, 3, 2, 1]), ["a", "b"])
    assert (found.rows, found.covered, found.overlapping, found.conflicting) == (10, 6, 3, 1)
    a, b = found.lfs
    assert (a.name, a.polarity, a.votes, a.overlapping, a.conflicting) == ("a", (0,), 6, 3, 1)
    assert (b.polarity, b.coverage, b.overlaps, b.conflicts) == ((0, 1), 0.3, 0.3, 0.1)


def test_no_rows() -> None:
    found = analyse(np.empty((0, 2), np.int8), np.empty(0, np.int64), ["a", "b"])
    assert (found.coverage, found.conflict_rate, found.lfs[0].coverage, found.lfs[0].polarity) == (0, 0, 0, ())


def test_a_difference_cannot_be_analysed() -> None:
    with pytest.raises(StateError, match="negative"):
        analyse(np.zeros((1, 1), np.int8), np.array([-1]), ["a"])
    with pytest.raises(StateError, match="labeling functions"):
        analyse(np.zeros((1, 1), np.int8), np.array([1]), ["a", "b"])
