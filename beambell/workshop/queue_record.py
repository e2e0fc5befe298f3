"""What was asked before: the rows of queues that were given out, and those that people answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from beambell.feedback.batches import read_batches, read_events
from beambell.feedback.tasks import TASKS_SCHEMA
from beambell.project import Project
from beambell.store import Layout
from beambell.store.tables import read_table

RECORD_SCHEMA: Final = pa.schema(
    [
        *(field for field in TASKS_SCHEMA if field.name not in {"text", "suggestion", "confidence", "votes"}),
        pa.field("dt", pa.string(), nullable=False),
        pa.field("text_key", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Known:
    """What was asked before: rows by stream and id, and texts by key."""

    rows: frozenset[tuple[str, str]]
    texts: frozenset[str]

    @classmethod
    def of(cls, project: Project, *, again: bool) -> Known:
        """Read what a project has asked; ``again`` forgets the rows of queues that nobody answered."""
        reviewed = reviewed_rows(project)
        queued = read_queued(project)
        rows = list(zip(queued["stream"].to_pylist(), queued["row_id"].to_pylist(), strict=True))
        texts = queued["text_key"].to_pylist()
        if again:
            texts = [text for text, row in zip(texts, rows, strict=True) if row in reviewed]
            rows = []
        return cls(frozenset(reviewed) | frozenset(rows), frozenset(texts))

    def has(self, stream: str, row_id: str, text_key: str) -> bool:
        """Whether somebody was asked about a row, or about its text."""
        return (stream, row_id) in self.rows or text_key in self.texts


def reviewed_rows(project: Project) -> set[tuple[str, str]]:
    """List the rows, by stream and id, of which somebody said something."""
    events = read_events(project.store, read_batches(project.store)).select(["stream", "row_id"])
    return set(zip(*(column.to_pylist() for column in events.drop_null().columns), strict=True))


def read_queued(project: Project) -> pa.Table:
    """Read what was in queues that were given out, `RECORD_SCHEMA`."""
    store = project.store
    places = [(folder, manifest.files["rows"]) for folder, manifest in store.under(Layout.FEEDBACK_QUEUES).items()]
    tables = store.files.each(lambda place: read_table(store, *place), places)
    return pa.concat_tables([RECORD_SCHEMA.empty_table(), *tables])
