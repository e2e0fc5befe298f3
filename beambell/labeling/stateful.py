"""Stateful labeling functions: a vote from the row, and from what its key did on earlier days.

The history of a row ends with the last day before its partition begins. A partition of any stream counts as of the day
on which it closes: a day's on that day, an hour's on its day, a month's on its last day. So no vote depends on what was
not known when its partition began, and voting on partitions one by one or all at once is the same.

With panes, the row's own day counts up to the last pane that was over when the row's own began: see
`beambell.history.panes`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, Unpack, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.errors import LabelingFunctionError
from beambell.labeling.aggregates import ANSWER, Aggregate
from beambell.labeling.conditions import Condition
from beambell.labeling.core import MAX_CLASSES, About, LabelingFunction
from beambell.labeling.fingerprint import aggregate_digest
from beambell.labeling.python import Decorated, Function, decoration
from beambell.labeling.row import PAST, ROW_COLUMNS, Columns, Row

Pane = Literal["10min", "hour"]
"""A stretch of a day, in UTC: the first begins at midnight."""

_SEPARATOR: Final = "\x1f"
_ESCAPE: Final = "\x1b"
_MINUTES: Final[Mapping[Pane, int]] = {"10min": 10, "hour": 60}
_NO_TIME: Final = "0000-00-00T00:00"


@dataclass(frozen=True)
class TextHash:
    """A key made of a text. See `text_hash`."""

    field: str

    def of(self, texts: pa.ChunkedArray) -> pa.Array:
        """Return the 32 hexadecimal digits of each text, null for null."""
        distinct = texts.combine_chunks().dictionary_encode()
        hashes = [None if text is None else _hash(text) for text in distinct.dictionary.to_pylist()]
        return pa.array(hashes, pa.string()).take(distinct.indices)


KeyPart = str | TextHash


def text_hash(field: str = "text") -> TextHash:
    """Make a key of a text: texts that differ only in upper and lower case and in white space are the same.

    Parameters
    ----------
    field
        Column of the text.
    """
    return TextHash(field)


def _hash(text: str) -> str:
    normal = " ".join(text.casefold().split())
    return hashlib.blake2b(normal.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def keys_of(parts: Sequence[KeyPart], rows: pa.Table, stream: str) -> pa.Array:
    """Return the key of each row as a string: the value itself, or several values joined; null if any is null.

    Different values never give one key.

    Parameters
    ----------
    rows
        Rows of one stream, with the columns of the key.
    stream
        Name of the stream, which may be part of the key.
    """
    columns = [pa.repeat(stream, len(rows)) if part == "stream" else _key_column(part, rows) for part in parts]
    if len(columns) == 1:
        return columns[0]
    safe = [pc.replace_substring(column, _ESCAPE, _ESCAPE + "0") for column in columns]
    safe = [pc.replace_substring(column, _SEPARATOR, _ESCAPE + "1") for column in safe]
    return pc.binary_join_element_wise(*safe, _SEPARATOR)


def _key_column(part: KeyPart, rows: pa.Table) -> pa.Array:
    if isinstance(part, TextHash):
        return part.of(rows[part.field])
    column = rows[part].combine_chunks()
    return column if column.type == pa.string() else column.cast(pa.string())


def keys_at(keys: pa.Array, times: pa.ChunkedArray, pane: Pane) -> pa.Array:
    """Return the key of each row together with the pane of its time, as one string; null where the key is null.

    They sort by key first, in the order of the keys themselves, then by time. The last 16 characters are the beginning
    of the pane in UTC, ``2026-01-03T07:10``; a row without a time is in a pane before all others.

    Parameters
    ----------
    keys
        Keys of n rows, as of `keys_of`.
    times
        Times of the rows.
    pane
        Length of the panes.
    """
    begins = pc.floor_temporal(times.combine_chunks(), multiple=_MINUTES[pane], unit="minute").dictionary_encode()
    names = [moment.strftime("%Y-%m-%dT%H:%M").zfill(16) for moment in begins.dictionary.to_pylist()]
    panes = pa.array(names, pa.string()).take(begins.indices).fill_null(_NO_TIME)
    return pc.binary_join_element_wise(ordered(keys), panes, "\0")


def ordered(keys: pa.Array) -> pa.Array:
    """Spell keys without the character 0, so that what follows it never decides before they do; their order stays."""
    return pc.replace_substring(pc.replace_substring(keys, "\1", "\1\2"), "\0", "\1\1")


@dataclass(frozen=True, eq=False)
class AggregateSpec:
    """One aggregate to be kept, for whichever labeling functions vote by it.

    Attributes
    ----------
    id
        Digest of what the other fields mean, 16 hexadecimal digits: equal ones share their tables.
    key, aggregate, where, streams
        Definition of the aggregate, as given to `stateful_labeling_function`.
    """

    id: str
    key: tuple[KeyPart, ...]
    aggregate: Aggregate
    where: Condition | None
    streams: tuple[str, ...] | None

    @property
    def key_fields(self) -> tuple[str, ...]:
        """Columns that make the key."""
        return tuple(part if isinstance(part, str) else part.field for part in self.key)

    @property
    def fields(self) -> tuple[str, ...]:
        """All columns of a row that is counted, as the row itself has them."""
        leaves = () if self.where is None else self.where.leaves
        conditional = [name for leaf in leaves for name in leaf.fields or ()]
        own = [name for name in self.aggregate.fields if name != ANSWER]
        return tuple(dict.fromkeys([*self.key_fields, *own, *conditional]))

    @property
    def asks_people(self) -> bool:
        """Whether it depends on what people said of the rows that are counted."""
        return ANSWER in self.aggregate.fields

    def counts(self, stream: str, fields: Iterable[str]) -> bool:
        """Whether rows of a stream with these columns are counted."""
        if self.streams is not None:
            return stream in self.streams
        return set(self.fields) <= {*fields, *ROW_COLUMNS}

    def holds(self, columns: Columns, stream: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which rows are counted, as far as ``where`` is concerned: bool [n]."""
        if self.where is None:
            return np.ones(columns.n_rows, dtype=bool)
        limited = [*self.where.leaves, *([self.where] if isinstance(self.where, LabelingFunction) else [])]
        if not all(lf.votes_on(stream) for lf in limited):
            return np.zeros(columns.n_rows, dtype=bool)
        return self.where.truths(columns)[0]

    def describe(self) -> dict[str, Any]:
        """As plain JSON values, for people."""
        from beambell.labeling.conditions import tokens

        words = [] if self.where is None else [w if isinstance(w, str) else w.name for w in tokens(self.where)]
        return {
            "key": [part if isinstance(part, str) else f"text_hash({part.field!r})" for part in self.key],
            "aggregate": type(self.aggregate).__name__,
            "fields": list(self.aggregate.fields),
            "where": "".join(words) or None,
            "streams": None if self.streams is None else list(self.streams),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class StatefulFunction(Decorated):
    """A function of a row and of its key's past. See `stateful_labeling_function`."""

    kind = "stateful"

    key: tuple[KeyPart, ...]
    aggregate: Aggregate
    window_days: int | None = None
    where: Condition | None = None
    of_streams: tuple[str, ...] | None = None
    pane: Pane | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = tuple(self.key) if isinstance(self.key, list | tuple) else (self.key,)
        if not parts or not all(isinstance(part, str | TextHash) for part in parts):
            self.fail('key must be a field, several fields, or text_hash("text")')
        self._set("key", parts)
        if not isinstance(self.aggregate, Aggregate):
            self.fail(
                f"aggregate must be one of beambell.labeling.aggregates, or your own, not {self.aggregate!r:.100}"
            )
        days = self.window_days
        if days is not None and (not isinstance(days, int) or isinstance(days, bool) or days < 1):
            self.fail(f"window_days must be a whole number of days, not {days!r}")
        if self.pane is not None and self.pane not in get_args(Pane):
            self.fail(f"pane must be {' or '.join(map(repr, get_args(Pane)))}, not {self.pane!r:.100}")
        if self.where is not None and not isinstance(self.where, Condition):
            self.fail(f"where must be a declarative labeling function, or several combined, not {self.where!r:.100}")
        if self.of_streams is not None:
            self._set("of_streams", tuple(sorted(set(self.strings("of_streams", self.of_streams)))))

    @property
    def fields(self) -> tuple[str, ...]:
        """Columns that the function reads, and those of the key."""
        return tuple(dict.fromkeys([*self.reads, *(p if isinstance(p, str) else p.field for p in self.key)]))

    @cached_property
    def spec(self) -> AggregateSpec:
        """The aggregate that it votes by."""
        return AggregateSpec(aggregate_digest(self)[:16], self.key, self.aggregate, self.where, self.of_streams)

    def pane_in(self, dt: str) -> Pane | None:
        """Return the panes by which rows of a partition see their day; ``None`` for none, as in one of a month."""
        return self.pane if len(dt) > len("2026-01") else None

    @property
    def past_column(self) -> str:
        """Column in which a table may bring the history of its rows: see `with_history`."""
        return f"{PAST}{self.name}"

    def with_history(
        self, rows: pa.Table, past: pa.Table | Iterable[pa.Table], stream: str, pane: Pane | None = None
    ) -> pa.Table:
        """Return rows with one more column: the state of each row's key.

        Parameters
        ----------
        rows
            Rows of one stream, with the columns of the key; with their times, if there are panes.
        past
            States by key, in one table or in several; a key that is not there has no history.
        pane
            Length of panes, if the states are by key and pane, as of `keys_at`.
        """
        keys = keys_of(self.key, rows, stream)
        if pane is not None:
            keys = keys_at(keys, rows["ts"], pane)
        distinct = keys.unique()
        pieces = [past] if isinstance(past, pa.Table) else past
        needed = [piece.filter(pc.is_in(piece["key"], value_set=distinct)) for piece in pieces]
        return rows.append_column(self.past_column, _states_of(keys, pa.concat_tables(needed)))

    @cached_property
    def call(self) -> Callable[[Any], Any]:
        """The function, of a pair of row and past, with its resources loaded."""
        function, given = self.function, self._loaded
        return lambda pair: function(pair[0], pair[1], **given)

    def vote(self, row: Any, past: Any = None) -> int:
        """Vote on one row, given the value of its key's past; that of a key without one by default."""
        row = Row.of(row)
        if self.streams is not None and row["stream"] not in self.streams:
            return -1
        return self._checked(self.call((row, self.aggregate.zero if past is None else past)), MAX_CLASSES)

    def __call__(self, row: Any, past: Any = None) -> int:
        """Vote on one row."""
        return self.vote(row, past)

    def _inputs(self, columns: Columns) -> Sequence[Any]:
        return list(zip(columns.rows(self.fields), self._pasts(columns), strict=True))

    def _pasts(self, columns: Columns) -> list[Any]:
        """Return the value of each row's past, n of them; rows alone, without the column, have none."""
        zero = self.aggregate.zero
        if self.past_column not in columns.types:
            return [zero] * columns.n_rows
        histories: list[Any] = []
        for chunk in columns.arrow(self.past_column).chunks:
            states = pa.Table.from_batches([pa.RecordBatch.from_struct_array(chunk.dictionary)])
            values = [*self.aggregate.values(states), zero]
            histories += [values[i] for i in chunk.indices.fill_null(len(values) - 1).to_pylist()]
        return histories


def _states_of(keys: pa.Array, past: pa.Table) -> pa.DictionaryArray:
    """Return the state of each key, null if it has none: a dictionary array of structs [n]."""
    table = past.combine_chunks()
    names = [name for name in table.column_names if name != "key"]
    arrays = [_one_array(table[name]) for name in names]
    indices = pc.index_in(keys, value_set=_one_array(table["key"]), skip_nulls=True)
    return pa.DictionaryArray.from_arrays(indices, pa.StructArray.from_arrays(arrays, names))


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)


def stateful_labeling_function(
    name: str | None = None,
    *,
    key: KeyPart | Sequence[KeyPart],
    aggregate: Aggregate,
    window_days: int | None = None,
    where: Condition | None = None,
    of_streams: Sequence[str] | None = None,
    pane: Pane | None = None,
    fields: Sequence[str] = ("text",),
    label: int | None = None,
    resources: Mapping[str, Any] | None = None,
    **more: Unpack[About],
) -> Callable[[Function], StatefulFunction]:
    """Make a labeling function of any function of a row and of the history of the row's key.

    Parameters
    ----------
    name
        Name of the labeling function; by default the function's own.
    key
        A column, several, or `text_hash` of one. A row whose key is null is not counted and has no history.
    aggregate
        Aggregate of earlier rows with the same key: see `beambell.labeling.aggregates`.
    window_days
        Number of days before the row's partition begins that are looked at; all by default.
    where
        Declarative labeling function, or combination, that must hold on the rows that are looked at.
    of_streams
        Streams whose rows are looked at; by default all that have the columns.
    pane
        Length of the panes of a day, ``"10min"`` or ``"hour"``: rows of the row's own day are looked at, too, of panes
        that are over when the row's own begins. By default only earlier days are.
    fields, label, resources
        Columns, class and resources, as of `beambell.labeling.labeling_function`.

    Raises
    ------
    LabelingFunctionError
        If it decorates a function without being called, so that no key and no aggregate are given.

    Examples
    --------
    >>> from beambell.labeling.aggregates import count
    >>> @stateful_labeling_function(key="author", aggregate=count(), window_days=30, label=1)
    ... def busy(row, past):
    ...     return past >= 5
    >>> busy.vote({"author": "ann", "text": "hello"}, past=7)
    1
    """
    options: Any = {"aggregate": aggregate, "window_days": window_days, "where": where, "of_streams": of_streams}
    options["pane"] = pane

    def decorate(function: Function) -> StatefulFunction:
        return StatefulFunction(key=key, **options, **decoration(function, name, fields, label, resources, more))  # type: ignore[arg-type]

    if callable(name):
        raise LabelingFunctionError(
            "needs a key and an aggregate",
            where=f"labeling function {getattr(name, '__name__', '?')!r}",
            fix='write @stateful_labeling_function(key="author", aggregate=count())',
        )
    return decorate


def specs_of(lfs: Iterable[LabelingFunction]) -> dict[str, AggregateSpec]:
    """Return the distinct aggregates that labeling functions vote by, by id."""
    specs = {lf.spec.id: lf.spec for lf in lfs if isinstance(lf, StatefulFunction)}
    return dict(sorted(specs.items()))
