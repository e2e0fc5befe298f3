"""Which partitions there are, the calendar says; when they are labelled, a cron expression of ``params.yaml``.

Airflow's `CronPartitionTimetable` takes the times at which its cron expression fires for its partitions. So it gets the
calendar's, such as midnight of each day, in a time zone that is behind UTC by as much as runs are to come after
midnight. It then fires when the project says, and its keys, those of a backfill among them, are the days.

An expression that leaves days out (``0 2 * * 1-5``) leaves none unlabelled: the run of a day after which it does not
fire ends at once, and the next one takes that day, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from airflow.sdk import CronPartitionTimetable
from croniter import croniter
from pendulum import timezone

KEY_FORMATS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}
"""Partition keys per grain, as `beambell` writes the date of a partition."""

SCHEDULED = "scheduled"
"""What Airflow calls a run that the timetable made."""

_CALENDAR = {"hour": "0 * * * *", "day": "0 0 * * *", "month": "0 0 1 * *"}
_FREE = {"hour": 1, "day": 2, "month": 2}
"""How many fields of an expression say when, within a grain; the others say for which partitions."""

_ANY = ["*"]
_FIRST = datetime(2020, 1, 1)  # noqa: DTZ001 - all times here are UTC
_SOME_YEARS = 48  # months


@dataclass(frozen=True)
class Cadence:
    """When the partitions of a grain are labelled.

    Attributes
    ----------
    grain
        ``hour``, ``day`` or ``month``.
    cron
        An expression, in UTC, that fires at most once in each partition's length.

    Raises
    ------
    ValueError
        If the expression cannot be read, or fires more often than that.
    """

    grain: str
    cron: str

    def __post_init__(self) -> None:
        when = self._fields[: _FREE[self.grain]]
        once = all(len(field) == 1 and field != _ANY for field in when)
        if not once or (self.grain == "month" and not self._is_monthly()):
            raise ValueError(
                f"{self.cron!r} fires more than once per {self.grain}, but each {self.grain} is labelled once, after "
                f"its end: name one time, such as {_ONE[self.grain]!r}, or let the streams have a shorter grain"
            )

    @property
    def every(self) -> bool:
        """Whether each partition has a run of its own, with nothing to wait for."""
        return self._fields[_FREE[self.grain] :] == read_cron(_CALENDAR[self.grain])[_FREE[self.grain] :]

    @property
    def timetable(self) -> CronPartitionTimetable:
        """Run for each partition of the calendar, after its end, at the minute and hour that the expression names."""
        behind = -int(self._delay.total_seconds())
        return CronPartitionTimetable(
            _CALENDAR[self.grain],
            timezone=timezone(behind) if behind else "UTC",
            run_offset=-1,
            key_format=KEY_FORMATS[self.grain],
        )

    def due(self, key: str) -> datetime:
        """When the scheduled run of a key may begin: when the expression fires next after its end, in UTC."""
        fires = self._fires(self._start(key)) - timedelta(seconds=1)  # or at that moment
        due: datetime = croniter(self.cron, fires).get_next(datetime)
        return due

    def begins(self, run: Any) -> str:
        """When a run may begin, ISO 8601: at once, unless the schedule made it before it is due."""
        when = self.due(run.partition_key) if run.run_type == SCHEDULED else _FIRST
        return when.replace(tzinfo=UTC).isoformat()

    def first(self, key: str) -> str | None:
        """First partition that the scheduled run of a key takes; the last is that of the key.

        Returns
        -------
        str or None
            ``None`` if it takes none, because the run of a later partition is due no later.
        """
        start = self._start(key)
        due = self.due(key)
        if self._fires(self._after(start)) <= due:
            return None
        before = croniter(self.cron, due).get_prev(datetime)
        while self._fires(self._before(start)) > before and start > _FIRST:
            start = self._before(start)
        return start.strftime(KEY_FORMATS[self.grain])

    def taken(self, run: Any) -> list[str]:
        """Keys of the partitions that a run takes: none, if the schedule left its own to a later run.

        A run that the schedule did not make, of a backfill or of a person, takes its own.
        """
        if run.run_type != SCHEDULED:
            return [run.partition_key]
        first = self.first(run.partition_key)
        return [] if first is None else self.keys(first, run.partition_key)

    def keys(self, first: str, last: str) -> list[str]:
        """Keys from one to another, both included."""
        start, end, keys = self._start(first), self._start(last), []
        while start <= end:
            keys.append(start.strftime(KEY_FORMATS[self.grain]))
            start = self._after(start)
        return keys

    @property
    def _fields(self) -> list[list[int | str]]:
        return read_cron(self.cron)

    @property
    def _delay(self) -> timedelta:
        """How long after the end of a partition the timetable fires: less than a day."""
        minute, hour = self._fields[0][0], 0 if self.grain == "hour" else self._fields[1][0]
        return timedelta(hours=int(hour), minutes=int(minute))

    def _is_monthly(self) -> bool:
        fields = self._fields
        if fields[2] == _ANY and fields[4] == _ANY:
            return False
        fired = croniter(self.cron, _FIRST).all_next(datetime)
        months = [(time.year, time.month) for time, _ in zip(fired, range(_SOME_YEARS), strict=False)]
        return all(one != other for one, other in pairwise(months))

    def _fires(self, start: datetime) -> datetime:
        """When the timetable makes the run of the partition that starts then."""
        return self._after(start) + self._delay

    def _start(self, key: str) -> datetime:
        return datetime.strptime(key, KEY_FORMATS[self.grain])  # noqa: DTZ007

    def _after(self, start: datetime) -> datetime:
        if self.grain == "month":
            return (start.replace(day=28) + timedelta(days=4)).replace(day=1)
        return start + timedelta(**{f"{self.grain}s": 1})

    def _before(self, start: datetime) -> datetime:
        if self.grain == "month":
            return (start - timedelta(days=1)).replace(day=1)
        return start - timedelta(**{f"{self.grain}s": 1})


_ONE = {"hour": "10 * * * *", "day": "0 2 * * *", "month": "0 3 1 * *"}


def read_cron(expression: str) -> list[list[int | str]]:
    """Read a cron expression: the values of its five fields, ``["*"]`` for any.

    Raises
    ------
    ValueError
        If it is none, or never fires.
    """
    try:
        fields: list[list[int | str]] = croniter(expression, _FIRST).expanded
        croniter(expression, _FIRST).get_next()
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"{expression!r} is not a cron expression that fires: {error}") from None
    if len(fields) != 5:
        raise ValueError(f"{expression!r} has {len(fields)} fields; minute, hour, day, month and weekday are five")
    return fields
