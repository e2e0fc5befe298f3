from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beambell.records import Code
from beambell.records.cells import convert
from beambell.records.chunk import Faults
from beambell.records.times import TIME


def read(cells) -> tuple[list, dict]:
    faults = Faults()
    return convert(cells, TIME, "when", faults).to_pylist(), faults.by_row


def utc(*parts) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-01-03T07:15:00Z", utc(2026, 1, 3, 7, 15)),
        ("2026-01-03 07:15:00", utc(2026, 1, 3, 7, 15)),
        ("2026-01-03 07:15:00 UTC", utc(2026, 1, 3, 7, 15)),
        ("2026-01-03t07:15z", utc(2026, 1, 3, 7, 15)),
        ("2026-01-03T07", utc(2026, 1, 3, 7)),
        ("2026-01-03", utc(2026, 1, 3)),
        (" 2026-01-03 ", utc(2026, 1, 3)),
        ("20260103T071500Z", utc(2026, 1, 3, 7, 15)),
        ("2026-01-03T07:15:00+05:30", utc(2026, 1, 3, 1, 45)),
        ("2026-01-03T07:15:00-0530", utc(2026, 1, 3, 12, 45)),
        ("2026-01-03T07:15:00.1+01", utc(2026, 1, 3, 6, 15, 0, 100_000)),
        ("2026-01-03T07:15:00,123456789", utc(2026, 1, 3, 7, 15, 0, 123_456)),
        ("1969-12-31T23:59:59.9999999Z", utc(1969, 12, 31, 23, 59, 59, 999_999)),
        (1_767_424_500, utc(2026, 1, 3, 7, 15)),
        ("1767424500", utc(2026, 1, 3, 7, 15)),
        (1_767_424_500.25, utc(2026, 1, 3, 7, 15, 0, 250_000)),
        ("1767424500.25", utc(2026, 1, 3, 7, 15, 0, 250_000)),
        (1_767_424_500_123, utc(2026, 1, 3, 7, 15, 0, 123_000)),
        (99_999_999_999, utc(5138, 11, 16, 9, 46, 39)),
        (100_000_000_000, utc(1973, 3, 3, 9, 46, 40)),
        (0, utc(1970, 1, 1)),
        (-1, utc(1969, 12, 31, 23, 59, 59)),
        (-100_000_000_000, utc(1966, 10, 31, 14, 13, 20)),
        (20_260_103, utc(2026, 1, 3)),
        ("20260103", utc(2026, 1, 3)),
        (20_261_399, utc(1970, 8, 23, 12, 9, 59)),
    ],
)
def test_forms_of_time(raw, expected):
    assert read([raw]) == ([expected], {})


@pytest.mark.parametrize("raw", [None, "", "  ", float("nan")])
def test_an_absent_time_is_null_and_no_fault(raw):
    assert read([raw]) == ([None], {})


@pytest.mark.parametrize(
    "raw",
    [
        "yesterday",
        "2026-02-30",
        "2026-02-30T00:00:00Z",
        "2026-01-03T24:00:00Z",
        "2026-01-03T23:59:60Z",
        "2026-01-03T00:00:00+24:00",
        "2026-0103",
        "03.01.2026",
        "0000-01-01",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-00:01",
        1_767_424_500_000_000,
        "9" * 30,
        "9" * 5000,
        10**400,
        float("inf"),
        -float("inf"),
        1e300,
        True,
        [2026],
        "2026-01-03T07:15:00Z\x00",
        "٢٠٢٦-01-03",
    ],
)
def test_no_time_names_the_column_and_the_value(raw):
    times, faults = read([raw, "2026-01-03"])
    assert times == [None, utc(2026, 1, 3)]
    ((code, message),) = faults.values()
    assert code is Code.BAD_TIME
    assert "'when'" in message
    assert "years 1 to 9999" in message or "1970" in message or "correct it" in message


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_timestamps_of_any_unit(unit, zone):
    moments = [utc(2026, 1, 3, 7, 15), None, utc(1950, 1, 1)]
    assert read(pa.array(moments, pa.timestamp(unit, zone))) == (moments, {})


def test_nanoseconds_are_cut_downwards():
    ticks = pa.array([1_999, -1], pa.timestamp("ns"))
    assert read(ticks)[0] == [utc(1970, 1, 1, 0, 0, 0, 1), utc(1969, 12, 31, 23, 59, 59, 999_999)]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates(kind):
    assert read(pa.array([date(2026, 1, 3), date(1, 1, 1)], kind))[0] == [utc(2026, 1, 3), utc(1, 1, 1)]


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"), pa.date64()])
def test_years_beyond_python_are_faults(kind):
    highest = 2**63 - 1
    times, faults = read(pa.array([highest, -highest], pa.int64()).cast(kind))
    assert times == [None, None]
    assert [code for code, _ in faults.values()] == [Code.BAD_TIME] * 2


ZONES = st.none() | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
DIGITS = st.text("0123456789", min_size=1, max_size=20)
NEAR_TIMES = st.from_regex(
    r"\A(000|199|202|999)\d-[01]\d-[0-3]\d([T ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,7})?(Z|[+-][0-2]\d:[0-6]\d)?)?\Z"
)


@given(st.datetimes(timezones=ZONES), st.sampled_from(["T", " "]))
def test_isoformat_comes_back(moment, separator):
    text = moment.isoformat(separator)
    expected = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    times, faults = read([text])
    if faults:
        assert expected.year in (1, 9999)
    else:
        assert times == [expected]


@given(st.lists(st.none() | NEAR_TIMES | DIGITS | st.text(max_size=8), max_size=12))
@example(["2026-01-03T07:15:00Z", "2026-01-03", "1767424500", None, "x", "2026-02-30"])
def test_the_fast_reading_of_texts_equals_the_slow_one(texts):
    assert read(texts) == _slowly(texts)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**9), 10**9), max_size=12))
def test_the_fast_reading_of_numbers_equals_the_slow_one_and_that_of_texts(numbers):
    assert read(numbers) == _slowly(numbers)
    assert read(numbers)[0] == read([None if number is None else str(number) for number in numbers])[0]


def _slowly(cells) -> tuple[list, dict]:
    faults = Faults()
    times: list = []
    for row, cell in enumerate(cells):
        one = Faults()
        # An object Arrow cannot type in the same list keeps the fast reading out.
        times.append(convert([cell, object()], TIME, "when", one)[0].as_py())
        if 0 in one.by_row:
            faults.by_row[row] = one.by_row[0]
    return times, faults.by_row
