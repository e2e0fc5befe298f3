"""Parquet, by row group; what is damaged is told, what is whole is kept."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from beambell.records.chunk import Cells, Chunk, Faults, Header, Wanted
from beambell.records.format import RecordFile, register
from beambell.records.schema import EXCERPT_CHARS, Code, Reject, readable

_MAGIC: Final = b"PAR1"
_DAMAGE: Final = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)
_CHUNK_BYTES: Final = 64 * 2**20
_SPOOL_BYTES: Final = 64 * 2**20


@register
class Parquet(RecordFile):
    """A Parquet file, by row group; its lines are row numbers from 1, its cells Arrow arrays."""

    kind, title, suffixes = "parquet", "Parquet", (".parquet",)

    def names(self, known: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002 - its schema tells them
        """Columns of its schema; none if it is damaged. The source must be able to seek."""
        try:
            return tuple(pq.read_schema(self.source).names)
        except _DAMAGE:
            return ()
        finally:
            self.source.seek(0)

    def chunks(self, wanted: Wanted) -> Iterator[Chunk]:
        """Read it to its end; a source that cannot seek is copied to a temporary file."""
        source = self.source
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
            if not source.seekable():
                shutil.copyfileobj(source, spool)
                spool.seek(0)
                source = cast("BinaryIO", spool)
            if refusal := _refusal(source):
                yield Chunk(rejects=[refusal])
                return
            try:
                # Times of 96 bits, as Spark wrote them, would be made nanoseconds, which wrap in the year 2262.
                file = pq.ParquetFile(source, page_checksum_verification=True, coerce_int96_timestamp_unit="us")
                names = tuple(file.schema_arrow.names)
            except _DAMAGE as error:
                yield Chunk(rejects=[_unreadable("the file", error)])
                return
            yield from _read_groups(file, Header(names, wanted), self.batch_rows)


def _read_groups(file: pq.ParquetFile, header: Header, batch_rows: int) -> Iterator[Chunk]:
    yield Chunk(rejects=header.remarks())
    columns = list(header.positions)
    done = 0
    for group in range(file.num_row_groups):
        facts = file.metadata.row_group(group)
        last = done + facts.num_rows
        row_bytes = max(1, facts.total_byte_size // max(1, facts.num_rows))
        n_rows = max(1, min(batch_rows, _CHUNK_BYTES // row_bytes))
        batches = file.iter_batches(n_rows, row_groups=[group], columns=columns)
        while done < last:
            try:
                batch = next(batches)
                batch.validate()
            except StopIteration:
                break
            except _DAMAGE as error:
                yield Chunk(rejects=[_unreadable(f"rows {done + 1} to {last}", error)])
                break
            yield _chunk(batch, done + 1, header)
            done += batch.num_rows
        done = last


def _chunk(batch: pa.RecordBatch, first: int, header: Header) -> Chunk:
    faults = Faults()
    if fault := header.fault():
        for row in range(batch.num_rows):
            faults.add(row, *fault)
    cells: dict[str, Cells] = {name: pa.nulls(batch.num_rows) for name in header.wanted.columns}
    cells |= {name: _unchecked(batch.column(name)) for name in header.positions}
    return Chunk(cells, range(first, first + batch.num_rows), lambda row: _excerpt(cells, row), faults)


def _unchecked(column: pa.Array) -> pa.Array:
    """Give strings as bytes: Parquet promises UTF-8 and nobody has looked; `as_arrow` does."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type):
        return column.view(pa.binary())
    if pa.types.is_large_string(column.type):
        return column.view(pa.large_binary())
    return column


def _excerpt(cells: Mapping[str, Cells], row: int) -> str:
    return json.dumps({name: _show(column[row]) for name, column in cells.items()}, ensure_ascii=False)


def _show(scalar: Any) -> str | None:
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError):
        return "?"
    if isinstance(value, bytes):
        value = value[: 4 * EXCERPT_CHARS].decode("utf-8", "surrogateescape")
    return None if value is None else readable(str(value))


def _unreadable(what: str, error: Exception) -> Reject:
    if isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None):
        raise error  # the store failed, not the file: Arrow's own complaints are bare OSErrors
    message = f"{what} cannot be read as Parquet ({str(error)[:200]}); deliver the file again"
    return Reject(None, Code.UNREADABLE, message)


def _refusal(source: BinaryIO) -> Reject | None:
    head = source.read(4)
    size = source.seek(0, 2)
    source.seek(max(0, size - 4))
    tail = source.read(4)
    source.seek(0)
    if size == 0:
        return Reject(None, Code.EMPTY_FILE, "the file is empty; deliver it again, or delete it")
    if head != _MAGIC:
        return Reject(None, Code.UNREADABLE, "not a Parquet file; deliver it again, or correct its name", repr(head))
    if tail != _MAGIC or size < 12:
        message = f"the Parquet file breaks off after {size} bytes, before its footer; deliver it again"
        return Reject(None, Code.TRUNCATED, message)
    return None
