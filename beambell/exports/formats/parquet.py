"""Parquet: types stay, texts are compressed, and readers skip what a filter on ``dt`` excludes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from beambell.exports.formats.format import Format, TableWriter
from beambell.store.files import HashingSink


class Parquet(Format):
    """Parquet, compressed by Zstandard."""

    name: ClassVar[str] = "parquet"
    suffix: ClassVar[str] = ".parquet"

    @contextmanager
    def writer(self, sink: HashingSink, schema: pa.Schema) -> Iterator[TableWriter]:
        """Write a file of row groups as they come."""
        with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
            yield writer
