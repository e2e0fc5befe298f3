"""What formats of text have in common."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def with_written_times(table: pa.Table) -> pa.Table:
    """Write times out, in UTC as ISO 8601 has them: ``2026-01-03T07:15:00.000000Z``."""
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            words = pc.strftime(table[index], format="%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(index, field.name, words)
    return table
