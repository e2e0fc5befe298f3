from __future__ import annotations

import io
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beambell.errors import LabelingFunctionError, StateError
from beambell.state import PatternCounts
from beambell.state import patterns as packing

steady = settings(deadline=None)  # a busy machine is no failure
pytestmark = pytest.mark.usefixtures("both_ways")
K, M = 3, 4
LFS = ("links", "caps", "short", "money")
BIG = 2**62

votes = hnp.arrays(np.int8, st.tuples(st.integers(0, 25), st.just(M)), elements=st.integers(-1, K - 1))


def count(L: np.ndarray) -> PatternCounts:
    return PatternCounts.from_votes(L, K, LFS)


# Any element of the group is a difference of two counts.
group = st.tuples(votes, votes).map(lambda pair: count(pair[0]) - count(pair[1]))
ZERO = PatternCounts.zero(K, LFS)


# -- the laws of a commutative group ---------------------------------------------------------------------------


@steady
@given(group, group, group)
def test_associative(a: PatternCounts, b: PatternCounts, c: PatternCounts) -> None:
    assert (a + b) + c == a + (b + c)


@steady
@given(group, group)
def test_commutative(a: PatternCounts, b: PatternCounts) -> None:
    assert a + b == b + a


@steady
@given(group)
def test_identity_and_inverse(a: PatternCounts) -> None:
    assert a + ZERO == a == ZERO + a
    assert a + -a == ZERO == a - a
    negative = -a
    assert -negative == a


@steady
@given(group, group)
def test_difference(a: PatternCounts, b: PatternCounts) -> None:
    assert a + b - b == a
    assert a - b == -(b - a)


@steady
@given(st.lists(group, min_size=1, max_size=6), st.randoms())
def test_sum_in_any_order_is_adding_one_by_one(parts: list[PatternCounts], random: st.Random) -> None:
    shuffled = random.sample(parts, len(parts))
    one_by_one = ZERO
    for part in shuffled:
        one_by_one += part
    assert PatternCounts.sum(parts) == one_by_one


# -- a homomorphism from rows to counts ------------------------------------------------------------------------


@steady
@given(st.lists(votes, min_size=1, max_size=5))
def test_counts_of_all_rows_are_the_sum_over_partitions(partitions: list[np.ndarray]) -> None:
    assert count(np.concatenate(partitions)) == PatternCounts.sum(map(count, partitions))


@steady
@given(st.lists(votes, min_size=1, max_size=5), votes, st.data())
def test_a_replaced_partition_is_exact_and_idempotent(
    partitions: list[np.ndarray], late: np.ndarray, data: st.DataObject
) -> None:
    i = data.draw(st.integers(0, len(partitions) - 1))
    state = PatternCounts.sum(map(count, partitions))
    replaced = state - count(partitions[i]) + count(late)
    partitions[i] = late
    assert replaced == count(np.concatenate(partitions))
    assert replaced - count(late) + count(late) == replaced


@steady
@given(votes, st.randoms())
def test_the_order_of_rows_does_not_matter(L: np.ndarray, random: st.Random) -> None:
    assert count(L) == count(L[random.sample(range(len(L)), len(L))])


@steady
@given(votes)
def test_equal_to_the_computation_on_all_rows(L: np.ndarray) -> None:
    counts = count(L)
    distinct, rows = np.unique(L, axis=0, return_counts=True)
    np.testing.assert_array_equal(counts.patterns, distinct)
    np.testing.assert_array_equal(counts.counts, rows)
    assert (counts.n_rows, counts.n_patterns, counts.n_lfs, counts.cardinality) == (len(L), len(distinct), M, K)

    one_hot = (L[:, :, None] == np.arange(K)).reshape(len(L), M * K).astype(np.int64)
    np.testing.assert_array_equal(counts.cooccurrence(), one_hot.T @ one_hot)
    np.testing.assert_array_equal(counts.vote_counts(), one_hot.sum(axis=0).reshape(M, K))
    np.testing.assert_array_equal(counts.coverage(), (L != -1).sum(axis=0) / max(len(L), 1))
    assert counts.analysis().covered == (L != -1).any(axis=1).sum()
    np.testing.assert_array_equal(counts.to_votes(), L[np.lexsort(L.T[::-1])])


@steady
@given(group, group)
def test_marginals_are_additive(a: PatternCounts, b: PatternCounts) -> None:
    np.testing.assert_array_equal((a + b).cooccurrence(), a.cooccurrence() + b.cooccurrence())
    np.testing.assert_array_equal((a - b).vote_counts(), a.vote_counts() - b.vote_counts())
    assert (a - b).n_rows == a.n_rows - b.n_rows


@steady
@given(group)
def test_canonical(a: PatternCounts) -> None:
    assert a.patterns.tolist() == sorted(a.patterns.tolist())
    assert len({tuple(pattern) for pattern in a.patterns.tolist()}) == a.n_patterns
    assert (a.counts != 0).all()
    assert a.patterns.dtype == np.int8
    assert a.counts.dtype == np.int64


# -- round trips -----------------------------------------------------------------------------------------------


@steady
@given(votes)
def test_votes_round_trip(L: np.ndarray) -> None:
    assert count(count(L).to_votes()) == count(L)


@steady
@given(group)
def test_table_round_trip(a: PatternCounts) -> None:
    table = a.to_table()
    file = io.BytesIO()
    pq.write_table(table, file)
    assert PatternCounts.from_table(pq.read_table(file)) == a
    assert PatternCounts.from_table(pa.concat_tables([table.slice(0, 1), table.slice(1)])) == a
    assert table.column_names == ["pattern", "rows"]


@steady
@given(group, group)
def test_equal_means_equal_hash_and_equal_bytes(a: PatternCounts, b: PatternCounts) -> None:
    again = a + b - b
    assert hash(again) == hash(a)
    assert again.to_table().equals(a.to_table(), check_metadata=True)
    assert pickle.loads(pickle.dumps(a)) == a
    assert (a == b) == (a.to_table().equals(b.to_table(), check_metadata=True))


@steady
@given(votes)
def test_from_packed_counts_what_comes_twice(L: np.ndarray) -> None:
    packed = packing.pack(L, K)
    assert PatternCounts.from_packed(packed, K, LFS) == count(L)
    fives = PatternCounts.from_packed(packed, K, LFS, np.full(len(L), 5))
    assert fives == PatternCounts.sum([count(L)] * 5)


# -- what cannot be ----------------------------------------------------------------------------------------------


def test_it_does_not_change() -> None:
    counts = pickle.loads(pickle.dumps(count(np.zeros((2, M), np.int8))))
    with pytest.raises(AttributeError):
        counts.cardinality = 5
    for array in (counts.counts, counts.packed, counts.patterns):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_default_names() -> None:
    assert PatternCounts.from_votes([[0, 1]], 2).lfs == ("lf_0", "lf_1")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (PatternCounts.zero(2, LFS), "3 classes do not add to 2 classes"),
        (PatternCounts.zero(K, (*LFS[:3], "emoji")), "only on the left money; only on the right emoji"),
        (PatternCounts.zero(K, LFS[::-1]), "another order"),
    ],
)
def test_what_does_not_add(other: PatternCounts, message: str) -> None:
    for add in (lambda: ZERO + other, lambda: ZERO - other, lambda: PatternCounts.sum([ZERO, other])):
        with pytest.raises(StateError, match=message):
            add()
    assert other != ZERO


def test_something_else_does_not_add() -> None:
    with pytest.raises(TypeError):
        ZERO + 1
    assert ZERO != 0
    with pytest.raises(StateError, match="the sum of no pattern counts"):
        PatternCounts.sum([])


def big(*rows: int) -> PatternCounts:
    return PatternCounts.from_packed(packing.pack(np.arange(len(rows))[:, None] - 1, K), K, ("a",), np.array(rows))


def test_overflow_is_never_silent() -> None:
    assert big(BIG, BIG - 1).n_rows == 2**63 - 1
    for overflow in (
        lambda: big(BIG, BIG),
        lambda: big(BIG) + big(BIG),
        lambda: big(-BIG) - big(BIG),
        lambda: PatternCounts.sum([big(BIG)] * 4),  # 2**64, which int64 would take for 0
    ):
        with pytest.raises(StateError, match="cannot be counted"):
            overflow()
    # Large on the way, but not in the end: exact.
    assert PatternCounts.sum([big(BIG), big(BIG), big(-BIG), big(5)]) == big(BIG + 5)


def test_cooccurrence_is_exact_beyond_floating_point() -> None:
    counts = big(3, 2**53 + 1, 2**53 - 1)
    assert counts.cooccurrence().tolist() == [[2**53 + 1, 0, 0], [0, 2**53 - 1, 0], [0, 0, 0]]


def test_negative_counts_have_no_votes() -> None:
    with pytest.raises(StateError, match="negative"):
        (-count(np.zeros((1, M), np.int8))).to_votes()


def test_votes_out_of_range_name_their_labeling_function() -> None:
    with pytest.raises(LabelingFunctionError, match="caps: 3 is not a vote"):
        count(np.array([[0, 3, 0, 0]]))


@pytest.mark.parametrize("lfs", [("a", "a", "b", "c"), "abcd", (1, 2, 3, 4), ("a",)])
def test_names_that_are_none(lfs: object) -> None:
    with pytest.raises(StateError):
        PatternCounts.from_votes(np.zeros((1, M), np.int8), K, lfs)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [[1.0], [1, 2], [[1]], [2**63]])
def test_counts_that_are_none(rows: list[object]) -> None:
    with pytest.raises(StateError, match="counts are int64"):
        PatternCounts.from_packed(np.zeros((1, 1), np.uint8), K, LFS, np.array(rows))


def test_tables_of_something_else() -> None:
    table = count(np.zeros((1, M), np.int8)).to_table()
    for other in (
        table.replace_schema_metadata(None),
        table.replace_schema_metadata({b"beambell": b"{"}),
        table.drop(["rows"]),
    ):
        with pytest.raises(StateError, match="not a table of pattern counts"):
            PatternCounts.from_table(other)
    with pytest.raises(StateError, match="rows are int64"):
        PatternCounts.from_table(table.set_column(1, "rows", pa.array(["1"])))
    two_classes = PatternCounts.from_votes([[0]], 2).to_table()
    impossible = pa.array([b"\xff"], pa.binary(1))
    with pytest.raises(StateError, match="cannot have cast"):
        PatternCounts.from_table(two_classes.set_column(0, "pattern", impossible))
