"""Feedback: takes in new files of events, and brings all that was ever said to one answer per row.

The rows are looked up in the votes there are, for their partition and their vote pattern. A row that is not there yet
is kept, and found when it comes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.config.formats import with_format
from beambell.errors import InputError
from beambell.feedback.batches import (
    batch_folder,
    publish_batch,
    read_batches,
    read_events,
    read_quarantine,
    take_turn,
)
from beambell.feedback.consensus import CONSENSUS_SCHEMA, UNDECIDED, Consensus, find_consensus
from beambell.feedback.events import CheckedEvents, Verdict, make_event
from beambell.feedback.stored import count_labels, find_partitions
from beambell.labeling import patterns as packed
from beambell.project import Project
from beambell.report.imported import Imported, NotUnderstood
from beambell.steps.collect import (
    How,
    NewFile,
    consensus_inputs,
    file_inputs,
    find_new,
    read_file,
    set_aside,
    take_in,
    unfit_inputs,
)
from beambell.steps.row_index import RowIndex
from beambell.steps.stage import Outcome, Plan, Task, some_of, staleness
from beambell.steps.votes_index import read_votes
from beambell.store import Layout, Manifest, Selection, digest
from beambell.store.tables import write_table

STAGE = "feedback"
REJECTS_SHOWN = 10
ROWS_NAMED = 3
NAMES = {"params": "feedback in params.yaml", "lfs": "LFs"}


@dataclass(frozen=True)
class FeedbackWork:
    """What the consensus lacks.

    Attributes
    ----------
    files
        Files of events that were not taken in yet, with the inputs of their batches.
    known
        How many were.
    reason
        Why the consensus is to be found again; ``None`` if it is not.
    """

    files: tuple[NewFile, ...]
    known: int
    reason: str | None


def plan(project: Project, selection: Selection) -> Plan:  # noqa: ARG001 - what people say is one, over all partitions
    """Say which files would be taken in, and why the consensus would be found again."""
    work = find_work(project)
    tasks = [Task(file.name, "new file") for file, _ in work.files]
    if work.reason:
        tasks.append(Task("consensus", work.reason))
    current = work.known + (not work.reason and project.store.read(Layout.FEEDBACK) is not None)
    warnings, notes = unfit_inputs(project)
    return Plan(STAGE, tuple(tasks), current, warnings=tuple(warnings), notes=tuple(notes))


def run(project: Project, selection: Selection) -> Outcome:  # noqa: ARG001
    """Take in new files, and find the consensus, unless nothing changed since."""
    with project.writing():
        work = find_work(project)
        batches = take_in(project, work.files)
        manifest = _publish(project) if work.reason else project.store.read(Layout.FEEDBACK)
    current = work.known + (not work.reason and manifest is not None)
    return Outcome(
        STAGE, len(batches) + bool(work.reason), current, headline(manifest), _warnings(project, manifest, batches)
    )


def headline(manifest: Manifest | None) -> dict[str, Any]:
    """Pick the figures that a person asks for first."""
    names = ("events", "rows", "labelled", "contradicted", "unknown")
    return {name: manifest.facts[name] for name in names} if manifest else {}


def _warnings(project: Project, manifest: Manifest | None, batches: list[Manifest]) -> tuple[str, ...]:
    found = [*unfit_inputs(project)[0], *set_aside(batches)]
    facts = manifest.facts if manifest else {}
    for name, what in (
        ("different", "event ids stand for different things; the latest counts"),
        ("outside", "labels are none of today's classes, and do not count"),
        ("waiting", "reviewed rows have votes of other LFs, and wait for apply"),
    ):
        if facts.get(name):
            found.append(f"{facts[name]} {what}")
    if facts.get("unknown"):
        some = f": {some_of(facts['unknown_rows'])}" if "unknown_rows" in facts else ""
        found.append(
            f"{facts['unknown']:,} of {facts['rows']:,} reviewed rows are not there (yet){some}; their answers are kept"
        )
    return tuple(found)


def find_work(project: Project) -> FeedbackWork:
    """Compare the files, batches and votes there are with the consensus."""
    new = find_new(project)
    before = project.store.read(Layout.FEEDBACK)
    if new.files:
        reason: str | None = "new events"
    elif new.batches or before:
        reason = staleness(before, _inputs(project, new.batches), NAMES)
    else:
        reason = None
    return FeedbackWork(new.files, new.known, reason)


@dataclass(frozen=True)
class Added:
    """One event that was added by hand.

    Attributes
    ----------
    event_id
        Its id.
    new
        Whether it was not there before.
    partitions
        Where its row is.
    """

    event_id: str
    new: bool
    partitions: tuple[str, ...]


def add_event(project: Project, **said: Any) -> Added:
    """Keep one event; the consensus is found by the next run of the stage.

    Parameters
    ----------
    **said
        Columns of `beambell.feedback.events.EVENTS_SCHEMA`.

    Raises
    ------
    UsageError
        If something is missing or wrong.
    """
    params = project.params
    event = make_event(params.classes, list(params.streams), **said)
    (key,), (row,), (stream,) = (event[name].to_pylist() for name in ("event_id", "row_id", "stream"))
    inputs = {"event": digest({name: str(column[0]) for name, column in zip(event.column_names, event, strict=True)})}
    with project.writing():
        new = batch_folder(inputs) not in read_batches(project.store)
        publish_batch(project.store, [CheckedEvents(event, [])], inputs)
        found = _index(project).find({stream: pa.array([row])} if row else {})
        return Added(key, new, tuple(str(partition) for partition, _, _ in found))


def import_file(project: Project, path: Path, how: How = How()) -> Imported:  # noqa: B008 - frozen
    """Take in a file of events, wherever it is.

    Parameters
    ----------
    how
        How to read it.

    Raises
    ------
    InputError
        If there is no such file, or its format is unknown.
    """
    store, path = project.store, path.resolve()
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), fix="check the name")
    name = path.relative_to(project.path).as_posix() if path.is_relative_to(project.path) else path.name
    with path.open("rb") as file:
        inputs = file_inputs(project, hashlib.file_digest(file, "sha256").hexdigest()) | how.inputs()
    folder = batch_folder(inputs)
    with project.writing():
        before = read_batches(store)
        new = folder not in before
        turn, replaced = take_turn(store, inputs, asked := how.asked(inputs))
        facts = {"asked": asked, "turn": turn}
        batch = publish_batch(store, read_file(project, str(path), name, how), inputs, file=name, facts=facts)
        events = read_events(store, {folder: batch})
        unknown = _unknown_rows(project, events)
        others = {other: made for other, made in read_batches(store).items() if other != folder and other in before}
        repeated = _repeated(events, read_events(store, others))
    quarantine = read_quarantine(store, {folder: batch})
    gone = sum(one.facts["answers"] for one in replaced)
    return replace(_imported(name, batch, quarantine, unknown, repeated, new=new), replaced=gone)


def _repeated(events: pa.Table, others: pa.Table) -> int:
    """Count the events that others have, too."""
    known = others["event_id"].combine_chunks()
    return pc.sum(pc.is_in(events["event_id"], value_set=known)).as_py() or 0


def import_files(project: Project, paths: Sequence[Path], how: How = How()) -> list[Imported]:  # noqa: B008 - frozen
    """Take in files of events, and all files in folders; one that cannot be read does not keep the others out.

    Raises
    ------
    InputError
        If there is only one file, and it cannot be read; or none.
    """
    files = [file for path in paths for file in (_files_in(path) if path.is_dir() else [path])]
    if not files:
        where = ", ".join(map(str, paths))
        raise InputError("there is no file in the folder", where=where, fix="check the name")
    if len(files) == 1:
        return [import_file(project, files[0], how)]
    return [_import_or_tell(project, file, how) for file in files]


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _import_or_tell(project: Project, path: Path, how: How) -> Imported:
    try:
        return import_file(project, path, how)
    except InputError as error:
        problem = f"{error.message}; {error.fix}"
        return Imported(path.name, True, 0, 0, 0, 0, 0, 0, (problem,), {}, (), (), 0, (), "line", 0)


def _imported(
    name: str, batch: Manifest, quarantine: pa.Table, unknown: list[str], repeated: int, *, new: bool
) -> Imported:
    facts = batch.facts
    skipped = facts.get("skipped", {})
    rejects = quarantine.filter(quarantine["line"].is_valid()).select(["line", "code", "message"])
    shown = rejects.slice(0, REJECTS_SHOWN).to_pylist()
    counts = Counter(rejects["code"].to_pylist())
    first = {code: rejects.filter(pc.equal(rejects["code"], code)).slice(0, 1).to_pylist()[0] for code in counts}
    return Imported(
        file=name,
        new=new,
        records=facts.get("records", facts["events"] + facts["quarantined"]),
        answers=facts.get("answers", facts["events"]),
        skipped=sum(skipped.values()),
        not_understood=facts["quarantined"],
        events=facts["events"],
        quarantined=facts["quarantined"],
        problems=tuple(facts["problems"]),
        skipped_because=skipped,
        not_understood_because=tuple(
            NotUnderstood(code, n, first[code]["line"], first[code]["message"]) for code, n in counts.most_common()
        ),
        rejects=tuple((reject["line"], reject["message"]) for reject in shown),
        counted_by=facts.get("counted_by", "line"),
        repeated=repeated,
        unknown=len(unknown),
        unknown_rows=tuple(unknown[:REJECTS_SHOWN]),
    )


def _unknown_rows(project: Project, events: pa.Table) -> list[str]:
    """List the rows that events speak of and no partition has, in order."""
    of_rows = events.filter(events["row_id"].is_valid()).group_by(["stream", "row_id"]).aggregate([])
    index, unknown = _index(project), []
    for stream in sorted(set(of_rows["stream"].to_pylist())):
        ids = of_rows.filter(pc.equal(of_rows["stream"], stream))["row_id"].combine_chunks()
        there = np.zeros(len(ids), bool)
        for _, positions, _ in index.find({stream: ids}):
            there[positions] = True
        unknown += [f"{stream}/{row}" for row in sorted(ids.filter(pa.array(~there)).to_pylist())]
    return unknown


# -- the consensus -----------------------------------------------------------------------------------------------


def _inputs(project: Project, batches: Mapping[str, Manifest]) -> dict[str, str]:
    votes = {name: voted.sha256 for name, voted in read_votes(project).items()}
    state = project.store.read(Layout.STATE)
    of_votes = {"votes": digest(votes), "lfs": state.inputs["lfs"] if state else ""}
    return with_format(STAGE, consensus_inputs(project, batches) | of_votes)


def _publish(project: Project) -> Manifest:
    store, params = project.store, project.params
    batches, before, state = read_batches(store), store.read(Layout.FEEDBACK), store.read(Layout.STATE)
    consensus = find_consensus(read_events(store, batches), params.classes, params.feedback)
    if state and state.facts["cardinality"] != params.cardinality:
        state = None  # its patterns are of other classes: nothing to look up until apply and merge have run
    lfs = list(state.facts["lfs"] if state else project.catalogue.names)
    rows = _locate(project, consensus, lfs, state.inputs["lfs"] if state else None)
    tables = {"rows": rows, "lf_verdicts": consensus.lf_verdicts, "reviewers": consensus.reviewers}
    for role, part in (("fit", pc.invert(rows["evaluate"])), ("evaluate", rows["evaluate"])):
        tables[role] = count_labels(rows.filter(part), list(params.classes), lfs).to_table()
    files = {role: write_table(store, Layout.FEEDBACK, role, table) for role, table in tables.items()}
    facts = {
        **consensus.figures,
        **_figures(consensus.rows),
        "unknown": rows["dt"].null_count,
        "unknown_rows": _named(rows.filter(rows["dt"].is_null()).slice(0, ROWS_NAMED)),
        "waiting": rows["pattern"].null_count - rows["dt"].null_count,
        "batches": [folder.rpartition("/")[2] for folder in batches],
        "partitions": find_partitions(rows),
        "classes": list(params.classes),
        "lfs": lfs,
    }
    manifest = Manifest("feedback", files, _inputs(project, batches), facts)
    # What was made from it names the bytes of its files: one record of these is enough.
    return store.publish(Layout.FEEDBACK, manifest, keep_history=before is None or before.files != files)


def _named(rows: pa.Table) -> list[str]:
    return [f"{row['stream']}/{row['row_id']}" for row in rows.select(["stream", "row_id"]).to_pylist()]


def _figures(rows: pa.Table) -> dict[str, int]:
    verdicts = dict(zip(*(each.to_pylist() for each in rows["verdict"].value_counts().flatten()), strict=True))
    names = {
        "labelled": Verdict.LABEL,
        "not_label": Verdict.NOT_LABEL,
        "not_a_class": Verdict.NOT_A_CLASS,
        "unsure": Verdict.UNSURE,
    }
    return {
        "rows": rows.num_rows,
        **{name: verdicts.get(verdict.value, 0) for name, verdict in names.items()},
        "undecided": verdicts.get(UNDECIDED, 0),
        "contradicted": pc.sum(pc.less(rows["agreement"], 1.0)).as_py() or 0,
    }


def _index(project: Project) -> RowIndex:
    votes = project.store.partitions(Layout.VOTES)
    return RowIndex(project, {p: m.files["votes"] for p, m in votes.items() if p.stream in project.params.streams})


def _locate(project: Project, consensus: Consensus, lfs: list[str], meaning: str | None) -> pa.Table:
    """Find partition and present vote pattern of each row; a row of several partitions is there as often."""
    rows, votes = consensus.rows, project.store.partitions(Layout.VOTES)
    index = _index(project)
    streams = np.asarray(rows["stream"].to_numpy(zero_copy_only=False), dtype=object)
    first = {stream: int(np.argmax(streams == stream)) for stream in dict.fromkeys(streams.tolist())}
    ids = {stream: rows["row_id"].filter(pc.equal(rows["stream"], stream)).combine_chunks() for stream in first}
    kind = packed.arrow_type(len(lfs), project.params.cardinality)
    fields = list(CONSENSUS_SCHEMA)
    schema = pa.schema([fields[0], pa.field("dt", pa.string()), *fields[1:], pa.field("pattern", kind)])

    def placed(part: pa.Table, dt: pa.Array, pattern: pa.Array) -> pa.Table:
        return part.append_column("dt", dt).append_column("pattern", pattern).select(schema.names).cast(schema)

    parts, unknown = [], np.ones(rows.num_rows, bool)
    for partition, positions, found in index.find(ids):
        at = positions + first[partition.stream]
        unknown[at] = False
        known = votes[partition].inputs["lfs"] == meaning
        pattern = found["pattern"].combine_chunks() if known else pa.nulls(len(at), kind)
        parts.append(placed(rows.take(pa.array(at)), pa.repeat(partition.dt, len(at)), pattern))
    index.sweep()
    n = int(unknown.sum())
    parts.append(placed(rows.filter(pa.array(unknown)), pa.nulls(n, pa.string()), pa.nulls(n, kind)))
    return pa.concat_tables(parts)
