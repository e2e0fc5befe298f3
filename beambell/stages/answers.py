"""Answers: what people said of rows, brought to where labeling functions may know it before they vote.

The consensus is the one that the stage `feedback` publishes; but that looks its rows up in votes, which are made later.
Here they are looked up in the partitions, so that the past of a key depends on rows and feedback alone. Nothing of it
is made unless a labeling function votes by what people said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.config.formats import with_format
from beambell.feedback.batches import read_batches, read_events
from beambell.feedback.consensus import find_consensus
from beambell.feedback.stored import SETTING
from beambell.history.answers import ROLE, SCHEMA, places
from beambell.labeling.aggregates import NO_CLASS
from beambell.project import Project
from beambell.stages.collect import NewFile, consensus_inputs, find_new, take_in
from beambell.stages.row_index import RowIndex
from beambell.stages.stage import staleness
from beambell.store import FileRef, Layout, Manifest, Partition, digest
from beambell.store.tables import write_table

NAMES = {"events": "feedback", "params": "feedback in params.yaml"}


@dataclass(frozen=True)
class AnswersWork:
    """What the answers lack.

    Attributes
    ----------
    files
        Files of events that were not taken in yet.
    reason
        Reason why the answers are to be found again; ``None`` if they are not.
    feedback_changed
        Whether they may differ for other reasons than that the rows do.
    """

    files: tuple[NewFile, ...] = ()
    reason: str | None = None
    feedback_changed: bool = False


def find_work(project: Project) -> AnswersWork:
    """Compare files, batches and partitions with the answers there are; nothing if no function asks for them."""
    if not any(spec.asks_people for spec in project.catalogue.aggregates.values()):
        return AnswersWork()
    new, before = find_new(project), project.store.read(Layout.ANSWERS)
    if new.files:
        return AnswersWork(new.files, "new feedback", feedback_changed=True)
    if before is None and not new.batches:
        return AnswersWork()
    inputs = _inputs(project, new.batches)
    changed = before is None or any(before.inputs[name] != inputs[name] for name in NAMES)
    return AnswersWork((), staleness(before, inputs, NAMES), changed)


def refresh(project: Project, work: AnswersWork) -> list[Manifest]:
    """Take in new files of feedback, and bring the answers up to date; return the new batches."""
    batches = take_in(project, work.files)
    if work.reason:
        _publish(project)
    return batches


def _inputs(project: Project, batches: Mapping[str, Manifest]) -> dict[str, str]:
    rows = {str(partition): ref.sha256 for partition, ref in _rows(project).items()}
    return with_format("aggregate", consensus_inputs(project, batches) | {"rows": digest(rows)})


def _rows(project: Project) -> dict[Partition, FileRef]:
    partitions = project.store.partitions(Layout.PARTITIONS)
    return {p: manifest.files["rows"] for p, manifest in partitions.items() if p.stream in project.params.streams}


def _publish(project: Project) -> Manifest:
    store, params = project.store, project.params
    batches = read_batches(store)
    consensus = find_consensus(read_events(store, batches), params.classes, params.feedback).rows
    # What is kept for measuring stops here.
    usable = pc.and_(pc.is_in(consensus["verdict"], value_set=pa.array(SETTING)), pc.invert(consensus["evaluate"]))
    said = consensus.filter(usable)
    answers = _locate(project, said)
    facts = {
        "rows": answers.num_rows,
        "unknown": said.num_rows - answers.num_rows,
        "partitions": places(answers),
        "batches": [folder.rpartition("/")[2] for folder in batches],
    }
    file = write_table(store, Layout.ANSWERS, ROLE, answers)
    return store.publish(Layout.ANSWERS, Manifest("answers", {ROLE: file}, _inputs(project, batches), facts))


def _locate(project: Project, said: pa.Table) -> pa.Table:
    """Find the last partition that each row is in; leave out rows that are in none."""
    index = RowIndex(project, _rows(project), Layout.PARTITIONS, ["id"])
    dts: npt.NDArray[np.object_] = np.full(said.num_rows, None, dtype=object)
    streams = np.asarray(said["stream"].to_numpy(zero_copy_only=False), dtype=object)
    at = {stream: np.flatnonzero(streams == stream) for stream in dict.fromkeys(streams.tolist())}
    ids = {stream: said["row_id"].take(pa.array(places)).combine_chunks() for stream, places in at.items()}
    for partition, positions, _ in index.find(ids):  # in order: a later partition has the last word
        dts[at[partition.stream][positions]] = partition.dt
    index.sweep()
    classes = pa.array(list(project.params.classes), pa.string())
    answer = pc.fill_null(pc.index_in(said["label"], value_set=classes).cast(pa.int8()), NO_CLASS)
    columns = {"stream": said["stream"], "dt": pa.array(dts, pa.string()), "row_id": said["row_id"], "answer": answer}
    table = pa.table(columns)
    table = table.filter(table["dt"].is_valid())
    return table.sort_by([(name, "ascending") for name in ("stream", "dt", "row_id")]).cast(SCHEMA).combine_chunks()
