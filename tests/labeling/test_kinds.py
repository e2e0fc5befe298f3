"""The declarative kinds: a table votes as its rows do, each kind means what its definition says."""

from __future__ import annotations

import math
import pickle
import re
from dataclasses import FrozenInstanceError
from decimal import Decimal
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beambell.errors import LabelingFunctionError
from beambell.labeling import (
    ABSTAIN,
    check_fields,
    count,
    fingerprint,
    keyword,
    length,
    lexicon,
    lookup,
    numeric,
    regex,
    source,
)

# Where regular expressions and look-alikes of them part: the Kelvin sign, dotless i, long s, sharp s, combining
# marks, no-break and other spaces, digits of other scripts, emoji made of several code points, a final newline.
SPACES = " _.!?+\n\t\x1c\x85\xa0\u2028\u200d"
LETTERS = "aAkKsSiIzZ0\u212a\u017f\u0131\u0130\xdf\u1e9e\xe9\xc9\xf1\u03a3\u03c2\u0663\u4e2d\U0001f600"
NASTY = [*SPACES, *LETTERS, "e\u0301", "\U0001f469\u200d\U0001f680", "art", "free money"]
texts = st.lists(st.sampled_from(NASTY), max_size=12).map("".join)
columns = st.lists(st.none() | texts, max_size=8)
words = st.lists(st.sampled_from(NASTY), min_size=1, max_size=4).map("".join).filter(str.strip)
flags = st.booleans()
bounds = st.tuples(st.integers(0, 6), st.none() | st.integers(0, 6)).filter(lambda b: b[1] is None or b[0] <= b[1])


def reference(table, lf):
    return [lf.vote(row) for row in table.to_pylist()]


def vote(lf, text):
    return lf.vote({"text": text})


def keyword_pattern(any_of, whole_words):
    either = "|".join(map(re.escape, any_of))
    return rf"(?<!\w)(?:{either})(?!\w)" if whole_words else either


@given(columns, st.lists(words, min_size=1, max_size=4), flags, flags)
@example(["\u212a", "kelvin \u212a", "\u017f"], ["k", "s"], True, True)
def test_keyword_of_the_exact_text_is_one_regular_expression(column, any_of, whole_words, ignore_case):
    lf = keyword("k", any_of=any_of, label=2, whole_words=whole_words, ignore_case=ignore_case, fold=False)
    table = pa.table({"text": pa.array(column, pa.string())})
    pattern = re.compile(keyword_pattern(any_of, whole_words), re.IGNORECASE if ignore_case else 0)
    expected = [2 if text is not None and pattern.search(text) else ABSTAIN for text in column]
    assert lf.votes(table).tolist() == expected == reference(table, lf)
    assert lf.votes(table).dtype == np.int8


@given(columns, st.sampled_from([r"\bart\b", r"^$", r"\s$", r"\w{3}", "(?i)k", r"(.)\1", r"\d", "x*"]), flags)
def test_regex_is_re_search(column, pattern, multiline):
    lf = regex("r", pattern=pattern, label=0, flags=re.MULTILINE if multiline else 0)
    table = pa.table({"text": pa.array(column, pa.large_string())})
    expected = [0 if t is not None and re.search(pattern, t, lf.flags) else ABSTAIN for t in column]
    assert lf.votes(table).tolist() == expected == reference(table, lf)


@given(columns, st.sampled_from(["words", "chars", "!", r"\w+", "a|A", "x*"]), bounds)
def test_count_is_a_number_of_matches(column, of, low_high):
    low, high = low_high
    lf = count("c", of=of, min=low, max=high, label=1)
    table = pa.table({"text": pa.array(column, pa.string())})
    pattern = {"words": r"\S+", "chars": r"(?s)."}.get(of, of)
    upper = math.inf if high is None else high
    expected = [1 if t is not None and low <= len(re.findall(pattern, t)) <= upper else ABSTAIN for t in column]
    assert lf.votes(table).tolist() == expected == reference(table, lf)


@given(columns, st.sampled_from(["words", "chars"]), bounds)
def test_length_counts_code_points_or_words(column, unit, low_high):
    low, high = low_high
    lf = length("l", unit=unit, min=low, max=high, label=1)
    table = pa.table({"text": pa.array(column, pa.string())})
    upper = math.inf if high is None else high
    sizes = [None if t is None else len(t) if unit == "chars" else len(re.findall(r"\S+", t)) for t in column]
    assert lf.votes(table).tolist() == [1 if n is not None and low <= n <= upper else -1 for n in sizes]
    assert lf.votes(table).tolist() == reference(table, lf)


exact = st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0, 3, 10**400, -(10**400)])
limits = st.none() | exact | st.floats(allow_nan=False) | st.sampled_from([2.5, -2.5, 60.0, 1e300])


@given(
    st.one_of(
        st.tuples(st.lists(st.none() | st.floats()), st.just(pa.float64())),
        st.tuples(st.lists(st.none() | st.floats(width=32)), st.just(pa.float32())),
        st.tuples(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.just(2**53)), st.just(pa.int64())),
        st.tuples(st.lists(st.none() | st.integers(0, 2**64 - 1)), st.just(pa.uint64())),
        st.tuples(st.lists(st.none() | st.integers(-128, 127)), st.just(pa.int8())),
        st.tuples(st.lists(st.none() | st.decimals(-99, 99, places=2)), st.just(pa.decimal128(6, 2))),
    ),
    limits,
    limits,
)
@example(([float(2**53)], pa.float64()), 2**53 + 1, None)
@example(([2**53 + 1], pa.int64()), float(2**53), float(2**53))
def test_numeric_compares_exactly(typed, low, high):
    values, type_ = typed
    if low is None and high is None:
        low = 0
    if low is not None and high is not None and low > high:
        low, high = high, low
    lf = numeric("n", field="v", min=low, max=high, label=1)
    table = pa.table({"v": pa.array(values, type_)})

    def holds(v):
        return v is not None and (low is None or v >= low) and (high is None or v <= high)

    expected = [1 if holds(v) else ABSTAIN for v in table["v"].to_pylist()]
    assert lf.votes(table).tolist() == expected == reference(table, lf)


@given(columns, st.lists(words, min_size=1), flags)
def test_lookup_is_membership(column, values, ignore_case):
    lf = lookup("v", field="text", values=values, label=1, ignore_case=ignore_case, fold=False)
    table = pa.table({"text": pa.array(column, pa.string()).dictionary_encode()})
    fold = str.casefold if ignore_case else str
    expected = [1 if t is not None and fold(t) in set(map(fold, values)) else ABSTAIN for t in column]
    assert lf.votes(table).tolist() == expected == reference(table, lf)


def test_lookup_takes_whole_numbers_as_text():
    lf = lookup("v", field="code", values=[7, "8"], label=1)
    assert lf.votes(pa.table({"code": [7, 8, 9, None]})).tolist() == [1, 1, -1, -1]


@given(columns, st.dictionaries(words, st.sampled_from([-1.0, 0.1, 0.2, 0.5, 1.0]), min_size=1, max_size=5), flags)
@example(["K\u017f k", "\u212a s"], {"k": 1.0, "s": 0.5, "k s": 0.5}, True)
@example(["\u017f", "s"], {"s": 1.0}, True)
@example(["art art. free money"], {"art": 0.5, "free money": 0.5, "money": 0.1}, True)
def test_lexicon_adds_weights_of_words_present(column, weights, ignore_case):
    weights = {(w.lower() if ignore_case else w): x for w, x in weights.items()}
    lf = lexicon("x", weights=weights, threshold=0.3, label=1, ignore_case=ignore_case, fold=False)
    table = pa.table({"text": pa.array(column, pa.string())})
    case = re.IGNORECASE if ignore_case else 0

    def score(text):
        return math.fsum(x for w, x in weights.items() if re.search(keyword_pattern([w], True), text, case))

    expected = [1 if t is not None and score(t) >= 0.3 else ABSTAIN for t in column]
    assert lf.votes(table).tolist() == expected == reference(table, lf)


def test_columns_of_nulls_and_no_rows():
    lf = keyword("k", any_of=["a"], label=0)
    assert lf.votes(pa.table({"text": pa.nulls(3)})).tolist() == [-1, -1, -1]
    assert lf.votes(pa.table({"text": pa.array([], pa.string())})).shape == (0,)
    assert numeric("n", field="v", min=1, label=0).votes(pa.table({"v": pa.nulls(2)})).tolist() == [-1, -1]


def test_chunks_and_slices():
    chunked = pa.chunked_array([["a", None], [], ["b", "a a"]])
    table = pa.table({"text": chunked, "v": pa.chunked_array([[1, None], [], [3, 4]])})
    assert keyword("k", any_of=["a"], label=0).votes(table.slice(1)).tolist() == [-1, -1, 0]
    assert numeric("n", field="v", min=3, label=0).votes(table.slice(1)).tolist() == [-1, 0, 0]


def test_streams_limit_where_it_votes():
    lf = keyword("k", any_of=["a"], label=0, streams=["mail"])
    table = pa.table({"text": ["a", "a", "b"], "stream": ["mail", "chat", "mail"]})
    assert lf.votes(table).tolist() == [0, -1, -1] == reference(table, lf)
    with pytest.raises(LabelingFunctionError, match="reads 'stream'"):
        lf.votes(pa.table({"text": ["a"]}))


def test_labels_may_be_enums_and_patterns_compiled():
    class Label(IntEnum):
        SPAM = 1

    lf = regex("r", pattern=re.compile("A", re.IGNORECASE), label=Label.SPAM)
    assert type(lf.label) is int
    assert vote(lf, "a") == 1
    assert fingerprint(lf) == fingerprint(regex("r", pattern="A", flags=re.IGNORECASE, label=1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keyword("1st", any_of=["a"], label=0), "name must be"),
        (lambda: keyword("a" * 101, any_of=["a"], label=0), "name must be"),
        (lambda: keyword("../k", any_of=["a"], label=0), "name must be"),
        (lambda: keyword("k", any_of=[], label=0), "at least one word"),
        (lambda: keyword("k", any_of=["a", " "], label=0), "none of them empty"),
        (lambda: keyword("k", any_of="refund", label=0), "list of strings, not 'refund'"),
        (lambda: keyword("k", any_of=[1], label=0), "must hold strings, not 1"),
        (lambda: keyword("k", any_of=["a"], label=True), "number of a class, not True"),
        (lambda: keyword("k", any_of=["a"], label=1.0), "number of a class, not 1.0"),
        (lambda: keyword("k", any_of=["a"], label=None), "number of a class"),
        (lambda: keyword("k", any_of=["a"], label=-1), "-1 is not a class"),
        (lambda: keyword("k", any_of=["a"], label=127), "127 is not a class"),
        (lambda: keyword("k", any_of=["a"], label=0, streams="mail"), "streams must be a list"),
        (lambda: keyword("k", any_of=["a"], label=0, streams=["../x"]), "cannot be the name of a stream"),
        (lambda: keyword("k", any_of=["a"], label=0, field=""), "name of a column"),
        (lambda: regex("r", pattern="(", label=0), "not a regular expression: missing"),
        (lambda: regex("r", pattern=b"a", label=0), "for text"),
        (lambda: regex("r", pattern="a", flags=re.LOCALE, label=0), "not a regular expression"),
        (lambda: count("c", of="*", min=1, label=0), "not a regular expression"),
        (lambda: count("c", of="words", label=0), "min, max or both"),
        (lambda: count("c", of="words", min=1.5, label=0), "whole number, not 1.5"),
        (lambda: length("l", min=3, max=2, label=0), "min 3 is greater than max 2"),
        (lambda: length("l", min=3, unit="lines", label=0), "unit must be"),
        (lambda: numeric("n", field="v", min=math.nan, label=0), "number, not nan"),
        (lambda: numeric("n", field="v", min="3", label=0), "number, not '3'"),
        (lambda: numeric("n", field="v", min=True, label=0), "number, not True"),
        (lambda: lookup("v", field="a", label=0), "either values"),
        (lambda: lookup("v", field="a", values=[], label=0), "no values"),
        (lambda: lookup("v", field="a", values="abc", label=0), "list of strings"),
        (lambda: lookup("v", field="a", values=[1.5], label=0), "whole numbers, not 1.5"),
        (lambda: lookup("v", field="a", file="nowhere.txt", label=0), "nowhere.txt: there is no such file"),
        (lambda: lexicon("x", weights={"a": math.nan}, threshold=1, label=0), "finite number, not nan"),
        (lambda: lexicon("x", weights={"a": 10**400}, threshold=1, label=0), "finite number"),
        (lambda: lexicon("x", weights={"a": 1}, threshold=math.inf, label=0), "threshold must be a finite"),
        (lambda: lexicon("x", weights={"a": 1, "A": 2}, threshold=1, label=0), "two weights for one word: a"),
        (lambda: lexicon("x", weights=["a"], threshold=1, label=0), "map words to numbers"),
        (lambda: lexicon("x", weights={}, threshold=1, label=0), "at least one word"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_name_of_the_function(make, message):
    with pytest.raises(LabelingFunctionError, match=re.escape(message)) as caught:
        make()
    assert caught.value.where.startswith("labeling function '")


def test_wrong_types_are_refused_before_and_at_the_vote():
    with pytest.raises(LabelingFunctionError, match="needs text, but the column 'text' is int64"):
        keyword("k", any_of=["a"], label=0).votes(pa.table({"text": [1]}))
    with pytest.raises(LabelingFunctionError, match="needs a number, but the column 'text' is string"):
        check_fields([numeric("n", field="text", min=1, label=0)], pa.schema({"text": pa.string()}), "mail")
    with pytest.raises(LabelingFunctionError, match=r"the field 'text' holds \['a'\]"):
        vote(length("l", min=1, label=0), ["a"])
    assert numeric("n", field="v", min=1, label=0).vote({"v": Decimal("1.0")}) == 0


def test_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_bytes("\ufeffann\r\n\r\n  bob \n#hash\n".encode())
    lf = lookup("v", field="text", file="names.txt", label=1)
    assert lf.values == {"ann", "bob", "#hash"}
    assert fingerprint(lf) == fingerprint(lookup("v", field="text", values=["bob", "ann", "#hash"], label=1))
    (tmp_path / "words.tsv").write_text("free money\t2\nthanks,-1\n", "utf-8")
    assert lexicon("x", file="words.tsv", threshold=1, label=1).weights == (("free money", 2.0), ("thanks", -1.0))
    (tmp_path / "bad.tsv").write_text("good\t1\nbad\n", "utf-8")
    with pytest.raises(LabelingFunctionError, match=r"bad\.tsv:2: 'bad' is not a word"):
        lexicon("x", file="bad.tsv", threshold=1, label=1)
    for number in ("nan", "inf", "1e999", "two"):
        (tmp_path / "bad.tsv").write_text(f"good\t1\nbad\t{number}\n", "utf-8")
        with pytest.raises(
            LabelingFunctionError, match=r"bad\.tsv:2: 'bad\\t.* is not a word, a tab and a finite weight\n.*such as 2"
        ):
            lexicon("x", file="bad.tsv", threshold=1, label=1)
    (tmp_path / "latin.txt").write_bytes(b"ok\ncaf\xe9\n")
    with pytest.raises(LabelingFunctionError, match=r"latin\.txt:2: is not UTF-8"):
        lookup("v", field="text", file="latin.txt", label=1)


ALL = [
    keyword("k", any_of=["a", "b"], label=1, tags=["t"], owner="ann", description="d"),
    regex("r", pattern="a", label=1),
    count("c", of="a", min=1, label=1),
    length("l", max=3, label=1),
    numeric("n", field="v", min=1, label=1),
    lookup("v", field="text", values=["a"], label=1),
    lexicon("x", weights={"a": 1.0}, threshold=1, label=1),
]


@pytest.mark.parametrize("lf", ALL, ids=lambda lf: lf.kind)
def test_kinds_are_frozen_values_that_survive_a_process_border(lf):
    row = {"text": "a", "v": 1}
    assert lf.vote(row) == 1
    again = pickle.loads(pickle.dumps(lf))
    assert again == lf
    assert again.vote(row) == 1
    with pytest.raises(FrozenInstanceError):
        lf.label = 0


@pytest.mark.parametrize("lf", ALL, ids=lambda lf: lf.kind)
def test_source_is_the_call_that_makes_it(lf):
    language = {f.__name__: f for f in (keyword, regex, count, length, numeric, lookup, lexicon)}
    assert eval(source(lf), language) == lf
