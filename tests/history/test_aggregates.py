"""Tables by key: merging is a sum in any order, in pieces or at once, and its bytes depend on the content alone."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.errors import ArtefactError, LabelingFunctionError
from beambell.history import aggregates
from beambell.history.aggregates import aggregate_rows, content_digest, merge, merge_sorted, restrict_sorted
from beambell.labeling import keyword, stateful_labeling_function, text_hash
from beambell.labeling.aggregates import (
    ANSWER,
    NO_CLASS,
    Aggregate,
    Column,
    count,
    distinct_days,
    feedback_rate,
    last_seen,
    total,
)


class Widest(Aggregate):
    fields = ("likes",)
    columns = {"low": Column(pa.float64(), "min"), "high": Column(pa.float64(), "max")}  # noqa: RUF012

    def of(self, rows):
        return {"low": rows["likes"], "high": rows["likes"]}

    def value(self, n, low, high):
        return None if low is None else high - low


KINDS = [count(), distinct_days(), total("likes"), last_seen(), feedback_rate(1), Widest()]

records = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "B", "", "é", "\U0001f600", "\uffff", None]),
        st.one_of(st.none(), st.floats(-1e6, 1e6)),
        st.one_of(st.none(), st.integers(0, 10**15)),
    ),
    max_size=12,
)


def spec_of(aggregate, **more):
    @stateful_labeling_function(key="author", aggregate=aggregate, **more)
    def lf(row, past):
        return -1

    return lf.spec


def rows_of(some):
    author, likes, ts = zip(*some, strict=True) if some else ((), (), ())
    stamps = pa.array(ts, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    likes = pa.array(likes, pa.float64())
    answers = pa.array(
        [int(x) % 3 - 1 if x is not None and 0 <= x < 1e6 else None for x in likes.to_pylist()], pa.int8()
    )
    return pa.table({"author": pa.array(author, pa.string()), "likes": likes, "ts": stamps, ANSWER: answers})


@pytest.mark.parametrize("aggregate", KINDS, ids=lambda a: type(a).__name__)
@given(st.lists(records, min_size=1, max_size=4), st.booleans(), st.integers(1, 3), st.randoms())
def test_merging_does_not_depend_on_order_grouping_or_pieces(aggregate, parts, days, size, random):
    spec = spec_of(aggregate)
    tables = [aggregate_rows(spec, rows_of(part), "s") for part in parts]
    whole = merge(aggregate, tables, days=days)
    keys = whole["key"].to_pylist()
    assert keys == sorted(keys, key=str.encode)
    mixed = random.sample(tables, len(tables))
    cut = random.randrange(len(tables))
    halves = [merge(aggregate, half, days=days) for half in (mixed[:cut], mixed[cut:]) if half]
    again = merge(aggregate, halves, days=days)
    pieces = [[table.slice(i, size) for i in range(0, len(table), size)] for table in mixed]
    pieced = list(merge_sorted(aggregate, pieces, days=days))
    assert again.equals(whole)
    assert pa.concat_tables([aggregate.schema.empty_table(), *pieced]).equals(whole)
    assert content_digest(again) == content_digest(whole)


def test_a_large_table_comes_in_pieces_that_its_content_decides(monkeypatch):
    monkeypatch.setattr(aggregates, "BATCH_ROWS", 4)
    table = aggregate_rows(spec_of(count()), rows_of([(f"{i:02d}", 0.0, 1) for i in range(11)]), "s")
    for size in (1, 3, 11):
        parts = [[half.slice(i, size) for i in range(0, len(half), size)] for half in (table[:6], table[6:])]
        assert [len(piece) for piece in merge_sorted(count(), parts, days=True)] == [4, 4, 3]


@pytest.mark.parametrize("keys", ["zya", "bazy", "aab"])
def test_a_table_that_is_not_sorted_ends_in_an_error_and_not_never(keys):
    damaged = pa.table({"key": list(keys), "n": [1] * len(keys)})
    other = pa.table({"key": ["b", "m"], "n": [1, 1]})
    for pieces in ([damaged], [damaged[:2], damaged[2:]]):
        with pytest.raises(ArtefactError, match="not sorted"):
            list(merge_sorted(count(), [pieces, [other]], days=True))
        with pytest.raises(ArtefactError, match="not sorted"):
            list(restrict_sorted([other], pieces))


@given(
    st.sets(st.sampled_from("abcdefghij")),
    st.sets(st.sampled_from("abcdefghij")),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_a_table_is_restricted_in_pieces_as_it_is_whole(known, wanted, size, key_size, merely_occur):
    ours = sorted(known)
    table = pa.table({"key": pa.array(ours, pa.string()), "n": [int(i >= merely_occur) for i in range(len(ours))]})
    keys = pa.table({"key": pa.array(sorted(wanted), pa.string())})
    pieces = [table.slice(i, size) for i in range(0, len(table), size)]
    blocks = [keys.slice(i, key_size) for i in range(0, len(keys), key_size)]
    found = [key for piece in restrict_sorted(pieces, blocks) for key in piece["key"].to_pylist()]
    assert found == sorted(set(ours[merely_occur:]) & wanted)


def test_no_more_is_read_than_keys_ask_for():
    read = []

    def pieces():
        for i in range(10):
            read.append(i)
            yield pa.table({"key": [f"{i}"], "n": [1]})

    keys = [pa.table({"key": ["1", "3"]})]
    assert [piece["key"].to_pylist() for piece in restrict_sorted(pieces(), keys) if len(piece)] == [["1"], ["3"]]
    assert read == [0, 1, 2, 3, 4]


def test_only_rows_on_which_the_condition_holds_are_counted():
    rows = pa.table(
        {"author": ["a", "a", "b"], "text": ["free", "hello", None], "ts": pa.nulls(3, pa.timestamp("us", "UTC"))}
    )
    spec = spec_of(count(), where=keyword("free", any_of=["free"], label=1))
    assert aggregate_rows(spec, rows, "s").to_pydict() == {"key": ["a", "b"], "n": [1, 0]}
    elsewhere = spec_of(count(), where=keyword("free", any_of=["free"], label=1, streams=("other",)))
    assert aggregate_rows(elsewhere, rows, "s")["n"].to_pylist() == [0, 0]
    assert elsewhere.id != spec.id


def test_totals_are_exact_in_any_order():
    rows = [("a", x, 1) for x in (1e16, 0.1, -1e16, 0.2, float("nan"), float("inf"), 1e30, None)]
    table = aggregate_rows(spec_of(total("likes")), rows_of(rows), "s")
    assert total("likes").values(table) == [0.3]


def test_the_rate_is_of_rows_that_were_reviewed_and_unknown_of_too_few():
    answers = pa.array([1, 0, 1, 1, None, NO_CLASS, None], pa.int8())
    rows = pa.table({"author": [*"aaaaabb"], "ts": pa.nulls(7, pa.timestamp("us", "UTC")), ANSWER: answers})
    states = aggregate_rows(spec_of(feedback_rate(1)), rows, "s")
    assert states.to_pydict() == {"key": ["a", "b"], "n": [5, 2], "reviewed": [4, 1], "said": [3, 0]}
    assert feedback_rate(1).values(states) == [0.75, 0.0]
    assert feedback_rate(1, min_reviewed=2).values(states) == [0.75, None]
    assert feedback_rate(1).zero is None
    for wrong in ({"label": -1}, {"label": "spam"}, {"label": 1, "min_reviewed": 0}):
        with pytest.raises(ValueError, match="of feedback_rate must be"):
            feedback_rate(**wrong)


def test_the_content_s_digest_sees_every_part_of_it():
    spec = spec_of(last_seen())
    digests = {
        content_digest(aggregate_rows(spec, rows_of(rows), "s"))
        for rows in ([], [("a", 0, None)], [("a", 0, 0)], [("a", 0, 1)], [("b", 0, 1)], [("a", 0, 1), ("b", 0, 1)])
    }
    assert len(digests) == 6


def test_an_aggregate_of_one_s_own_that_fails_is_named():
    class Broken(Aggregate):
        columns = {"x": Column(pa.int64())}  # noqa: RUF012

        def of(self, rows):
            return {"x": [1]}

    with pytest.raises(LabelingFunctionError, match="one int64 for each of the 2 rows"):
        aggregate_rows(spec_of(Broken()), rows_of([("a", 0, 1)] * 2), "s")
    with pytest.raises(ValueError, match="cannot be summed in any order"):
        Column(pa.float64())


def test_keys_of_several_columns_never_meet():
    from beambell.labeling.stateful import keys_of

    rows = pa.table({"x": ["a\x1fb", "a", "a\x1b1b", None], "y": ["c", "b\x1fc", "c", "c"]})
    keys = keys_of(("x", "y"), rows, "s").to_pylist()
    assert len(set(keys)) == 4
    assert keys[3] is None


def test_texts_are_the_same_whatever_their_case_and_white_space():
    from beambell.labeling.stateful import keys_of

    rows = pa.table({"text": ["Straße  nach Rom", " STRASSE NACH\tROM ", "strasse nach rom!", None]})
    one, two, three, none = keys_of((text_hash("text"),), rows, "s").to_pylist()
    assert one == two != three
    assert none is None
