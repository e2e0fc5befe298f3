"""What a file of records looks like: which column is the text, the id, the time, the label, and what the others are."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from beambell.config import FieldType
from beambell.config.streams import RESERVED_COLUMNS
from beambell.errors import InputError, UsageError
from beambell.records.cells import KINDS, convert
from beambell.records.chunk import Faults, Wanted
from beambell.records.dialect import DELIMITERS, Asked
from beambell.records.format import RecordFile, TextFile, format_of
from beambell.records.times import TIME
from beambell.store.backend import CHUNK

MOST_CLASSES: Final = 20
MOST_FIELDS: Final = 30
MOST_ROWS: Final = 200_000
"""Rows that are looked at: they are held in memory."""
_TYPES: Final[tuple[FieldType, ...]] = ("int", "float", "bool")
_TEXT = "text|body|message|msg|content|comment|review|sentence|description|title|tweet|sms|v2"
_ID = "id|uuid|guid|key"
_TIME = "time|date|ts|timestamp|datetime|created|received|sent|day|at"
_LABEL = "label|class|category|target|sentiment|topic|tag|spam|is_spam|y|v1|gold"
_MISSING: Final = frozenset({"", "-1", "-1.0", "nan", "none", "null", "na", "n/a", "unknown", "?"})


@dataclass(frozen=True)
class Profile:
    """What was found in a file.

    Attributes
    ----------
    rows, broken
        Number of rows, and of records that could not be read.
    columns
        Names of all columns.
    text, id, time, label
        Names of the columns that are the text, the id, the time and the label; ``None`` where there is none.
    fields
        Types of other columns by name.
    left_out
        Names of the columns that are none of these.
    classes
        Names of the classes, by the value of the label that stands for each.
    texts, labels, lines
        Text of each row, name of its class (``None`` without), and its line in the file.
    days
        Days of the times, as ``2026-01-03``, ascending; none without times.
    whole
        Whether all rows of the file were looked at.
    encoding
        Encoding of the file, if it is not UTF-8.
    """

    rows: int
    broken: int
    columns: tuple[str, ...]
    text: str
    id: str | None
    time: str | None
    label: str | None
    fields: dict[str, FieldType]
    left_out: tuple[str, ...]
    classes: dict[str, str]
    texts: list[str] = field(repr=False)
    labels: list[str | None] = field(repr=False)
    lines: list[int] = field(repr=False)
    days: tuple[str, ...] = ()
    whole: bool = True
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Chosen:
    """Columns that a person names; ``None`` leaves the choice to us, and an empty name says that there is none."""

    text: str | None = None
    id: str | None = None
    time: str | None = None
    label: str | None = None


def look(file: Path, chosen: Chosen) -> Profile:
    """Look at a file.

    Raises
    ------
    InputError
        If it cannot be read, or has no rows.
    UsageError
        If there is no column of a name that was chosen, or none that could be the text.
    """
    kind = format_of(file.name)
    encoding = _encoding(file, kind)
    with file.open("rb") as source:
        reading = kind(source, name=file.name, encoding=encoding, asked=Asked())
        names = reading.names(tuple(name for name in vars(chosen).values() if name) or _header(reading))
        cells, lines, broken = _read(reading, names)
    if not lines:
        raise InputError("there is no row that can be read", where=str(file), fix="is it a CSV file with a header?")
    columns = {name: _texts(values) for name, values in cells.items()}
    for role, name in vars(chosen).items():
        if name and name not in columns:
            raise UsageError(f"there is no column {name!r}", where=f"--{role}", fix=f"choose of {', '.join(columns)}")
    label = _label(columns, chosen)
    text = chosen.text or _text(columns, label, file)
    id_ = chosen.id if chosen.id is not None else _id(columns, {text, label})
    time = chosen.time if chosen.time is not None else _time(cells, {text, label, id_})
    rest = [name for name in columns if name not in {text, label, id_ or None, time or None}]
    fields = {name: _type(cells[name]) for name in rest if _is_field(name)}
    fields = dict(list(fields.items())[:MOST_FIELDS])
    classes = _classes(columns[label], label) if label else {}
    return Profile(
        rows=len(lines),
        broken=broken,
        columns=tuple(columns),
        text=text,
        id=id_ or None,
        time=time or None,
        label=label,
        fields=fields,
        left_out=tuple(name for name in rest if name not in fields),
        classes=classes,
        texts=[value or "" for value in columns[text]],
        labels=[classes.get(value or "") for value in columns[label]] if label else [None] * len(lines),
        lines=lines,
        days=tuple(_days(cells[time])) if time else (),
        whole=len(lines) < MOST_ROWS,
        encoding=encoding,
    )


def _encoding(file: Path, kind: type[RecordFile]) -> str:
    """Tell UTF-8 from what Windows writes: the former is hardly ever met by chance."""
    if not issubclass(kind, TextFile) or file.suffix == ".gz":
        return "utf-8"
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file.open("rb") as source:
        if source.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-8"  # a mark tells which one it is
        source.seek(0)
        try:
            while block := source.read(CHUNK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def _header(file: RecordFile) -> tuple[str, ...]:
    """Guess the names in the header of a CSV file: by them, its delimiter and quotes are told."""
    if not isinstance(file, TextFile):
        return ()
    first = next((line for line in file.lines.peek(20, 100_000)[0] if line.strip()), "")
    guesses = []
    for delimiter in DELIMITERS:
        with suppress(csv.Error):
            guesses.append(tuple(name for name in next(csv.reader([first], delimiter=delimiter), []) if name))
    return max(guesses, key=len, default=())


def _read(file: RecordFile, names: Sequence[str]) -> tuple[dict[str, list[Any]], list[int], int]:
    cells: dict[str, list[Any]] = {name: [] for name in names}
    lines: list[int] = []
    broken = 0
    for chunk in file.chunks(Wanted((), (), tuple(names))):
        broken += sum(reject.line is not None for reject in chunk.rejects)
        lines += [int(line) for line in chunk.lines]
        for name in names if len(chunk.lines) else ():
            found = chunk.cells[name]
            cells[name] += _plain(found) if isinstance(found, pa.Array) else list(found)
        if len(lines) >= MOST_ROWS:
            break
    return cells, lines, broken


def _plain(cells: pa.Array) -> list[Any]:
    """Give the cells of Parquet as Python values; texts come as bytes that nobody has decoded."""
    is_bytes = pa.types.is_binary(cells.type) or pa.types.is_large_binary(cells.type)
    values: list[Any] = cells.to_pylist()
    return [value if value is None else value.decode("utf-8", "replace") for value in values] if is_bytes else values


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None or value == "" else str(value) for value in values]


def _label(columns: dict[str, list[str | None]], chosen: Chosen) -> str | None:
    if chosen.label is not None:
        return chosen.label or None
    taken = {chosen.text, chosen.id, chosen.time}
    for name, values in columns.items():
        if name not in taken and _says(_LABEL, name):
            found = {value for value in values if (value or "").strip().lower() not in _MISSING}
            if 2 <= len(found) <= min(MOST_CLASSES, max(2, len(values) // 2)):
                return name
    return None


def _text(columns: dict[str, list[str | None]], label: str | None, file: Path) -> str:
    """Choose the column of the longest texts; a name that says so counts as four times as long."""
    scores = {}
    for name, values in columns.items():
        known = [value for value in values if value]
        if name != label and known and not _is_typed(known):
            length = float(np.mean([len(value) for value in known])) * len(known) / len(values)
            scores[name] = length * (4 if _says(_TEXT, name) else 1) * len(set(known)) / len(known)
    if not scores:
        raise UsageError("no column has texts", where=str(file), fix="say by --text which one it is")
    return max(scores, key=lambda name: scores[name])


def _is_typed(known: Sequence[str]) -> bool:
    """Whether all of a sample are numbers or times."""
    sample = list(known[:200])
    return any(_converts(sample, kind) for kind in (KINDS["float"], TIME))


def _converts(values: Sequence[Any], kind: Any) -> bool:
    faults = Faults()
    known = [value for value in values if value not in (None, "")]
    if not known:
        return False
    converted = convert(known, kind, "", faults)
    return not faults.by_row and converted.null_count == 0


def _id(columns: dict[str, list[str | None]], taken: set[str | None]) -> str | None:
    for name, values in columns.items():
        if name not in taken and _says(_ID, name) and None not in values and len(set(values)) == len(values):
            return name
    return None


def _time(cells: dict[str, list[Any]], taken: set[str | None]) -> str | None:
    for name, values in cells.items():
        known = [value for value in values if value not in (None, "")]
        if name not in taken and _says(_TIME, name) and len(known) >= len(values) / 2 and _converts(known, TIME):
            return name
    return None


def _days(values: Sequence[Any]) -> list[str]:
    times = convert([value for value in values if value not in (None, "")], TIME, "", Faults())
    return sorted({time.strftime("%Y-%m-%d") for time in times.drop_null().to_pylist()})


def _is_field(name: str) -> bool:
    """Whether a column may be a field: some names are taken, and `text` is what every stream's text is called."""
    return bool(name) and name.isprintable() and not name.startswith("_") and name not in RESERVED_COLUMNS | {"text"}


def _type(values: Sequence[Any]) -> FieldType:
    for name in _TYPES:
        if _converts(values, KINDS[name]):
            return name
    return "string"


def _classes(values: Sequence[str | None], label: str) -> dict[str, str]:
    """Name the classes by the values of the label; numbers alone would be taken for numbers of classes."""
    found = Counter(value for value in values if value and value.strip().lower() not in _MISSING)
    ordered = sorted(found, key=lambda value: (float(value), value) if _number(value) else (float("inf"), value))
    named = {}
    for value in ordered:
        plain = re.sub(r"\.0+$", "", value.strip()) if _number(value) else value.strip()
        named[value] = f"{label}_{plain}" if _number(value) else plain
    return named if len(set(map(str.casefold, named.values()))) == len(named) else {value: value for value in ordered}


def _says(words: str, name: str) -> bool:
    """Whether a column's name has one of these words in it."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return bool(re.search(rf"(^|[^a-z0-9])({words})($|[^a-z0-9])", parts.replace("_", " ")))


def _number(value: str) -> bool:
    return bool(re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", value, re.ASCII))
