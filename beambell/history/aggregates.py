"""Keyed aggregates: tables of states by key, which add up.

A table has one row per key, sorted by key; ``n`` is the number of rows that were counted, and 0 for a key that merely
occurs. Tables merge by key, in any order and any grouping, to the same table: that is all the roll-up and the jobs
need.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from beambell.errors import ArtefactError, LabelingFunctionError
from beambell.labeling.aggregates import Aggregate
from beambell.labeling.row import Columns
from beambell.labeling.stateful import AggregateSpec, Pane, keys_at, keys_of

BATCH_ROWS: Final = 65_536


def aggregate_rows(
    spec: AggregateSpec, rows: pa.Table, stream: str, *, counted: bool = True, pane: Pane | None = None
) -> pa.Table:
    """Aggregate rows of one stream by key; a key none of whose rows is counted has ``n`` = 0.

    Parameters
    ----------
    rows
        Rows with the columns of ``spec.fields``, and ``ts``; the columns of the key are enough if ``counted`` is false.
    counted
        Whether rows of this stream are counted at all.
    pane
        Length of panes, to aggregate by key and pane as of `keys_at`; rows without a time are not counted then.
    """
    if counted:
        holds = pa.array(spec.holds(Columns(rows, stream=stream), stream))
        given = _contributions(spec.aggregate, rows)
    else:
        holds, given = pa.repeat(False, len(rows)), {}
    keys = keys_of(spec.key, rows, stream)
    if pane is not None:
        keys, holds = keys_at(keys, rows["ts"], pane), pc.and_(holds, rows["ts"].combine_chunks().is_valid())
    states: dict[str, pa.Array] = {"key": keys, "n": holds.cast(pa.int64())}
    for name, column in spec.aggregate.columns.items():
        nothing = pa.nulls(len(rows), column.type)
        states[name] = pc.if_else(holds, given[name].cast(column.type), nothing) if given else nothing
    table = pa.table(states, schema=spec.aggregate.schema)
    return merge(spec.aggregate, [table.filter(table["key"].is_valid())], days=False)


def _contributions(aggregate: Aggregate, rows: pa.Table) -> dict[str, pa.Array]:
    """Ask an aggregate what each row contributes, and check that it said so for each row."""
    where = f"aggregate {type(aggregate).__name__}"
    try:
        given = {name: _array(values) for name, values in aggregate.of(rows).items()}
    except Exception as error:
        raise LabelingFunctionError(f"`of` failed: {type(error).__name__}: {error}", where=where) from error
    for name, column in aggregate.columns.items():
        if name not in given or len(given[name]) != len(rows):
            raise LabelingFunctionError(
                f"`of` must give {name!r} one {column.type} for each of the {len(rows)} rows", where=where
            )
    return given


def _array(values: object) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    return values if isinstance(values, pa.Array) else pa.array(values)


def merge(aggregate: Aggregate, tables: Sequence[pa.Table], *, days: bool) -> pa.Table:
    """Merge tables of states, sorted or not, into one that is sorted by key.

    Parameters
    ----------
    days
        Whether the tables are of different days, rather than parts of one.
    """
    return merge_by("key", aggregate, pa.concat_tables(tables), days=days).sort_by("key").combine_chunks()


def merge_by(by: str, aggregate: Aggregate, states: pa.Table, *, days: bool) -> pa.Table:
    """Merge the states that a column says belong together.

    Parameters
    ----------
    by
        Name of the column.
    days
        Whether the states are of different days, rather than parts of one.

    Returns
    -------
    pyarrow.Table
        The column, in the order in which its values come first, and their states.
    """
    merges = {"n": "sum", **{name: column.merging(days=days) for name, column in aggregate.columns.items()}}
    grouped = states.group_by(by, use_threads=False).aggregate(list(merges.items()))
    columns = [grouped[by], *(grouped[f"{name}_{how}"] for name, how in merges.items())]
    merged = pa.table(columns, names=[by, *merges])
    for position, name in enumerate(merged.column_names):
        # A sum of nothing is 0; a minimum or maximum of nothing stays null.
        if name != by and (name == "n" or aggregate.columns[name].merge == "sum"):
            zero = pa.scalar(0).cast(merged[name].type)
            merged = merged.set_column(position, name, merged[name].fill_null(zero))
    return merged.cast(pa.schema([states.schema.field(by), *list(aggregate.schema)[1:]]))


def merge_sorted(aggregate: Aggregate, parts: Sequence[Iterable[pa.Table]], *, days: bool) -> Iterator[pa.Table]:
    """Merge tables that come sorted and in pieces, holding one piece of each at a time.

    Parameters
    ----------
    parts
        Each a table in pieces, every key once.

    Yields
    ------
    pyarrow.Table
        The merged table in pieces of `BATCH_ROWS` rows, the last one shorter: they depend on the content alone.

    Raises
    ------
    ArtefactError
        If a part is not sorted.
    """
    yield from recut(_merged_pieces(aggregate, [_filled(part) for part in parts], days), aggregate.schema)


def _merged_pieces(aggregate: Aggregate, parts: list[Iterator[pa.Table]], days: bool) -> Iterator[pa.Table]:
    heads = [(part, head) for part in parts if (head := next(part, None)) is not None]
    while heads:
        # Up to the smallest of the last keys at hand, every part has brought all that it has.
        limit = min(_last_key(head) for _, head in heads)
        cuts = [_keys_up_to(head, limit) for _, head in heads]
        yield merge(aggregate, [head.slice(0, cut) for (_, head), cut in zip(heads, cuts, strict=True)], days=days)
        rests = [
            (part, head.slice(cut) if cut < len(head) else next(part, None))
            for (part, head), cut in zip(heads, cuts, strict=True)
        ]
        heads = [(part, rest) for part, rest in rests if rest is not None]


def _filled(part: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Leave out empty pieces; make sure that every key comes once, in order: what merges relies on it, and may not end.

    Raises
    ------
    ArtefactError
        If it is not so, as in a file that was damaged.
    """
    last = None
    for piece in (piece.combine_chunks() for piece in part if len(piece)):
        keys = piece["key"]
        ascending = pc.all(pc.less(keys.slice(0, len(keys) - 1), keys.slice(1))).as_py()
        if ascending is False or (last is not None and not last < keys[0].as_py()):
            raise ArtefactError(
                "a table of states by key is not sorted",
                where=f"after {last or keys[0].as_py()!r}",
                fix="`beambell verify --deep` names the damaged file, and what to do",
            )
        last = _last_key(piece)
        yield piece


def _last_key(table: pa.Table) -> str:
    key: str = table["key"][-1].as_py()
    return key


def _keys_up_to(table: pa.Table, limit: str) -> int:
    # Strings compare by code point, which is also the order of their bytes in UTF-8, by which Arrow sorts.
    keys = table["key"]
    return bisect_right(range(len(keys)), limit, key=lambda position: keys[position].as_py())


def recut(pieces: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Cut a table that comes in pieces anew: into pieces of `BATCH_ROWS` rows, the last one shorter."""
    rest = schema.empty_table()
    for piece in pieces:
        rest = pa.concat_tables([rest, piece])
        while len(rest) >= BATCH_ROWS:
            yield rest.slice(0, BATCH_ROWS).combine_chunks()
            rest = rest.slice(BATCH_ROWS)
    if len(rest):
        yield rest.combine_chunks()


def counted(table: pa.Table) -> pa.Table:
    """Leave out the keys that merely occur."""
    return table.filter(pc.greater(table["n"], 0))


def restrict_sorted(pieces: Iterable[pa.Table], keys: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Leave out the keys that are not among these, and those that merely occur, holding one piece of each at a time.

    Parameters
    ----------
    pieces, keys
        Tables in pieces, sorted by key, every key once.
    """
    blocks = _filled(keys)
    block = next(blocks, None)
    for piece in _filled(pieces):
        rest = counted(piece).combine_chunks()
        while len(rest) and block is not None:
            # Of what is up to the block's last key, the block says all there is to say.
            cut = _keys_up_to(rest, _last_key(block))
            part = rest.slice(0, cut)
            yield part.filter(pc.is_in(part["key"], value_set=block["key"].combine_chunks()))
            rest = rest.slice(cut)
            block = next(blocks, None) if len(rest) else block
        if block is None:
            return


def content_digest(table: pa.Table) -> str:
    """Hash the content of a table of states: 64 hex digits that do not depend on how Arrow or Parquet store it."""
    sha = hashlib.sha256(json.dumps([[f.name, str(f.type)] for f in table.schema]).encode())
    for column in table.columns:
        array = column.combine_chunks()
        sha.update(len(array).to_bytes(8, "little"))
        if array.type == pa.string():
            sha.update(pc.binary_length(array).to_numpy(zero_copy_only=False).astype("<i8").tobytes())
            sha.update("".join(array.to_pylist()).encode("utf-8", "surrogatepass"))
        else:
            sha.update(array.is_valid().to_numpy(zero_copy_only=False).tobytes())
            sha.update(_numbers(array))
    return sha.hexdigest()


def _numbers(array: pa.Array) -> bytes:
    if pa.types.is_decimal(array.type):
        return "\n".join(map(str, array.to_pylist())).encode()
    numbers = array.fill_null(pa.scalar(0).cast(array.type)).to_numpy(zero_copy_only=False)
    return bytes(numbers.astype(numbers.dtype.newbyteorder("<")).tobytes())
