"""Panes: what rows of a day see of the same day. One rule, for batch and live.

A row sees the rows of its key on earlier days, and those of its own day whose pane was over when its own began; none of
its own pane. Panes are stretches of a day in UTC, so which rows these are depends on their times alone, and not on the
order in which they came, nor on how they lie in files and partitions.

A table by pane is a table by key whose keys have the pane in them (`beambell.labeling.stateful.keys_at`): it is made,
merged and published like any other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.history.aggregates import aggregate_rows, counted, merge, merge_by, recut
from beambell.labeling.aggregates import Aggregate
from beambell.labeling.stateful import StatefulFunction, keys_at, keys_of, ordered

_KEY: Final = -17
_DAY: Final = -6
"""Where a key in a pane's key ends, and where the day does."""

_AT: Final = "_at"

Positions = np.ndarray[Any, np.dtype[np.int64]]


def with_panes(
    lf: StatefulFunction, rows: pa.Table, stream: str, days: pa.Table | Iterable[pa.Table], panes: pa.Table
) -> pa.Table:
    """Return rows with what a labeling function with panes sees of their keys, as `StatefulFunction.with_history`.

    Parameters
    ----------
    lf
        Labeling function, which has panes.
    rows
        Rows of one stream, with the columns of the key, and their times.
    stream
        Name of the stream.
    days
        States by key as of the day of the rows, in one table or in several.
    panes
        States by key and pane of the rows that are counted, of that day: `aggregate_rows` with ``lf.pane``, merged.

    Raises
    ------
    ValueError
        If it has no panes.
    """
    if lf.pane is None:
        raise ValueError(f"{lf.name} has no panes")
    keys = keys_of(lf.key, rows, stream)
    asked = keys_at(keys, rows["ts"], lf.pane).unique().drop_null()
    tables = [days] if isinstance(days, pa.Table) else days
    earlier = pa.concat_tables([table.filter(pc.is_in(table["key"], value_set=keys.unique())) for table in tables])
    seen = states_seen(lf.aggregate, asked.take(pc.sort_indices(asked)), panes, earlier)
    return lf.with_history(rows, seen, stream, lf.pane)


class OpenPanes:
    """The rows of a day that is not over, by key and pane as they come in, for one labeling function with panes.

    Parameters
    ----------
    lf
        Labeling function, which has panes.
    """

    def __init__(self, lf: StatefulFunction) -> None:
        self._lf = lf
        self._tables: dict[str, list[tuple[pa.Array, pa.Table]]] = {}

    def add(self, rows: pa.Table, stream: str, source: str = "") -> None:
        """Count rows of a stream that is counted, each once: with all columns of ``lf.spec.fields``, and times.

        Parameters
        ----------
        rows
            Rows of the stream.
        stream
            Name of the stream.
        source
            Name of where they come from, for `forget`.
        """
        tables = self._tables.setdefault(source, [])
        tables.append(self._keyed(aggregate_rows(self._lf.spec, rows, stream, pane=self._lf.pane)))
        # A table is merged with the one before it once it is half as long: few are kept, and few rows merged twice.
        while len(tables) > 1 and 2 * len(tables[-1][1]) >= len(tables[-2][1]):
            (_, last), (_, before) = tables.pop(), tables.pop()
            tables.append(self._keyed(merge(self._lf.aggregate, [before, last], days=False)))

    def forget(self, source: str) -> None:
        """Take the rows of a source away: they will come again."""
        self._tables.pop(source, None)

    @staticmethod
    def _keyed(table: pa.Table) -> tuple[pa.Array, pa.Table]:
        return pc.utf8_slice_codeunits(_one(table["key"]), 0, _KEY), table

    def with_history(self, rows: pa.Table, stream: str, days: pa.Table | Iterable[pa.Table]) -> pa.Table:
        """Return rows with what the labeling function sees of their keys by now: as of `with_panes`."""
        mine = ordered(keys_of(self._lf.key, rows, stream).unique().drop_null())
        known = [one for tables in self._tables.values() for one in tables]
        few = [table.filter(pc.is_in(keys, value_set=mine)) for keys, table in known]
        panes = merge(self._lf.aggregate, [self._lf.aggregate.schema.empty_table(), *few], days=False)
        return with_panes(self._lf, rows, stream, days, panes)


def states_seen(aggregate: Aggregate, asked: pa.Array, panes: pa.Table, days: pa.Table) -> pa.Table:
    """Return what is seen from each of some panes: the days before, and the panes of its day that are over.

    Parameters
    ----------
    aggregate
        Aggregate of the tables.
    asked
        Keys with panes, sorted, each once.
    panes
        States by key and pane, sorted, each once.
    days
        States by key of the days before, each key once.

    Returns
    -------
    pyarrow.Table
        States by key and pane, of those that have seen any row, sorted.
    """
    panes, days = counted(panes).combine_chunks(), counted(days).combine_chunks()
    parts = []
    closed = _last_before(asked, _one(panes["key"]))
    if (at := np.flatnonzero(closed >= 0)).size:
        parts.append(_placed(_added_up(aggregate, panes).take(closed[at]), at))
    earlier = pc.index_in(pc.utf8_slice_codeunits(asked, 0, _KEY), value_set=ordered(_one(days["key"])))
    if (at := np.flatnonzero(earlier.is_valid())).size:
        parts.append(_placed(days.take(earlier.drop_null()), at))
    if not parts:
        return aggregate.schema.empty_table()
    merged = merge_by(_AT, aggregate, pa.concat_tables(parts), days=True).sort_by(_AT)
    return merged.set_column(0, aggregate.schema.field("key"), asked.take(_one(merged[_AT])))


def _added_up(aggregate: Aggregate, panes: pa.Table) -> pa.Table:
    """Add to each pane of a key those before it on its day: after k rounds, the last ``2 ** k`` are in it."""
    days = _runs(pc.utf8_slice_codeunits(_one(panes["key"]), 0, _DAY))
    depth = np.arange(len(days)) - np.searchsorted(days, days)
    states, reach = panes, 1
    while (at := np.flatnonzero(depth >= reach)).size:
        parts = [_placed(states.take(at), at), _placed(states.take(at - reach), at)]
        merged = merge_by(_AT, aggregate, pa.concat_tables(parts), days=False)
        merged = merged.set_column(0, aggregate.schema.field("key"), panes["key"].take(at))
        source = np.arange(len(states))
        source[at] = len(states) + np.arange(at.size)
        states = pa.concat_tables([states, merged]).take(source).combine_chunks()
        reach *= 2
    return states


def _last_before(asked: pa.Array, panes: pa.Array) -> Positions:
    """Return where the last pane of the same key and day is that is before an asked one; -1 for none: int64 [n]."""
    if not len(asked) or not len(panes):
        return np.full(len(asked), -1)
    day, other = (pc.utf8_slice_codeunits(keys, 0, _DAY) for keys in (panes, asked))
    days, number = _runs(day), day.unique()
    same = pc.index_in(other, value_set=number)
    times = pa.concat_arrays([pc.utf8_slice_codeunits(keys, _DAY) for keys in (panes, asked)])
    distinct = times.unique()
    rank = pc.index_in(times, value_set=distinct.take(pc.sort_indices(distinct))).to_numpy()
    n_times = len(distinct)
    of_panes = days * n_times + rank[: len(panes)]
    of_asked = same.fill_null(0).to_numpy() * np.int64(n_times) + rank[len(panes) :]
    last = np.searchsorted(of_panes, of_asked) - 1
    known = same.is_valid().to_numpy(zero_copy_only=False) & (last >= 0)
    return np.where(known & (days[last] == same.fill_null(-1).to_numpy()), last, -1)


def _runs(values: pa.Array) -> Positions:
    """Number the runs of equal values: int64 [n], from 0."""
    if not len(values):
        return np.empty(0, np.int64)
    changes = pc.not_equal(values.slice(1), values.slice(0, len(values) - 1)).to_numpy(zero_copy_only=False)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(changes, dtype=np.int64)])


def _placed(states: pa.Table, at: Positions) -> pa.Table:
    return states.set_column(states.column_names.index("key"), _AT, pa.array(at, pa.int64()))


def _one(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)


def seen_sorted(
    aggregate: Aggregate, asked: Iterable[pa.Table], panes: Iterable[pa.Table], days: Iterable[pa.Table]
) -> Iterator[pa.Table]:
    """Do as `states_seen` does for tables that come sorted and in pieces, holding few of them at a time.

    Parameters
    ----------
    aggregate
        Aggregate of the tables.
    asked
        Table whose column ``key`` has keys with panes.
    panes, days
        States by key and pane, and by key.

    Yields
    ------
    pyarrow.Table
        The states in pieces that depend on the content alone.
    """
    keys, schema = pa.schema([aggregate.schema.field("key")]), aggregate.schema
    sides = [_Side(keys, asked, _KEY), _Side(schema, panes, _KEY), _Side(schema, days, None)]
    yield from recut(_seen_steps(aggregate, sides), schema)


def _seen_steps(aggregate: Aggregate, sides: Sequence[_Side]) -> Iterator[pa.Table]:
    while any(len(side.head) for side in sides):
        # Of the last key at hand there may be more to come.
        limit = min((side.last_key for side in sides if side.rest is not None), default=None)
        asked, panes, days = [side.take_before(limit) for side in sides]
        if len(asked):
            yield states_seen(aggregate, _one(asked["key"]), panes, days)
        for side in sides:
            side.go_on(limit)


class _Side:
    """A sorted table in pieces: the one at hand, and the next.

    Parameters
    ----------
    schema
        Schema of the table.
    pieces
        Pieces of the table, sorted by key.
    end
        Position where a key ends if there is a pane in it.
    """

    def __init__(self, schema: pa.Schema, pieces: Iterable[pa.Table], end: int | None) -> None:
        self._end = end
        self._pieces = (piece.select(schema.names).combine_chunks() for piece in pieces if len(piece))
        self.head = next(self._pieces, schema.empty_table())
        self.rest = next(self._pieces, None)
        self._keys = self._bare()

    @property
    def last_key(self) -> str:
        """The last key at hand, as `ordered` has it."""
        key: str = self._keys[-1].as_py()
        return key

    def take_before(self, limit: str | None) -> pa.Table:
        """Take what is at hand of the keys before a limit; all without one."""
        cut = (
            len(self.head)
            if limit is None
            else bisect_left(range(len(self._keys)), limit, key=lambda at: self._keys[at].as_py())
        )
        taken, self.head, self._keys = self.head.slice(0, cut), self.head.slice(cut), self._keys.slice(cut)
        return taken

    def go_on(self, limit: str | None) -> None:
        """Have the next piece at hand, too, where all that is left is of the limit."""
        if self.rest is not None and (not len(self.head) or self.last_key == limit):
            self.head = pa.concat_tables([self.head, self.rest]).combine_chunks()
            self.rest = next(self._pieces, None)
            self._keys = self._bare()

    def _bare(self) -> pa.Array:
        keys = _one(self.head["key"])
        return ordered(keys) if self._end is None else pc.utf8_slice_codeunits(keys, 0, self._end)
