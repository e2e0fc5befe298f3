"""Compiled labeling functions vote exactly as the plain ones do."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labeling.compiler.strategies import columns, functions

import labeling_functions.spam as example
from beambell.demo import generate
from beambell.errors import LabelingFunctionError
from beambell.labeling import (
    LabelingFunction,
    compile_lfs,
    count,
    evaluate,
    keyword,
    labeling_function,
    length,
    lexicon,
    lookup,
    numeric,
    regex,
)
from beambell.labeling.compiler.store import Folder
from beambell.labeling.compiler.syntax import parse
from beambell.state import patterns

many = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


def plain(lfs, table):
    votes = [lf.votes(table) for lf in lfs]
    return np.stack(votes, axis=1) if votes else np.empty((table.num_rows, 0), dtype=np.int8)


def assert_same(lfs, table):
    compiled = compile_lfs(lfs)
    votes = compiled.votes(table)
    assert votes.dtype == np.int8
    expected = plain(lfs, table)
    for number, lf in enumerate(lfs):
        wrong = np.flatnonzero(votes[:, number] != expected[:, number])
        assert not len(wrong), (lf, compiled.explain()[number], table.slice(wrong[0], 1).to_pylist())
    assert votes.shape == expected.shape
    if lfs and all(lf.streams is None for lf in lfs):
        cardinality = min(5 + 10 * len(lfs), patterns.MAX_CARDINALITY)
        packed = compiled.evaluate(table, cardinality=cardinality, stream="s").patterns
        assert (packed == patterns.pack(expected, cardinality)).all()


def texts_of(*texts):
    return pa.table({"text": pa.array(texts, pa.string())})


def numbered(lfs):
    return [dataclasses.replace(lf, name=f"lf_{number}") for number, lf in enumerate(lfs)]


@many
@given(st.lists(functions, min_size=1, max_size=6), columns)
def test_any_functions_vote_as_the_plain_ones(lfs, column):
    assert_same(numbered(lfs), texts_of(*column))


NASTY = [
    "",
    "kiss",
    "KI\u017fS \u212a",
    "a" * 5000 + "k",
    "\u20ac 5",
    "naïve \U0001f600 free!",
    None,
    "x\n",
    "free",
    "FREE !!!",
]
EVERY_KIND = [
    keyword("free", any_of=["free", "kiss", "money back"], label=1),
    keyword("part", any_of=["k", "\u20ac"], label=0, whole_words=False),
    regex("end", pattern=r"\w$", label=1),
    regex("url", pattern=r"https?://\S+", label=0),
    regex("inner", pattern=r"k.*s", label=2),
    regex("twice", pattern=r"(\w)\1{3,}", label=3),
    regex("nothing", pattern="", label=1),
    count("bangs", of="!", min=2, label=1),
    count("no_s", of=r"s\b|ss", max=0, label=1),
    length("short", max=5, label=0),
    length("wordy", min=2, unit="words", label=1),
    lexicon("mood", weights={"free": 0.1, "kiss": 0.2, "naïve": -0.3, "x": 0.3}, threshold=0.3, label=1),
    lexicon("any", weights={"free": 1}, threshold=0, label=1),
]


@pytest.mark.parametrize(
    "type_", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
@pytest.mark.parametrize("rows", [slice(0, None), slice(3, 9), slice(5, 5)])
def test_every_arrow_layout(type_, rows):
    column = (
        pa.array(NASTY * 3).cast(type_)
        if not pa.types.is_dictionary(type_)
        else pa.array(NASTY * 3).dictionary_encode()
    )
    table = pa.table({"text": column})
    assert_same(EVERY_KIND, table[rows.start : rows.stop])


def test_chunks_and_batches():
    column = pa.chunked_array([NASTY[:3], [], NASTY[3:], NASTY[2:5]], pa.string())
    assert_same(EVERY_KIND, pa.table({"text": column}))
    batch = pa.record_batch({"text": NASTY})
    assert (compile_lfs(EVERY_KIND).votes(batch) == plain(EVERY_KIND, pa.Table.from_batches([batch]))).all()


@pytest.mark.parametrize(
    "column", [pa.array([], pa.string()), pa.nulls(3, pa.string()), pa.nulls(3), pa.array([""] * 5)]
)
def test_nothing_to_read(column):
    assert_same(EVERY_KIND, pa.table({"text": column}))


def test_a_null_hides_the_bytes_below_it():
    offsets = pa.py_buffer(np.array([0, 4, 8], dtype=np.int32).tobytes())
    validity = pa.py_buffer(b"\x02")
    column = pa.Array.from_buffers(pa.string(), 2, [validity, offsets, pa.py_buffer(b"freekiss")])
    assert column.to_pylist() == [None, "kiss"]
    assert_same(EVERY_KIND, pa.table({"text": column}))


def test_more_rows_than_a_block():
    texts = [f"{text} {number}" for number, text in enumerate(["free k", "\u017f !!", "x" * 40] * 12_000)]
    assert_same([EVERY_KIND[0], EVERY_KIND[7], EVERY_KIND[9]], texts_of(*texts))


@many
@given(
    st.sampled_from([pa.int8(), pa.int64(), pa.uint64(), pa.string(), pa.large_string(), pa.string_view()]),
    st.lists(st.none() | st.integers(0, 9), max_size=9),
    st.lists(st.sampled_from(["1", "2", "02", "x", "\ud800", "\u212a", "k", 7]), min_size=1),
    st.booleans(),
)
def test_lookup(type_, numbers, values, ignore_case):
    encode = (lambda n: n) if pa.types.is_integer(type_) else (lambda n: "12K\u212ak7xX."[n % 10 : n % 10 + 1])
    column = pa.array([None if n is None else encode(n) for n in numbers], type_)
    lfs = [
        lookup("a", field="f", values=values, label=1, ignore_case=ignore_case),
        lookup("b", field="f", values=["k", 3], label=0),
    ]
    assert_same(lfs, pa.table({"f": column}))
    if pa.types.is_string(type_):
        assert_same(lfs, pa.table({"f": column.dictionary_encode()}))


@many
@given(st.lists(st.none() | st.floats(width=32), max_size=9), st.floats(-3, 3))
def test_numeric(numbers, low):
    for type_ in (pa.float32(), pa.float64()):
        assert_same([numeric("n", field="x", min=low, label=1)], pa.table({"x": pa.array(numbers, type_)}))


EXTREMES = [0, 3, -(2**63), 2**63 - 1, None]
LIMITS = [None, 0, 2.5, -2.5, 2**63, -(2**63) - 1, 10**400, -(10**400), float("inf"), float("-inf"), 1e300]


@many
@given(
    st.sampled_from([pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.decimal128(25, 1)]),
    st.lists(st.tuples(st.sampled_from(LIMITS), st.sampled_from(LIMITS)), min_size=1, max_size=5),
)
def test_numeric_bounds_beyond_all_numbers(type_, limits):
    numbers = [0, 3, None, 5, 120] if type_ == pa.int8() else EXTREMES
    numbers = [None if n is None else abs(n) for n in numbers] if type_ == pa.uint64() else numbers
    limits = [(low, high) for low, high in limits if (low, high) != (None, None)]
    limits = [(low, high) for low, high in limits if None in (low, high) or low <= high]
    lfs = [numeric(f"n_{i}", field="x", min=low, max=high, label=i) for i, (low, high) in enumerate(limits)]
    numbers = [0.0, 3.0, float("inf"), float("nan"), None] if pa.types.is_floating(type_) else numbers
    assert_same(lfs, pa.table({"x": pa.array(numbers, type_)}))


OPERANDS = [
    *(lf for lf in EVERY_KIND if lf.name not in ("nothing", "no_s")),
    lookup("author", field="author", values=["ann", "k"], label=0),
    lookup("folded", field="author", values=["K"], label=0, ignore_case=True),
    numeric("likes", field="likes", min=3, label=1),
    numeric("few", field="likes", max=0, label=1),
    keyword("signed", any_of=["ann"], field="author", label=1),
]


def larger(inner):
    both = st.tuples(inner, inner)
    return both.map(lambda p: p[0] & p[1]) | both.map(lambda p: p[0] | p[1]) | inner.map(lambda c: ~c)


records = st.fixed_dictionaries({
    "text": st.sampled_from(NASTY),
    "author": st.sampled_from(["ann", "k", "\u212a", "", None]),
    "likes": st.sampled_from([0.0, 3.0, float("nan"), None]),
})  # fmt: skip
RECORD = pa.schema([("text", pa.string()), ("author", pa.string()), ("likes", pa.float64())])


@many
@given(
    st.lists(st.recursive(st.sampled_from(OPERANDS), larger, max_leaves=8), min_size=1, max_size=4),
    st.lists(records, max_size=9),
    st.sampled_from([None, "text", "author", "likes"]),
)
def test_combinations_vote_as_the_plain_ones(conditions, rows, nothing):
    combinations = [condition.named(f"lf_{n}", label=n) for n, condition in enumerate(conditions)]
    table = pa.Table.from_pylist(rows, schema=RECORD)
    if nothing is not None:
        table = table.set_column(table.schema.get_field_index(nothing), nothing, pa.nulls(len(rows)))
    lfs = [OPERANDS[0], *combinations, OPERANDS[-1]]
    assert {plan.how for plan in compile_lfs(combinations).explain()} <= {"logic"}
    assert_same(lfs, table)


@many
@given(st.lists(functions, min_size=2, max_size=3), columns)
def test_combinations_of_any_functions(lfs, column):
    first, *others = numbered(lfs)
    condition = ~first
    for other in others:
        condition = (condition | other) & ~(other & first)
    assert_same([condition.named("c", label=1), first, (~condition).named("d", label=0)], texts_of(*column))


def test_a_combination_is_as_slow_as_its_operands():
    back = regex("back", pattern=r"(\w+) \1", label=1)
    slow, fast = (back & ~EVERY_KIND[0]).named("slow", label=1), (EVERY_KIND[0] & EVERY_KIND[9]).named("fast", label=1)
    plans = compile_lfs([slow, fast]).explain()
    assert [(plan.lf, plan.how) for plan in plans] == [("slow", "plain"), ("fast", "logic")]
    assert plans[0].why.startswith("its operand 'back': only `re` knows backreferences")
    assert_same([slow, fast], texts_of("the the", "free", *NASTY))


def test_combinations_by_stream():
    here = keyword("here", any_of=["free"], label=0, streams=["a"])
    lf = (here & ~EVERY_KIND[9]).named("c", label=1)
    table = pa.table({"text": ["free for all", "free for all", "x"], "stream": ["a", "b", "a"]})
    assert lf.streams == ("a",)
    assert_same([lf, here], table)
    for stream in ("a", "b"):
        expected = evaluate([lf, here], table, cardinality=2, stream=stream).votes
        assert (compile_lfs([lf, here]).votes(table, stream) == expected).all()


def test_threads_share_what_is_compiled():
    lfs = [*EVERY_KIND, (EVERY_KIND[0] | ~EVERY_KIND[9]).named("c", label=1)]
    tables = [texts_of(*(f"{text} {number}" for text in NASTY)) for number in range(20)]
    compiled = compile_lfs(lfs)
    with ThreadPoolExecutor(4) as pool:
        votes = list(pool.map(compiled.votes, tables))
    for table, vote in zip(tables, votes, strict=True):
        assert (vote == plain(lfs, table)).all()


def test_a_thousand_functions():
    rng = np.random.default_rng(1)
    vocabulary = ["".join(rng.choice(list("etaoinshrk\u0131"), rng.integers(2, 9))) for _ in range(4000)]
    lfs = []
    for number in range(1000):
        some = list(rng.choice(vocabulary, 3))
        if number % 10 == 0:
            lfs.append(regex(f"lf_{number}", pattern=rf"{some[0]}\W+{some[1]}?\b|{some[2]}.*x", label=1))
        else:
            lfs.append(keyword(f"lf_{number}", any_of=some, label=number % 3))
    texts = [" ".join(rng.choice(vocabulary, 20)) + " x" * (number % 2) for number in range(60)]
    assert_same(lfs, texts_of(*texts, *(text.upper() for text in texts)))


CATASTROPHES = [r"(a+)+$", r"(?:a|a)*b", r"(?:\w+\s?)*:", r"(.*)*x", r"([a-z]+)*!"]


@pytest.mark.parametrize("pattern", CATASTROPHES)
def test_what_hangs_python_does_not_hang_an_automaton(pattern):
    lf = regex("lf", pattern=pattern, label=1)
    assert_same([lf], texts_of("aaa", "b", "aab", "a b: x!", "x", ""))
    bomb = texts_of("a" * 5000 + "?")
    assert compile_lfs([lf]).votes(bomb).tolist() == [[-1]]


def how(*lfs):
    return [plan.how for plan in compile_lfs(lfs).explain()]


def test_what_no_automaton_can_hold_falls_back_and_says_so():
    backreference = regex("back", pattern=r"(\w+) \1", label=1)
    exponential = regex("wide", pattern=r"[ab].{40}[ab].{40}", label=1)
    everywhere = regex("all", pattern=r"\w*", label=1)
    known = regex("known", pattern=r"\d(?<=password is .)", label=1)
    deep = regex("deep", pattern="(?:" * 70 + "a" + ")" * 70, label=1)
    lfs = [backreference, exponential, everywhere, known, deep]
    plans = compile_lfs(lfs).explain()
    assert [plan.lf for plan in plans] == ["back", "wide", "all", "known", "deep"]
    assert all(plan.why for plan in plans[:3])
    assert [plan.plain for plan in plans] == [True, True, True, True, False]
    assert_same(lfs, texts_of("the the", "a" * 90, "ab" * 60, "password is 7", "\n" * 99, None))


def test_looks_are_compiled():
    plans = {
        r"free(?! (?:of|from))": "scan",
        r"(?<!not )free": "scan",
        r"www\.(?!wiki\.)[\w-]+\.example\b": "scan, then automaton",
        r"(?=.*\d)(?=.*[!?])\w": "own scan",
        r"\d(?<=free \d)": "re",
    }
    lfs = [regex(f"lf_{number}", pattern=pattern, label=1) for number, pattern in enumerate(plans)]
    often = count("often", of=r"free(?! of)", min=2, label=1)
    assert how(*lfs, often) == [*plans.values(), "scan, then re"]
    texts = [
        "free",
        "free of",
        "not free",
        "www.wiki.example www.a.example",
        "www.wiki.example",
        "7!",
        "!\n7",
        "free 7",
    ]
    assert_same([*lfs, often], texts_of(*texts, "free free of", "free free", None, ""))


def test_words_too_long_for_any_automaton():
    long = keyword("long", any_of=["k" * 70_000], label=1)
    weighted = lexicon("heavy", weights={"s" * 70_000: 1, "a": 1}, threshold=1, label=1)
    assert how(long, weighted) == ["re", "re"]
    assert_same([long, weighted], texts_of("K" * 70_000, "k" * 69_999, "s" * 70_000, "a"))


def test_more_kinds_of_characters_than_a_byte_tells_apart():
    han = [chr(0x4E00 + number) for number in range(700)]
    lfs = [keyword(f"lf_{n}", any_of=han[n : n + 70], label=1, whole_words=False) for n in range(0, 700, 70)]
    assert how(*lfs) == ["scan"] * 10
    assert_same(lfs, texts_of(*han[::9], "".join(han)))


def test_sums_of_weights_are_exact():
    weights = {f"w{number}": 0.1 for number in range(10)}
    lfs = [lexicon(f"lf_{n}", weights=weights, threshold=n / 10, label=1) for n in range(11)]
    assert_same(lfs, texts_of(*(" ".join(list(weights)[:n]) for n in range(11))))


def test_rows_of_several_streams():
    table = pa.table({"text": ["free", "free", "x"], "stream": ["a", "b", None]})
    lfs = [
        keyword("one", any_of=["free"], label=1, streams=["a"]),
        lookup("two", field="stream", values=["b"], label=0),
        labeling_function("three", streams=["b"])(lambda row: 1),
    ]
    assert_same(lfs, table)
    for stream in ("a", "b", "c"):
        expected = evaluate(lfs, table, cardinality=2, stream=stream).votes
        assert (compile_lfs(lfs).votes(table, stream) == expected).all()
        assert (compile_lfs(lfs).votes(table.select(["text"]), stream) == expected).all()


@labeling_function(label=1)
def fails_on_k(row):
    if row.text == "k":
        raise ValueError(row.text)
    return row.text == "x"


def test_evaluation_with_dead_letters():
    table = pa.table({"id": ["1", "2", "3"], "text": ["k", "x", "free"]})
    lfs = [EVERY_KIND[0], fails_on_k, EVERY_KIND[9]]
    result = compile_lfs(lfs).evaluate(table, cardinality=2, stream="s")
    expected = evaluate(lfs, table, cardinality=2, stream="s")
    assert (patterns.unpack(result.patterns, len(lfs), 2) == expected.votes).all()
    assert result.dead_letters == expected.dead_letters
    assert len(result.dead_letters) == 1
    assert list(result.n_errors.items()) == list(expected.n_errors.items())
    with pytest.raises(ValueError, match="k"):
        compile_lfs(lfs).votes(table)
    with pytest.raises(ValueError, match="k"):
        compile_lfs(lfs).votes(table, "s")


def demo_rows(root, stream):
    """Read the generated comments or messages, whatever the format of the day."""
    for path in sorted((root / stream).iterdir()):
        if path.suffix == ".parquet":
            yield from pq.read_table(path).to_pylist()
        elif path.suffix == ".csv":
            text = path.read_text(encoding="utf-8", errors="replace").replace("\0", "")
            yield from (row for row in csv.DictReader(text.splitlines()) if row["text"] and row["video"])
        elif path.suffix == ".jsonl":
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    yield json.loads(line)


@pytest.mark.parametrize(("stream", "number"), [("comments", "likes"), ("messages", "recipients")])
def test_the_demo(stream, number, tmp_path):
    generate(tmp_path / "raw", scale=0.05)
    lfs = [lf for lf in vars(example).values() if isinstance(lf, LabelingFunction)]
    rows = [row for row in demo_rows(tmp_path / "raw", stream) if isinstance(row, dict)]
    rows = [row for row in rows if isinstance(row.get("text"), str)]
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in ("text", "author", "video")}
    columns[number] = pa.array([int(row[number]) if str(row.get(number)).isdigit() else None for row in rows])
    table = pa.table(columns)
    assert table.num_rows > 1000
    compiled = compile_lfs(lfs, cardinality=2)
    result = compiled.evaluate(table, cardinality=2, stream=stream)
    expected = evaluate(lfs, table, cardinality=2, stream=stream)
    assert (patterns.unpack(result.patterns, len(lfs), 2) == expected.votes).all()
    assert result.dead_letters == expected.dead_letters
    ours = [lf for lf in lfs if lf.votes_on(stream)]
    assert [plan.lf for plan in compiled.explain(stream)] == [lf.name for lf in ours]
    assert {plan.lf for plan in compiled.explain(stream) if plan.plain} == {
        lf.name for lf in ours if lf.kind in ("python", "stateful")
    }


def test_importing_the_package_does_not_import_numba():
    code = (
        "import sys, beambell.labeling as b; print('numba' in sys.modules, bool(b.compile_lfs), 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True", "True"]


def test_errors_come_before_anything_runs():
    lf = keyword("free", any_of=["free"], label=3)
    with pytest.raises(LabelingFunctionError, match="classes"):
        compile_lfs([lf], cardinality=2)
    compiled = compile_lfs([lf])
    with pytest.raises(LabelingFunctionError, match="classes"):
        compiled.evaluate(texts_of("x"), cardinality=2, stream="s")
    with pytest.raises(LabelingFunctionError, match="columns are: other"):
        compiled.votes(pa.table({"other": ["x"]}))
    with pytest.raises(LabelingFunctionError, match="needs text"):
        compiled.evaluate(pa.table({"text": [1]}), cardinality=4, stream="s")
    with pytest.raises(ValueError, match="cardinality"):
        compiled.evaluate(texts_of("x"), cardinality=0, stream="s")


def test_no_functions():
    assert compile_lfs([]).votes(texts_of("x", "y")).shape == (2, 0)


def test_a_folder_keeps_automata(tmp_path):
    table = texts_of(*NASTY)
    expected = plain(EVERY_KIND, table)
    for _ in range(2):
        assert (compile_lfs(EVERY_KIND, cache_dir=tmp_path).votes(table) == expected).all()
        kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        assert kept
    for damaged in (
        lambda _: b"",
        lambda _: bytes(4),
        lambda _: b"damaged",
        lambda data: data[:-1],
        lambda data: data[:-1000] + bytes([data[-1000] ^ 1]) + data[-999:],
    ):
        for file in tmp_path.iterdir():
            file.write_bytes(damaged(file.read_bytes()))
        assert (compile_lfs(EVERY_KIND, cache_dir=tmp_path).votes(table) == expected).all()
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == kept


def test_an_automaton_comes_back_from_its_folder_as_it_was(tmp_path):
    patterns = tuple((parse(regex, 0).tree, n) for n, regex in enumerate((r"\bfr[e\xe9]+\b", "x$", "[0-9]{3}")))
    made, read = (Folder(tmp_path).build(patterns, 1000) for _ in range(2))
    assert (read.shift, read.first_emitting) == (made.shift, made.first_emitting)
    for name in ("table", "emit_from", "emits", "end_from", "ends", "alphabet.page_of", "alphabet.pages"):
        one, two = attrgetter(name)(made), attrgetter(name)(read)
        assert one.dtype == two.dtype
        assert np.array_equal(one, two)


def test_a_worker_builds_its_own():
    compiled = pickle.loads(pickle.dumps(compile_lfs(EVERY_KIND[:3])))
    assert (compiled.votes(texts_of(*NASTY)) == plain(EVERY_KIND[:3], texts_of(*NASTY))).all()
