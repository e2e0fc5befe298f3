"""What labeling functions see of a stream's rows: all columns, and its text under the name that every stream has.

A stream whose text column is called ``body`` has that column twice, as ``body`` and as ``text``, so that streams whose
text columns have different names share their labeling functions. Stored it is once, by its own name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from beambell.config import StreamParams
from beambell.records.schema import row_schema

TEXT: Final = "text"


def seen_schema(stream: StreamParams) -> pa.Schema:
    """Give the columns that labeling functions may read, in order."""
    schema = row_schema(stream)
    return schema if stream.text == TEXT else schema.append(pa.field(TEXT, pa.string()))


def stored_names(names: Iterable[str], stream: StreamParams) -> list[str]:
    """Give the names under which columns that are seen are stored, each once."""
    return list(dict.fromkeys(stream.text if name == TEXT else name for name in names))


def as_seen(rows: pa.Table, stream: StreamParams) -> pa.Table:
    """Give stored rows, or some columns of them, the text's common name, too; nothing is copied."""
    names = rows.column_names
    return rows.append_column(TEXT, rows[stream.text]) if stream.text in names and TEXT not in names else rows
