"""Ingest, the driver's side: which raw files are new, and how their records become partitions.

A partition keeps, of all records with one id, the one from the last place (file, then line). That choice is a
maximum, so merging is commutative, associative and idempotent: files may come in any order, any number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.config import StreamParams
from beambell.config.formats import FORMAT_CHANGED, has_other_format, with_format
from beambell.errors import UsageError
from beambell.project import Project
from beambell.records import delivery_dt, row_schema
from beambell.steps.outside import FileDigests, glob_files
from beambell.steps.stage import Plan, Task
from beambell.store import FileRef, Layout, Manifest, Partition, Selection, digest
from beambell.store.partition import DT_PATTERN
from beambell.store.tables import read_staged, read_table, write_table

STAGE = "ingest"


@dataclass(frozen=True)
class RawFile:
    """A file as it was delivered.

    Attributes
    ----------
    stream
        Whose records it holds.
    name
        Its path relative to the project, or its URL; the order of names is the order of revisions.
    url
        Where to open it.
    delivery
        The ``{dt}`` of its name, if its pattern has one.
    sha256
        Of its bytes.
    """

    stream: str
    name: str
    url: str
    delivery: str | None
    sha256: str


@dataclass(frozen=True)
class IngestWork:
    """What one run of ingest reads and rebuilds.

    Attributes
    ----------
    files
        Raw files to read.
    rebuild
        Partitions to be made again from their sources, because a source changed under its old name.
    tasks
        The same for people.
    current
        Raw files that need no reading.
    """

    files: tuple[RawFile, ...] = ()
    rebuild: tuple[Partition, ...] = ()
    tasks: tuple[Task, ...] = ()
    current: int = 0


def plan(project: Project, selection: Selection) -> Plan:
    """Say which raw files would be read, and why."""
    work = find_work(project, selection)
    return Plan(STAGE, work.tasks, work.current)


def find_work(project: Project, selection: Selection) -> IngestWork:
    """Compare the raw files that are there with the deliveries on record."""
    raw = list_raw_files(project, selection)
    known = _deliveries(project)
    published = project.store.partitions(Layout.PARTITIONS)
    files, tasks, current = {}, [], 0
    touched: set[Partition] = set()
    for file in raw:
        before = known.get(file.name)
        its = {Partition(file.stream, dt) for dt in before.facts["partitions"]} if before else set()
        if before and before.inputs == _delivery_inputs(project, file) and its <= published.keys():
            current += 1
            continue
        files[file.name] = file
        tasks.append(Task(file.name, _reason(before, file, its <= published.keys())))
        touched |= its
    # A file that changed may have dropped a record that hid an older revision: only its sources know.
    for name in _sources(project, touched) - files.keys():
        delivery = known.get(name)
        path = next((file for file in raw if file.name == name), None) or _still_there(project, name, delivery)
        if path:
            files[name] = path
    return IngestWork(tuple(files[name] for name in sorted(files)), tuple(sorted(touched)), tuple(tasks), current)


def _reason(before: Manifest | None, file: RawFile, is_there: bool) -> str:
    if before is None:
        return "new file"
    if not is_there:
        return "a partition that it has records of was removed"
    if before.inputs["file"] != file.sha256:
        return "file changed"
    if has_other_format(STAGE, before.inputs):
        return FORMAT_CHANGED
    return "the stream's columns in params.yaml changed"


def _deliveries(project: Project) -> dict[str, Manifest]:
    return {manifest.facts["file"]: manifest for manifest in project.store.under(Layout.DELIVERIES).values()}


def _sources(project: Project, partitions: Iterable[Partition]) -> set[str]:
    names: set[str] = set()
    for partition in partitions:
        manifest = project.store.read(Layout.of(Layout.PARTITIONS, partition))
        names |= set(manifest.facts["sources"]) if manifest else set()
    return names


def _still_there(project: Project, name: str, delivery: Manifest | None) -> RawFile | None:
    stream = delivery.facts["stream"] if delivery else None
    files = list_raw_files(project, Selection(frozenset({stream}))) if stream else []
    return next((file for file in files if file.name == name), None)


# -- raw files ---------------------------------------------------------------------------------------------------


def list_raw_files(project: Project, selection: Selection) -> list[RawFile]:
    """Find the raw files of the selected streams and delivery days, in the order of their names."""
    digests = FileDigests(project)
    found: dict[str, RawFile] = {}
    for stream, params in sorted(project.params.streams.items()):
        if not selection.has_stream(stream):
            continue
        for pattern in params.inputs:
            for file in glob_files(project.path, pattern):
                name = file.name
                delivery = _delivery_of(name, pattern, params)
                if delivery and not selection.has_dt(delivery):
                    continue
                if name in found and found[name].stream != stream:
                    raise UsageError(
                        f"the file belongs to two streams, {found[name].stream} and {stream}",
                        where=name,
                        fix="make the inputs patterns in params.yaml disjoint",
                    )
                found[name] = RawFile(stream, name, file.url, delivery, digests.of(file))
    digests.save()
    return [found[name] for name in sorted(found)]


def _delivery_of(name: str, pattern: str, params: StreamParams) -> str | None:
    if "{dt}" not in pattern:
        return None
    spelled = re.escape(pattern).replace(r"\*\*/", ".*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    match = re.search(spelled.replace(r"\{dt\}", f"(?P<dt>{DT_PATTERN})", 1).replace(r"\{dt\}", "(?P=dt)") + "$", name)
    if not match:
        raise UsageError(
            "the file's name has no date where its pattern has {dt}",
            where=name,
            fix=f"rename the file, or narrow the pattern {pattern!r} in params.yaml",
        )
    try:
        return delivery_dt(match["dt"], params.grain)
    except UsageError as error:
        raise UsageError(error.message, where=name, fix=error.fix) from None


# -- records to partitions ---------------------------------------------------------------------------------------


def schema_digest(params: StreamParams) -> str:
    """Digest of all that decides how a stream's files are read (where they lie does not)."""
    return digest(params.model_dump(mode="json", exclude={"inputs"}))


def _delivery_inputs(project: Project, file: RawFile) -> dict[str, str]:
    made_from = {"file": file.sha256, "schema": schema_digest(project.params.streams[file.stream])}
    return with_format(STAGE, made_from)


def latest_revisions(rows: pa.Table) -> pa.Table:
    """Keep the last revision of each id (by file, then line), in order of event time, then id."""
    ordered = rows.sort_by([("id", "ascending"), ("_file", "ascending"), ("_line", "ascending")])
    if ordered.num_rows:
        ids = ordered["id"].combine_chunks()
        is_last = np.append(pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False), True)
        ordered = ordered.filter(pa.array(is_last))
    return ordered.sort_by([("ts", "ascending"), ("id", "ascending")])


@dataclass(frozen=True)
class Fragment:
    """Some records of one raw file that belong to one partition.

    Attributes
    ----------
    path
        Staged Parquet file, relative to the data root.
    file, sha256
        The raw file.
    rows
        How many records.
    """

    path: str
    file: str
    sha256: str
    rows: int


def publish_partition(
    project: Project, partition: Partition, fragments: Iterable[Fragment], read: frozenset[str], *, rebuild: bool
) -> Manifest:
    """Merge fragments into a partition and publish it, unless it says the same already.

    Parameters
    ----------
    project, partition
        What to publish.
    fragments
        New records.
    read
        Names of all raw files that this run reads.
    rebuild
        Whether what the partition has from those files is to be forgotten first.
    """
    store, folder = project.store, Layout.of(Layout.PARTITIONS, partition)
    schema = row_schema(project.params.streams[partition.stream])
    fragments = sorted(fragments, key=lambda fragment: (fragment.file, fragment.path))
    tables = [schema.empty_table(), *(_read_fragment(project, fragment) for fragment in fragments)]
    inputs: dict[str, str] = {}
    sources: dict[str, int] = {}
    before = store.read(folder)
    if before:
        kept = _conform(read_table(store, folder, before.files["rows"]), schema)
        inputs, sources = dict(before.inputs), dict(before.facts["sources"])
        if rebuild:
            kept = kept.filter(pc.invert(pc.is_in(kept["_file"], value_set=pa.array(sorted(read), pa.string()))))
            inputs = {name: sha256 for name, sha256 in inputs.items() if name not in read}
            sources = {name: n for name, n in sources.items() if name not in read}
        tables.append(kept)
    for name in {fragment.file for fragment in fragments}:
        own = [fragment for fragment in fragments if fragment.file == name]
        inputs[name], sources[name] = own[0].sha256, sum(fragment.rows for fragment in own)
    rows = latest_revisions(pa.concat_tables(tables))
    records = sum(sources.values())
    facts = {
        "stream": partition.stream,
        "dt": partition.dt,
        "rows": rows.num_rows,
        "records": records,
        "duplicates": records - rows.num_rows,
        "sources": sources,
    }
    manifest = Manifest("partition", {"rows": write_table(store, folder, "rows", rows)}, inputs, facts)
    return manifest if before == manifest else store.publish(folder, manifest)


def _conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give rows read under older parameters today's columns: unknown ones are null, dropped ones go."""
    have = set(rows.column_names)
    columns = [rows[f.name].cast(f.type) if f.name in have else pa.nulls(len(rows), f.type) for f in schema]
    return pa.table(columns, schema=schema)


def _read_fragment(project: Project, fragment: Fragment) -> pa.Table:
    return read_staged(project.store, fragment.path)


@dataclass(frozen=True)
class DeliveryReport:
    """What reading one raw file gave.

    Attributes
    ----------
    file
        The raw file.
    records
        Records in it, good and bad.
    partitions
        Rows per ``dt``.
    quarantined
        Records that could not be read.
    problems
        Problems of the file as a whole: truncated, empty, not the format its name says.
    codes
        Quarantined records and file problems per reason.
    quarantine
        The file that holds them, if there are any.
    """

    file: RawFile
    records: int
    partitions: dict[str, int]
    quarantined: int
    problems: list[str]
    codes: dict[str, int]
    quarantine: FileRef | None

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> DeliveryReport:
        """Read back what ``dataclasses.asdict`` made of a report."""
        quarantine = tree["quarantine"] and FileRef(**tree["quarantine"])
        return cls(**{**tree, "file": RawFile(**tree["file"]), "quarantine": quarantine})


def publish_delivery(project: Project, report: DeliveryReport) -> Manifest:
    """Record that a raw file was read, after the partitions it touched were published."""
    file = report.file
    facts = {
        "stream": file.stream,
        "file": file.name,
        "delivery": file.delivery,
        "records": report.records,
        "rows": report.records - report.quarantined,
        "quarantined": report.quarantined,
        "partitions": dict(sorted(report.partitions.items())),
        "problems": report.problems,
        "codes": dict(sorted(report.codes.items())),
    }
    files = {"quarantine": report.quarantine} if report.quarantine else {}
    manifest = Manifest("delivery", files, _delivery_inputs(project, file), facts)
    return project.store.publish(Layout.delivery(file.stream, file.name), manifest)


def balance(project: Project) -> dict[str, int]:
    """Balance the books over all that was ever delivered.

    Returns
    -------
    dict
        ``records`` in; ``rows`` out, ``duplicates`` and ``quarantined`` records; ``unexplained``, the difference,
        which is 0.
    """
    deliveries = [manifest.facts for manifest in project.store.under(Layout.DELIVERIES).values()]
    partitions = [manifest.facts for manifest in project.store.partitions(Layout.PARTITIONS).values()]
    books = {
        "records": sum(facts["records"] for facts in deliveries),
        "rows": sum(facts["rows"] for facts in partitions),
        "duplicates": sum(facts["duplicates"] for facts in partitions),
        "quarantined": sum(facts["quarantined"] for facts in deliveries),
    }
    return books | {"unexplained": books["records"] - books["rows"] - books["duplicates"] - books["quarantined"]}
