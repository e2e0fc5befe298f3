"""JSON lines: an object for each row, UTF-8 as it is, nulls written out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from beambell.exports.formats.format import Format, TableWriter
from beambell.exports.formats.texts import with_written_times
from beambell.store.files import HashingSink
from beambell.visible import in_json

_ROWS = 8_192  # as Python objects at a time


class JsonLines(Format):
    """JSON lines. Characters that some readers take for the end of a line are escaped; they are the same JSON."""

    name: ClassVar[str] = "jsonl"
    suffix: ClassVar[str] = ".jsonl"

    @contextmanager
    def writer(self, sink: HashingSink, schema: pa.Schema) -> Iterator[TableWriter]:  # noqa: ARG002 - it has no header
        """Write rows as they come."""
        yield _Lines(sink)


class _Lines:
    def __init__(self, sink: HashingSink) -> None:
        self._sink = sink

    def write_table(self, table: pa.Table) -> None:
        plain = _plain(with_written_times(table))
        for batch in plain.to_batches(_ROWS):
            lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in batch.to_pylist()]
            self._sink.write(in_json("\n".join(lines)).encode() + b"\n" if lines else b"")


def _plain(table: pa.Table) -> pa.Table:
    """Give numbers their shortest spelling, and those that JSON has not as nulls."""
    for index, field in enumerate(table.schema):
        column = table[index]
        if pa.types.is_float32(field.type):
            column = column.cast(pa.string()).cast(pa.float64())
        if pa.types.is_floating(field.type):
            column = pc.if_else(pc.is_finite(column), column, None)
            table = table.set_column(index, field.name, column)
    return table
