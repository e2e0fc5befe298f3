"""Apply, the driver's side: which partitions lack which votes.

The unit of work is (partition, LF fingerprint): of a partition whose rows are unchanged, the votes of every LF whose
fingerprint is unchanged are carried over, and only the others run. The votes of a stateful LF depend on the history of
the partition's keys, too: its digest is an input of the votes like that of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from beambell.artefacts.kinds.votes import Votes
from beambell.artefacts.lf_records import LFRecord, record_path
from beambell.config.formats import FORMAT_CHANGED, has_other_format, with_format
from beambell.labeling.core import check_fields
from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA
from beambell.project import Project
from beambell.records import seen_schema
from beambell.stages.histories import Histories, history_changes, input_name
from beambell.stages.stage import Plan, Task, some_of
from beambell.state import PatternCounts
from beambell.state.analysis import LFAnalysis
from beambell.state.patterns import arrow_type
from beambell.store import FileRef, Layout, Manifest, Partition, Selection, digest
from beambell.store.tables import read_table, write_table

STAGE = "apply"
REUSE_NONE = -1
LFS_CHANGED = "LFs: "


@dataclass(frozen=True)
class LFRef:
    """A labeling function as artefacts name it."""

    name: str
    fingerprint: str


@dataclass(frozen=True)
class VotesWork:
    """Votes that one partition lacks.

    Attributes
    ----------
    partition, rows
        Partition that lacks them, and the file of its records.
    lfs
        All active LFs, in the order of a pattern's digits.
    reuse
        Column of each LF in the previous votes, or -1 if the LF has to run.
    previous
        The previous votes of the same rows, if any are reused.
    previous_lfs
        Number of LFs in the previous votes.
    reason
        Reason of the work, for people.
    history
        Digest of the history of each stateful LF that votes, by ``past of NAME``: inputs of the votes.
    staged
        Staged pieces of the history of each of those that run, by the LF's name.
    """

    partition: Partition
    rows: FileRef
    lfs: tuple[LFRef, ...]
    reuse: tuple[int, ...]
    previous: FileRef | None
    previous_lfs: int
    reason: str
    history: Mapping[str, str] = field(default_factory=dict)
    staged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def to_run(self) -> tuple[str, ...]:
        """Names of the LFs that have to run, in the order of a pattern's digits."""
        return tuple(lf.name for lf, column in zip(self.lfs, self.reuse, strict=True) if column == REUSE_NONE)


def plan(project: Project, selection: Selection) -> Plan[list[VotesWork]]:
    """Say which partitions would be voted on, and why."""
    work, current = find_work(project, selection)
    lost = lost_records(project) if current else ()
    tasks = (
        *(Task(str(item.partition), item.reason) for item in work),
        *(Task(path, "the record of a labeling function that voted is gone") for path in lost),
    )
    figures = {"LFs changed": sum(item.reason.startswith(LFS_CHANGED) for item in work)}
    return Plan(STAGE, tasks, current, figures=figures, warnings=project.remarks, work=work)


def active_lfs(project: Project) -> tuple[LFRef, ...]:
    """List the project's labeling functions by name and fingerprint."""
    fingerprints = project.catalogue.fingerprints
    return tuple(LFRef(name, fingerprints[name]) for name in project.catalogue.names)


def lfs_digest(lfs: Iterable[LFRef], cardinality: int) -> str:
    """Digest of what a pattern's digits mean: LFs in order, and the number of classes."""
    return digest({"lfs": [asdict(lf) for lf in lfs], "classes": cardinality})


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    return {"lfs": {lf.name: lf.fingerprint for lf in active_lfs(project)}, **project.params.names()}


def find_work(project: Project, selection: Selection) -> tuple[list[VotesWork], int]:
    """Compare the votes there are with the rows and LFs there are, and with the history of stateful LFs.

    Where the history is not aggregated yet, it may change.

    Raises
    ------
    LabelingFunctionError
        If an LF reads a column that a stream does not have.
    """
    partitions = project.store.partitions(Layout.PARTITIONS)
    votes = project.store.partitions(Layout.VOTES)
    lfs = active_lfs(project)
    for stream in {partition.stream for partition in partitions} & set(project.params.streams):
        check_fields(project.catalogue.lfs, seen_schema(project.params.streams[stream]), stream)
    meaning = lfs_digest(lfs, project.params.cardinality)
    histories = Histories(project)

    def look(partition: Partition) -> VotesWork | None:
        return _compare(project, partition, partitions[partition], votes.get(partition), lfs, meaning, histories)

    wanted = [p for p in partitions if p in selection and p.stream in project.params.streams]
    work = [item for item in project.store.files.each(look, wanted) if item]
    histories.save()
    return work, len(wanted) - len(work)


def stage_pasts(project: Project, work: Iterable[VotesWork], job: str) -> list[VotesWork]:
    """Stage the history of each stateful LF that is to run, for the job of that id.

    Raises
    ------
    ArtefactError
        If a history is not aggregated.
    """
    histories = Histories(project, job)

    def stage(item: VotesWork) -> VotesWork:
        history = histories.inputs(item.partition)
        return replace(item, history=history, staged=histories.stage(item.partition, item.to_run))

    staged = list(project.store.files.each(stage, work))
    histories.save()
    return staged


def files_read(work: VotesWork) -> list[tuple[str, FileRef]]:
    """List the files that voting on a partition reads, with their folders."""
    previous = [(Layout.of(Layout.VOTES, work.partition), work.previous)] if work.previous else []
    return [(Layout.of(Layout.PARTITIONS, work.partition), work.rows), *previous]


def _compare(
    project: Project,
    partition: Partition,
    rows: Manifest,
    votes: Manifest | None,
    lfs: tuple[LFRef, ...],
    meaning: str,
    histories: Histories,
) -> VotesWork | None:
    ref = rows.files["rows"]
    reason = _reason_for_all(project, ref, votes)
    history = {} if reason else histories.inputs(partition)  # all are to be voted on anew: the plan need not read it
    if reason or votes is None:
        return VotesWork(partition, ref, lfs, tuple(REUSE_NONE for _ in lfs), None, 0, reason, history)
    if votes.inputs == with_format(STAGE, {"rows": ref.sha256, "lfs": meaning, **history}):
        return None
    cast = Votes.of(votes)
    known = cast.fingerprints
    columns = {
        (fingerprint, cast.history_seen_by(name)): column for column, (name, fingerprint) in enumerate(known.items())
    }
    reuse = tuple(columns.get((lf.fingerprint, history.get(input_name(lf.name))), REUSE_NONE) for lf in lfs)
    same = {input_name(lf.name) for lf in lfs if known.get(lf.name) == lf.fingerprint}
    changed = history_changes(votes.inputs, {name: sha256 for name, sha256 in history.items() if name in same})
    reason = "; ".join(filter(None, [_lf_changes(known, lfs), changed]))
    return VotesWork(partition, ref, lfs, reuse, votes.files["votes"], len(known), reason, history)


def _reason_for_all(project: Project, rows: FileRef, votes: Manifest | None) -> str:
    """Say why no vote there may be can be reused; nothing if some can."""
    if not votes:
        return "new partition"
    if Votes.of(votes).rows_digest != rows.sha256:
        return "rows changed"
    if has_other_format(STAGE, votes.inputs):
        return FORMAT_CHANGED
    return "classes changed" if Votes.of(votes).cardinality != project.params.cardinality else ""


def _lf_changes(before: dict[str, str], lfs: tuple[LFRef, ...]) -> str:
    now = {lf.name: lf.fingerprint for lf in lfs}
    changes = {
        "edited": [name for name in now if name in before and now[name] != before[name]],
        "added": [name for name in now if name not in before],
        "removed": [name for name in before if name not in now],
    }
    parts = []
    for change, names in changes.items():
        if names:
            parts.append(f"{some_of(sorted(names))} {change}")
    return LFS_CHANGED + "; ".join(parts) if parts else ""


def lost_records(project: Project) -> tuple[str, ...]:
    """Paths of records of today's labeling functions that are not there, although they voted before."""
    there = project.store.files.walk(Layout.LFS)
    own = (record_path(lf.name, lf.fingerprint) for lf in active_lfs(project))
    return tuple(path for path in own if path not in there)


def record_sources(project: Project) -> None:
    """Keep source, description and owner of each LF per fingerprint: they cannot be recovered later."""
    files, catalogue, records = project.store.files, project.catalogue, {}
    for lf in catalogue:
        fingerprint = catalogue.fingerprints[lf.name]
        record = LFRecord(
            name=lf.name,
            kind=lf.kind,
            fingerprint=fingerprint,
            source=catalogue.source(lf.name),
            label=lf.label,
            fields=list(lf.fields) if lf.fields is not None else None,
            streams=list(lf.streams) if lf.streams is not None else None,
            version=lf.version,
            description=lf.description,
            owner=lf.owner,
            tags=list(lf.tags),
        )
        records[record.path] = record.to_bytes()
    kept = files.read_many(list(records))
    for path, data in records.items():
        if kept.get(path) != data:
            files.write(path, data)


def votes_schema(n_lfs: int, cardinality: int) -> pa.Schema:
    """Schema of a partition's votes: id of the row, packed pattern."""
    return pa.schema([("id", pa.string()), ("pattern", arrow_type(n_lfs, cardinality))])


def publish_votes(
    project: Project, work: VotesWork, votes: FileRef, counts: PatternCounts, dead_letters: pa.Table
) -> Manifest:
    """Publish the votes of one partition with its pattern counts and dead letters.

    Parameters
    ----------
    project, work
        Project, and the work that was to be done.
    votes
        The file of votes, written already.
    counts
        Pattern counts of those votes.
    dead_letters
        Dead letters of the LFs that ran; those of reused LFs are carried over.
    """
    store, folder = project.store, Layout.of(Layout.VOTES, work.partition)
    letters = pa.concat_tables([dead_letters, _carried_letters(project, work)]).sort_by(
        [("lf", "ascending"), ("id", "ascending")]
    )
    files = {"votes": votes, "patterns": write_table(store, folder, "patterns", counts.to_table())}
    if letters.num_rows:
        files["dead_letters"] = write_table(store, folder, "dead_letters", letters)
    analysis = counts.analysis()
    facts = {
        "stream": work.partition.stream,
        "dt": work.partition.dt,
        "cardinality": counts.cardinality,
        "lfs": _lf_facts(work.lfs, analysis, letters),
        **coverage_facts(analysis),
        "patterns": counts.n_patterns,
        "dead_letters": letters.num_rows,
    }
    inputs = {"rows": work.rows.sha256, "lfs": lfs_digest(work.lfs, counts.cardinality), **work.history}
    return store.publish(folder, Manifest("votes", files, with_format(STAGE, inputs), facts))


def _carried_letters(project: Project, work: VotesWork) -> pa.Table:
    reused = [lf.fingerprint for lf, column in zip(work.lfs, work.reuse, strict=True) if column != REUSE_NONE]
    folder = Layout.of(Layout.VOTES, work.partition)
    before = project.store.read(folder) if work.previous else None
    if not reused or not before or "dead_letters" not in before.files:
        return DEAD_LETTERS_SCHEMA.empty_table()
    letters = read_table(project.store, folder, before.files["dead_letters"])
    return letters.filter(pc.is_in(letters["fingerprint"], value_set=pa.array(reused)))


def _lf_facts(lfs: Sequence[LFRef], analysis: LFAnalysis, letters: pa.Table) -> list[dict[str, Any]]:
    failed = dict(zip(*(column.to_pylist() for column in pc.value_counts(letters["lf"]).flatten()), strict=True))
    return [
        {**asdict(lf), "votes": of.votes, "errors": int(failed.get(lf.name, 0))}
        for lf, of in zip(lfs, analysis.lfs, strict=True)
    ]


def coverage_facts(analysis: LFAnalysis) -> dict[str, int]:
    """Rows, rows with a vote, and rows whose votes disagree."""
    return {"rows": analysis.rows, "covered": analysis.covered, "conflicts": analysis.conflicting}
