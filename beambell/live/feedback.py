"""Answers of people as they arrive: landed as ordinary files of feedback, and joined with rows of the last minutes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from beambell.config.live import SegmentParams
from beambell.errors import LiveSourceError
from beambell.feedback.events import EVENTS_SCHEMA, check_events
from beambell.live.segments import Landing, OpenSegment
from beambell.live.source import Source
from beambell.project import Project

LANDED_WITHIN_S = 5.0
NOBODY = "live"
"""Reviewer of answers that do not say whose they are."""


class FeedbackReader:
    """Events of feedback, read on from where the last segment ended; those of batches to come are read again.

    Parameters
    ----------
    project
        Project whose classes and streams events may name.
    source
        Source of JSON lines, each an event (see docs/feedback.md).

    Attributes
    ----------
    figures
        Numbers of events taken in and refused, by name.
    error
        Sentence on why the source could not be read; empty if it could.
    """

    def __init__(self, project: Project, source: Source) -> None:
        self._project, self._source = project, source
        self._landing = Landing(project.store, "_feedback")
        self._size = SegmentParams(rows=10_000, seconds=LANDED_WITHIN_S)
        self._open: dict[str, OpenSegment] = {}
        self._next: dict[str, int] = {}
        self._begun = False
        self.figures: Counter[str] = Counter()
        self.error = ""

    def poll(self, most: int) -> pa.Table:
        """Return the new events, `EVENTS_SCHEMA`; on the first call also those that were landed before."""
        found = [] if self._begun else self._landed()
        self._begun, self.error = True, ""
        try:
            for part in self._source.parts():
                found.append(self._read(part, most))
        except LiveSourceError as error:
            self.error = str(error)
        return pa.concat_tables([EVENTS_SCHEMA.empty_table(), *found])

    def land(self) -> None:
        """Land what was read."""
        for part in list(self._open):
            self._land(part)

    def _read(self, part: str, most: int) -> pa.Table:
        if part not in self._next:
            position = self._landing.position(part)
            self._next[part] = self._source.bounds(part)[0] if position is None else position
        chunk = self._source.read(part, self._next[part], most, 0.0)
        lines: Sequence[bytes] = ()
        if chunk.next > chunk.first:
            segment = self._open.setdefault(part, OpenSegment(self._landing, part, chunk.first, self._size))
            values = map(_completed, chunk.values, chunk.arrived.tolist())
            lines = segment.add(replace(chunk, values=tuple(values)))
            self._next[part] = chunk.next
        if part in self._open and self._open[part].is_complete:
            self._land(part)
        return self._checked(lines)

    def _land(self, part: str) -> None:
        segment = self._open.pop(part).land()
        self._source.commit(part, segment.next)

    def _landed(self) -> list[pa.Table]:
        names = self._landing.files.names(".jsonl")
        return [self._checked((self._landing.files.read(name) or b"").splitlines()) for name in names]

    def _checked(self, lines: Sequence[bytes]) -> pa.Table:
        told, refused = [], 0
        for line in lines:
            try:
                event = json.loads(line)
                told.append({name: event.get(name) for name in EVENTS_SCHEMA.names})
            except (ValueError, AttributeError):
                refused += 1
        if not told:
            self.figures["refused"] += refused
            return EVENTS_SCHEMA.empty_table()
        columns = {
            name: [None if one[name] is None else str(one[name]) for one in told] for name in EVENTS_SCHEMA.names
        }
        params = self._project.params
        checked = check_events(
            pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}),
            classes=params.classes,
            streams=sorted(params.streams),
            defaults={"reviewer": NOBODY},
            latest=datetime.now(UTC) + timedelta(days=2),
        )
        self.figures["taken in"] += checked.events.num_rows
        self.figures["refused"] += refused + len(checked.rejects)
        return checked.events


def _completed(value: bytes, arrived: int) -> bytes:
    """Return an event with the time at which it arrived and a reviewer, where it does not say: batch asks for both."""
    try:
        event = json.loads(value)
        given = {name: told for name, told in event.items() if told not in (None, "")}
    except (ValueError, AttributeError):
        return value  # it is landed as it is, and refused by batch as it is here
    time = datetime.fromtimestamp(arrived / 1e3, UTC).isoformat()
    if {"time", "reviewer"} <= given.keys():
        return value
    return json.dumps({"reviewer": NOBODY, "time": time, **given}, ensure_ascii=False).encode()
