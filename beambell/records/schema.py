"""What comes out of a raw file: typed rows, and an account of every record that is not among them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pyarrow as pa

from beambell.config import FieldType, StreamParams
from beambell.records.partitioning import TIMESTAMP

EXCERPT_CHARS: Final = 500

ARROW_TYPES: Final[dict[FieldType, pa.DataType]] = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
}

QUARANTINE_SCHEMA: Final = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64()),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("raw", pa.string(), nullable=False),
    ]
)
"""Columns of the table of records that were set aside, one row for each, and of remarks on the file."""


class Code(StrEnum):
    """Why a record, or with a null line a whole file, was set aside."""

    BAD_JSON = "bad_json"
    WRONG_COLUMNS = "wrong_columns"
    OPEN_QUOTE = "open_quote"
    STRAY_QUOTE = "stray_quote"
    MISSING_COLUMN = "missing_column"
    DUPLICATE_COLUMN = "duplicate_column"
    BAD_TIME = "bad_time"
    NO_TIME = "no_time"
    MISDATED = "misdated"
    FROM_THE_FUTURE = "from_the_future"
    NULL_TEXT = "null_text"
    HUGE_TEXT = "huge_text"
    HUGE_RECORD = "huge_record"
    BAD_ENCODING = "bad_encoding"
    BAD_VALUE = "bad_value"
    NO_ID = "no_id"
    UNKNOWN_CLASS = "unknown_class"
    OTHER_ANSWER = "other_answer"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    EMPTY_FILE = "empty_file"
    MISNAMED = "misnamed"


BROKEN: Final = frozenset({Code.TRUNCATED, Code.UNREADABLE, Code.EMPTY_FILE, Code.BAD_ENCODING})
"""Of a whole file: it was not read to its end, or not at all."""


@dataclass(frozen=True, slots=True)
class Reject:
    """One quarantined record, or with ``line`` None a remark on the whole file (which is no record)."""

    line: int | None
    code: Code
    message: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of one raw file.

    Attributes
    ----------
    rows
        The good records: `row_schema` and a ``dt`` string column, the partition.
    quarantined
        `QUARANTINE_SCHEMA`: the other records; entries with a null ``line`` are remarks on the file.
    n_records
        Records of the stretch: rows and quarantined ones, remarks not counted.
    """

    rows: pa.Table
    quarantined: pa.Table
    n_records: int


def row_schema(stream: StreamParams) -> pa.Schema:
    """Give the schema of a stream's rows."""
    return pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("ts", TIMESTAMP),
            pa.field(stream.text, pa.string()),
            *(pa.field(name, ARROW_TYPES[kind]) for name, kind in stream.fields.items()),
            pa.field("_file", pa.string()),
            pa.field("_line", pa.int64()),
        ]
    )


def quarantine_table(file: str, rejects: Iterable[Reject]) -> pa.Table:
    """Lay rejects out as a table, in order of line, remarks on the file last."""
    ordered = sorted(rejects, key=lambda reject: (reject.line is None, reject.line or 0))
    columns = [
        [file] * len(ordered),
        [reject.line for reject in ordered],
        [reject.code.value for reject in ordered],
        [readable(reject.message, 2 * EXCERPT_CHARS) for reject in ordered],
        [readable(reject.raw) for reject in ordered],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, QUARANTINE_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=QUARANTINE_SCHEMA)


def readable(text: str, limit: int = EXCERPT_CHARS) -> str:
    r"""Cut a text and spell out what is no character: a stray byte as ``\xe9``, half a pair as ``\ud83d``."""
    return _SURROGATE.sub(_spell, text[:limit])[:limit]


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _spell(match: re.Match[str]) -> str:
    point = ord(match[0])
    return f"\\x{point - 0xDC00:02x}" if 0xDC00 <= point <= 0xDCFF else f"\\u{point:04x}"
