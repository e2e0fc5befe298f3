"""Partitions of a few rows, and their pasts without Beam."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from beambell import Project
from beambell.history.aggregates import aggregate_rows, merge_sorted
from beambell.history.rollup import Paned
from beambell.history.tables import open_aggregates
from beambell.labeling import StatefulFunction
from beambell.records import row_schema
from beambell.stages import feedback
from beambell.stages.aggregate import build_roll_up, find_work
from beambell.stages.aggregate import plan as plan_aggregate
from beambell.store import Layout, Manifest, Partition
from beambell.store.tables import write_table


def closes(dt: str) -> date:
    """Last day of a partition."""
    if len(dt) == 7:
        year, month = map(int, dt.split("-"))
        return date(year, month, monthrange(year, month)[1])
    return date.fromisoformat(dt[:10])


def begins(dt: str) -> date:
    """First day of a partition."""
    return date.fromisoformat(dt[:10] if len(dt) > 7 else f"{dt}-01")


def put_rows(project: Project, partition: Partition, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Publish a partition of rows; return them with id and time."""
    start = datetime.combine(begins(partition.dt), datetime.min.time(), UTC)
    rows = [{"id": str(i), "ts": start + timedelta(seconds=i), **row} for i, row in enumerate(rows)]
    table = pa.Table.from_pylist(rows, schema=row_schema(project.params.streams[partition.stream]))
    folder = Layout.of(Layout.PARTITIONS, partition)
    ref = write_table(project.store, folder, "rows", table)
    facts = {"rows": len(rows), "records": len(rows), "duplicates": 0}
    project.store.publish(folder, Manifest("partition", {"rows": ref}, {"raw": ref.sha256}, facts))
    return rows


def aggregate(project: Project) -> None:
    """What the Beam job does, without Beam."""
    feedback.run(project, feedback.plan(project))
    work = find_work(project, project.select())
    opened = open_aggregates(project.store, project.params, project.catalogue)
    for item in work.partitions:
        rows = project.rows(item.partition.stream, item.partition.dt, "arrow")
        for id_, pane in item.tables:
            tables = opened[id_]
            counted = item.partition.stream in tables.counted
            seen = tables.with_answers(rows, item.partition)
            parts = [
                [aggregate_rows(tables.spec, part, item.partition.stream, counted=counted, pane=pane)]
                for part in (seen[:2], seen[2:])
            ]
            tables.publish(
                Paned(item.partition, pane) if pane else item.partition,
                merge_sorted(tables.spec.aggregate, parts, days=False),
            )
    build_roll_up(project, work)
    assert not plan_aggregate(project, project.select()).tasks


def histories_at(project: Project, stream: str, dt: str) -> dict[str, list[pa.Table]]:
    """The states of all keys as of a day of a stream, for each stateful function that votes on it, by its name."""
    lfs = [lf for lf in project.catalogue if isinstance(lf, StatefulFunction) and lf.votes_on(stream)]
    opened = open_aggregates(project.store, project.params, lfs)
    return {lf.name: list(opened[lf.spec.id].read_all(opened[lf.spec.id].history_at(dt, lf.window_days))) for lf in lfs}


def values_of(lf: StatefulFunction, rows: pa.Table) -> list[Any]:
    """What a function gets to see of the past of each row of a table that brings it."""
    if not len(rows):
        return []
    column = rows[lf.past_column].combine_chunks()
    known = [*lf.aggregate.values(pa.Table.from_struct_array(column.dictionary)), lf.aggregate.zero]
    return [known[-1 if i is None else i] for i in column.indices.to_pylist()]
