"""Ids: the same whatever format and type they came in, or refused; never another record's."""

from __future__ import annotations

import io
import json
import sys
import uuid
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.config import StreamParams
from beambell.records import Code, read_records
from beambell.records.cells import ID, convert
from beambell.records.chunk import Faults

STREAM = StreamParams(inputs=("x",), id="key", time="at", undated="2026-01-03")


def spell(cells) -> tuple[list, dict]:
    faults = Faults()
    return convert(cells, ID, "key", faults).to_pylist(), faults.by_row


def read(data: bytes, name: str) -> tuple[list, list]:
    batches = list(read_records(io.BytesIO(data), name=name, stream=STREAM))
    ids = [row["id"] for batch in batches for row in batch.rows.to_pylist()]
    return ids, [entry["code"] for batch in batches for entry in batch.quarantined.to_pylist() if entry["line"]]


def parquet(keys: pa.Array) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"key": keys, "text": ["x"] * len(keys)}), sink)
    return sink.getvalue()


def as_json(keys) -> bytes:
    return "".join(json.dumps({"key": key, "text": "x"}) + "\n" for key in keys).encode()


def as_csv(keys) -> bytes:
    return ("key,text\n" + "".join(f"{key},x\n" for key in keys)).encode()


WHOLE = [pa.int8(), pa.uint8(), pa.int32(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary(1)]


@pytest.mark.parametrize("kind", [*WHOLE, *TEXTS, pa.decimal128(20, 0), pa.decimal128(21, 2), pa.decimal256(40, 3)])
@pytest.mark.parametrize("dictionary", [False, True])
def test_one_two_three_whatever_the_type_of_the_column(kind, dictionary):
    values = pa.array(["1", "2", "3"]).cast(kind) if kind in TEXTS[:5] else pa.array([1, 2, 3])
    if kind == pa.binary(1):
        values = pa.array([b"1", b"2", b"3"], kind)
    elif kind not in TEXTS:
        values = values.cast(kind)
    if dictionary:
        try:
            values = values.dictionary_encode()
        except pa.ArrowNotImplementedError:
            pytest.skip("Arrow has no dictionary of these")
    assert spell(values) == (["1", "2", "3"], {})


def test_files_of_all_formats_give_the_same_ids():
    expected = (["1", "2", "1000", "007"], [])
    assert read(as_csv(["1", "2.0", "1000.00", "007"]), "f.csv") == expected
    assert read(as_json([1, "2", 1e3, "007"]), "f.jsonl") == expected
    assert read(parquet(pa.array(["1.0", " 2", "1000", "007"])), "f.parquet") == expected


def test_a_missing_id_makes_pandas_write_floats_and_costs_its_row_only():
    assert read(parquet(pa.array([1.0, float("nan"), 3.0, None])), "f.parquet") == (["1", "3"], ["no_id"] * 2)
    assert read(as_csv(["1.0", "", "3.0", "  "]), "f.csv") == (["1", "3"], ["no_id"] * 2)
    assert read(as_json([1.0, None, 3.0, ""]), "f.jsonl") == (["1", "3"], ["no_id"] * 2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2.50", "2.50"),
        ("1e3", "1e3"),  # a hash may look like that
        ("12e5", "12e5"),
        ("v1.0", "v1.0"),
        ("1.0.0", "1.0.0"),
        ("00.0", "00.0"),
        ("007.0", "007.0"),
        ("\u00a0a b\u3000", "a b"),
        ("\u0661", "\u0661"),
        ("e\u0301", "e\u0301"),
        ("-7.0", "-7"),
        (-0.0, "0"),
        ("-0.0", "0"),
        (7.5, "7.5"),
        (10**30, "1" + "0" * 30),
        (2.0**53 - 1, "9007199254740991"),
        ("9007199254740991.0", "9007199254740991"),
        ("9007199254740993", "9007199254740993"),
        (Decimal("9007199254740993.000"), "9007199254740993"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_what_an_id_is(value, expected):
    assert spell([value, object()])[0][0] == expected
    assert spell([value])[0] == [expected]


@pytest.mark.parametrize(
    "value",
    [
        2.0**53,
        1e300,
        float("inf"),
        1e-7,
        "9007199254740993.0",
        "9" * 5000 + ".0",
        "1.23457E+17",
        "1e+16",
        True,
        Decimal("7.5"),
        [1],
        {"a": 1},
    ],
)
def test_what_is_refused_names_the_value(value):
    ids, faults = spell([value])
    assert ids == [None]
    ((code, message),) = faults.values()
    assert code is Code.BAD_VALUE
    assert "column 'key'" in message
    assert str(value)[:5] in message
    assert "id" in message


@pytest.mark.parametrize(("kind", "last"), [(pa.float16(), 2**11), (pa.float32(), 2**24), (pa.float64(), 2**53)])
def test_floats_count_as_far_as_their_digits_reach(kind, last):
    ids, faults = spell(pa.array([float(last - 1), float(last)]).cast(kind))
    assert ids == [str(last - 1), None]
    assert list(faults) == [1]


def test_floats_of_32_bits_that_are_not_whole_are_refused():
    assert list(spell(pa.array([7.5, 0.1, 1.0], pa.float32()))[1]) == [0, 1]


def test_space_is_what_python_calls_space():
    every = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
    spaces = {char for char in every if not char.strip()}
    # The fast reading must leave every space to the slow one.
    undecided = ID.fast(pa.array([f"{char}x" for char in every])).is_null()
    assert spaces == {char for char, is_null in zip(every, undecided.to_pylist(), strict=True) if is_null}


NUMERIC = st.from_regex(r"\A ?[+-]?[0-9]{1,20}(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})? ?\Z")


@given(st.lists(st.none() | NUMERIC | st.text(st.characters(exclude_categories=("Cs",)), max_size=5), max_size=8))
def test_the_fast_spelling_of_texts_equals_the_slow_one(texts):
    assert spell(texts) == _slowly(texts)


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
@given(st.lists(st.none() | st.floats() | st.integers(-(2**60), 2**60).map(float), max_size=8))
def test_the_fast_spelling_of_floats_equals_the_slow_one(kind, numbers):
    column = pa.array(numbers, pa.float64()).cast(kind, safe=False)
    fast = ID.fast(column)
    slow = [_slow(column, row) for row in range(len(column))]
    assert all(quick in (None, right) for quick, right in zip(fast.to_pylist(), slow, strict=True))
    assert spell(column)[0] == slow


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1, max_size=6))
def test_whole_numbers_are_one_id_in_every_type(numbers):
    expected = [str(number) for number in numbers]
    for cells in (
        numbers,
        [float(n) for n in numbers],
        expected,
        [f"{n}.0" for n in numbers],
        list(map(Decimal, numbers)),
    ):
        assert spell(cells) == (expected, {})


@given(st.floats() | NUMERIC)
def test_an_id_once_spelled_stays_so(value):
    (first,), _ = spell([value])
    if first is not None:
        assert spell([first]) == ([first], {})


def _slowly(cells) -> tuple[list, dict]:
    faults = Faults()
    ids: list = []
    for row, cell in enumerate(cells):
        one = Faults()
        ids.append(convert([cell, object()], ID, "key", one)[0].as_py())  # an object keeps the fast reading out
        if 0 in one.by_row:
            faults.by_row[row] = one.by_row[0]
    return ids, faults.by_row


def _slow(column: pa.Array, row: int) -> str | None:
    from beambell.records.cells import _judge, _value

    return None if pc.is_null(column[row]).as_py() else _judge(_value(column, row), ID, "key", row, Faults())
