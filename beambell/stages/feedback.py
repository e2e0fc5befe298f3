"""Feedback: takes in new files of events, and brings all that was ever said to one answer per row.

The rows are looked up in the partitions. A row that is not there yet is kept, and found when it comes. Votes are not
looked at, as some labeling functions vote by what people said; `beambell.stages.count` does that later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import NO_CLASS
from beambell.config.formats import number_of, with_format
from beambell.feedback.batches import (
    batch_folder,
    publish_batch,
    read_batches,
    read_events,
)
from beambell.feedback.consensus import UNDECIDED, Consensus, find_consensus
from beambell.feedback.events import CheckedEvents, Verdict, make_event
from beambell.feedback.stored import SETTING, find_partitions
from beambell.history import answers
from beambell.project import Project
from beambell.stages.feedback_files import (
    NewFile,
    digests_of_files,
    find_new,
    set_aside,
    take_in,
    unfit_inputs,
)
from beambell.stages.row_index import RowIndex, files_of_rows
from beambell.stages.stage import Outcome, Plan, Task, some_of, staleness
from beambell.store import Layout, Manifest, digest
from beambell.store.tables import write_table

STAGE = "feedback"
REJECTS_SHOWN = 10
ROWS_NAMED = 3
NAMES: Final = {"events": "feedback", "params": "feedback in params.yaml"}


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
    may_differ
        Whether answers may differ for other reasons than that rows do.
    """

    files: tuple[NewFile, ...]
    known: int
    reason: str | None
    may_differ: bool


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
    files = {"files": digests_of_files(project), "batches": number_of("batch")}
    return {**files, **project.params.in_force("feedback"), **project.params.names()}


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
    """Compare the files, batches and partitions there are with the consensus."""
    new = find_new(project)
    before = project.store.read(Layout.FEEDBACK)
    if new.files:
        return FeedbackWork(new.files, new.known, "new events", may_differ=True)
    if before is None and not new.batches:
        return FeedbackWork((), new.known, None, may_differ=False)
    inputs = _inputs(project, new.batches)
    may_differ = before is None or any(before.inputs[name] != inputs[name] for name in NAMES)
    return FeedbackWork((), new.known, staleness(before, inputs, NAMES), may_differ)


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
        found = RowIndex(project).find({stream: pa.array([row])} if row else {})
        return Added(key, new, tuple(str(partition) for partition, _ in found))


# -- the consensus -----------------------------------------------------------------------------------------------


def _inputs(project: Project, batches: Mapping[str, Manifest]) -> dict[str, str]:
    params = project.params.feedback.model_dump(mode="json", exclude={"inputs", "queue"})
    made_from = {
        "events": digest(sorted(batches)),
        "params": digest({**params, "classes": project.params.classes}),
        "rows": digest({str(partition): ref.sha256 for partition, ref in files_of_rows(project).items()}),
    }
    return with_format(STAGE, made_from)


def _publish(project: Project) -> Manifest:
    store, params = project.store, project.params
    batches, before = read_batches(store), store.read(Layout.FEEDBACK)
    consensus = find_consensus(read_events(store, batches), params.classes, params.feedback)
    rows, last = _locate(project, consensus)
    said = _answers(rows.take(pa.array(last)), params.classes)
    parts = {"lf_verdicts": consensus.lf_verdicts, "reviewers": consensus.reviewers}
    tables = {"rows": rows, answers.ROLE: said, **parts}
    files = {role: write_table(store, Layout.FEEDBACK, role, table) for role, table in tables.items()}
    facts = {
        **consensus.figures,
        **_figures(consensus.rows),
        "unknown": rows["dt"].null_count,
        "unknown_rows": _named(rows.filter(rows["dt"].is_null()).slice(0, ROWS_NAMED)),
        "batches": [folder.rpartition("/")[2] for folder in batches],
        "partitions": find_partitions(rows),
        "answers": answers.places(said),
        "classes": list(params.classes),
    }
    manifest = Manifest("feedback", files, _inputs(project, batches), facts)
    # What was made from it names the bytes of its files: one record of these is enough.
    made = store.publish(Layout.FEEDBACK, manifest, keep_history=before is None or before.files != files)
    if store.read(Layout.ANSWERS):
        store.withdraw(Layout.ANSWERS)
    return made


def _answers(rows: pa.Table, classes: Sequence[str]) -> pa.Table:
    """Pick what labeling functions with a memory may know: answers that set labels, and are not kept for measuring."""
    usable = pc.and_(pc.is_in(rows["verdict"], value_set=pa.array(SETTING)), pc.invert(rows["evaluate"]))
    said = rows.filter(usable)
    answer = pc.fill_null(
        pc.index_in(said["label"], value_set=pa.array(classes, pa.string())).cast(pa.int8()), NO_CLASS
    )
    return said.select(["stream", "dt", "row_id"]).append_column("answer", answer).cast(answers.SCHEMA).combine_chunks()


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


def _locate(project: Project, consensus: Consensus) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Find the partition of each row.

    Returns
    -------
    pyarrow.Table
        Rows by partition, those of none last; a row of several partitions is there as often.
    ndarray
        Numbers of its rows that lie in any partition, each in its last one: int64, ascending.
    """
    rows, index = consensus.rows, RowIndex(project)
    streams = np.asarray(rows["stream"].to_numpy(zero_copy_only=False), dtype=object)
    first = {stream: int(np.argmax(streams == stream)) for stream in dict.fromkeys(streams.tolist())}
    ids = {stream: rows["row_id"].filter(pc.equal(rows["stream"], stream)).combine_chunks() for stream in first}
    taken: list[npt.NDArray[np.int64]] = []
    dts: list[str | None] = []
    last = np.full(rows.num_rows, -1)
    for partition, positions in index.find(ids):  # in order: a later partition has the last word
        at = positions + first[partition.stream]
        last[at] = np.arange(len(at)) + len(dts)
        taken.append(at)
        dts += [partition.dt] * len(at)
    index.sweep()
    unknown = np.flatnonzero(last < 0)
    dts += [None] * len(unknown)
    located = rows.take(pa.array(np.concatenate([*taken, unknown])))
    return located.add_column(1, "dt", pa.array(dts, pa.string())), np.sort(last[last >= 0])
