from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beambell.errors import LabelingFunctionError, StateError
from beambell.state import patterns

steady = settings(deadline=None)  # a busy machine is no failure
pytestmark = pytest.mark.usefixtures("both_ways")


@st.composite
def votes(draw: st.DrawFn, max_lfs: int = 30) -> tuple[np.ndarray, int]:
    cardinality = draw(st.integers(2, 127))
    shape = draw(st.tuples(st.integers(0, 20), st.integers(1, max_lfs)))
    return draw(hnp.arrays(np.int8, shape, elements=st.integers(-1, cardinality - 1))), cardinality


@pytest.mark.parametrize(("cardinality", "bits"), [(2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (127, 7)])
def test_bits_are_the_binary_logarithm_rounded_up(cardinality: int, bits: int) -> None:
    assert patterns.bits_per_vote(cardinality) == bits == int(np.ceil(np.log2(cardinality + 1)))


@pytest.mark.parametrize("cardinality", [-1, 0, 1, 128])
def test_impossible_numbers_of_classes(cardinality: int) -> None:
    with pytest.raises(StateError, match="classes are impossible"):
        patterns.bits_per_vote(cardinality)


def test_the_format_is_what_the_documentation_says() -> None:
    # 01 00 10 | 00: votes 0, abstain, 1 as vote + 1 in two bits each, highest bit first, padded with zeros.
    assert patterns.pack(np.array([[0, -1, 1]]), 2).tolist() == [[0b01_00_10_00]]


@steady
@given(votes())
def test_unpack_inverts_pack(drawn: tuple[np.ndarray, int]) -> None:
    L, cardinality = drawn
    packed = patterns.pack(L, cardinality)
    assert packed.shape == (len(L), patterns.packed_width(L.shape[1], cardinality))
    np.testing.assert_array_equal(patterns.unpack(packed, L.shape[1], cardinality), L)


@steady
@given(votes())
def test_byte_order_is_vote_order(drawn: tuple[np.ndarray, int]) -> None:
    L, cardinality = drawn
    packed = patterns.pack(L, cardinality)
    by_votes = sorted(range(len(L)), key=lambda i: L[i].tolist())
    assert [packed[i].tobytes() for i in by_votes] == sorted(row.tobytes() for row in packed)
    keys = patterns.keys(packed)
    assert [L[i].tolist() for i in np.argsort(keys, kind="stable")] == sorted(L.tolist())


@steady
@given(votes(max_lfs=60))
def test_unique_is_the_distinct_rows_in_order(drawn: tuple[np.ndarray, int]) -> None:
    L, cardinality = drawn
    distinct, inverse, counts = patterns.unique(patterns.pack(L, cardinality))
    expected, expected_counts = np.unique(L, axis=0, return_counts=True)
    unpacked = patterns.unpack(distinct, L.shape[1], cardinality)
    np.testing.assert_array_equal(unpacked, expected)
    np.testing.assert_array_equal(counts, expected_counts)
    np.testing.assert_array_equal(unpacked[inverse], L)
    assert (distinct.dtype, inverse.dtype, counts.dtype) == (np.uint8, np.int64, np.int64)


@steady
@given(votes(max_lfs=80), st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_counts_are_those_of_a_counter(drawn: tuple[np.ndarray, int], seed: int, times: int) -> None:
    L, cardinality = drawn
    packed = patterns.pack(np.random.default_rng(seed).permutation(np.repeat(L, times, axis=0)), cardinality)
    distinct, counts = patterns.count(packed)
    found = [(row.tobytes(), int(n)) for row, n in zip(distinct, counts, strict=True)]
    assert found == sorted(Counter(row.tobytes() for row in packed).items())


@steady
@given(votes(max_lfs=40), votes(max_lfs=40), st.data())
def test_merging_adds_counters(
    drawn: tuple[np.ndarray, int], other: tuple[np.ndarray, int], data: st.DataObject
) -> None:
    L, cardinality = drawn
    m = L.shape[1]
    seen = np.vstack([L, np.resize(other[0], (len(other[0]), m)).clip(-1, cardinality - 1)])
    tables, expected = [], Counter[bytes]()
    for part in (L, seen):
        distinct, _ = patterns.count(patterns.pack(part, cardinality))
        counts = data.draw(hnp.arrays(np.int64, len(distinct), elements=st.integers(-3, 3)))
        tables += [distinct, counts]
        expected.update({row.tobytes(): int(n) for row, n in zip(distinct, counts, strict=True)})
    merged, counts = patterns.merge(*tables)
    found = [(row.tobytes(), int(n)) for row, n in zip(merged, counts, strict=True)]
    assert found == sorted((pattern, n) for pattern, n in expected.items() if n)


@steady
@given(votes(), st.data())
def test_votes_replaced_are_votes_packed(drawn: tuple[np.ndarray, int], data: st.DataObject) -> None:
    L, cardinality = drawn
    lfs = data.draw(st.lists(st.integers(0, L.shape[1] - 1), unique=True))
    new = data.draw(hnp.arrays(np.int8, (len(L), len(lfs)), elements=st.integers(-1, cardinality - 1)))
    packed = patterns.pack(L, cardinality)
    replaced = patterns.replace(packed, lfs, new, L.shape[1], cardinality)
    np.testing.assert_array_equal(packed, patterns.pack(L, cardinality))
    L[:, lfs] = new
    np.testing.assert_array_equal(replaced, patterns.pack(L, cardinality))


@steady
@given(st.integers(2, 127), st.integers(1, 40), st.data())
def test_possible_is_what_packs_again_to_the_same_bytes(cardinality: int, m: int, data: st.DataObject) -> None:
    width = patterns.packed_width(m, cardinality)
    packed = patterns.pack(
        data.draw(hnp.arrays(np.int8, (3, m), elements=st.integers(-1, cardinality - 1))), cardinality
    )
    packed ^= data.draw(
        hnp.arrays(np.uint8, (3, width), elements=st.sampled_from([0] * 20 + [1, 2, 16, 128]), fill=st.just(0))
    )
    bits = np.unpackbits(packed, axis=1)
    codes = np.packbits(bits[:, : m * patterns.bits_per_vote(cardinality)].reshape(3, m, -1), axis=2)[:, :, 0]
    codes >>= 8 - patterns.bits_per_vote(cardinality)
    possible = bool((codes <= cardinality).all() and not bits[:, m * patterns.bits_per_vote(cardinality) :].any())
    try:
        patterns.check_possible(packed, m, cardinality)
        assert possible
    except StateError:
        assert not possible


def test_more_rows_than_are_worked_on_at_a_time() -> None:
    L = np.random.default_rng(0).integers(-1, 5, (40_000, 7)).astype(np.int8)
    packed = patterns.pack(L, 5)
    np.testing.assert_array_equal(patterns.unpack(packed, 7, 5), L)
    np.testing.assert_array_equal(packed[20_000:], patterns.pack(L[20_000:], 5))


@steady
@given(votes())
def test_arrow_round_trip(drawn: tuple[np.ndarray, int]) -> None:
    L, cardinality = drawn
    packed = patterns.pack(L, cardinality)
    column = patterns.to_arrow(packed)
    assert column.type == patterns.arrow_type(L.shape[1], cardinality)
    assert column.to_pylist() == [row.tobytes() for row in packed]
    np.testing.assert_array_equal(patterns.from_arrow(column), packed)
    np.testing.assert_array_equal(patterns.from_arrow(column.slice(1)), packed[1:])
    chunked = pa.chunked_array([column.slice(0, 2), column.slice(2)])
    np.testing.assert_array_equal(patterns.from_arrow(chunked), packed)


def test_arrow_columns_of_something_else() -> None:
    for column in (pa.array([b"ab"]), pa.array([b"ab", None], pa.binary(2))):
        with pytest.raises(StateError, match="fixed-size binary without nulls"):
            patterns.from_arrow(column)


@pytest.mark.parametrize("value", [-2, 2, 100, 300])
def test_what_is_not_a_vote_is_named(value: int) -> None:
    L = np.array([[0, 1, -1], [1, value, 0]])
    with pytest.raises(LabelingFunctionError, match=f"links: {value} is not a vote .row 1."):
        patterns.pack(L, 2, ["short", "links", "caps"])


@pytest.mark.parametrize("L", [np.zeros((2, 2)), np.zeros(3, np.int8), np.zeros((2, 2), bool), np.zeros((2, 0), int)])
def test_what_is_not_a_matrix_of_votes(L: np.ndarray) -> None:
    with pytest.raises(StateError):
        patterns.pack(L, 2)


def test_names_for_another_number_of_columns() -> None:
    with pytest.raises(StateError, match="2 columns of votes for 3"):
        patterns.pack(np.zeros((1, 2), np.int8), 2, ["a", "b", "c"])


def test_bytes_that_no_votes_pack_to() -> None:
    with pytest.raises(StateError, match="cannot have cast"):  # code 3 with two classes
        patterns.unpack(np.array([[0b11_00_00_00]], np.uint8), 3, 2)
    with pytest.raises(StateError, match="cannot have cast"):  # a bit in the padding
        patterns.unpack(np.array([[0b01_00_10_01]], np.uint8), 3, 2)
    with pytest.raises(StateError, match=r"uint8 \[n, 2\]"):
        patterns.unpack(np.zeros((1, 1), np.uint8), 5, 2)
