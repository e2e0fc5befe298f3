"""Work items as ranges of rows, and staged shards of those that share a partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import pyarrow as pa

from beambell.store import FileRef, Store
from beambell.store.tables import read_staged, stage_table

Work = TypeVar("Work")


@dataclass(frozen=True)
class RowRange(Generic[Work]):
    """A work item: a range of one partition's rows.

    Attributes
    ----------
    work
        Description of what the partition lacks.
    index
        Number of the range among those of its partition, from 0.
    start, stop
        Number of the first row, and of the row after the last.
    is_whole
        Whether these are all rows of the partition: its file is then written at once, and nothing is staged.
    """

    work: Work
    index: int
    start: int
    stop: int
    is_whole: bool


@dataclass(frozen=True)
class Shard:
    """A staged piece of a partition's file.

    Attributes
    ----------
    index
        Number of the piece among the pieces.
    path
        Name of the staged file, relative to the staging folder.
    """

    index: int
    path: str


def row_ranges(work: Iterable[Work], rows: Callable[[Work], FileRef], per_item: int) -> list[RowRange[Work]]:
    """Cut what is to be done into ranges of at most ``per_item`` rows; an empty partition is one empty range."""
    return [
        RowRange(item, index, start, min(start + per_item, n), n <= per_item)
        for item in work
        for n in [rows(item).rows]
        for index, start in enumerate(range(0, max(n, 1), per_item))
    ]


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
