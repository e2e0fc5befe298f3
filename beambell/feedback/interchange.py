"""Files that reviewers are given: CSV, JSON lines, Label Studio's JSON. `beambell.feedback.reading` reads them back.

A CSV file may be opened in a spreadsheet, and to that a cell that begins with ``=`` is a formula, whoever wrote it.
Such cells get an apostrophe in front on the way out, which is taken off on the way in.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from beambell.errors import InputError
from beambell.feedback import label_studio
from beambell.feedback.tasks import HOW_PICKED, TASKS_SCHEMA, iter_tasks
from beambell.records.format import formats
from beambell.records.text import split_suffix

#: What a reviewer fills in, in a CSV or JSON lines file of tasks.
ANSWER: Final = ("label", "verdict", "comment", "reviewer", "time")

_FORMULA: Final = frozenset("=+-@＝＋－＠")  # noqa: RUF001 - spreadsheets of some countries take these, too
_CONTROL: Final = frozenset("\t\r\n")


def check_format(name: str, wanted: str | None) -> str:
    """Give the format of tasks that was told, if it is one, or the one that a file's name tells.

    Raises
    ------
    InputError
        When there is no such format.
    """
    suffixes = {suffix: kind.kind for suffix, kind in formats().items() if kind.kind in _WRITERS}
    suffixes[".json"] = "label-studio"
    found = wanted or suffixes.get(split_suffix(name)[0])
    if found in _WRITERS:
        return found
    if wanted is not None:
        raise InputError(f"there is no format {wanted!r}", where=name, fix=f"use {', '.join(_WRITERS)}")
    raise InputError(
        "unknown format of tasks",
        where=name,
        fix=f"name it {', '.join(suffixes)}, or say --format {'|'.join(_WRITERS)}",
    )


def write_tasks(tasks: pa.Table, file_format: str) -> Iterator[bytes]:
    """Write tasks as a file for reviewers, piece by piece; the same tasks give the same bytes.

    Parameters
    ----------
    tasks
        Table of `TASKS_SCHEMA`, one row per task.
    file_format
        Name of a format, as `check_format` gives it.
    """
    return _WRITERS[file_format](tasks)


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


_WRITERS: Final[dict[str, Callable[[pa.Table], Iterator[bytes]]]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "label-studio": label_studio.write_tasks,
}

# -- cells that a spreadsheet would take for formulas ------------------------------------------------------------------


def guarded(cell: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would calculate, or that has one before such a cell."""
    return f"'{cell}" if _is_formula(cell.lstrip("'")) else cell


def unguarded(cell: str) -> str:
    """Take the apostrophe off again: the inverse of `guarded`."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(cell: str) -> bool:
    return cell[:1] in _CONTROL or cell.lstrip()[:1] in _FORMULA
