"""Work items as ranges of rows, and staged shards joined into one file in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from beambell.store import FileRef, Store
from beambell.store.tables import read_staged, stage_table, write_tables

Work = TypeVar("Work")


@dataclass(frozen=True)
class Shard:
    """A staged piece of a partition's file.

    Attributes
    ----------
    index
        Its place among the pieces.
    path
        Staged file below the staging folder.
    """

    index: int
    path: str


def row_ranges(rows: int, per_item: int) -> Iterator[tuple[int, int, int]]:
    """Cut ``rows`` rows into (index, start, stop); an empty partition is one empty range."""
    for index, start in enumerate(range(0, max(rows, 1), per_item)):
        yield index, start, min(start + per_item, rows)


def row_items(work: Iterable[Work], rows: Callable[[Work], FileRef], per_item: int) -> list[tuple[Work, int, int, int]]:
    """Cut what is to be done into work items: (work, index, start, stop) for each range of its rows."""
    return [(item, *place) for item in work for place in row_ranges(rows(item).rows, per_item)]


def stage_shard(store: Store, folder: str, index: int, table: pa.Table) -> Shard:
    """Stage one piece in a folder of its job and partition."""
    path = f"{folder}/{index:06d}.arrow"
    stage_table(store, path, table)
    return Shard(index, path)


def read_shards(store: Store, shards: Iterable[Shard]) -> Iterator[pa.Table]:
    """Read staged shards in their order, one at a time."""
    for shard in sorted(shards, key=lambda shard: shard.index):
        yield read_staged(store, shard.path)


def ahead(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Make the next table while the last is worked on."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, tables, None)
        while (table := coming.result()) is not None:
            coming = thread.submit(next, tables, None)
            yield table


def join_shards(store: Store, folder: str, role: str, schema: pa.Schema, shards: Iterable[Shard]) -> FileRef:
    """Write staged shards as one data file, in their order."""
    with store.seal(folder, role) as sealed:
        write_tables(sealed, schema, ahead(read_shards(store, shards)))
    return sealed.ref
