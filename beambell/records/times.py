"""Event times: ISO 8601 or epoch numbers, in UTC, to the microsecond, years 1 to 9999.

- A time without an offset is UTC; a date alone is its midnight; finer fractions are cut to microseconds.
- A number, or a text that is one, counts seconds since 1970, or milliseconds from 1e11 in absolute value on.
- Eight digits that form a date, 20260103, are that date: as an epoch they would lie in the early 1970s.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.records.cells import Kind, fast_digits, keep
from beambell.records.partitioning import EPOCH, TIMESTAMP
from beambell.records.schema import Code

MILLIS_FROM: Final = 100_000_000_000
_SECOND: Final = 1_000_000
_MILLI: Final = 1_000
_MICRO: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICRO
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICRO
_WANTED: Final = "a time; write ISO 8601, such as 2026-01-03T07:15:00Z, or seconds or milliseconds since 1970"
_RANGE: Final = "within the years 1 to 9999; epoch times must be in seconds or milliseconds"

# --- fast: only forms that Arrow and `_slow` read alike --------------------------------------------------------

_CLOCK = r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_FAST_FORMS: Final = (
    (rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{_CLOCK}(Z|[+-][0-9]{{2}}:[0-9]{{2}})$", TIMESTAMP),
    (rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}({_CLOCK})?$", pa.timestamp("us")),
)
_UNITS_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


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
    return pa.nulls(len(array), TIMESTAMP)


def _from_strings(text: pa.Array) -> pa.Array:
    times = pa.nulls(len(text), TIMESTAMP)
    for pattern, kind in _FAST_FORMS:
        if times.null_count > text.null_count:
            matched = keep(text, pc.match_substring_regex(text, pattern)).cast(kind)
            times = pc.coalesce(times, matched.cast(TIMESTAMP))
    if times.null_count > text.null_count:
        epochs = _from_epochs(fast_digits(text, r"^-?[0-9]{9,15}$"))
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
    """Read epoch numbers of nine digits or more; fewer might be a date and are left to `_slow`."""
    values = numbers.fill_null(0).to_numpy()
    size = np.abs(values)
    seconds = (size >= MILLIS_FROM // 1000) & (size < MILLIS_FROM) & (values >= _FIRST // _SECOND)
    millis = (size >= MILLIS_FROM) & (values >= _FIRST // _MILLI) & (values <= _LAST // _MILLI)
    micros = np.where(seconds, values * _SECOND, values * _MILLI)
    return pa.array(micros, mask=~(seconds | millis))


# --- slow: the rule itself -------------------------------------------------------------------------------------

_ISO: Final = re.compile(
    r"(?P<year>\d{4})(?P<dash>-?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r" ?(?:[Zz]|UTC|(?P<sign>[+-])(?P<off_hour>\d\d)(?::?(?P<off_minute>\d\d))?)?)?",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)


def _slow(value: Any) -> int | None:
    """Give microseconds since 1970."""
    match value:
        case bytes():
            micros = _from_text(value.decode())
        case str():
            micros = _from_text(value)
        case bool():
            raise ValueError(_WANTED)
        case int() | float() | Decimal():
            micros = _from_number(value)
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
        return _from_number(int(text) if text.lstrip("+-").isdigit() else float(text))
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(_WANTED)
    return _civil(match)


def _from_number(number: float | Decimal) -> int:
    if not isinstance(number, int) and not math.isfinite(number):
        raise ValueError(_WANTED)
    if number != number // 1:
        return _epoch(float(number))
    whole = int(number)
    if abs(whole) < MILLIS_FROM and (match := _ISO.fullmatch(str(whole))):
        with suppress(ValueError):
            return _civil(match)
    return _epoch(whole)


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


def _epoch(number: float) -> int:
    scale = _MILLI if abs(number) >= MILLIS_FROM else _SECOND
    return number * scale if isinstance(number, int) else round(number * scale)


TIME: Final = Kind(TIMESTAMP, _fast, _slow, Code.BAD_TIME)


def is_time(text: str) -> bool:
    """Tell whether a text reads as a time."""
    try:
        return _slow(text) is not None
    except (ValueError, OverflowError):
        return False
