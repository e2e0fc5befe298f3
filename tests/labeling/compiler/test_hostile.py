"""Columns, texts and sets of functions of every awkward shape: compiled, they vote as the plain ones do."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from labeling.compiler.test_compiled import assert_same

from beambell.errors import LabelingFunctionError
from beambell.labeling import compile_lfs, count, keyword, length, lexicon, lookup, numeric, regex

ON_TEXT = [
    keyword("k", any_of=["free"], label=1),
    regex("r", pattern=r"free$", label=0),
    regex("e", pattern=r"^$", label=1),
    regex("equal", pattern=r"(.)\1{2}", label=1),
    regex("hangs", pattern=r"(a+)+$", label=1),
    count("c", of="!", min=1, label=1),
    length("l", max=4, label=0),
    length("w", min=2, unit="words", label=1),
    lexicon("x", weights={"free": 1.5, "naïve": -1}, threshold=1, label=1),
]
TEXTS = [
    "",
    "free",
    None,
    "x" * 70_000 + " free",
    "naïve free",
    "FREE\n",
    "é" * 70_000 + "!free",
    "fre",
    "\U0001f600" * 3,
]
TEXTS += ["\x00free\x00", "a\U0010ffff free", " ", "!!!", "a" * 30]


def in_shapes(array):
    yield array
    yield array.slice(3, 7)
    yield array.slice(2, 0)
    yield pa.chunked_array([array.slice(0, 5), array.slice(5, 0), array.slice(4)], array.type)
    yield pa.chunked_array([], array.type)


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view()])
def test_texts(type_, encoded):
    array = pa.array(TEXTS, pa.string()).cast(type_)
    if encoded and type_ != pa.string_view():  # which Arrow does not encode
        array = array.dictionary_encode()
    for column in in_shapes(array):
        assert_same(ON_TEXT, pa.table({"text": column}))


def test_texts_that_are_all_null():
    for column in (pa.nulls(9), pa.nulls(9, pa.string()), pa.nulls(9, pa.dictionary(pa.int8(), pa.string()))):
        assert_same(ON_TEXT, pa.table({"text": column}))


def test_what_lies_under_a_null_is_not_read():
    offsets = pa.py_buffer(np.array([0, 4, 8, 12], dtype=np.int32).tobytes())
    column = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x05"), offsets, pa.py_buffer(b"freefreefree")])
    assert column.to_pylist() == ["free", None, "free"]
    assert_same(ON_TEXT, pa.table({"text": column}))


def test_nulls_within_a_dictionary():
    indices = pa.array([0, 1, 2, None, 3], pa.int8())
    column = pa.DictionaryArray.from_arrays(indices, pa.array(["free", None, "k!", "free"]))
    assert_same(ON_TEXT, pa.table({"text": column}))
    assert_same([lookup("a", field="text", values=["free"], label=1)], pa.table({"text": column}))


def test_more_rows_than_a_block_can_number():
    texts = pa.array([f"free {number} é" for number in range(70_001)])
    assert_same(ON_TEXT[:3], pa.table({"text": texts}))


NUMBERS = [0, 3, None, 5, 120, 1, 2, 3, 0, 9]
RANGES = [(3, None), (None, 2.5), (0.1, 0.1), (2**64 - 1, None), (-0.0, 0)]
ON_NUMBERS = [numeric(f"n_{i}", field="x", min=low, max=high, label=1) for i, (low, high) in enumerate(RANGES)]
OF_NUMBERS = [
    *(pa.int8(), pa.uint8(), pa.int16(), pa.uint32(), pa.int64(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 2), pa.decimal256(40, 3)),
]


@pytest.mark.parametrize("type_", OF_NUMBERS, ids=str)
def test_numbers(type_):
    numbers = list(NUMBERS)
    if pa.types.is_floating(type_):
        numbers = [np.float16(n) if n is not None and type_ == pa.float16() else n for n in numbers]
        numbers += [np.float16(n) if type_ == pa.float16() else n for n in (float("nan"), float("inf"), 0.1, -0.0)]
    elif pa.types.is_decimal(type_):
        numbers += [Decimal("0.1"), Decimal("2.51")]
    elif type_ == pa.uint64():
        numbers += [2**64 - 1]
    for column in in_shapes(pa.array(numbers, type_)):
        assert_same(ON_NUMBERS, pa.table({"x": column}))


@pytest.mark.parametrize("values", [[True], ["3"], [b"3"], [dt.date(2026, 1, 1)], [[3]]], ids=str)
def test_what_is_no_number_is_refused_before_anything_runs(values):
    with pytest.raises(LabelingFunctionError, match="needs a number, but the column 'x' is"):
        compile_lfs(ON_NUMBERS).votes(pa.table({"x": values}))


LOOKUPS = [
    lookup("exact", field="f", values=["k", "7", "é", 9], label=1),
    lookup("folded", field="f", values=["K", "\u017f"], ignore_case=True, label=0),
]
VALUES = ["k", "K", "7", "é", "", None, "\u017f", "s", "x" * 70_000, "9"]


@pytest.mark.parametrize("lfs", [LOOKUPS, LOOKUPS[:1]], ids=["both", "exact"])
@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view(), None], ids=str)
def test_lists(type_, lfs):
    array = pa.array(VALUES)
    for column in in_shapes(array.dictionary_encode() if type_ is None else array.cast(type_)):
        assert_same(lfs, pa.table({"f": column}))


def of_a_kind(number, some):
    one, two, three = some
    name, label, counted = f"lf_{number}", number % 3, ["!", "[a-d]", r"\d", r"\w+", "[A-F]", one][number // 7 % 6]
    return [
        lambda: keyword(name, any_of=[one, two, f"{three} {one}"], label=label),
        lambda: regex(name, pattern=rf"\b{one}\w*\s+{two[:2]}|{three}\d", label=label),
        lambda: lexicon(name, weights={one: 1, two: 0.5, three: -0.25}, threshold=0.5, label=label),
        lambda: count(name, of=counted, min=number % 5, label=label),
        lambda: length(name, max=number % 200, label=label),
        lambda: numeric(name, field="likes", min=number, label=label),
        lambda: lookup(name, field="author", values=[one, two], label=label),
    ][number % 7]()


def test_a_thousand_functions_of_all_kinds():
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("etaoinshrdlu"), rng.integers(3, 8))) for _ in range(3000)]
    lfs = [of_a_kind(number, rng.choice(words, 3).tolist()) for number in range(1000)]
    endings = rng.choice(["", "!", " A1", " é!"], 60)
    texts = [" ".join(rng.choice(words, 15)) + str(ending) for ending in endings]
    assert_same(lfs, pa.table({"text": texts, "author": rng.choice(words, 60), "likes": rng.normal(300, 200, 60)}))
