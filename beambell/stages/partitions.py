"""Partitions from records: of all records with one id, the one from the last place (file, then line) is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.artefacts import books
from beambell.artefacts.kinds.records import Rows
from beambell.errors import InputError
from beambell.project import Project
from beambell.records import conform, row_schema
from beambell.stages.deliveries import Key, read_deliveries, schema_digest
from beambell.stages.losses import find_losses
from beambell.stages.public_labels import PublicLabels
from beambell.store import Layout, Manifest, Partition
from beambell.store.tables import read_staged, read_table, write_table


@dataclass(frozen=True)
class Fragment:
    """Some records of one raw file that belong to one partition.

    Attributes
    ----------
    path
        Path of the staged Parquet file, relative to the data root.
    file, sha256
        The raw file.
    rows
        Number of records; for an archived file, those that were replaced by a later revision among them.
    """

    path: str
    file: str
    sha256: str
    rows: int


def latest_revisions(rows: pa.Table) -> pa.Table:
    """Keep the last revision of each id (by file, then line), in order of event time, then id."""
    ordered = rows.sort_by([("id", "ascending"), ("_file", "ascending"), ("_line", "ascending")])
    if ordered.num_rows:
        ids = ordered["id"].combine_chunks()
        is_last = np.append(pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False), True)
        ordered = ordered.filter(pa.array(is_last))
    return ordered.sort_by([("ts", "ascending"), ("id", "ascending")])


def publish_partition(
    project: Project, partition: Partition, fragments: Iterable[Fragment], *, rebuild: bool
) -> Manifest | None:
    """Merge fragments into a partition and publish it, unless it says the same already.

    Parameters
    ----------
    project, partition
        Project, and the partition that is published.
    fragments
        New records.
    rebuild
        Whether the fragments are all there is, and what the partition had is to be forgotten.

    Returns
    -------
    Manifest or None
        ``None`` if nothing is left, and the partition is withdrawn with all that was made from it.
    """
    store, folder = project.store, Layout.of(Layout.PARTITIONS, partition)
    fragments = sorted(fragments, key=lambda fragment: (fragment.file, fragment.path))
    tables = [row_schema(project.params.streams[partition.stream]).empty_table()]
    tables += [read_staged(store, fragment.path) for fragment in fragments]
    inputs: dict[str, str] = {}
    sources: dict[str, int] = {}
    before = store.read(folder)
    if before and not rebuild:
        tables.append(_kept(project, partition, before))
        inputs, sources = dict(before.inputs), dict(Rows.of(before).sources)
    for name in {fragment.file for fragment in fragments}:
        own = [fragment for fragment in fragments if fragment.file == name]
        inputs[name], sources[name] = own[0].sha256, sum(fragment.rows for fragment in own)
    if not sources:
        withdraw_partition(project, partition)
        return None
    rows = latest_revisions(pa.concat_tables(tables))
    records = sum(sources.values())
    facts = {
        "stream": partition.stream,
        "dt": partition.dt,
        "rows": rows.num_rows,
        "records": records,
        "duplicates": records - rows.num_rows,
        "sources": sources,
        "schema": schema_digest(project.params.streams[partition.stream]),
    }
    manifest = Manifest("partition", {"rows": write_table(store, folder, "rows", rows)}, inputs, facts)
    return manifest if before == manifest else store.publish(folder, manifest)


def _kept(project: Project, partition: Partition, before: Manifest) -> pa.Table:
    """Read the rows that a partition has, under today's columns."""
    table = read_table(project.store, Layout.of(Layout.PARTITIONS, partition), before.files["rows"])
    rows, bad = conform(table, project.params.streams[partition.stream])
    if bad.num_rows:
        raise InputError(
            f"the stream's columns in params.yaml changed, and {bad.num_rows} rows of {partition} do not fit them: "
            f"{bad['message'][0]}",
            where=f"{bad['file'][0]}:{bad['line'][0]}",
            fix="run `beambell ingest` without --from and --to, so that all files of the partition are read again",
        )
    return rows


def withdraw_partition(project: Project, partition: Partition) -> None:
    """Take a partition back with its votes, candidates, predictions and tables; `withdraw_labels` does the rest.

    The rows go last: as long as they are there, the next run knows that they are to be withdrawn.
    """
    store = project.store
    for kind in (Layout.CANDIDATES, Layout.SCREENINGS, Layout.VOTES, Layout.PREDICTIONS):
        if store.read(Layout.of(kind, partition)):
            store.withdraw(Layout.of(kind, partition))
    for folder in store.stamps(Layout.AGGREGATES):
        if folder.endswith(f"/{partition.folder}"):
            store.withdraw(folder)
    store.withdraw(Layout.of(Layout.PARTITIONS, partition))


def stale_labels(
    project: Project, known: Mapping[Key, Manifest], partitions: Collection[Partition], gone: Collection[Key] = ()
) -> list[Partition]:
    """Find partitions that have labels or a verdict, though their rows were withdrawn.

    Where a delivery could not be read at all, the last good labels stay, and the gate refuses the partition. Where
    nothing of a stream is on record, its artefacts were not made here, and are left alone.

    Parameters
    ----------
    project
        Project that is searched.
    known, partitions
        Records of the raw files of some streams, and the partitions that these have.
    gone
        Raw files that are about to go off the record.
    """
    there = {partition for kind in (Layout.LABELS, Layout.VERDICTS) for partition in _published(project, kind)}
    recorded = {stream for stream, _ in known} | {partition.stream for partition in partitions}
    candidates = {partition for partition in there.difference(partitions) if partition.stream in recorded}
    if not candidates:
        return []
    kept = [delivery for key, delivery in known.items() if key not in gone]
    return sorted(candidates - find_losses(project, kept).unreadable - books.on_record(kept).keys())


def _published(project: Project, kind: str) -> set[Partition]:
    return {Partition.from_folder(folder) for folder in project.store.stamps(kind)}


def withdraw_labels(project: Project, streams: Collection[str], gone: Collection[Key] = ()) -> None:
    """Take back published labels and verdicts of rows that were withdrawn.

    Parameters
    ----------
    project, streams
        Project, and names of the streams whose labels are looked at.
    gone
        Raw files that are about to go off the record.
    """
    partitions = {partition for partition in _published(project, Layout.PARTITIONS) if partition.stream in streams}
    public = PublicLabels(project)
    for partition in stale_labels(project, read_deliveries(project, streams), partitions, gone):
        if project.store.read(Layout.of(Layout.LABELS, partition)):
            public.withdraw(partition)
        if project.store.read(Layout.of(Layout.VERDICTS, partition)):
            project.store.withdraw(Layout.of(Layout.VERDICTS, partition))
