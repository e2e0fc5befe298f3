"""One file of gold labels: Parquet, CSV or JSON lines, with the names of classes or their numbers."""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beambell.config.classes import same_text
from beambell.errors import InputError
from beambell.records.cells import ID, KINDS, convert
from beambell.records.chunk import Faults, Wanted
from beambell.records.delimited import SAMPLE_CHARS, SAMPLE_LINES, read_delimited
from beambell.records.dialect import Asked, Broken, open_delimited
from beambell.records.text import LineReader, record_limit, split_suffix
from beambell.stages.stage import some_of
from beambell.store.reaching import open_file

NO_GOLD: Final = -1

_TEXTS = ("text", "stream", "id", "file")
_COLUMNS: Final = (*_TEXTS, "line", "label")
_LONGEST_TEXT: Final = 1_000_000
_BATCH_LINES: Final = 65_536
_NUMBER = re.compile(r"(-?\d{1,9})(?:\.0*)?", re.ASCII)


def read_gold_file(url: str, name: str, classes: Sequence[str]) -> pa.Table:
    """Read a file of gold labels, rows of unknown class left out.

    Parameters
    ----------
    url, name
        URL to open, and name of the file. Its suffix tells the format: ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson`` and
        ``.json`` (one object a line), each also with ``.gz``; else it is Parquet.
    classes
        Names of the classes, in order.

    Returns
    -------
    pyarrow.Table
        Rows with ``label`` as int64, a class in each row, and the file's other columns; columns that name a row are
        text.

    Raises
    ------
    InputError
        If it is damaged, or has not the columns and classes that gold labels have.
    """
    table = _read(url, name)
    columns = set(table.column_names)
    if "label" not in columns or not ("text" in columns or {"stream", "id"} <= columns or {"file", "line"} <= columns):
        raise InputError(
            f"gold labels have columns {', '.join(table.column_names)}",
            where=name,
            fix="give label with text, or label with stream and id, or label with file and line",
        )
    label = _as_numbers(table["label"], classes, name).fill_null(NO_GOLD)
    bounds = pc.min_max(label).as_py()
    if table.num_rows and not (bounds["min"] >= NO_GOLD and bounds["max"] < len(classes)):
        raise InputError(f"gold labels run from {bounds['min']} to {bounds['max']}", where=name, fix=_fix(classes))
    table = _with(table, "label", label)
    for column in columns.intersection(_TEXTS):
        spelled = _as_ids if column == "id" else _as_strings
        table = _with(table, column, spelled(table[column], column, name))
    return table.filter(pc.greater(label, NO_GOLD))


def _with(table: pa.Table, column: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def _read(url: str, name: str) -> pa.Table:
    suffix, packed = split_suffix(name)
    kind, read = _FORMATS.get(suffix, ("Parquet", _read_parquet))
    try:
        with open_file(url, where=name, compression="gzip" if packed else None) as file:
            return read(file.read(), name)
    except (pa.ArrowException, UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"not a whole {kind} file ({error})", where=name) from None


def _read_parquet(data: bytes, _name: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(data))


def _read_csv(data: bytes, name: str, delimiter: str = ",") -> pa.Table:
    """Read the columns of gold as text, by the rules of raw files: an id of digits may begin with a zero.

    Raises
    ------
    InputError
        If any line cannot be read.
    """
    asked = Asked(usual=delimiter, spelling="")
    lines = LineReader(io.BytesIO(data), name="", encoding="utf-8", limit=record_limit(_LONGEST_TEXT), newline="")
    opening = open_delimited(lines.peek(SAMPLE_LINES, SAMPLE_CHARS)[0], Wanted((), (), _COLUMNS), asked)
    header = opening.names if opening and not isinstance(opening.names, Broken) else ()
    columns: dict[str, list[pa.Array]] = {column: [] for column in header if header.count(column) == 1}
    wanted = Wanted((), (), (*columns, *(column for column in _COLUMNS if column not in columns)))
    for chunk in read_delimited(lines, wanted=wanted, asked=asked, batch_rows=_BATCH_LINES):
        for column in columns if len(chunk.lines) else ():
            values = convert(chunk.cells[column], KINDS["string"], column, chunk.faults)
            columns[column].append(pc.if_else(pc.equal(values, ""), None, values))
        wrong = [(chunk.lines[row], message) for row, (_, message) in chunk.faults.by_row.items()]
        wrong += [(reject.line or 0, reject.message) for reject in chunk.rejects]
        if wrong:
            line, message = min(wrong)
            raise InputError(f"not a whole CSV file ({f'line {line}: ' if line else ''}{message})", where=name)
    return pa.table({column: pa.chunked_array(parts, pa.string()) for column, parts in columns.items()})


def _read_tsv(data: bytes, name: str) -> pa.Table:
    return _read_csv(data, name, "\t")


def _read_jsonl(data: bytes, name: str) -> pa.Table:
    """Read all columns as text, as of CSV: what looks like a time to Arrow may be an id."""
    rows = []
    for number, line in enumerate(data.decode("utf-8-sig").split("\n"), start=1):
        if line.strip():
            rows.append(_object(line, f"{name}:{number}"))
    columns = dict.fromkeys(key for row in rows for key in row)
    return pa.table({key: pa.array([_as_text(row.get(key)) for row in rows], pa.string()) for key in columns})


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InputError(f"not JSON ({error})", where=where, fix="write one JSON object a line") from None
    if not isinstance(found, dict):
        raise InputError("not a JSON object", where=where, fix="write one JSON object a line")
    return found


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


_FORMATS: Final[dict[str, tuple[str, Callable[[bytes, str], pa.Table]]]] = {
    ".csv": ("CSV", _read_csv),
    ".tsv": ("TSV", _read_tsv),
    ".jsonl": ("JSON", _read_jsonl),
    ".ndjson": ("JSON", _read_jsonl),
    ".json": ("JSON", _read_jsonl),
}


def _as_strings(values: pa.ChunkedArray, column: str, name: str) -> pa.ChunkedArray:
    """Return what Arrow has several types for (pandas writes long strings and categories) as one type."""
    try:
        return values.cast(pa.string())
    except pa.ArrowException:
        raise InputError(
            f"gold labels have a column {column} of the type {values.type}", where=name, fix="write it as text"
        ) from None


def _as_ids(values: pa.ChunkedArray, column: str, name: str) -> pa.Array:
    """Spell ids as those of rows are: what one file has as whole numbers, another has as floats."""
    faults = Faults()
    ids = convert(values.combine_chunks(), ID, column, faults)
    if faults.by_row:
        row, (_, message) = min(faults.by_row.items())
        raise InputError(f"gold labels, row {row + 1}: {message}", where=name)
    return ids


def _as_numbers(label: pa.ChunkedArray, classes: Sequence[str], name: str) -> pa.ChunkedArray:
    """Return labels as numbers of classes, null where there is none."""
    if pa.types.is_dictionary(label.type):
        label = label.cast(label.type.value_type)
    if pa.types.is_string(label.type) or pa.types.is_large_string(label.type):
        return _from_words(label, classes, name)
    try:
        return label.cast(pa.int64())
    except pa.ArrowException:
        raise InputError(f"gold labels are of the type {label.type}", where=name, fix=_fix(classes)) from None


def _from_words(label: pa.ChunkedArray, classes: Sequence[str], name: str) -> pa.ChunkedArray:
    words = [word for word in label.unique().to_pylist() if word is not None]
    numbers = [_number(word, classes) for word in words]
    wrong = [word for word, number in zip(words, numbers, strict=True) if number is None]
    if wrong:
        said = some_of([f"{word[:50]!r}" for word in wrong])
        raise InputError(f"gold labels are {said}, which are no classes", where=name, fix=_fix(classes))
    at = pc.index_in(label, value_set=pa.array(words, label.type))
    return pc.take(pa.array(numbers, pa.int64()), at)


def _number(word: str, classes: Sequence[str]) -> int | None:
    """Read a class's name, else its number; an empty text is as unknown as -1."""
    if (same := same_text(word)) in classes:
        return classes.index(same)
    if not word.strip():
        return NO_GOLD
    number = _NUMBER.fullmatch(word.strip())
    return int(number[1]) if number else None


def _fix(classes: Sequence[str]) -> str:
    return (
        f"use the classes of params.yaml ({', '.join(classes)}) or their numbers (0 to {len(classes) - 1}), "
        "and -1 for unknown"
    )
