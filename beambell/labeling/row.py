"""How a labeling function sees the data: a read-only row, and the columns of a table as Python values."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from types import MemberDescriptorType
from typing import Any, ClassVar, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ROW_COLUMNS = ("id", "ts", "stream")
"""Columns every row offers, whatever fields a labeling function declares."""

PAST = "_past:"
"""Begins the names of columns that only stateful labeling functions see: no field can be called so."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_put = object.__setattr__


class Row(Mapping[str, Any]):
    """One record, read-only: ``row["text"]`` and ``row.text`` are the same value; a null is ``None``.

    A copy of a row (``copy.copy``, ``copy.deepcopy``, a pickle round trip) is a `MutableRow`: this is how
    snorkel's preprocessors add attributes to a row that nobody else sees.

    Parameters
    ----------
    values
        Field name to value.
    """

    # The values live in the instance's own dictionary, so that attribute access costs nothing extra.
    def __init__(self, values: Mapping[str, Any]) -> None:
        _put(self, "__dict__", dict(values))

    @classmethod
    def of(cls, record: Any) -> Row:
        """See any record as a row: a row, a mapping, a pandas Series, or an object with attributes."""
        if isinstance(record, Row):
            return record
        if isinstance(record, Mapping):
            return cls(record)
        return cls(record.to_dict() if hasattr(record, "to_dict") else vars(record))

    def __getitem__(self, name: str) -> Any:
        try:
            return self.__dict__[name]
        except KeyError:
            raise KeyError(_absent(self, name)) from None

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_absent(self, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __len__(self) -> int:
        return len(self.__dict__)

    def __hash__(self) -> int:
        # Nested values need not be hashable; their text is equal where they are, which is all a hash needs.
        return hash(tuple(sorted((name, repr(value)) for name, value in self.__dict__.items())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__dict__!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (MutableRow, (dict(self.__dict__),))

    def __setattr__(self, name: str, value: Any) -> None:
        _refuse(name, AttributeError)

    def __delattr__(self, name: str) -> None:
        _refuse(name, AttributeError)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse(name, TypeError)

    def __delitem__(self, name: str) -> None:
        _refuse(name, TypeError)


class MutableRow(Row):
    """A private copy of a row, which may be changed."""

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        self.__dict__.pop(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def __delitem__(self, name: str) -> None:
        self.__dict__.pop(name)


class _Record(Row):
    """A row of a table: its class has a slot for every column. In all else it is a `Row`.

    Slots are filled column by column, in a third of the time that a row with a dictionary of its own takes, and read
    without a step in Python.
    """

    __slots__ = ()
    __fields: ClassVar[Mapping[str, MemberDescriptorType]]  # private names, for the others belong to the columns

    def __new__(cls, values: Mapping[str, Any]) -> Row:  # type: ignore[misc]  # as when called by type(row)(...)
        return Row(values)

    @staticmethod
    @lru_cache(maxsize=256)
    def of_names(names: tuple[str, ...]) -> type[_Record]:
        """Return the class of the records with these fields."""
        slots = [f"slot_{place}" for place in range(len(names))]  # a column's name need not be one of a slot
        fields: dict[str, MemberDescriptorType] = {}
        body = {"__slots__": slots, "__module__": __name__, "_Record__fields": fields}
        cls = type(Row.__name__, (_Record,), body)
        fields |= {name: vars(cls)[slot] for name, slot in zip(names, slots, strict=True)}
        for slot in slots:
            delattr(cls, slot)
        for name, field in fields.items():
            if not _is_special(name):
                setattr(cls, name, property(field.__get__))  # which nothing sets, not even `object.__setattr__`
        return cls

    @classmethod
    def of_columns(cls, columns: Iterable[Iterable[Any]], n_rows: int) -> list[Row]:
        """Make rows of columns of values, without a step in Python between two rows."""
        rows: list[Row] = [*map(object.__new__, repeat(cls, n_rows))]
        for field, values in zip(cls.__fields.values(), columns, strict=True):
            deque(map(field.__set__, rows, values), maxlen=0)
        return rows

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """Field name to value: a copy, so ``vars(row)`` is no way to change the row."""
        return {name: field.__get__(self) for name, field in self.__fields.items()}

    def __getitem__(self, name: str) -> Any:
        try:
            return self.__fields[name].__get__(self)
        except KeyError:
            raise KeyError(_absent(self, name)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.__fields)

    def __len__(self) -> int:
        return len(self.__fields)


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _absent(row: Row, name: str) -> str:
    return f"the row has no field {name!r}; it has {', '.join(sorted(row.__dict__))}: declare it in fields=(...)"


def _refuse(name: str, kind: type[Exception]) -> NoReturn:
    raise kind(f"a row is read-only: {name!r} cannot be changed; use copy.copy(row) for a copy of your own")


class Columns:
    """The columns of one table as Python values, each converted at most once for all labeling functions.

    Parameters
    ----------
    table
        Rows of one partition, or of a part of it.
    stream
        The stream they belong to; ``None`` leaves a ``stream`` column as it is in the table.
    """

    def __init__(self, table: pa.Table, *, stream: str | None = None) -> None:
        self._table = table
        self._stream = stream
        self._values: dict[str, Sequence[Any]] = {}
        self._rows: dict[tuple[str, ...], Sequence[Row]] = {}
        self.n_rows: int = table.num_rows

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Arrow type of every column, by name."""
        types = {field.name: field.type for field in self._table.schema}
        return types if self._stream is None else {**types, "stream": pa.string()}

    def arrow(self, name: str) -> pa.ChunkedArray:
        """Return the column as Arrow holds it."""
        return self._table.column(name)

    def known(self, name: str) -> npt.NDArray[np.bool_]:
        """Return where the column has a value, neither null nor NaN: bool [n]."""
        column = self._table.column(name)
        missing: npt.NDArray[np.bool_] = column.is_null(nan_is_null=pa.types.is_floating(column.type)).to_numpy()
        return ~missing

    def values(self, name: str) -> Sequence[Any]:
        """Return the column as Python values, ``None`` for null."""
        if name == "stream" and self._stream is not None:
            return [self._stream] * self.n_rows
        if name in self._values:
            return self._values[name]
        column = self._table.column(name)
        values = _python_values(column)
        if not _may_change(column.type):
            self._values[name] = values
        return values

    def table(self, fields: Sequence[str]) -> pa.Table:
        """Return these columns as Arrow holds them, and id, time and stream where known."""
        types = self.types
        names = dict.fromkeys([*fields, *(name for name in ROW_COLUMNS if name in types)])
        columns = {name: self._column(name) for name in names}
        return pa.table(columns) if columns else self._table.select([])

    def _column(self, name: str) -> pa.Array | pa.ChunkedArray:
        if name == "stream" and self._stream is not None:
            return pa.repeat(self._stream, self.n_rows)
        return self._table.column(name)

    def rows(self, fields: Sequence[str] | None) -> Sequence[Row]:
        """Return the rows with these fields (``None`` for all), and id, time and stream where known.

        They are the same ones for all who ask, for they cannot be changed; fresh ones if a value in them can.
        """
        types = self.types
        everything = [name for name in types if not name.startswith(PAST)]
        wanted = everything if fields is None else [*fields, *(name for name in ROW_COLUMNS if name in types)]
        names = tuple(dict.fromkeys(wanted))
        if names in self._rows:
            return self._rows[names]
        rows = _Record.of_names(names).of_columns(map(self.values, names), self.n_rows)
        if not any(map(_may_change, (types[name] for name in names))):
            self._rows[names] = rows
        return rows


def _may_change(type_: pa.DataType) -> bool:
    """Whether a labeling function could change a value under the others, such as a list."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return pa.types.is_nested(type_) or isinstance(type_, pa.BaseExtensionType)


def _python_values(column: pa.ChunkedArray) -> list[Any]:
    if column.type == pa.timestamp("us", tz="UTC"):
        # Arrow looks up the time zone for every single value, fifty times slower than this.
        since = column.cast(pa.timestamp("us")).to_numpy() - np.datetime64(0, "us")
        return [None if passed is None else _EPOCH + passed for passed in since.tolist()]
    values: list[Any] = column.to_pylist()
    return values
