"""Aggregates: what a stateful labeling function may know about a key's earlier rows, as a few numbers that add up.

The state of a key is its number of rows, ``n``, and the columns that an aggregate declares, each with a way to merge.
Merging is associative and commutative and works on columns, so the rows of a partition, the partitions of a day and
the days of a window become one table by the same grouped sums and maxima. Numbers are whole or decimal, never
floating point, where they are summed: a sum that depended on its order would be no artefact.

What people said of a key's rows is one more column of these rows, `ANSWER`, for aggregates that ask for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import NO_CLASS as NO_CLASS  # noqa: PLC0414 - authors of aggregates look here

Merge = Literal["sum", "min", "max"]

ANSWER: Final = "_answer"
"""A column that an aggregate may name among its fields: what people said of a row.

int8: the number of a class, `NO_CLASS`, or null where nobody decided, or where the answer is kept for measuring.
"""

LARGEST: Final = 1e25
"""Numbers beyond this are left out of a total, as are NaN and infinities."""


@dataclass(frozen=True)
class Column:
    """A number that an aggregate keeps for every key.

    Attributes
    ----------
    type
        ``int64`` or ``decimal128``; for minima and maxima also ``float64``.
    merge
        Function that makes one value of those of two days.
    within
        Function that makes one value of those of two rows, or of two partitions that close on one day; ``merge`` by
        default.

    Raises
    ------
    ValueError
        If a merge is none of ``sum``, ``min`` and ``max``, or values of the type have no exact sum.
    """

    type: pa.DataType
    merge: Merge = "sum"
    within: Merge | None = None

    def __post_init__(self) -> None:
        for merge in (self.merge, self.within or self.merge):
            if merge not in ("sum", "min", "max"):
                raise ValueError(f"a column merges by sum, min or max, not by {merge!r}")
        exact = pa.types.is_int64(self.type) or pa.types.is_decimal128(self.type)
        if not exact and (not pa.types.is_float64(self.type) or "sum" in (self.merge, self.within)):
            raise ValueError(f"{self.type} cannot be summed in any order: use int64, or decimal128(38, 6)")

    def merging(self, *, days: bool) -> Merge:
        """How values merge, of several days or within one."""
        return self.merge if days else self.within or self.merge


class Aggregate:
    """Base of all aggregates, and of your own.

    Attributes
    ----------
    fields
        Columns of a row that it looks at; `ANSWER` may be one.
    columns
        Columns that are kept for each key beside the number of rows, by name.

    Examples
    --------
    >>> class MeanLikes(Aggregate):
    ...     fields = ("likes",)
    ...     columns = {"likes": Column(pa.int64())}
    ...     def of(self, rows):
    ...         return {"likes": rows["likes"]}
    ...     def value(self, n, likes):
    ...         return likes / n if n else None
    >>> MeanLikes().zero is None
    True
    """

    fields: tuple[str, ...] = ()
    columns: ClassVar[Mapping[str, Column]] = {}

    def of(self, rows: pa.Table) -> Mapping[str, Any]:
        """Return what each of n rows contributes to each column; a null contributes nothing.

        Parameters
        ----------
        rows
            Table of n rows, with the columns of ``fields``, and ``ts``.
        """
        del rows
        return {}

    def value(self, n: int, **columns: Any) -> Any:
        """Return what the vote gets to see of one key: here, the number of rows.

        Parameters
        ----------
        n
            Rows, 0 if there were none.
        **columns
            The key's number in each column: 0 or ``None`` if there is none, an ``int``, or a ``float`` of a decimal.
        """
        del columns
        return n

    def values(self, states: pa.Table) -> Sequence[Any]:
        """Return the values of many keys: a loop over `value`, unless there is something faster."""
        names = ["n", *self.columns]
        columns = [_plain_numbers(states[name]) for name in names]
        return [self.value(**dict(zip(names, state, strict=True))) for state in zip(*columns, strict=True)]

    @property
    def zero(self) -> Any:
        """The value of a key that has no history."""
        return self.value(0, **{name: 0 if column.merge == "sum" else None for name, column in self.columns.items()})

    @property
    def schema(self) -> pa.Schema:
        """Of a table of states by key."""
        return pa.schema([("key", pa.string()), ("n", pa.int64()), *((n, c.type) for n, c in self.columns.items())])


@dataclass(frozen=True)
class Count(Aggregate):
    """Number of rows. See `count`."""

    def values(self, states: pa.Table) -> Sequence[Any]:
        """Return the numbers of rows."""
        return _plain_numbers(states["n"])


@dataclass(frozen=True)
class DistinctDays(Aggregate):
    """Number of days. See `distinct_days`."""

    columns: ClassVar[Mapping[str, Column]] = {"days": Column(pa.int64(), "sum", "max")}

    def of(self, rows: pa.Table) -> Mapping[str, Any]:
        """Every row stands for its day."""
        return {"days": pa.repeat(pa.scalar(1, pa.int64()), rows.num_rows)}

    def value(self, n: int, **columns: Any) -> int:
        """Return the number of days."""
        del n
        days: int = columns["days"]
        return days


@dataclass(frozen=True)
class Total(Aggregate):
    """Sum of a field. See `total`."""

    field: str

    columns: ClassVar[Mapping[str, Column]] = {"total": Column(pa.decimal128(38, 6))}

    @property
    def fields(self) -> tuple[str, ...]:  # type: ignore[override]
        """The field."""
        return (self.field,)

    def of(self, rows: pa.Table) -> Mapping[str, Any]:
        """Return the field, to six decimals."""
        numbers = rows[self.field].cast(pa.float64())
        usable = pc.less(pc.abs(numbers), LARGEST)  # neither is NaN
        return {"total": pc.if_else(usable, numbers, None).cast(pa.decimal128(38, 6))}

    def value(self, n: int, **columns: Any) -> float:
        """Return the sum."""
        del n
        return float(columns["total"])


@dataclass(frozen=True)
class LastSeen(Aggregate):
    """Time of the last row. See `last_seen`."""

    columns: ClassVar[Mapping[str, Column]] = {"last": Column(pa.int64(), "max")}

    def of(self, rows: pa.Table) -> Mapping[str, Any]:
        """Return the time in microseconds since 1970."""
        return {"last": rows["ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())}

    def value(self, n: int, **columns: Any) -> dt.datetime | None:
        """Return the time as an aware ``datetime``, ``None`` if there is none."""
        del n
        last = columns["last"]
        return None if last is None else dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=last)


@dataclass(frozen=True)
class FeedbackRate(Aggregate):
    """Share of people's answers that say one class. See `feedback_rate`.

    Raises
    ------
    ValueError
        If an option is not a whole number, or too small.
    """

    label: int
    min_reviewed: int = 1

    fields = (ANSWER,)
    columns: ClassVar[Mapping[str, Column]] = {"reviewed": Column(pa.int64()), "said": Column(pa.int64())}

    def __post_init__(self) -> None:
        for name, least in (("label", 0), ("min_reviewed", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} of feedback_rate must be a whole number from {least} on, not {value!r}")

    def of(self, rows: pa.Table) -> Mapping[str, Any]:
        """Count a row that was answered, and one whose answer is the class."""
        answers = rows[ANSWER]
        return {"reviewed": answers.is_valid().cast(pa.int64()), "said": pc.equal(answers, self.label).cast(pa.int64())}

    def value(self, n: int, **columns: Any) -> float | None:
        """Return the share, or ``None`` while too few rows were answered."""
        del n
        reviewed, said = columns["reviewed"], columns["said"]
        return None if reviewed < self.min_reviewed else said / reviewed


def count() -> Count:
    """Count the key's earlier rows: an ``int``."""
    return Count()


def distinct_days() -> DistinctDays:
    """Count the days with earlier rows of the key, in any stream: an ``int``.

    A day is a UTC day of closed partitions; one partition of a month counts as its last day.
    """
    return DistinctDays()


def total(field: str) -> Total:
    """Sum a numeric field over the key's earlier rows, each value rounded to six decimals: a ``float``.

    Values that are null, NaN or beyond 1e25 count as nothing. The sum is exact, in whatever order the rows came.
    """
    return Total(field)


def last_seen() -> LastSeen:
    """Tell when the key's latest earlier row was written: an aware ``datetime``, or ``None``."""
    return LastSeen()


def feedback_rate(label: int, *, min_reviewed: int = 1) -> FeedbackRate:
    """Tell of which share of the key's earlier rows people say that they are of a class: a ``float``, or ``None``.

    A row counts as reviewed if people agree that it is of some class, or of none; its answer is the one that the stage
    `feedback` publishes. Answers that are kept for measuring (``feedback.evaluate``) never count.

    Parameters
    ----------
    label
        Number of the class.
    min_reviewed
        Smallest number of reviewed rows; with fewer the value is ``None``.
    """
    return FeedbackRate(label, min_reviewed)


def _plain_numbers(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_decimal(column.type):
        return [None if number is None else float(number) for number in column.to_pylist()]
    numbers: list[Any] = column.to_pylist()
    return numbers
