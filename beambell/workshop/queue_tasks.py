"""A review queue as tasks: what people see of each row that was drawn, and what is kept of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from beambell.arrays import Floats
from beambell.feedback import queue
from beambell.feedback.queue import Reason
from beambell.feedback.tasks import TASKS_SCHEMA
from beambell.project import Project
from beambell.stages.posteriors import hard_labels
from beambell.state import patterns as packed
from beambell.store import Layout
from beambell.workshop.queue_draw import Draw, DrawnRow
from beambell.workshop.queue_pool import Pool
from beambell.workshop.queue_record import RECORD_SCHEMA


@dataclass(frozen=True, eq=False)
class ReviewQueue:
    """Rows to ask about.

    Attributes
    ----------
    tasks
        Table of tasks, `TASKS_SCHEMA`; a smaller queue is the beginning of a bigger one.
    record
        Table of what is kept of them, `RECORD_SCHEMA`, so that no row is asked about twice.
    figures
        Numbers that `QueueView` has of the same names: ``rows``, ``patterns``, ``partitions`` and so on.
    expected
        Expected number of answers per pattern, for label models to count; by the bytes of the packed pattern.
    by_reason, by_stream
        Numbers of tasks by reason to ask, and by stream.
    warnings
        Sentences that a person should read.
    """

    tasks: pa.Table
    record: pa.Table
    figures: dict[str, Any]
    expected: dict[bytes, float]
    by_reason: dict[str, int]
    by_stream: dict[str, int]
    warnings: tuple[str, ...]


def lay_out(project: Project, draw: Draw, rows: list[DrawnRow], until: float, warnings: tuple[str, ...]) -> ReviewQueue:
    """Lay drawn rows out as tasks, one for each distinct text.

    Parameters
    ----------
    rows
        Drawn rows, in the order of their arrival.
    until
        Time before which all of them arrived.
    warnings
        Sentences that a person should read.
    """
    pool, cells = draw.pool, draw.pool.cells
    random_share = float(cells.rows @ cells.rates[:, queue.OF_PATTERNS.index(Reason.RANDOM)])
    asked = _asked(draw, rows, until)
    model = project.store.require(Layout.LABEL_MODEL, "run `beambell fit`").id
    seen = _Seen(pool, project.params.feedback.queue.blind)
    tasks = [
        {
            "row_id": one.row.id,
            "stream": pool.sources[one.row.source].partition.stream,
            "dt": pool.sources[one.row.source].partition.dt,
            "text": one.row.text,
            "text_key": one.row.text_key,
            "label_model": model,
            "picked_by": str(one.reason),
            "probability": min(1.0, 1.0 / one.stands_for),
            "random_share": round(random_share, 9),
            **seen.of(one),
        }
        for one in asked
    ]
    figures = {
        "rows": int(cells.rows.sum()),
        "patterns": len(pool.patterns),
        "partitions": len(pool.sources),
        "partitions_read": len(draw.read),
        "known": draw.passed_over,
        "repeated": len(rows) - len(tasks),
        "predicted": draw.predicted,
        "random_share": round(random_share, 9),
    }
    by_reason, by_stream = (dict(sorted(Counter(t[name] for t in tasks).items())) for name in ("picked_by", "stream"))
    laid_out, record = (pa.Table.from_pylist(tasks, schema) for schema in (TASKS_SCHEMA, RECORD_SCHEMA))
    return ReviewQueue(laid_out, record, figures, _expected(pool, len(tasks)), by_reason, by_stream, warnings)


def _expected(pool: Pool, size: int) -> dict[bytes, float]:
    """Expected number of a queue's rows of each pattern, by its bytes; as if none were known already."""
    cells, none = pool.cells, np.zeros(len(pool.cells.rows))
    arrive = queue.probability(cells.rate, none, none, cells.time_of(size))
    of_pattern = np.bincount(pool.pattern, cells.rows * arrive, minlength=len(pool.patterns))
    return {bytes(pattern): float(n) for pattern, n in zip(pool.patterns, of_pattern, strict=True)}


@dataclass
class _Asked:
    """A row that stands for itself, for others of its text that were drawn, and for those that were not."""

    row: DrawnRow
    reason: Reason
    stands_for: float = 0.0


def _asked(draw: Draw, rows: list[DrawnRow], until: float) -> list[_Asked]:
    """Bring rows of one text together, in the order in which the first of each arrived."""
    at = np.array([row.cell for row in rows], np.int64)
    cells = draw.pool.cells
    may_disagree = np.array([row.disagreement for row in rows])
    chance = queue.probability(cells.rate[at], cells.proposals[at], may_disagree, until)
    asked: dict[str, _Asked] = {}
    for row, reason, p in zip(rows, _reasons(draw, rows, cells.rates[at], until), chance.tolist(), strict=True):
        one = asked.setdefault(row.text_key, _Asked(row, reason))
        one.stands_for += 1.0 / p
        if reason is Reason.RANDOM:
            one.reason = reason
    return list(asked.values())


class _Seen:
    """What a reviewer is told about a row."""

    def __init__(self, pool: Pool, blind: str) -> None:
        self._pool, self._blind = pool, blind
        self._hard = hard_labels(pool.proba, pool.covered)
        self._votes = packed.unpack(pool.patterns, pool.posteriors.n_lfs, len(pool.posteriors.classes))

    def of(self, asked: _Asked) -> dict[str, Any]:
        """Columns of the task."""
        p, posteriors = int(self._pool.pattern[asked.row.cell]), self._pool.posteriors
        if self._blind == "all" or (self._blind == "random" and asked.reason is Reason.RANDOM):
            return {"votes_shown": False}
        votes = zip(posteriors.lfs, self._votes[p].tolist(), strict=True)
        shown: dict[str, Any] = {
            "votes_shown": True,
            "votes": ", ".join(f"{lf}={posteriors.classes[vote]}" for lf, vote in votes if vote >= 0),
        }
        if self._hard[p] >= 0:
            shown["suggestion"] = posteriors.classes[self._hard[p]]
            shown["confidence"] = round(float(self._pool.proba[p].max()), 9)
        return shown


def _reasons(draw: Draw, rows: list[DrawnRow], rates: Floats, until: float) -> list[Reason]:
    time = np.array([row.by_pattern for row in rows])
    by_pattern = queue.reasons(rates, time, until, draw.draws(rows, "reason"), draw.draws(rows, "chance"))
    return [
        Reason.DISAGREEMENT if row.by_proposal < row.by_pattern and reason is not Reason.RANDOM else reason
        for row, reason in zip(rows, by_pattern, strict=True)
    ]
