"""JSON lines: one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from operator import itemgetter
from typing import Any, Final

from beambell.records.chunk import Chunk, Faults, Wanted, missing_column
from beambell.records.format import TextFile, register
from beambell.records.schema import Code, Reject

BY_LINE: Final = (".jsonl", ".ndjson")
"""Suffixes of files that have an object on each line, and never one array."""
_SAMPLE_LINES: Final = 10_000
_SAMPLE_CHARS: Final = 2**20
_BLANK: Final = " \t\r\n"
_KINDS: Final = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}

_decode = json.JSONDecoder().raw_decode


@register
class JsonLines(TextFile):
    """A file of one JSON object per line; its cells are JSON values."""

    kind, title, suffixes = "jsonl", "JSON", (*BY_LINE, ".json")

    def names(self, known: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002 - its objects tell them
        """Keys of its first objects."""
        found: dict[str, None] = {}
        for line in self.lines.peek(_SAMPLE_LINES, _SAMPLE_CHARS)[0]:
            with suppress(ValueError, RecursionError):
                record = json.loads(line)
                found |= dict.fromkeys(record if isinstance(record, dict) else ())
        return tuple(found)

    def chunks(self, wanted: Wanted) -> Iterator[Chunk]:
        """Read it to its end; a line that is no object is lost alone."""
        while True:
            first = self.lines.taken + 1
            block = self.lines.take(self.batch_rows)
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
                rejects.append(Reject(number, Code.BAD_JSON, not_json(error), text))
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


def not_json(error: Exception) -> str:
    """Word that a line cannot be read."""
    what = "nested too deep" if isinstance(error, RecursionError) else str(error)
    return f"not a JSON object ({what}); write one object per line"


def _not_one_object(record: Any, text: str, end: int) -> str:
    if isinstance(record, dict):
        return f"more after the JSON object, from character {end + 1} of {len(text)}; write one object per line"
    kind = _KINDS.get(type(record), "a number")
    return f"{kind}, not a JSON object; write one object per line"
