"""What is seen of a day: the panes that were over, by a definition in plain Python, in pieces and as rows come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from histories import values_of
from hypothesis import given
from hypothesis import strategies as st

from beambell.history.aggregates import aggregate_rows, content_digest, merge
from beambell.history.panes import OpenPanes, seen_sorted, states_seen, with_panes
from beambell.labeling import keyword, stateful_labeling_function
from beambell.labeling.aggregates import Aggregate, Column, count, distinct_days, last_seen, total
from beambell.labeling.stateful import keys_at

START = datetime(2026, 1, 9, tzinfo=UTC)
WIDTH = {"10min": timedelta(minutes=10), "hour": timedelta(hours=1)}


class Range(Aggregate):
    fields = ("likes",)
    columns = {"low": Column(pa.float64(), "min"), "high": Column(pa.float64(), "max")}  # noqa: RUF012

    def of(self, rows):
        return {"low": rows["likes"], "high": rows["likes"]}

    def value(self, n, low, high):
        return None if low is None else (low, high)


def numbers(rows):
    return [row["likes"] for row in rows if row["likes"] is not None]


BY_HAND = [
    (count(), len),
    (total("likes"), lambda rows: float(sum(numbers(rows)))),
    (last_seen(), lambda rows: max((row["ts"] for row in rows if row["ts"]), default=None)),
    (distinct_days(), lambda rows: len({row["day"] for row in rows})),
    (Range(), lambda rows: (min(numbers(rows)), max(numbers(rows))) if numbers(rows) else None),
]

minutes = st.one_of(st.none(), st.sampled_from([0, 9, 10, 59, 60, 119, 120, 1439]), st.integers(0, 1439))
row = st.fixed_dictionaries(
    {
        "author": st.sampled_from(["a", "a\0", "a\0b", "a\1", "a\1\1", "b", "", "é", "\U0001f600", None]),
        "likes": st.one_of(st.none(), st.integers(-9, 9).map(float)),
        "ts": minutes.map(
            lambda minute: None if minute is None else START + timedelta(minutes=minute, seconds=minute % 60)
        ),
        "text": st.sampled_from(["free", "dear"]),
    }
)
rows_of_a_day = st.lists(row, max_size=25)


def function(aggregate, pane, **more):
    @stateful_labeling_function(key="author", aggregate=aggregate, pane=pane, **more)
    def lf(row, past):
        return -1

    return lf


def table(rows):
    schema = pa.schema(
        [("author", pa.string()), ("likes", pa.float64()), ("ts", pa.timestamp("us", "UTC")), ("text", pa.string())]
    )
    return pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema)


def over(counted, row, pane):
    """Whether a row is seen from another of its day, by definition."""
    if None in (counted["ts"], row["ts"]):
        return False
    begin = row["ts"] - (row["ts"] - START) % WIDTH[pane]
    return counted["ts"] - (counted["ts"] - START) % WIDTH[pane] + WIDTH[pane] <= begin


def seen_by_hand(row, before, day, pane):
    if row["author"] is None:
        return []
    mine = [{**other, "day": 0} for other in before] + [{**o, "day": 1} for o in day if over(o, row, pane)]
    return [other for other in mine if other["author"] == row["author"] and "free" in other["text"]]


@pytest.mark.parametrize("pane", ["10min", "hour"])
@pytest.mark.parametrize(("aggregate", "value"), BY_HAND, ids=lambda it: type(it).__name__)
@given(rows_of_a_day, rows_of_a_day, rows_of_a_day, st.integers(1, 5), st.randoms())
def test_a_row_sees_the_panes_that_were_over_and_the_days_before(
    aggregate, value, pane, before, day, rows, cut, random
):
    lf = function(aggregate, pane, where=keyword("free", any_of=["free"], label=1))
    days = aggregate_rows(
        lf.spec, table([{**row, "ts": row["ts"] and row["ts"] - timedelta(1)} for row in before]), "s"
    )
    before = [{**row, "ts": row["ts"] and row["ts"] - timedelta(1)} for row in before]
    random.shuffle(day)
    batches = [aggregate_rows(lf.spec, table(day[i : i + cut]), "s", pane=pane) for i in range(0, len(day) + 1, cut)]
    panes = merge(aggregate, batches, days=False)
    live = with_panes(lf, table(rows), "s", days, panes)
    assert values_of(lf, live) == [value(seen_by_hand(row, before, day, pane)) for row in rows]

    open_panes = OpenPanes(lf)
    for i in range(0, len(day), cut):
        open_panes.add(table(day[i : i + cut]), "s")
    assert values_of(lf, open_panes.with_history(table(rows), "s", days)) == values_of(lf, live)

    asked = aggregate_rows(lf.spec, table(rows), "s", counted=False, pane=pane)
    pieces = [[part.slice(i, cut) for i in range(0, len(part), cut)] for part in (asked, panes, days)]
    seen = pa.concat_tables([aggregate.schema.empty_table(), *seen_sorted(aggregate, *pieces)])
    whole = states_seen(aggregate, asked["key"].combine_chunks(), panes, days)
    assert content_digest(seen) == content_digest(whole)
    batch = lf.with_history(table(rows), seen, "s", pane)
    assert values_of(lf, batch) == values_of(lf, live)


@given(st.lists(st.text(alphabet="\0\1\2ab", max_size=4), min_size=2, max_size=9, unique=True))
def test_keys_with_panes_sort_by_key_first_and_are_told_apart(keys):
    keys = sorted(keys)
    times = pa.chunked_array([[START, START + timedelta(hours=3)] * len(keys)], pa.timestamp("us", "UTC"))
    spelled = keys_at(pa.array([key for key in keys for _ in range(2)]), times, "hour").to_pylist()
    assert spelled == sorted(set(spelled))


def test_panes_are_of_the_day_in_utc_and_a_row_without_a_time_sees_none():
    times = [START.replace(hour=7, minute=19, second=59), datetime(999, 1, 1, tzinfo=UTC), None, START]
    keys = pa.array(["a", "a", "a", None])
    stamps = pa.chunked_array([times], pa.timestamp("us", "UTC"))
    ends = ["2026-01-09T07:10", "0999-01-01T00:00", "0000-00-00T00:00"]
    assert keys_at(keys, stamps, "10min").to_pylist() == [*(f"a\0{end}" for end in ends), None]
    assert keys_at(keys, stamps, "hour")[0].as_py() == "a\0" + "2026-01-09T07:00"


def test_a_function_without_panes_is_refused():
    lf = function(count(), None)
    with pytest.raises(ValueError, match="lf has no panes"):
        with_panes(lf, table([]), "s", lf.aggregate.schema.empty_table(), lf.aggregate.schema.empty_table())
