"""Files that people's answers come in, whichever tool wrote them: CSV and JSON of any layout.

In come raw events with the place of each in its file, for `beambell.feedback.events.check_events` to judge one by one:
a file that is half bad gives its good half. Every record is an answer, skipped, or not understood, and counted so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa

from beambell.config import CsvParams
from beambell.errors import InputError
from beambell.feedback.answers import (
    NOBODY,
    Answer,
    NotUnderstoodError,
    Outcome,
    Reading,
    Record,
    Skipped,
    excerpt,
    shown,
)
from beambell.feedback.documents import Source, Value, is_json, is_lines, read_lines, read_values
from beambell.feedback.events import EVENTS_SCHEMA, CountedBy
from beambell.feedback.interchange import unguarded
from beambell.feedback.tools import MARKS, TOOLS, Tool, find_tool, is_marked, named
from beambell.records.chunk import Cells, Chunk, Faults, Wanted
from beambell.records.dialect import Asked
from beambell.records.format import TextFile, text_formats
from beambell.records.formats.delimited import Csv
from beambell.records.formats.jsonl import JsonLines
from beambell.records.schema import Code, Reject
from beambell.records.text import split_suffix

#: What ``--format`` may say: how a file is laid out, or whose records it has.
LAYOUTS: Final = (*dict.fromkeys(kind.kind for kind in text_formats().values()), "json")
FORMATS: Final = (*LAYOUTS, *(tool.name for tool in TOOLS))

_BATCH_RECORDS: Final = 8_192
_ANSWERING: Final = ("label", "verdict", "withdraws", "lf")
_ASKED: Final = ("picked_by", "probability")
_SHARES: Final = ("probability", "random_share")
_DECIMAL_COMMA: Final = re.compile(r"\s*[+-]?\d*,\d+\s*", re.ASCII)


@dataclass(frozen=True)
class Part:
    """A stretch of a file.

    Attributes
    ----------
    answers
        Raw events, with what is not understood set aside, for `check_events`.
    taken_back
        Records of which the reviewer looked at a row and gave no answer, or took it back: ``unsure``, counted as
        skipped.
    skipped
        Number of records without an answer, those taken back among them, by reason.
    counted_by
        Unit of the record numbers: lines of the file, or records of an array.
    """

    answers: Chunk = field(default_factory=Chunk)
    taken_back: Chunk = field(default_factory=Chunk)
    skipped: Counter[str] = field(default_factory=Counter)
    counted_by: CountedBy = "line"


def read_parts(
    file: BinaryIO, *, name: str, reading: Reading, file_format: str | None = None, delimiter: str | None = None
) -> Iterator[Part]:
    """Read a file of answers, a stretch at a time.

    Whatever the bytes are, nothing is raised and nothing is lost: what is no answer is skipped and counted, what is not
    understood is in a chunk's rejects with its line (in an array the number of its record), and what concerns the whole
    file is a reject without a line.

    Parameters
    ----------
    file
        File that is open for reading, and stays so.
    name
        Name of the file in messages; with the file's first characters, it tells the layout.
    reading
        Meaning of the words in the file.
    file_format
        Name of `FORMATS`, if file name and shape do not tell.
    delimiter
        Delimiter of CSV, if the header does not tell it.

    Raises
    ------
    InputError
        When the format is unknown.
    """
    source = Source(file)
    kind, tool = _layout(source, name, file_format)
    asked = Asked(CsvParams(delimiter=delimiter), spelling="--{}")
    opened = kind(_as_file(source), name, asked=asked)
    if kind is JsonLines:
        by_line = is_lines(source.head, name)
        parts = _in_records(read_lines(opened.lines) if by_line else read_values(source), reading, tool)
        yield from (replace(part, counted_by="line" if by_line else "record") for part in parts)
    else:
        yield from _in_columns(opened, reading, tool)


def _layout(source: Source, name: str, told: str | None) -> tuple[type[TextFile], Tool | None]:
    """Tell how a file is laid out, and whose its records are if that is told."""
    known = text_formats()
    if told is not None and told not in FORMATS:
        raise InputError(f"there is no format {told!r}", where=name, fix=f"use {', '.join(FORMATS)}")
    if told in LAYOUTS:
        return next((kind for kind in known.values() if kind.kind == told), JsonLines), None
    found = JsonLines if is_json(source.head) else known.get(split_suffix(name)[0])
    if found is None and told is not None:
        found = Csv
    if found is None:
        raise InputError(
            "unknown format of feedback",
            where=name,
            fix=f"name it {', '.join(known)}, or say --format {'|'.join(FORMATS)}",
        )
    return found, named(told) if told else None


# -- record by record ----------------------------------------------------------------------------------------------


def _in_records(found: Iterable[Value | Reject], reading: Reading, tool: Tool | None) -> Iterator[Part]:
    """Read records one by one."""
    rest = iter(found)
    while batch := list(islice(rest, _BATCH_RECORDS)):
        said, back, skipped = _Said(), _Said(), Counter[str]()
        for one in batch:
            if isinstance(one, Reject):
                said.rejects.append(one)
                continue
            for outcome in _outcomes(one.value, reading, tool, said.rejects, one.number):
                match outcome:
                    case Answer(taken_back=None):
                        said.add(one, outcome)
                    case Answer(taken_back=why):
                        skipped[why or NOBODY] += 1
                        back.add(one, outcome)
                    case Skipped():
                        skipped[outcome.reason] += 1
                    case _:
                        said.rejects.append(Reject(one.number, outcome.code, outcome.message, excerpt(one.value)))
        yield Part(said.chunk(), back.chunk(), skipped)


def _outcomes(
    record: Any, reading: Reading, tool: Tool | None, rejects: list[Reject], number: int
) -> Iterator[Outcome]:
    if not isinstance(record, dict):
        message = f"{shown(record)} is not an object; export as JSON with one object per record"
        rejects.append(Reject(number, Code.BAD_JSON, message, excerpt(record)))
        return
    if tool is None and reading.is_plain and _is_event(record):
        yield Answer(record)
        return
    try:
        yield from (tool or find_tool(record)).read(record, reading)
    except NotUnderstoodError as error:
        rejects.append(Reject(number, error.code, str(error), excerpt(record)))
    except RecursionError:
        rejects.append(Reject(number, Code.BAD_JSON, "nested too deep; export it again"))


def _is_event(record: Record) -> bool:
    """Tell whether a record is an event as it stands, with nothing beside it that could say otherwise."""
    label = record.get("label")
    if not isinstance(label, str) or not label or label.startswith("(") or "row_id" not in record:
        return False
    return not is_marked(record)


@dataclass
class _Said:
    """Answers as they come, to be judged together."""

    found: list[tuple[Value, Answer]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def add(self, record: Value, answer: Answer) -> None:
        """Add one."""
        self.found.append((record, answer))

    def chunk(self) -> Chunk:
        """Give the columns of all."""
        cells = {name: [answer.values.get(name) for _, answer in self.found] for name in EVENTS_SCHEMA.names}
        return Chunk(
            cells,
            [record.number for record, _ in self.found],
            lambda row: excerpt(self.found[row][0].value),
            rejects=self.rejects,
        )


# -- column by column --------------------------------------------------------------------------------------------------


def _in_columns(file: TextFile, reading: Reading, tool: Tool | None) -> Iterator[Part]:
    """Read a file column by column where its columns are BeamBell's own, else record by record."""
    names = file.names(_known(reading))
    own = tool is None and reading.is_plain and not is_marked(names)
    once = () if own else [column for column in names if names.count(column) == 1]
    wanted = Wanted((), (), tuple(dict.fromkeys((*EVENTS_SCHEMA.names, *once))), time="time")
    for chunk in file.chunks(wanted):
        cleaned = _cleaned(chunk, decimal_comma=file.delimiter != ",") if file.delimiter else chunk
        if own:
            yield _answered(cleaned)
        else:
            yield from _in_records(_rows(cleaned, set(names)), reading, tool)


def _known(reading: Reading) -> tuple[str, ...]:
    """Name the columns by which a header is known."""
    fields = [name for name in (reading.id_field, reading.label_field) if name is not None]
    return tuple(dict.fromkeys((*EVENTS_SCHEMA.names, *fields, *sorted(MARKS))))


def _rows(chunk: Chunk, names: set[str]) -> Iterator[Value | Reject]:
    yield from chunk.rejects
    columns = {name: list(cells) for name, cells in chunk.cells.items() if name in names}
    for row, line in enumerate(chunk.lines):
        if row in chunk.faults.by_row:
            code, message = chunk.faults.by_row[row]
            yield Reject(line, code, message, chunk.excerpt(row))
        else:
            yield Value(line, {name: cell for name, cells in columns.items() if (cell := cells[row]) is not None})


def _cleaned(chunk: Chunk, *, decimal_comma: bool) -> Chunk:
    """Undo what was done to a file for spreadsheets, and what they did."""

    def clean(name: str, cells: Cells) -> Cells:
        if isinstance(cells, pa.Array):
            return cells
        if decimal_comma and name in _SHARES:
            cells = [cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in cells]
        return [unguarded(cell) for cell in cells]

    chunk.cells = {name: clean(name, cells) for name, cells in chunk.cells.items()}
    return chunk


def _answered(chunk: Chunk) -> Part:
    """Leave out the tasks that nobody has answered."""
    if not len(chunk.lines):
        return Part(chunk)
    given, asked = (np.any([_filled(chunk.cells[name]) for name in names], axis=0) for names in (_ANSWERING, _ASKED))
    kept = np.flatnonzero(given | ~asked).tolist()
    if len(kept) == len(given):
        return Part(chunk)
    faults = Faults()
    place = {row: at for at, row in enumerate(kept)}
    faults.by_row = {place[row]: fault for row, fault in chunk.faults.by_row.items() if row in place}
    left = Chunk(
        {name: _take(cells, kept) for name, cells in chunk.cells.items()},
        [chunk.lines[row] for row in kept],
        lambda row: chunk.excerpt(kept[row]),
        faults,
        chunk.rejects,
        chunk.empty_is_null,
    )
    return Part(left, skipped=Counter({NOBODY: len(given) - len(kept)}))


def _filled(cells: Cells) -> Any:
    if isinstance(cells, pa.Array):
        return np.zeros(len(cells), bool) if cells.null_count == len(cells) else np.array(cells.is_valid())
    return np.fromiter((not (cell is None or (isinstance(cell, str) and not cell.strip())) for cell in cells), bool)


def _take(cells: Cells, rows: list[int]) -> Cells:
    return cells.take(pa.array(rows, pa.int64())) if isinstance(cells, pa.Array) else [cells[row] for row in rows]


def _as_file(source: Source) -> BinaryIO:
    return source  # type: ignore[return-value]  # of a file, only read is asked for
