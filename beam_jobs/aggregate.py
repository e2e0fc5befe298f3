"""Aggregate: rows of partitions into tables by key, which stateful labeling functions vote by.

``python -m beam_jobs.aggregate --project DIR``
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import cast

import apache_beam as beam
import pyarrow as pa

from beam_jobs.main import main
from beam_jobs.pipeline import ProjectFn, Spread, new_pipeline, run_pipeline
from beam_jobs.shards import RowRange, Shard, row_ranges, stage_shard
from beambell.errors import CatalogueError
from beambell.history.aggregates import aggregate_rows, merge_sorted
from beambell.history.rollup import Paned
from beambell.history.tables import AggregateTables, open_aggregates
from beambell.labeling.stateful import Pane
from beambell.project import Project
from beambell.records import as_seen, stored_names
from beambell.stages.aggregate import STAGE, AggregateWork, PartitionWork, build_roll_up
from beambell.stages.stage import Outcome, Plan
from beambell.store import Layout, Partition
from beambell.store.tables import iter_tables, read_rows, read_staged, write_tables

MOST_AT_ONCE = 16
"""Tables merged at a time: with pieces of 65,536 keys each, that bounds the memory."""

Key = tuple[str, str, str]
"""Partition, id of the aggregate, and the length of panes, or nothing."""


def run(project: Project, plan: Plan[AggregateWork]) -> Outcome:
    """Make the tables that are missing or stale: first those of partitions, then the roll-up's."""
    work = plan.work
    if work.partitions:
        job = uuid.uuid4().hex
        run_pipeline(project, job, build(project, work.partitions, job))
    build_roll_up(project, work)
    done = sum(len(item.tables) for item in work.partitions) + len(work.nodes) + len(work.superfluous)
    figures = {"aggregates": len(project.catalogue.aggregates)}
    return Outcome(STAGE, done, work.current, figures)


def build(project: Project, work: Iterable[PartitionWork], job: str) -> beam.Pipeline:
    """Build the pipeline: row ranges to tables by key, gathered and merged per partition and aggregate."""
    folder = str(project.path)
    items = row_ranges(work, lambda item: item.rows, project.params.beam.rows_per_item)
    pipeline = new_pipeline(project.params.beam)
    (
        pipeline
        | "RowRanges" >> Spread(items)
        | "AggregateRows" >> beam.ParDo(AggregateRows(folder, job))
        | "ByPartition" >> beam.GroupByKey()
        | "PublishTables" >> beam.ParDo(PublishTables(folder, job))
    )
    return pipeline


class AggregatesFn(ProjectFn):
    """A DoFn that needs the project's aggregates."""

    waits = True

    def setup(self) -> None:
        """Open the project and its aggregates, once per worker."""
        super().setup()
        self._tables = open_aggregates(self.project.store, self.project.params, self.catalogue())

    def tables(self, id_: str) -> AggregateTables:
        """Return the tables of one aggregate.

        Raises
        ------
        CatalogueError
            If this worker has other stateful labeling functions than the driver.
        """
        if id_ not in self._tables:
            raise CatalogueError(
                "this worker has other stateful labeling functions than the driver",
                where=f"aggregate {id_}",
                fix="deploy the same code to every worker, then run again",
            )
        return self._tables[id_]


class AggregateRows(AggregatesFn):
    """Aggregate a range of rows, for all aggregates that its partition lacks."""

    def work(self, item: RowRange[PartitionWork]) -> Iterator[tuple[Key, Shard]]:
        """Publish the tables of a partition that the range holds whole; else yield ((partition, aggregate), shard)."""
        work = item.work
        several = [(self.tables(id_), pane) for id_, pane in work.tables]
        stream = work.partition.stream
        read = dict.fromkeys(["ts"])
        for tables, _ in several:
            read |= dict.fromkeys(tables.columns(stream))
        read.pop("stream", None)
        folder = Layout.of(Layout.PARTITIONS, work.partition)
        params = self.project.params.streams[stream]
        stored = read_rows(self.project.store, folder, work.rows, item.start, item.stop, stored_names(read, params))
        rows = as_seen(stored, params)
        for tables, pane in several:
            seen = tables.with_answers(rows, work.partition)
            table = aggregate_rows(tables.spec, seen, stream, counted=stream in tables.counted, pane=pane)
            part = Paned(work.partition, pane) if pane else work.partition
            if item.is_whole:
                tables.publish(part, merge_sorted(tables.spec.aggregate, [[table]], days=False))
                continue
            place = f"{self._job}/{tables.spec.id}/{part.folder}"
            key = str(work.partition), tables.spec.id, pane or ""
            yield key, stage_shard(self.project.store, place, item.index, table)


class PublishTables(AggregatesFn):
    """Merge the shards of one partition and aggregate, and publish the table."""

    def work(self, element: tuple[Key, Iterable[Shard]]) -> None:
        """Publish one table."""
        (name, id_, pane), shards = element
        partition = Partition(*name.split("/"))
        tables = self.tables(id_)
        store, aggregate = self.project.store, tables.spec.aggregate
        staging = f"{Layout.STAGING}/{self._job}/merged"
        parts = [self._shard(shard) for shard in sorted(shards, key=lambda shard: shard.index)]
        while len(parts) > MOST_AT_ONCE:
            merged = []
            for first in range(0, len(parts), MOST_AT_ONCE):
                with store.seal(staging, uuid.uuid4().hex) as sealed:
                    several = parts[first : first + MOST_AT_ONCE]
                    write_tables(sealed, aggregate.schema, merge_sorted(aggregate, several, days=False))
                merged.append(iter_tables(store, staging, sealed.ref))
            parts = merged
        whole = merge_sorted(aggregate, parts, days=False)
        tables.publish(Paned(partition, cast(Pane, pane)) if pane else partition, whole)

    def _shard(self, shard: Shard) -> Iterator[pa.Table]:
        """Read a staged table when it is asked for."""
        yield read_staged(self.project.store, shard.path)


if __name__ == "__main__":
    main("beam_jobs.aggregate")
