"""Drawing rows from a pool, in the order in which they arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from beambell.arrays import Floats, Integers
from beambell.feedback import queue
from beambell.feedback.queue import Arrivals
from beambell.model import EndModel
from beambell.project import Project
from beambell.records.split import uniform
from beambell.stages.model_rows import field_types, model_rows, stored_columns
from beambell.state import patterns as packed
from beambell.store import Layout
from beambell.store.tables import read_table, take_rows
from beambell.workshop.queue_pool import Pool
from beambell.workshop.queue_record import Known

_MORE = 1.2  # arrivals to look at for each that is wanted: some are known already, some have the same text


@dataclass(eq=False)
class DrawnRow:
    """A row that arrived.

    Attributes
    ----------
    source
        Place of the row's partition among the sources of the pool.
    position
        Position of the row in its partition.
    cell
        Place of the row's cell in the pool.
    by_pattern, by_proposal
        Times at which its pattern brought it, and at which a proposal did; infinite if never.
    disagreement
        Disagreement of the end model with the label model, in [0, 1].
    id, text, text_key
        Id of the row, its text, and the key that rows of equal texts share.
    seen
        Text and fields as the end model sees them.
    """

    source: int
    position: int
    cell: int
    by_pattern: float = np.inf
    by_proposal: float = np.inf
    disagreement: float = 0.0
    id: str = ""
    text: str = ""
    text_key: str = ""
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def time(self) -> float:
        """Time of arrival: the earlier of both."""
        return min(self.by_pattern, self.by_proposal)


@dataclass
class Draw:
    """Draws rows from a pool.

    Attributes
    ----------
    project, pool, end_model, known
        Project and pool that rows are drawn from, the end model if it is asked, and what was asked before.
    predicted
        Number of rows that the end model predicted.
    passed_over
        Number of rows that arrived and were known.
    read
        Places of the sources whose votes were read.
    """

    project: Project
    pool: Pool
    end_model: EndModel | None
    known: Known
    predicted: int = 0
    passed_over: int = 0
    read: set[int] = field(default_factory=set)

    def first(self, size: int) -> tuple[list[DrawnRow], float]:
        """Draw the rows that arrive first and have ``size`` distinct texts, and the time until which they do."""
        cells = self.pool.cells
        until = cells.time_of(int(size * _MORE) + 10)
        while True:
            rows = sorted(self._look(until), key=lambda row: (row.time, row.source, row.position))
            last = _time_of_text(rows, size)
            if last is not None:
                return [row for row in rows if row.time < last], last
            if until == np.inf:
                return rows, until
            until = cells.time_of(2 * int(cells.expected(until)) + 10)

    def _look(self, until: float) -> list[DrawnRow]:
        """All rows that arrive before a time and were not asked about before."""
        cells = self.pool.cells
        rates = {"by_pattern": cells.rate, "by_proposal": cells.proposals}
        found = {way: queue.arrivals(cells.keys, cells.rows, rate, until, way) for way, rate in rates.items()}
        sources = {way: self.pool.source[those.cell] for way, those in found.items()}
        looked: list[DrawnRow] = []
        for s in np.unique(np.concatenate(list(sources.values()))).tolist():
            rows: dict[int, DrawnRow] = {}
            ids, pattern = self._patterns_of(s)
            for way, those in found.items():
                mine = np.flatnonzero(sources[way] == s)
                positions = self._positions(s, ids, pattern, those, mine, way)
                for at, position in zip(mine.tolist(), positions.tolist(), strict=True):
                    row = rows.setdefault(position, DrawnRow(s, position, int(those.cell[at])))
                    setattr(row, way, float(those.time[at]))
            self._read_texts(s, rows)
            looked += rows.values()
        new = [row for row in looked if not self.known.has(self._stream(row), row.id, row.text_key)]
        self.passed_over = len(looked) - len(new)
        self._predict(new)
        return [row for row in new if row.time < until]

    def _stream(self, row: DrawnRow) -> str:
        return self.pool.sources[row.source].partition.stream

    def _positions(
        self, s: int, ids: pa.Array, pattern: Integers, found: Arrivals, mine: Integers, salt: str
    ) -> Integers:
        """Say which rows of a source arrived: those of a cell come in the order of a hash of their ids."""
        where = np.empty(len(mine), np.int64)
        wanted = self.pool.pattern[found.cell[mine]]
        for p in np.unique(wanted).tolist():
            rows = np.flatnonzero(pattern == p)
            draws = uniform(ids.take(pa.array(rows)), salt=f"{salt} {self.pool.sources[s].partition}")
            in_order = rows[np.argsort(draws, kind="stable")]
            where[wanted == p] = in_order[found.order[mine[wanted == p]]]
        return where

    def _patterns_of(self, s: int) -> tuple[pa.Array, Integers]:
        """Ids of the rows of a source, and their patterns as places in the pool's."""
        self.read.add(s)
        source = self.pool.sources[s]
        folder = Layout.of(Layout.VOTES, source.partition)
        votes = read_table(self.project.store, folder, source.votes, ["id", "pattern"])
        codes = self.pool.posteriors.without_shadows(packed.from_arrow(votes["pattern"]))
        at = np.searchsorted(packed.keys(self.pool.patterns), packed.keys(codes))
        return votes["id"].combine_chunks(), at

    def _read_texts(self, s: int, rows: Mapping[int, DrawnRow]) -> None:
        source = self.pool.sources[s]
        stream, folder = source.partition.stream, Layout.of(Layout.PARTITIONS, source.partition)
        fields = self.end_model.fields if self.end_model else ()
        columns = list(dict.fromkeys(["id", *stored_columns(self.project, stream, fields)]))
        positions = sorted(rows)
        table = take_rows(self.project.store, folder, source.rows, positions, columns)
        seen = model_rows(self.project, stream, table, fields).to_pylist()
        for position, name, one in zip(positions, table["id"].to_pylist(), seen, strict=True):
            row, text = rows[position], one["text"]
            row.id, row.text, row.text_key = str(name), text or "", queue.text_key(stream, text)
            row.seen = {**one, "text": row.text}

    def _predict(self, rows: list[DrawnRow]) -> None:
        """Find out about which rows the end model disagrees, and which proposals are taken."""
        covered = self.pool.covered
        asked = [row for row in rows if covered[self.pool.pattern[row.cell]]] if self.end_model else []
        if self.end_model is None or not asked:
            return
        self.predicted = len(asked)
        labels = self.pool.proba[self.pool.pattern[[row.cell for row in asked]]]
        schema = pa.schema({"text": pa.string(), **field_types(self.project, self.end_model.fields)})
        seen = pa.Table.from_pylist([row.seen for row in asked], schema)
        found = queue.disagreement(labels, self.end_model.predict_rows(seen))
        taken = self.draws(asked, "taken") < found
        for row, disagreement, take in zip(asked, found.tolist(), taken.tolist(), strict=True):
            row.disagreement = disagreement
            row.by_proposal = row.by_proposal if take else np.inf

    def draws(self, rows: list[DrawnRow], salt: str) -> Floats:
        """A number in [0, 1) for each row, by its stream and id."""
        return uniform([f"{self._stream(row)}/{row.id}" for row in rows], salt=salt)


def _time_of_text(rows: list[DrawnRow], n: int) -> float | None:
    """Time of the row with the first text after n distinct ones, if there is one."""
    seen: set[str] = set()
    for row in rows:
        if row.text_key not in seen and len(seen) == n:
            return row.time
        seen.add(row.text_key)
    return None
