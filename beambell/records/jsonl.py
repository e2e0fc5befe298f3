"""JSON lines: one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Final

from beambell.records.chunk import Chunk, Faults, Wanted, missing_column
from beambell.records.schema import Code, Reject
from beambell.records.text import LineReader

_BLANK: Final = " \t\r\n"
_KINDS: Final = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}

_decode = json.JSONDecoder().raw_decode


def read_jsonl(lines: LineReader, *, wanted: Wanted, batch_rows: int) -> Iterator[Chunk]:
    """Read a file of one JSON object per line.

    Parameters
    ----------
    lines
        The file, with lines ended by LF.
    wanted
        Keys that are read.
    batch_rows
        Lines of a chunk.

    Yields
    ------
    Chunk
        Cells are JSON values.
    """
    while True:
        first = lines.taken + 1
        block = lines.take(batch_rows)
        if not block.lines and not block.rejects:
            return
        yield _parse(block.lines, first, wanted, block.rejects)


def _parse(texts: list[str], first: int, wanted: Wanted, rejects: list[Reject]) -> Chunk:
    faults = Faults()
    keys = wanted.columns
    pick = itemgetter(*keys, *keys[:1])  # two keys at least, for one alone would not come as a tuple
    cells: list[Any] = []  # of all records, one after the other: no record outlives its line
    lines: list[int] = []
    for number, raw in enumerate(texts, first):
        text = raw.strip(_BLANK)
        try:
            record, end = _decode(text)
        except (ValueError, RecursionError) as error:
            if text:
                rejects.append(Reject(number, Code.BAD_JSON, _not_json(error), text))
            continue
        if record.__class__ is not dict or end != len(text):
            rejects.append(Reject(number, Code.BAD_JSON, _not_one_object(record, text, end), text))
            continue
        try:
            cells.extend(pick(record))
        except KeyError:
            missing = next((name for name in wanted.required if name not in record), None)
            if missing is not None:
                faults.add(len(lines), Code.MISSING_COLUMN, missing_column(missing, list(record)))
            cells.extend(map(record.get, (*keys, keys[0])))
        lines.append(number)
    columns = {name: cells[at :: len(keys) + 1] for at, name in enumerate(keys)}
    return Chunk(columns, lines, lambda row: texts[lines[row] - first].strip(_BLANK), faults, rejects)


def _not_json(error: Exception) -> str:
    what = "nested too deep" if isinstance(error, RecursionError) else str(error)
    return f"not a JSON object ({what}); write one object per line"


def _not_one_object(record: Any, text: str, end: int) -> str:
    if isinstance(record, dict):
        return f"more after the JSON object, from character {end + 1} of {len(text)}; write one object per line"
    kind = _KINDS.get(type(record), "a number")
    return f"{kind}, not a JSON object; write one object per line"
