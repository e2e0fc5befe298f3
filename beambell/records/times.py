"""Times: ISO 8601, digits that are a date, or epoch numbers, in UTC, to the microsecond, years 1 to 9999.

- A time without an offset is UTC; a date alone is its midnight; finer fractions are cut to microseconds.
- Eight, ten, twelve or fourteen digits that form a date of the years 1900 to 2199 are that date: 20260103,
  2026010307, 202601030715, 20260103071500. Eight, twelve or fourteen that form none are no time.
- Other numbers count from 1970, and their length says in what: 9 or 10 digits in seconds, 13 in milliseconds, 16 in
  microseconds, 19 in nanoseconds (all of the years 2001 to 2286, but for seconds, which begin in 1973). No other
  length is one: 2026 is a year, 202601 a month, 46025 a day of a spreadsheet, and 0 mostly no time at all.
- What has lost digits is no time: floats from 2**53 on, floats of 32 bits, 1.76742E+12 in a text.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.records.cells import Kind, fast_digits, keep
from beambell.records.exact import EXACT, Narrow
from beambell.records.partitioning import EPOCH, TIMESTAMP
from beambell.records.schema import Code

_SECOND: Final = 1_000_000
_MICRO: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICRO
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICRO
_UNITS_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_UNITS_OF_EPOCH: Final = {9: "s", 10: "s", 13: "ms", 16: "us", 19: "ns"}
"""Digits of an epoch number, and what it counts."""

_DATE_FORMS: Final = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_DATE_YEARS: Final = range(1900, 2200)
_HOW: Final = "write ISO 8601, such as 2026-01-03T07:15:00Z, or seconds or milliseconds since 1970"
_WANTED: Final = f"a time; {_HOW}"
_RANGE: Final = "within the years 1 to 9999; correct it"
_LOST: Final = f"a time with all its digits, for such a number loses the last ones; {_HOW}"

# --- fast: only forms that Arrow and `_slow` read alike --------------------------------------------------------

_CLOCK = r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_FAST_FORMS: Final = (
    (rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{_CLOCK}(Z|[+-][0-9]{{2}}:[0-9]{{2}})$", TIMESTAMP),
    (rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}({_CLOCK})?$", pa.timestamp("us")),
)


def _fast(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_string(kind):
        return _from_strings(array)
    if pa.types.is_timestamp(kind):
        return _from_ticks(array.cast(pa.int64()), _UNITS_PER_SECOND[kind.unit]).cast(TIMESTAMP)
    if pa.types.is_date(kind):
        return _fast(array.cast(pa.timestamp("s" if pa.types.is_date32(kind) else "ms")))
    if pa.types.is_integer(kind):
        return _from_epochs(array.cast(pa.int64())).cast(TIMESTAMP)
    if pa.types.is_float64(kind):  # pandas writes whole numbers so, where one of the column is missing
        exact = pc.and_(pc.equal(pc.floor(array), array), pc.less(pc.abs(array), float(EXACT)))
        return _from_epochs(keep(array, exact).cast(pa.int64())).cast(TIMESTAMP)
    return pa.nulls(len(array), TIMESTAMP)


def _from_strings(text: pa.Array) -> pa.Array:
    times = pa.nulls(len(text), TIMESTAMP)
    for pattern, kind in _FAST_FORMS:
        if times.null_count > text.null_count:
            matched = keep(text, pc.match_substring_regex(text, pattern)).cast(kind)
            times = pc.coalesce(times, matched.cast(TIMESTAMP))
    if times.null_count > text.null_count:
        epochs = _from_epochs(fast_digits(text, r"^-?[1-9][0-9]{8,17}$"))
        times = pc.coalesce(times, epochs.cast(TIMESTAMP))
    ticks = times.cast(pa.int64())
    return keep(times, pc.and_(pc.greater_equal(ticks, _FIRST), pc.less_equal(ticks, _LAST)))


def _from_ticks(ticks: pa.Array, per_second: int) -> pa.Array:
    """Scale ticks of an Arrow timestamp to microseconds, downwards; null outside the years 1 to 9999."""
    first, last = _FIRST // _SECOND * per_second, (_LAST + 1) // _SECOND * per_second - 1
    lowest, highest = max(first, -(2**63)), min(last, 2**63 - 1)
    ticks = keep(ticks, pc.and_(pc.greater_equal(ticks, lowest), pc.less_equal(ticks, highest)))
    values = ticks.fill_null(0).to_numpy()
    micros = values * (_SECOND // per_second) if per_second <= _SECOND else values // (per_second // _SECOND)
    return pa.array(micros, mask=np.asarray(ticks.is_null()))


def _from_epochs(numbers: pa.Array) -> pa.Array:
    """Scale epoch numbers to microseconds; null where it is not one, or might be a date, which is left to `_slow`."""
    values = numbers.fill_null(0).to_numpy()
    size = np.abs(values)
    may_be_date = (values >= _DATE_YEARS.start * 10**6) & (values < _DATE_YEARS.stop * 10**6)
    micros, known = np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    for digits, unit in _UNITS_OF_EPOCH.items():
        per_second = _UNITS_PER_SECOND[unit]
        # Of 19 digits, int64 has not all.
        fits = (size >= 10 ** (digits - 1)) & (size <= min(10**digits - 1, 2**63 - 1)) & ~may_be_date
        scaled = values * (_SECOND // per_second) if per_second <= _SECOND else values // (per_second // _SECOND)
        micros, known = np.where(fits, scaled, micros), known | fits
    return pa.array(micros, mask=~known)


# --- slow: the rule itself -------------------------------------------------------------------------------------

_ISO: Final = re.compile(
    r"(?P<year>\d{4})(?P<dash>-?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r" ?(?:[Zz]|UTC|(?P<sign>[+-])(?P<off_hour>\d\d)(?::?(?P<off_minute>\d\d))?)?)?",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"(?P<sign>[+-]?)(?P<whole>\d+)(?:\.(?P<fraction>\d*))?", re.ASCII)
_ROUNDED: Final = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE][+-]?\d+", re.ASCII)


def _slow(value: Any) -> int | None:
    """Give microseconds since 1970."""
    match value:
        case bytes():
            micros = _from_text(value.decode())
        case str():
            micros = _from_text(value)
        case bool():
            raise ValueError(_WANTED)
        case int():
            micros = _from_number(value)
        case float():
            micros = _from_float(value)
        case Decimal():
            micros = _from_digits(f"{value:f}")
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            micros = (aware - EPOCH) // _MICRO
        case date():
            micros = (value.toordinal() - EPOCH.toordinal()) * 86_400 * _SECOND
        case _:
            raise ValueError(_WANTED)
    if micros is not None and not _FIRST <= micros <= _LAST:
        raise ValueError(_RANGE)
    return micros


def _from_text(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if len(text) <= 40 and _NUMBER.fullmatch(text):
        return _from_digits(text)
    if _ROUNDED.fullmatch(text):
        raise ValueError(_LOST)
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(_WANTED)
    return _civil(match)


def _from_number(number: int) -> int:
    if abs(number) >= 10**20:
        raise ValueError(_WANTED)
    return _from_digits(str(number))


def _from_float(number: float) -> int:
    if not math.isfinite(number):
        raise ValueError(_WANTED)
    if isinstance(number, Narrow) or abs(number) >= EXACT:
        raise ValueError(_LOST)
    return _from_digits(f"{Decimal(repr(number)):f}")


def _from_digits(text: str) -> int:
    """Read a date or an epoch number by its digits; exactly, for the fraction is not made a float."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(_WANTED)
    whole, fraction = match["whole"], (match["fraction"] or "").rstrip("0")
    form = _DATE_FORMS.get(len(whole))
    if form and match["sign"] != "-" and not fraction and int(whole[:4]) in _DATE_YEARS:
        try:
            return (datetime.strptime(whole, form).replace(tzinfo=UTC) - EPOCH) // _MICRO
        except ValueError:  # such as the month 13: of ten digits it is an epoch, else nothing
            pass
    unit = _UNITS_OF_EPOCH.get(len(whole))
    if unit is None or whole.startswith("0"):
        what = "that form no date" if form else "are neither a date nor the time since 1970"
        raise ValueError(f"a time: {len(whole)} digits {what}; {_HOW}")
    ticks = int(f"{match['sign']}{whole}{fraction}")
    per_second: int = _UNITS_PER_SECOND[unit] * 10 ** len(fraction)
    return ticks * _SECOND // per_second


def _civil(match: re.Match[str]) -> int:
    part = {name: int(digits) for name, digits in match.groupdict("0").items() if digits.isdigit()}
    offset_hour, offset_minute = part["off_hour"], part["off_minute"]
    if offset_hour > 23 or offset_minute > 59:
        raise ValueError(_WANTED)
    if part["year"] == 0:
        raise ValueError(_RANGE)
    try:
        moment = datetime(
            part["year"], part["month"], part["day"], part["hour"], part["minute"], part["second"], tzinfo=UTC
        )
    except ValueError as error:
        raise ValueError(f"a time ({error}); correct it") from None
    offset = (offset_hour * 3600 + offset_minute * 60) * _SECOND
    fraction = int((match["fraction"] or "")[:6].ljust(6, "0"))
    return (moment - EPOCH) // _MICRO + fraction + (offset if match["sign"] == "-" else -offset)


TIME: Final = Kind(TIMESTAMP, _fast, _slow, Code.BAD_TIME)


def is_time(text: str) -> bool:
    """Tell whether a text reads as a time."""
    try:
        return _slow(text) is not None
    except (ValueError, OverflowError):
        return False
