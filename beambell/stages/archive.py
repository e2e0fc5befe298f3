"""Archived files: not there any more, and their rows stay. What they said is taken from the partitions that have it.

When a stream's columns change, the rows are read again under the new ones, as the file would be. What they were is kept
with the file's record from then on, and every later change begins with that: nothing is lost by a type that was wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from beambell.artefacts.kinds.records import Delivery
from beambell.errors import InputError
from beambell.project import Project
from beambell.records import conform
from beambell.records.quarantine import Quarantine
from beambell.stages.deliveries import ARCHIVE, ARCHIVED_QUARANTINE, Archive, DeliveryReport
from beambell.stages.raw_files import RawFile
from beambell.store import Layout, Manifest, Partition
from beambell.store.tables import read_table, write_table


@dataclass(frozen=True)
class Part:
    """Rows of an archived file in one partition.

    Attributes
    ----------
    dt
        Date of the partition.
    rows
        Rows that fit the columns of today.
    records
        Number of records of the file in the partition, those that a later revision replaced among them.
    """

    dt: str
    rows: pa.Table
    records: int


def take_archived(project: Project, file: RawFile) -> tuple[list[Part], DeliveryReport | None]:
    """Take the rows of an archived file for the partitions that it names.

    Returns
    -------
    parts, report
        Rows by partition; and the report that is on record from now on, if the stream's columns changed.

    Raises
    ------
    InputError
        If rows no longer fit the stream's columns, and the file as it was read is not kept.
    """
    stream, record = project.params.streams[file.stream], _record(project, file)
    archive = _archive(project, file, record) if file.outdated or ARCHIVE in record.files else None
    records = dict(archive.partitions if archive else Delivery.of(record).partitions)
    bad, parts = Quarantine(), []
    for dt, original in _rows(project, file, archive, list(records) if file.outdated else file.archived):
        rows, quarantined = conform(original, stream)
        bad.add(quarantined)
        records[dt] -= quarantined.num_rows
        parts.append(Part(dt, rows, records[dt]))
    if bad.records and not archive:
        raise InputError(
            f"the file is archived, and its rows do not fit the stream's columns in params.yaml: {_first(bad)}",
            where=file.name,
            fix=f"bring the file back, or take its rows out: beambell ingest --withdraw {file.name}",
        )
    report = _report(project, file, archive, record, records, bad) if file.outdated and archive else None
    return [part for part in parts if part.records and part.dt in set(file.archived)], report


def _record(project: Project, file: RawFile) -> Manifest:
    fix = f"bring {file.name} back, and run `beambell ingest`"
    return project.store.require(Layout.delivery(file.stream, file.name), fix)


def _archive(project: Project, file: RawFile, record: Manifest) -> Archive:
    """Return what is kept of the file as it was read; write it, if it is not kept yet.

    It is on record before a partition is made again: from then on the partitions may lose it.
    """
    facts, folder = record.facts, Layout.delivery(file.stream, file.name)
    if ARCHIVE in record.files:
        return Archive(record.files[ARCHIVE], record.files.get(ARCHIVED_QUARANTINE), **facts[ARCHIVE])
    tables = [
        rows.append_column("dt", pa.repeat(pa.scalar(dt), len(rows)))
        for dt, rows in _rows(project, file, None, facts["partitions"])
    ]
    kept = write_table(project.store, folder, ARCHIVE, pa.concat_tables(tables, promote_options="default"))
    said = {name: facts[name] for name in ("partitions", "quarantined", "codes", "problems")}
    archive = Archive(kept, record.files.get("quarantine"), **said)
    files, facts = {**record.files, **archive.files}, {**facts, ARCHIVE: archive.facts}
    project.store.publish(folder, Manifest(record.kind, files, record.inputs, facts))
    return archive


def _rows(
    project: Project, file: RawFile, archive: Archive | None, dts: Iterable[str]
) -> Iterator[tuple[str, pa.Table]]:
    """Read the rows of a file by partition: as they are kept with its record, or from the partitions."""
    if archive:
        kept = read_table(project.store, Layout.delivery(file.stream, file.name), archive.rows)
        for dt in dts:
            yield dt, kept.filter(pc.equal(kept["dt"], dt)).drop_columns(["dt"])
        return
    for dt in dts:
        folder = Layout.of(Layout.PARTITIONS, Partition(file.stream, dt))
        manifest = project.store.require(folder, f"bring {file.name} back, and run `beambell ingest`")
        rows = read_table(project.store, folder, manifest.files["rows"])
        yield dt, rows.filter(pc.equal(rows["_file"], file.name))


def _report(
    project: Project, file: RawFile, archive: Archive, record: Manifest, records: dict[str, int], bad: Quarantine
) -> DeliveryReport:
    quarantine = archive.quarantine
    if bad.records:
        folder = Layout.delivery(file.stream, file.name)
        before = [read_table(project.store, folder, quarantine)] if quarantine else []
        quarantine = write_table(project.store, folder, "quarantine", pa.concat_tables([*before, bad.table]))
    return DeliveryReport(
        file=file,
        records=Delivery.of(record).records,
        partitions={dt: n for dt, n in records.items() if n},
        quarantined=archive.quarantined + bad.records,
        problems=archive.problems + _told(file, bad),
        codes=dict(Counter(archive.codes) + bad.codes),
        quarantine=quarantine,
        lost=Delivery.of(record).lost,
        archive=archive,
    )


def _told(file: RawFile, bad: Quarantine) -> list[str]:
    if not bad.records:
        return []
    said = (
        f"the file is archived, and {bad.records} of its rows do not fit the stream's columns in params.yaml: "
        f"{_first(bad)}; set the type back, and they come back; or bring the file back, corrected; or take all "
        f"its rows out: beambell ingest --withdraw {file.name}"
    )
    return [said]


def _first(bad: Quarantine) -> str:
    first = bad.table.sort_by("line").slice(0, 1).to_pylist()[0]
    return f"line {first['line']}, {first['message']}"
