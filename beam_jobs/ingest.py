"""Ingest: raw files in, partitions out by event time; what cannot be read is quarantined, nothing is dropped.

``python -m beam_jobs.ingest --project DIR``
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import apache_beam as beam
import fsspec
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.main import main
from beam_jobs.pipeline import ProjectFn, Spread, new_pipeline, read_reports, run_pipeline, write_report
from beambell.project import Project
from beambell.records import QUARANTINE_SCHEMA, read_records
from beambell.steps.ingest import (
    STAGE,
    DeliveryReport,
    Fragment,
    IngestWork,
    RawFile,
    balance,
    find_work,
    publish_delivery,
    publish_partition,
)
from beambell.steps.stage import Outcome
from beambell.store import Layout, Partition, Selection
from beambell.store.tables import stage_table, write_table


def run(project: Project, selection: Selection) -> Outcome:
    """Read what is new, publish the partitions it touches, then record the deliveries."""
    with project.writing():
        work = find_work(project, selection)
        if work.files:
            job = uuid.uuid4().hex
            run_pipeline(project, job, build(project, work, job))
            for report in read_reports(project, job, "deliveries"):
                publish_delivery(project, DeliveryReport.from_dict(report))
    return _outcome(project, work)


def build(project: Project, work: IngestWork, job: str) -> beam.Pipeline:
    """Build the pipeline: files to fragments, fragments grouped by partition, partitions published."""
    folder, read = str(project.path), frozenset(file.name for file in work.files)
    pipeline = new_pipeline(project.params.beam)
    fragments = (
        pipeline | "Files" >> Spread(enumerate(work.files)) | "ReadRecords" >> beam.ParDo(ReadRecords(folder, job))
    )
    # A partition that is rebuilt must be visited even when no file has records for it any more.
    rebuilt = pipeline | "Rebuilt" >> Spread((str(partition), None) for partition in work.rebuild)
    (
        (fragments, rebuilt)
        | beam.Flatten()
        | "ByPartition" >> beam.GroupByKey()
        | "PublishPartition" >> beam.ParDo(PublishPartition(folder, job, read))
    )
    return pipeline


class ReadRecords(ProjectFn):
    """Read one raw file into staged fragments, one per partition it has records of."""

    def work(self, element: tuple[int, RawFile]) -> Iterator[tuple[str, Fragment]]:
        """Yield (partition, fragment)."""
        index, file = element
        stream = self.project.params.streams[file.stream]
        rows_per_dt: Counter[str] = Counter()
        quarantined: list[pa.Table] = []
        records = 0
        with fsspec.open(file.url, "rb") as source:
            batches = read_records(
                source, name=file.name, stream=stream, stream_name=file.stream, delivery=file.delivery
            )
            for number, batch in enumerate(batches):
                records += batch.n_records
                quarantined.append(batch.quarantined)
                for dt, rows in _by_partition(batch.rows):
                    rows_per_dt[dt] += rows.num_rows
                    path = f"{self._job}/{index:06d}-{number:06d}-{dt}.arrow"
                    yield f"{file.stream}/{dt}", self._stage(path, file, rows)
        bad = pa.concat_tables([QUARANTINE_SCHEMA.empty_table(), *quarantined])
        write_report(
            self.project, self._job, "deliveries", f"{index:06d}", asdict(self._report(file, records, rows_per_dt, bad))
        )

    def _stage(self, path: str, file: RawFile, rows: pa.Table) -> Fragment:
        stage_table(self.project.store, path, rows)
        return Fragment(path, file.name, file.sha256, rows.num_rows)

    def _report(self, file: RawFile, records: int, per_dt: Counter[str], quarantined: pa.Table) -> DeliveryReport:
        of_file = quarantined.filter(pc.is_null(quarantined["line"]))
        ref = None
        if quarantined.num_rows:
            folder = Layout.delivery(file.stream, file.name)
            ref = write_table(self.project.store, folder, "quarantine", quarantined)
        return DeliveryReport(
            file=file,
            records=records,
            partitions=dict(per_dt),
            quarantined=quarantined.num_rows - of_file.num_rows,
            problems=of_file["message"].to_pylist(),
            codes=dict(Counter(quarantined["code"].to_pylist())),
            quarantine=ref,
        )


class PublishPartition(ProjectFn):
    """Merge the fragments of one partition with what it has, and publish it."""

    waits = True

    def __init__(self, folder: str, job: str, read: frozenset[str]) -> None:
        super().__init__(folder, job)
        self._read = read

    def work(self, element: tuple[str, Iterable[Fragment | None]]) -> None:
        """Publish one partition."""
        key, group = element
        found = list(group)
        fragments = [fragment for fragment in found if fragment is not None]
        rebuild = len(fragments) < len(found)
        publish_partition(self.project, Partition(*key.split("/")), fragments, self._read, rebuild=rebuild)


def _by_partition(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    columns = [name for name in rows.column_names if name != "dt"]
    dts = sorted(pc.unique(rows["dt"]).to_pylist())
    for dt in dts:
        yield dt, (rows if len(dts) == 1 else rows.filter(pc.equal(rows["dt"], dt))).select(columns)


def _outcome(project: Project, work: IngestWork) -> Outcome:
    warnings: list[str] = []
    folders = [Layout.delivery(file.stream, file.name) for file in work.files]
    for file, manifest in zip(work.files, project.store.require_each(folders, "run ingest again"), strict=True):
        facts = manifest.facts
        warnings += [f"{file.name}: {problem}" for problem in facts["problems"]]
        if facts["quarantined"]:
            codes = ", ".join(f"{count} {code}" for code, count in facts["codes"].items())
            warnings.append(f"{file.name}: {facts['quarantined']} of {facts['records']} records quarantined ({codes})")
    return Outcome(STAGE, len(work.files), work.current, balance(project), tuple(warnings))


if __name__ == "__main__":
    main("beam_jobs.ingest")
