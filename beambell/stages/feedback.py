"""Feedback: takes in new files of events, and brings all that was ever said to one answer per row.

The rows are looked up in the votes there are, for their partition and their vote pattern. A row that is not there yet
is kept, and found when it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.config.formats import with_format
from beambell.feedback.batches import (
    batch_folder,
    publish_batch,
    read_batches,
    read_events,
)
from beambell.feedback.consensus import CONSENSUS_SCHEMA, UNDECIDED, Consensus, find_consensus
from beambell.feedback.events import CheckedEvents, Verdict, make_event
from beambell.feedback.stored import count_labels, find_partitions
from beambell.project import Project
from beambell.stages.collect import (
    NewFile,
    consensus_inputs,
    find_new,
    set_aside,
    take_in,
    unfit_inputs,
)
from beambell.stages.row_index import RowIndex
from beambell.stages.stage import Outcome, Plan, Task, some_of, staleness
from beambell.stages.votes_index import read_votes
from beambell.state import patterns as packed
from beambell.store import Layout, Manifest, digest
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
        Number of files that were.
    reason
        Reason why the consensus is to be found again; ``None`` if it is not.
    """

    files: tuple[NewFile, ...]
    known: int
    reason: str | None


def plan(project: Project) -> Plan[FeedbackWork]:
    """Say which files would be taken in, and why the consensus would be found again."""
    work = find_work(project)
    tasks = [Task(file.name, "new file") for file, _ in work.files]
    if work.reason:
        tasks.append(Task("consensus", work.reason))
    current = work.known + (not work.reason and project.store.read(Layout.FEEDBACK) is not None)
    warnings, notes = unfit_inputs(project)
    return Plan(STAGE, tuple(tasks), current, warnings=tuple(warnings), notes=tuple(notes), work=work)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    return {**project.params.in_force("feedback"), **project.params.names()}


def run(project: Project, plan: Plan[FeedbackWork]) -> Outcome:
    """Take in new files, and find the consensus, unless nothing changed since."""
    work = plan.work
    batches = take_in(project, work.files)
    manifest = _publish(project) if work.reason else project.store.read(Layout.FEEDBACK)
    warnings = (*plan.warnings, *_warnings(manifest, batches))
    return Outcome(STAGE, len(plan.tasks), plan.current, headline(manifest), warnings)


def headline(manifest: Manifest | None) -> dict[str, Any]:
    """Pick the figures that a person asks for first."""
    names = ("events", "rows", "labelled", "contradicted", "unknown")
    return {name: manifest.facts[name] for name in names} if manifest else {}


def _warnings(manifest: Manifest | None, batches: list[Manifest]) -> tuple[str, ...]:
    found = list(set_aside(batches))
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
        Id of the event.
    new
        Whether it was not there before.
    partitions
        Names of the partitions that hold its row.
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
        found = row_index(project).find({stream: pa.array([row])} if row else {})
        return Added(key, new, tuple(str(partition) for partition, _, _ in found))


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


def row_index(project: Project) -> RowIndex:
    """Where the rows with votes are."""
    votes = project.store.partitions(Layout.VOTES)
    return RowIndex(project, {p: m.files["votes"] for p, m in votes.items() if p.stream in project.params.streams})


def _locate(project: Project, consensus: Consensus, lfs: list[str], meaning: str | None) -> pa.Table:
    """Find partition and present vote pattern of each row; a row of several partitions is there as often."""
    rows, votes = consensus.rows, project.store.partitions(Layout.VOTES)
    index = row_index(project)
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
