from __future__ import annotations

import io
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beambell.config import StreamParams
from beambell.records import Code, read_records
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
        (1_767_424_500_123_456, utc(2026, 1, 3, 7, 15, 0, 123_456)),
        (1_767_424_500_123_456_789, utc(2026, 1, 3, 7, 15, 0, 123_456)),
        (9_999_999_999_999_999_999, utc(2286, 11, 20, 17, 46, 39, 999_999)),
        ("1767424500.1234567", utc(2026, 1, 3, 7, 15, 0, 123_456)),
        ("1767424500123.5", utc(2026, 1, 3, 7, 15, 0, 123_500)),
        ("-100000000.5", utc(1966, 10, 31, 14, 13, 19, 500_000)),
        (100_000_000, utc(1973, 3, 3, 9, 46, 40)),
        (-1_000_000_000_000, utc(1938, 4, 24, 22, 13, 20)),
        (20_260_103, utc(2026, 1, 3)),
        ("20260103", utc(2026, 1, 3)),
        (20_260_103.0, utc(2026, 1, 3)),
        ("20260103.0", utc(2026, 1, 3)),
        ("2026010307", utc(2026, 1, 3, 7)),
        (202_601_030_715, utc(2026, 1, 3, 7, 15)),
        ("20260103071500", utc(2026, 1, 3, 7, 15)),
        (20_260_103_071_500.0, utc(2026, 1, 3, 7, 15)),
        (Decimal(20260103071500), utc(2026, 1, 3, 7, 15)),
        (Decimal("1767424500.25"), utc(2026, 1, 3, 7, 15, 0, 250_000)),
        ("19000101", utc(1900, 1, 1)),
        ("2199123123", utc(2199, 12, 31, 23)),
        ("2026019907", utc(2034, 3, 15, 7, 18, 27)),
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
        "-0044-03-15",
        "12026-01-03",
        "2026-01-03T07:15:00+99:00",
        "2026-01-03T07:15:00 Europe/Berlin",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-00:01",
        0,
        -1,
        "0000000000",
        2026,
        202_601,
        46_025,
        46_025.3021,
        20_261_399,
        "18991231",
        "22000101",
        "202601032460",
        "20260230000000",
        "20260103071560",
        "20260103071500.5",
        99_999_999_999,
        123_456_789_012,
        20_260_103_071_500_123,
        "1.76742E+12",
        "1e9",
        2.0**53,
        1_767_424_500_123_456_789.0,
        10**19,
        2**64,
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


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()])
def test_floats_of_few_digits_are_no_times(kind):
    times, faults = read(pa.array([1_024.0, None, float("nan")], pa.float64()).cast(kind))
    assert times == [None] * 3
    assert list(faults) == [0]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([time(7, 15)], pa.time32("s")),
        pa.array([time(7, 15)], pa.time64("us")),
        pa.array([1_767_424_500], pa.duration("s")),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.array([True]),
        pa.array([[1_767_424_500]]),
        pa.array([{"seconds": 1_767_424_500}]),
    ],
)
def test_types_that_hold_no_time(column):
    times, faults = read(column)
    assert times == [None]
    assert [code for code, _ in faults.values()] == [Code.BAD_TIME]


@pytest.mark.parametrize("year", [1, 1583, 1900, 2026, 2262, 2263, 9999])
def test_the_old_timestamps_of_spark_do_not_wrap(year):
    sink = io.BytesIO()
    moment = utc(year, 12, 31, 23, 59, 59, 123_456)
    table = pa.table({"text": ["x"], "at": pa.array([moment], pa.timestamp("us", "UTC"))})
    pq.write_table(table, sink, use_deprecated_int96_timestamps=True)
    sink.seek(0)
    stream = StreamParams(inputs=("x",), time="at")
    (batch,) = (batch for batch in read_records(sink, name="f.parquet", stream=stream) if batch.n_records)
    assert batch.rows["ts"].to_pylist() == [moment]


# --- laws: every number and every timestamp is what Python's integers say, or a fault -----------------------------

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FIRST = (utc(1, 1, 1) - utc(1970, 1, 1)) // timedelta(microseconds=1)
LAST = (utc(9999, 12, 31, 23, 59, 59, 999_999) - utc(1970, 1, 1)) // timedelta(microseconds=1)


def of_micros(micros: int) -> datetime | None:
    return utc(1970, 1, 1) + timedelta(microseconds=micros) if FIRST <= micros <= LAST else None


@pytest.mark.parametrize("unit", PER_SECOND)
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "+05:45"])
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=8), st.integers(-5, 5))
def test_no_tick_of_a_timestamp_wraps(unit, zone, ticks, shift):
    per_second = PER_SECOND[unit]
    edges = [edge * per_second // 10**6 + shift for edge in (FIRST, LAST, 0)]
    ticks += [edge for edge in edges if -(2**63) <= edge < 2**63]
    times, faults = read(pa.array(ticks, pa.int64()).cast(pa.timestamp(unit, zone)))
    assert times == [None if tick is None else of_micros(tick * 10**6 // per_second) for tick in ticks]
    assert sorted(faults) == [row for row, tick in enumerate(ticks) if tick is not None and times[row] is None]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=8))
def test_no_day_wraps(kind, days):
    column = pa.array(days, pa.int32()).cast(pa.date32())
    if kind == pa.date64():
        column = pa.array([day * 86_400_000 for day in days], pa.int64()).cast(kind)
    assert read(column)[0] == [of_micros(day * 86_400 * 10**6) for day in days]


def meaning(digits: str) -> datetime | None:
    """What unsigned digits mean, said another way than the reader says it."""
    n = len(digits)
    if n in (8, 10, 12, 14) and "1900" <= digits[:4] < "2200":
        try:
            return utc(int(digits[:4]), *(int(digits[at : at + 2]) for at in range(4, n, 2)))
        except ValueError:
            pass
    scale = {9: 10**6, 10: 10**6, 13: 10**3, 16: 1}.get(n)
    if digits[0] == "0" or (scale is None and n != 19):
        return None
    return of_micros(int(digits) * scale if scale else int(digits) // 1000)


NEAR_DATE = re.compile(r"\A(189|19\d|20\d|21\d|220)\d[01]\d[0-3]\d([0-2]\d([0-6]\d([0-6]\d)?)?)?\Z", re.ASCII)


@given(st.lists(st.from_regex(NEAR_DATE) | st.from_regex(r"\A[0-9]{1,22}\Z"), max_size=8))
def test_digits_are_a_date_or_an_epoch_or_nothing(digits):
    expected = [meaning(text) for text in digits]
    assert read(digits)[0] == expected
    numbers = [int(text) for text in digits]
    expected = [meaning(str(number)) for number in numbers]
    assert read(numbers)[0] == expected
    assert read([f"{number}.0" for number in numbers])[0] == expected
    floats = [float(number) for number in numbers]
    assert read(floats)[0] == [
        right if number < 2**53 else None for number, right in zip(numbers, expected, strict=True)
    ]


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
