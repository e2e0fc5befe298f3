"""CSV: UTF-8, a header, commas; every text in quotes, so that commas, quotes and line breaks in it are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pyarrow as pa
import pyarrow.csv as pacsv

from beambell.exports.formats.format import Format, TableWriter
from beambell.exports.formats.texts import with_written_times
from beambell.store.files import HashingSink


class Csv(Format):
    """CSV as RFC 4180 has it; an empty cell without quotes is a null, one with quotes the empty text."""

    name: ClassVar[str] = "csv"
    suffix: ClassVar[str] = ".csv"

    @contextmanager
    def writer(self, sink: HashingSink, schema: pa.Schema) -> Iterator[TableWriter]:
        """Write the header, then rows as they come."""
        with pacsv.CSVWriter(sink, with_written_times(schema.empty_table()).schema) as writer:
            yield _Written(writer)


class _Written:
    def __init__(self, writer: pacsv.CSVWriter) -> None:
        self._writer = writer

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(with_written_times(table))
