"""Work items as ranges of rows, and staged shards joined into one file in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from beambell.store import FileRef, Layout, Store
from beambell.store.tables import iter_tables, write_tables


@dataclass(frozen=True)
class Shard:
    """A staged piece of a partition's file.

    Attributes
    ----------
    index
        Its place among the pieces.
    path
        Staged Parquet file below the staging folder.
    rows
        How many rows it has.
    """

    index: int
    path: str
    rows: int


def row_ranges(rows: int, per_item: int) -> Iterator[tuple[int, int, int]]:
    """Cut ``rows`` rows into (index, start, stop); an empty partition is one empty range."""
    for index, start in enumerate(range(0, max(rows, 1), per_item)):
        yield index, start, min(start + per_item, rows)


def join_shards(store: Store, folder: str, role: str, schema: pa.Schema, shards: Iterable[Shard]) -> FileRef:
    """Write staged shards as one data file, a row group at a time."""
    ordered = sorted(shards, key=lambda shard: shard.index)
    with store.seal(folder, role) as sealed:
        tables = (
            table
            for shard in ordered
            for table in iter_tables(store, Layout.STAGING, FileRef(shard.path, "", 0, shard.rows))
        )
        write_tables(sealed, schema, tables)
    return sealed.ref
