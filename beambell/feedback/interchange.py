"""Files that reviewers are given and files that they give back: CSV, JSON lines, and Label Studio's JSON.

Out go tasks, in come raw events with the place of each in its file, for `beambell.feedback.events.check_events` to
judge one by one: a file that is half bad gives its good half.

A CSV file may be opened in a spreadsheet, and to that a cell that begins with ``=`` is a formula, whoever wrote it.
Such cells get an apostrophe in front on the way out, which is taken off on the way in.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Literal, get_args

import numpy as np
import pyarrow as pa

from beambell.errors import InputError
from beambell.feedback import label_studio
from beambell.feedback.events import EVENTS_SCHEMA
from beambell.feedback.tasks import HOW_PICKED, TASKS_SCHEMA, iter_tasks
from beambell.records.chunk import Cells, Chunk, Faults, Wanted
from beambell.records.delimited import read_delimited
from beambell.records.dialect import Asked
from beambell.records.jsonl import read_jsonl
from beambell.records.text import LineReader, record_limit, split_suffix

FileFormat = Literal["csv", "jsonl", "label-studio"]

#: What a reviewer fills in, in a CSV or JSON lines file of tasks.
ANSWER: Final = ("label", "verdict", "comment", "reviewer", "time")

_SUFFIXES: Final[dict[str, FileFormat]] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "label-studio",
}
_BATCH_LINES: Final = 65_536
_LONGEST_TEXT: Final = 1_000_000
_FORMULA: Final = frozenset("=+-@＝＋－＠")  # noqa: RUF001 - spreadsheets of some countries take these, too
_CONTROL: Final = frozenset("\t\r\n")


@dataclass(frozen=True)
class RawEvents:
    """What a file says.

    Attributes
    ----------
    chunks
        Raw events, with what cannot be read set aside: for `check_events`.
    unanswered
        Tasks that nobody has answered.
    """

    chunks: tuple[Chunk, ...]
    unanswered: int


def check_format(name: str, told: str | None) -> FileFormat:
    """Give the format that was told, if it is one, or the one that a file's name tells.

    Raises
    ------
    InputError
        When there is no such format.
    """
    if told is None:
        return detect_format(name)
    for known in get_args(FileFormat):
        if told == known:
            return known  # type: ignore[no-any-return]
    raise InputError(f"there is no format {told!r}", where=name, fix=f"use {', '.join(get_args(FileFormat))}")


def detect_format(name: str) -> FileFormat:
    """Tell a file's format by its suffix; CSV and JSON lines may end in ``.gz`` as well.

    Raises
    ------
    InputError
        When the suffix is none of those known.
    """
    suffix, packed = split_suffix(name)
    found = _SUFFIXES.get(suffix)
    if found is None or (packed and found == "label-studio"):
        raise InputError(
            "unknown format of feedback",
            where=name,
            fix=f"name it {', '.join(_SUFFIXES)}, or say --format {'|'.join(get_args(FileFormat))}",
        )
    return found


# -- in ----------------------------------------------------------------------------------------------------------


def read_events(source: BinaryIO, *, name: str, file_format: str | None = None) -> RawEvents:
    """Read a file of feedback.

    Whatever the bytes are, nothing is raised and nothing is lost: what is no event is in a chunk's rejects, with its
    line (in Label Studio's JSON the number of its task), and what concerns the whole file is a reject without a line.

    Parameters
    ----------
    source
        The file, open for reading; it stays open.
    name
        What messages call it; its suffix tells the format, unless that is given.

    Raises
    ------
    InputError
        When the format is unknown.
    """
    file_format = check_format(name, file_format)
    if file_format == "label-studio":
        chunk, unanswered = label_studio.read_annotations(source.read())
        return RawEvents((chunk,), unanswered)
    wanted = Wanted((), (), tuple(EVENTS_SCHEMA.names), time="time")
    newline = "\n" if file_format == "jsonl" else ""
    lines = LineReader(source, name=name, encoding="utf-8", limit=record_limit(_LONGEST_TEXT), newline=newline)
    if file_format == "jsonl":
        chunks = read_jsonl(lines, wanted=wanted, batch_rows=_BATCH_LINES)
    else:
        chunks = map(
            _unguarded, read_delimited(lines, wanted=wanted, asked=Asked(spelling="--{}"), batch_rows=_BATCH_LINES)
        )
    answered = [_answered(chunk) for chunk in chunks]
    return RawEvents(tuple(chunk for chunk, _ in answered), sum(unanswered for _, unanswered in answered))


def _answered(chunk: Chunk) -> tuple[Chunk, int]:
    """Leave out the tasks that nobody has answered; returns how many there are."""
    if not len(chunk.lines):
        return chunk, 0
    given, asked = (
        np.any([_filled(chunk.cells[name]) for name in names], axis=0)
        for names in (("label", "verdict", "withdraws", "lf"), ("picked_by", "probability"))
    )
    kept = np.flatnonzero(given | ~asked).tolist()
    if len(kept) == len(given):
        return chunk, 0
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
    return left, len(given) - len(kept)


def _filled(cells: Cells) -> Any:
    if isinstance(cells, pa.Array):
        return np.zeros(len(cells), bool) if cells.null_count == len(cells) else np.array(cells.is_valid())
    return np.fromiter((not (cell is None or (isinstance(cell, str) and not cell.strip())) for cell in cells), bool)


def _take(cells: Cells, rows: list[int]) -> Cells:
    return cells.take(pa.array(rows, pa.int64())) if isinstance(cells, pa.Array) else [cells[row] for row in rows]


# -- out ---------------------------------------------------------------------------------------------------------


def write_tasks(tasks: pa.Table, file_format: FileFormat) -> Iterator[bytes]:
    """Write tasks as a file for reviewers, piece by piece; the same tasks give the same bytes.

    Parameters
    ----------
    tasks
        `TASKS_SCHEMA`.
    """
    match file_format:
        case "csv":
            return _write_csv(tasks)
        case "jsonl":
            return _write_jsonl(tasks)
        case "label-studio":
            return label_studio.write_tasks(tasks)


def _columns() -> list[str]:
    """Columns of a file of tasks: what to look at, what to fill in, and how the row was picked, to be left alone."""
    shown = [name for name in TASKS_SCHEMA.names if name not in HOW_PICKED]
    return [*shown, *ANSWER, *HOW_PICKED]


def _write_csv(tasks: pa.Table) -> Iterator[bytes]:
    columns = _columns()
    yield _csv_line(columns)
    for task in iter_tasks(tasks):
        yield _csv_line([guarded(_spelled(task.get(name))) for name in columns])


def _csv_line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # else it would not quote a lone CR
    return text.getvalue().encode()


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _write_jsonl(tasks: pa.Table) -> Iterator[bytes]:
    columns = _columns()
    for task in iter_tasks(tasks):
        yield json.dumps({name: task.get(name) for name in columns}, ensure_ascii=False).encode() + b"\n"


# -- cells that a spreadsheet would take for formulas ------------------------------------------------------------------


def guarded(cell: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would calculate, or that has one before such a cell."""
    return f"'{cell}" if _is_formula(cell.lstrip("'")) else cell


def unguarded(cell: str) -> str:
    """Take the apostrophe off again: the inverse of `guarded`."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(cell: str) -> bool:
    return cell[:1] in _CONTROL or cell.lstrip()[:1] in _FORMULA


def _unguarded(chunk: Chunk) -> Chunk:
    chunk.cells = {
        name: cells if isinstance(cells, pa.Array) else [unguarded(cell) for cell in cells]
        for name, cells in chunk.cells.items()
    }
    return chunk
