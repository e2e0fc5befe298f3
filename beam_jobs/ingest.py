"""Ingest: raw files in, partitions out by event time; what cannot be read is quarantined, nothing is dropped.

``python -m beam_jobs.ingest --project DIR``
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.main import main
from beam_jobs.pipeline import ProjectFn, Spread, new_pipeline, read_reports, run_pipeline, write_report
from beambell.artefacts.kinds.records import Delivery
from beambell.errors import PartError
from beambell.project import Project
from beambell.records import BROKEN, Code, Reject, quarantine_table, read_records
from beambell.records.quarantine import Quarantine
from beambell.stages.archive import take_archived
from beambell.stages.deliveries import DeliveryReport, forget_delivery, publish_delivery
from beambell.stages.ingest import STAGE, IngestWork, balance, check_books
from beambell.stages.partitions import Fragment, publish_partition, withdraw_labels
from beambell.stages.raw_files import RawFile
from beambell.stages.stage import Outcome, Plan
from beambell.store import Layout, Partition
from beambell.store.reaching import open_file
from beambell.store.tables import stage_table, write_table

Item = tuple[int, RawFile] | tuple[None, str]
"""A file with its number, or a partition to rebuild, which has none."""


def run(project: Project, plan: Plan[IngestWork]) -> Outcome:
    """Read what is new, publish the partitions it touches, then record the deliveries.

    Raises
    ------
    ArtefactError
        If there are records afterwards that are not accounted for.
    PartError
        If nothing was done of some stream; all else is done by then.
    """
    work, selection = plan.work, plan.selection
    streams = [stream for stream in project.params.streams if selection.has_stream(stream)]
    before = {partition for partition in work.rebuild if _is_published(project, partition)}
    if work.files or work.rebuild:
        job = uuid.uuid4().hex
        run_pipeline(project, job, build(project, work, job))
        for report in read_reports(project, job, "deliveries"):
            publish_delivery(project, DeliveryReport.from_dict(report))
    withdraw_labels(project, streams, work.gone)
    for key in work.gone:
        forget_delivery(project, key)
    unbalanced = check_books(project, selection)
    emptied = sorted(partition for partition in before if not _is_published(project, partition))
    outcome = _outcome(project, work, emptied, unbalanced)
    if work.refused:
        raise _refusal(work, outcome)
    return outcome


def build(project: Project, work: IngestWork, job: str) -> beam.Pipeline:
    """Build the pipeline: files to fragments, fragments grouped by partition, partitions published."""
    folder = str(project.path)
    pipeline = new_pipeline(project.params.beam)
    # A partition that is rebuilt must be visited even when no file has records for it any more. It starts beside the
    # files: Flink's translator refuses two branches that are flattened before they are grouped.
    start: list[Item] = [*enumerate(work.files), *((None, str(partition)) for partition in work.rebuild)]
    (
        pipeline
        | "Files" >> Spread(start)
        | "ReadRecords" >> beam.ParDo(ReadRecords(folder, job))
        | "ByPartition" >> beam.GroupByKey()
        | "PublishPartition" >> beam.ParDo(PublishPartition(folder, job))
    )
    return pipeline


class ReadRecords(ProjectFn):
    """Read one raw file into staged fragments, one per partition it has records of."""

    def work(self, element: Item) -> Iterator[tuple[str, Fragment | None]]:
        """Yield (partition, fragment); a partition to rebuild has ``None`` for a fragment."""
        if element[0] is None:
            yield element[1], None
            return
        index, file = element
        if file.archived:
            yield from self._take_archived(index, file)
            return
        stream = self.project.params.streams[file.stream]
        rows_per_dt: Counter[str] = Counter()
        bad = Quarantine()
        records = 0
        if file.fault:
            bad.add(quarantine_table(file.name, [Reject(None, Code.MISNAMED, file.fault)]))
        else:
            delivered = datetime.fromisoformat(file.delivered) if file.delivered else None
            with open_file(file.url, where=file.name) as source:
                batches = read_records(
                    source,
                    name=file.name,
                    stream=stream,
                    stream_name=file.stream,
                    delivery=file.delivery,
                    delivered=delivered,
                )
                for number, batch in enumerate(batches):
                    records += batch.n_records
                    bad.add(batch.quarantined)
                    for dt, rows in _by_partition(batch.rows):
                        rows_per_dt[dt] += rows.num_rows
                        path = f"{self._job}/{index:06d}-{number:06d}-{dt}.arrow"
                        yield f"{file.stream}/{dt}", self._stage(path, file, rows)
        write_report(
            self.project, self._job, "deliveries", f"{index:06d}", asdict(self._report(file, records, rows_per_dt, bad))
        )

    def _take_archived(self, index: int, file: RawFile) -> Iterator[tuple[str, Fragment]]:
        """Stage the rows that partitions have of a file that is not there any more."""
        parts, report = take_archived(self.project, file)
        for part in parts:
            path = f"{self._job}/{index:06d}-{0:06d}-{part.dt}.arrow"
            stage_table(self.project.store, path, part.rows)
            yield f"{file.stream}/{part.dt}", Fragment(path, file.name, file.sha256, part.records)
        if report:
            write_report(self.project, self._job, "deliveries", f"{index:06d}", asdict(report))

    def _stage(self, path: str, file: RawFile, rows: pa.Table) -> Fragment:
        stage_table(self.project.store, path, rows)
        return Fragment(path, file.name, file.sha256, rows.num_rows)

    def _report(self, file: RawFile, records: int, per_dt: Counter[str], bad: Quarantine) -> DeliveryReport:
        misdated = set(bad.codes) <= {Code.MISDATED}  # is not lost, but left out by the stream's `first`
        is_broken = not BROKEN.isdisjoint(bad.remarks["code"].to_pylist()) or (records and not per_dt and not misdated)
        ref = None
        if bad.codes:
            folder = Layout.delivery(file.stream, file.name)
            ref = write_table(self.project.store, folder, "quarantine", bad.table)
        return DeliveryReport(
            file=file,
            records=records,
            partitions=dict(per_dt),
            quarantined=bad.records,
            problems=bad.problems,
            codes=dict(bad.codes),
            quarantine=ref,
            lost=(file.bytes or 0) if is_broken else 0,
        )


class PublishPartition(ProjectFn):
    """Merge the fragments of one partition with what it has, and publish it."""

    waits = True

    def work(self, element: tuple[str, Iterable[Fragment | None]]) -> None:
        """Publish one partition."""
        key, group = element
        found = list(group)
        fragments = [fragment for fragment in found if fragment is not None]
        rebuild = len(fragments) < len(found)
        publish_partition(self.project, Partition(*key.split("/")), fragments, rebuild=rebuild)


def _by_partition(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    columns = [name for name in rows.column_names if name != "dt"]
    dts = sorted(pc.unique(rows["dt"]).to_pylist())
    for dt in dts:
        yield dt, (rows if len(dts) == 1 else rows.filter(pc.equal(rows["dt"], dt))).select(columns)


def _is_published(project: Project, partition: Partition) -> bool:
    return project.store.read(Layout.of(Layout.PARTITIONS, partition)) is not None


def _outcome(project: Project, work: IngestWork, emptied: list[Partition], unbalanced: tuple[str, ...]) -> Outcome:
    warnings = [*map(str, work.withdrawn)]
    warnings += [f"withdrawn: partition {partition}, of which no row is left" for partition in emptied]
    warnings += [*work.warnings, *unbalanced]
    files = [file for file in work.files if not file.archived]
    folders = [Layout.delivery(file.stream, file.name) for file in work.files]
    for file, manifest in zip(work.files, project.store.require_each(folders, "run ingest again"), strict=True):
        read = Delivery.of(manifest)
        warnings += [f"{file.name}: {problem}" for problem in read.problems]
        if read.quarantined:
            codes = ", ".join(f"{count} {code}" for code, count in read.codes.items())
            warnings.append(f"{file.name}: {read.quarantined} of {read.records} records quarantined ({codes})")
    taken = {"withdrawn": len(work.withdrawn)} if work.withdrawn else {}
    details = {"withdrawn": [asdict(one) for one in work.withdrawn], "emptied": [str(p) for p in emptied]}
    done = len(files) + len(work.withdrawn)
    return Outcome(STAGE, done, work.current, {**balance(project), **taken}, tuple(warnings), details)


def _refusal(work: IngestWork, outcome: Outcome) -> PartError:
    first = work.refused[0]
    more = "".join(f"\n{error.where}: {error.message}" for error in work.refused[1:])
    part = {"done": outcome.done, "current": outcome.current, "figures": outcome.figures}
    details = {**outcome.details, **part, "warnings": list(outcome.warnings)}
    return PartError(first.message + more, where=first.where, fix=first.fix, details=details)


if __name__ == "__main__":
    main("beam_jobs.ingest")
