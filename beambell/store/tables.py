"""Parquet in and out, with bytes that depend on the rows alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beambell.errors import ArtefactError
from beambell.store.manifest import FileRef, Sealed, Store

ROW_GROUP_ROWS = 65_536
_SAMPLE_ROWS = 4_096

# What is written once is read at every edit, and decoding must not be what a fast pass waits for. Zstandard would take
# half the room for texts, and three times as long to read; packed patterns are small as they are.
_COMPRESSION, _OF_PACKED = "lz4", "none"


def write_tables(sealed: Sealed, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables into one Parquet file, in row groups of `ROW_GROUP_ROWS` rows wherever the tables end.

    Parameters
    ----------
    sealed
        The file under way; its ``rows`` are counted here.
    schema
        Schema of the file; every table must have it.
    """
    groups = row_groups(tables)
    first = next(groups, schema.empty_table())
    packed = {field.name for field in schema if pa.types.is_fixed_size_binary(field.type)}  # and none is nested
    compression = {name: _OF_PACKED if name in packed else _COMPRESSION for name in schema.names}
    # A dictionary of packed patterns is slower to read. Statistics are left out: nobody asks which value is the least.
    repeating = [name for name in schema.names if name not in packed and _repeats(first[name])]
    with pq.ParquetWriter(
        sealed.sink,
        schema,
        use_dictionary=repeating,
        compression=compression,
        write_statistics=False,
        write_page_checksum=True,
    ) as writer:
        for group in chain([first], groups):
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            sealed.rows += group.num_rows


def row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Cut tables anew, into `ROW_GROUP_ROWS` rows each and what is left; every column is one chunk."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= ROW_GROUP_ROWS:
            together = pa.concat_tables(waiting)
            rows %= ROW_GROUP_ROWS
            whole = together.num_rows - rows
            for start in range(0, whole, ROW_GROUP_ROWS):
                yield together.slice(start, ROW_GROUP_ROWS).combine_chunks()
            waiting = [together.slice(whole)]
    if rows:
        yield pa.concat_tables(waiting).combine_chunks()


def _repeats(column: pa.ChunkedArray) -> bool:
    """Whether values recur so often that a dictionary pays: else it is built, found too big, and thrown away."""
    sample = column.slice(0, _SAMPLE_ROWS)
    try:
        return bool(2 * pc.count_distinct(sample).as_py() <= len(sample))
    except pa.ArrowNotImplementedError:
        return True


def write_table(store: Store, folder: str, role: str, table: pa.Table) -> FileRef:
    """Write one table as a data file whose name holds its digest."""
    with store.seal(folder, role) as sealed:
        write_tables(sealed, table.schema, [table])
    return sealed.ref


def stage_table(store: Store, path: str, table: pa.Table) -> None:
    """Hand one table over to a later step of the same job, in memory or below the staging folder.

    As Arrow holds it: it is read once and thrown away, so neither encoding nor compression would pay.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=ROW_GROUP_ROWS)
    store.files.hand_over(path, sink.getvalue())


def read_staged(store: Store, path: str) -> pa.Table:
    """Read a staged table."""
    return pa.ipc.open_file(pa.py_buffer(store.files.staged(path))).read_all()


def read_table(store: Store, folder: str, ref: FileRef, columns: list[str] | None = None) -> pa.Table:
    """Read a data file as one table.

    Raises
    ------
    ArtefactError
        If it is missing, damaged, or not Parquet.
    """
    with _opened(store, folder, ref) as parquet:
        return parquet.read(columns=columns)


def read_rows(
    store: Store,
    folder: str,
    ref: FileRef,
    start: int,
    stop: int,
    columns: list[str] | None = None,
    *,
    as_dictionaries: Collection[str] = (),
) -> pa.Table:
    """Read rows ``start`` to ``stop`` (excluded), touching only the row groups that hold them.

    Columns of texts come ``as_dictionaries`` without each value being made where the file holds a dictionary.
    """
    with _opened(store, folder, ref, as_dictionaries) as parquet:
        groups, offset = [], 0
        first = None
        for group in range(parquet.num_row_groups):
            size = parquet.metadata.row_group(group).num_rows
            if offset < stop and offset + size > start:
                groups.append(group)
                first = offset if first is None else first
            offset += size
        table = parquet.read_row_groups(groups, columns=columns)
    return table.slice(start - (first or 0), stop - start)


def take_rows(
    store: Store, folder: str, ref: FileRef, positions: Sequence[int], columns: list[str] | None = None
) -> pa.Table:
    """Read the rows at one or more ascending positions, touching only the row groups that hold them."""
    with _opened(store, folder, ref) as parquet:
        taken: list[pa.Table] = []
        offset, wanted = 0, np.asarray(positions, np.int64)
        for group in range(parquet.num_row_groups):
            size = parquet.metadata.row_group(group).num_rows
            here = wanted[(wanted >= offset) & (wanted < offset + size)] - offset
            if len(here):
                taken.append(parquet.read_row_group(group, columns=columns).take(pa.array(here)))
            offset += size
    return pa.concat_tables(taken)


def iter_tables(
    store: Store,
    folder: str,
    ref: FileRef,
    columns: list[str] | None = None,
    *,
    as_dictionaries: Collection[str] = (),
) -> Iterator[pa.Table]:
    """Read a data file one row group at a time; for dictionaries see `read_rows`."""
    with _opened(store, folder, ref, as_dictionaries) as parquet:
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group, columns=columns)


def spans(rows: pa.Table) -> Iterator[tuple[str, int, int]]:
    """Yield each partition of a table that is sorted by ``stream`` and ``dt``: name, first row, and the row after."""
    keys = pc.binary_join_element_wise(rows["stream"], rows["dt"], "/").combine_chunks()
    new = np.ones(len(keys), bool)
    if len(keys):
        new[1:] = pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
    for start, stop in pairwise([*np.flatnonzero(new).tolist(), len(keys)]):
        yield keys[start].as_py(), start, stop


def hash_columns(rows: pa.Table, names: Iterable[str]) -> str:
    """Hash the values of some columns, in the order of the rows: 64 hex digits of SHA-256."""
    columns = [rows[name].to_pylist() for name in names]
    return hashlib.sha256(json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


@contextmanager
def _opened(store: Store, folder: str, ref: FileRef, as_dictionaries: Collection[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a data file; its bytes are those that were written, so what pyarrow cannot read was written so."""
    name = f"{folder}/{ref.name}"
    try:
        with store.open(folder, ref) as file:
            parquet = pq.ParquetFile(file, read_dictionary=list(as_dictionaries), page_checksum_verification=True)
            if parquet.metadata.num_rows != ref.rows:
                raise pa.ArrowInvalid(f"{parquet.metadata.num_rows} rows where its manifest says {ref.rows}")
            yield parquet
    except (pa.ArrowException, OSError) as error:
        what = f"not a Parquet file of these columns ({error})"
        raise ArtefactError(what, where=store.files.path(name), fix=store.homes.how_to_mend(name)) from None
