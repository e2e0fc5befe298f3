"""One file of gold labels: Parquet, CSV or JSON lines, with the names of classes or their numbers."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import NO_CLASS
from beambell.config.classes import same_text
from beambell.errors import InputError
from beambell.records.cells import ID, KINDS, convert
from beambell.records.chunk import Chunk, Faults, Wanted
from beambell.records.dialect import Asked
from beambell.records.format import formats
from beambell.records.formats.parquet import Parquet
from beambell.records.text import split_suffix
from beambell.stages.stage import some_of
from beambell.store.reaching import open_file

_TEXTS = ("text", "stream", "id", "file")
_COLUMNS: Final = (*_TEXTS, "line", "label")
_NO_OBJECT = re.compile(r".*?not a JSON object(?: \((?P<why>.*)\))?; ", re.DOTALL)
_NUMBER = re.compile(r"(-?\d{1,9})(?:\.0*)?", re.ASCII)


def read_gold_file(url: str, name: str, classes: Sequence[str]) -> pa.Table:
    """Read a file of gold labels, rows of unknown class left out.

    Parameters
    ----------
    url, name
        URL to open, and name of the file. Its suffix tells the format, as of raw files; any other is read as Parquet.
    classes
        Names of the classes, in order.

    Returns
    -------
    pyarrow.Table
        Rows with ``label`` as int64, a class in each row, and the columns that name a row, as text.

    Raises
    ------
    InputError
        If it is damaged, or has not the columns and classes that gold labels have.
    """
    table, names = _read(url, name)
    columns = set(table.column_names)
    if "label" not in columns or not ("text" in columns or {"stream", "id"} <= columns or {"file", "line"} <= columns):
        raise InputError(
            f"gold labels have columns {', '.join(names)}",
            where=name,
            fix="give label with text, or label with stream and id, or label with file and line",
        )
    label = _as_numbers(table["label"], classes, name).fill_null(NO_CLASS)
    bounds = pc.min_max(label).as_py()
    if table.num_rows and not (bounds["min"] >= NO_CLASS and bounds["max"] < len(classes)):
        raise InputError(f"gold labels run from {bounds['min']} to {bounds['max']}", where=name, fix=_fix(classes))
    table = _with(table, "label", label)
    for column in columns.intersection(_TEXTS):
        spelled = _as_ids if column == "id" else _as_strings
        table = _with(table, column, spelled(table[column], column, name))
    return table.filter(pc.greater(label, NO_CLASS))


def _with(table: pa.Table, column: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def _read(url: str, name: str) -> tuple[pa.Table, list[str]]:
    """Read the columns of gold, by the rules of raw files: an id of digits may begin with a zero.

    Returns
    -------
    pyarrow.Table
        Columns of `_COLUMNS` that the file has.
    list of str
        All columns that the file has.

    Raises
    ------
    InputError
        If any record cannot be read.
    """
    suffix, packed = split_suffix(name)
    kind = formats().get(suffix, Parquet)
    try:
        with open_file(url, where=name, compression="gzip" if packed else None) as opened:
            file = kind(io.BytesIO(opened.read()), asked=Asked(spelling=""))
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"not a whole {kind.title} file ({error})", where=name) from None
    names = dict.fromkeys(file.names(_COLUMNS))
    parts = [pa.table({column: pa.nulls(0) for column in names if column in _COLUMNS})]
    for chunk in file.chunks(Wanted((), (), _COLUMNS)):
        columns = {column: _typed(chunk, column) for column in _COLUMNS if len(chunk.lines)}
        wrong = [(chunk.lines[row], message) for row, (_, message) in chunk.faults.by_row.items()]
        wrong += [(reject.line or 0, reject.message) for reject in chunk.rejects]
        if wrong:
            raise _refusal(*min(wrong), name, kind.title)
        names |= dict.fromkeys(column for column, cells in columns.items() if cells.null_count < len(cells))
        parts.append(pa.table({column: cells for column, cells in columns.items() if column in names}))
    return pa.concat_tables(parts, promote_options="default"), list(names)


def _typed(chunk: Chunk, column: str) -> pa.Array:
    """Give the cells of a column: as text, or as the types of Parquet."""
    cells = chunk.cells[column]
    if isinstance(cells, pa.Array) and not (pa.types.is_binary(cells.type) or pa.types.is_large_binary(cells.type)):
        return cells
    texts = convert(cells, KINDS["string"], column, chunk.faults)
    return pc.if_else(pc.equal(texts, ""), None, texts) if chunk.empty_is_null else texts


def _refusal(line: int, message: str, name: str, title: str) -> InputError:
    if told := _NO_OBJECT.match(message):
        what = f"not JSON ({told['why']})" if told["why"] else "not a JSON object"
        return InputError(what, where=f"{name}:{line}", fix="write one JSON object a line")
    return InputError(f"not a whole {title} file ({f'line {line}: ' if line else ''}{message})", where=name)


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
        names = some_of([f"{word[:50]!r}" for word in wrong])
        raise InputError(f"gold labels are {names}, which are no classes", where=name, fix=_fix(classes))
    at = pc.index_in(label, value_set=pa.array(words, label.type))
    return pc.take(pa.array(numbers, pa.int64()), at)


def _number(word: str, classes: Sequence[str]) -> int | None:
    """Read a class's name, else its number; an empty text is as unknown as -1."""
    if (same := same_text(word)) in classes:
        return classes.index(same)
    if not word.strip():
        return NO_CLASS
    number = _NUMBER.fullmatch(word.strip())
    return int(number[1]) if number else None


def _fix(classes: Sequence[str]) -> str:
    return (
        f"use the classes of params.yaml ({', '.join(classes)}) or their numbers (0 to {len(classes) - 1}), "
        "and -1 for unknown"
    )
