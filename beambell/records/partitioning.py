"""Partition keys: an event time cut to its hour, day or month, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from beambell.config import Grain
from beambell.errors import UsageError
from beambell.store.partition import format_dt, read_dt

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_HOUR: Final = 3_600_000_000
_DAY: Final = 24 * _HOUR
_EXAMPLES: Final[dict[Grain, str]] = {"hour": "2026-01-03T07", "day": "2026-01-03", "month": "2026-01"}


def parse_dt(text: str, grain: Grain, *, where: str | None = None) -> datetime:
    """Read a partition key strictly.

    Parameters
    ----------
    text
        ``2026-01-03T07`` (hour), ``2026-01-03`` (day) or ``2026-01`` (month): exactly the form of the grain.
    grain
        The stream's grain.
    where
        Named in the error: a key of ``params.yaml``, an option.

    Returns
    -------
    datetime
        The partition's first instant, in UTC.

    Raises
    ------
    UsageError
        When the text is anything else: a path, another grain, a day the calendar lacks.
    """
    moment = read_dt(text)
    if moment is None or format_dt(moment, grain) != text:
        raise UsageError(
            f"{text!r} is not a partition of grain {grain}",
            where=where,
            fix=f"write it like {_EXAMPLES[grain]} (UTC)",
        )
    return moment


def delivery_dt(text: str, grain: Grain) -> str:
    """Give the partition, of a stream's grain, that holds a delivery named by hour, day or month.

    Raises
    ------
    UsageError
        When the text is no date of any grain.
    """
    moment = read_dt(text)
    if moment is None:
        raise UsageError(f"{text!r} is not a date of delivery", fix=f"name the delivery like {_EXAMPLES['day']} (UTC)")
    return format_dt(moment, grain)


def delivery_end(text: str) -> datetime:
    """Give the instant at which a delivery's hour, day or month ends, in UTC.

    Raises
    ------
    UsageError
        When the text is no date of any grain.
    """
    start = read_dt(text)
    if start is None:
        raise UsageError(f"{text!r} is not a date of delivery", fix=f"name the delivery like {_EXAMPLES['day']} (UTC)")
    try:
        if "T" in text:
            return start + timedelta(hours=1)
        if text.count("-") == 2:
            return start + timedelta(days=1)
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    except (OverflowError, ValueError):  # the end of the year 9999
        return datetime.max.replace(tzinfo=UTC)


def partition_of(ts: pa.Array, grain: Grain) -> pa.Array:
    """Cut event times to partition keys.

    Parameters
    ----------
    ts
        timestamp('us', tz='UTC') [n], years 1 to 9999; null where there is no time.

    Returns
    -------
    pa.Array
        string [n], null where the time is null.
    """
    if len(ts) == ts.null_count:
        return pa.nulls(len(ts), pa.string())
    unit = _HOUR if grain == "hour" else _DAY
    micros = ts.cast(pa.int64()).fill_null(0).to_numpy()
    starts, indices = np.unique(micros // unit, return_inverse=True)
    names = [format_dt(EPOCH + timedelta(microseconds=int(start) * unit), grain) for start in starts]
    chosen = pa.array(indices.reshape(-1), pa.int64(), mask=np.asarray(ts.is_null()))
    return pa.array(names, pa.string()).take(chosen)
