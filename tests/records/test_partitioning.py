from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.errors import UsageError
from beambell.records import delivery_dt, delivery_end, parse_dt, partition_of
from beambell.records.partitioning import TIMESTAMP
from beambell.store.partition import format_dt

GRAINS = ("hour", "day", "month")
MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(MOMENTS, st.sampled_from(GRAINS))
def test_a_partition_key_names_the_start_of_its_partition(moment, grain):
    start = parse_dt(format_dt(moment, grain), grain)
    assert start <= moment
    assert format_dt(start, grain) == format_dt(moment, grain)
    length = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=31)}[grain]
    assert moment - start < length


@given(st.lists(st.none() | MOMENTS, max_size=20), st.sampled_from(GRAINS))
def test_partition_of_agrees_with_format_dt(moments, grain):
    cut = partition_of(pa.array(moments, TIMESTAMP), grain)
    assert cut.type == pa.string()
    assert cut.to_pylist() == [None if moment is None else format_dt(moment, grain) for moment in moments]


@given(st.tuples(MOMENTS, MOMENTS), st.sampled_from(GRAINS))
def test_keys_sort_as_their_times(pair, grain):
    early, late = sorted(pair)
    assert format_dt(early, grain) <= format_dt(late, grain)


@pytest.mark.parametrize(
    ("text", "grain"),
    [
        ("../x", "day"),
        ("2026-13-01", "day"),
        ("2026-02-30", "day"),
        ("2026-00-01", "day"),
        ("2026-01-00", "day"),
        ("2026-01", "day"),
        ("2026-01-03T07", "day"),
        ("2026-01-03", "month"),
        ("2026-01-03", "hour"),
        ("2026-01-03T24", "hour"),
        ("2026-01-03\n", "day"),
        ("2026-1-3", "day"),
        ("٢٠٢٦-01-03", "day"),
        ("", "day"),
    ],
)
def test_anything_else_is_refused_with_an_example(text, grain):
    with pytest.raises(UsageError) as caught:
        parse_dt(text, grain, where="--from")
    assert repr(text) in str(caught.value)
    assert grain in str(caught.value)
    assert str(caught.value).startswith("--from: ")
    assert "2026-01" in (caught.value.fix or "")


def test_a_delivery_may_be_of_another_grain_than_the_stream():
    assert delivery_dt("2026-01-03", "month") == "2026-01"
    assert delivery_dt("2026-01-03", "hour") == "2026-01-03T00"
    assert delivery_dt("2026-01-03T07", "day") == "2026-01-03"
    with pytest.raises(UsageError, match="date of delivery"):
        delivery_dt("../x", "day")


def test_parse_dt_is_in_utc():
    assert parse_dt("2026-01-03T07", "hour") == datetime(2026, 1, 3, 7, tzinfo=UTC)


@given(MOMENTS.filter(lambda moment: moment.year < 9999), st.sampled_from(GRAINS))
def test_a_delivery_ends_where_the_next_one_begins(moment, grain):
    name = format_dt(moment, grain)
    end = delivery_end(name)
    assert delivery_end(format_dt(end, grain)) > end
    assert format_dt(end - timedelta(microseconds=1), grain) == name != format_dt(end, grain)


def test_the_last_of_all_deliveries_ends_with_the_calendar():
    assert {delivery_end(name) for name in ("9999-12", "9999-12-31", "9999-12-31T23")} == {
        datetime.max.replace(tzinfo=UTC)
    }
    with pytest.raises(UsageError, match="2026-02-30"):
        delivery_end("2026-02-30")
