"""Label, the driver's side: which partitions need labels of the current label model, or of new feedback.

A label is a lookup: pattern to posterior. A row that people have reviewed gets their answer instead. Labels first
become *candidates*; the gate publishes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import NO_CLASS
from beambell.artefacts.contributors import FACT, fingerprints_of
from beambell.artefacts.kinds.labels import Candidates, LabelModel
from beambell.artefacts.kinds.votes import Votes
from beambell.config.formats import FORMAT_CHANGED, has_other_format, with_format
from beambell.feedback.stored import OF_LABELS, Reviewed, read_reviewed, reviewed_in
from beambell.project import Project
from beambell.stages.apply import coverage_facts
from beambell.stages.posteriors import Posteriors, entropy, hard_labels
from beambell.stages.stage import Plan, plan_units
from beambell.state import PatternCounts
from beambell.state import patterns as packed
from beambell.store import FileRef, Layout, Manifest, Partition, Selection
from beambell.store.partition import days_before
from beambell.store.tables import read_table

STAGE = "label"


@dataclass(frozen=True)
class LabelWork:
    """Labels that one partition lacks.

    Attributes
    ----------
    partition
        Partition that lacks them.
    votes, patterns
        Files of its votes and of its pattern counts.
    label_model
        Id of the label model's manifest.
    reviewed
        Reviewed rows of the partition, where these change a label.
    """

    partition: Partition
    votes: FileRef
    patterns: FileRef
    label_model: str
    reviewed: Reviewed | None = None

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of what the labels are made from."""
        feedback = {"feedback": self.reviewed.sha256} if self.reviewed and self.reviewed.sha256 else {}
        return with_format(STAGE, {"votes": self.votes.sha256, "label_model": self.label_model, **feedback})


def plan(project: Project, selection: Selection) -> Plan[list[LabelWork]]:
    """Say which partitions would be labelled, and why.

    A partition whose votes are of other LFs than the label model's waits for apply and fit. When only the label model
    changed, partitions older than ``labels.relabel_days`` keep the labels they have.
    """
    model = project.store.read(Layout.LABEL_MODEL)
    votes = project.store.partitions(Layout.VOTES)
    if model is None or not votes:
        return Plan(STAGE, work=[])
    feedback = project.store.read(Layout.FEEDBACK)
    candidates = project.store.partitions(Layout.CANDIDATES)
    days = project.params.labels.relabel_days
    oldest = days_before(max(partition.dt for partition in votes), days) if days else ""
    units = (
        LabelWork(p, of.files["votes"], of.files["patterns"], model.id, _reviewed(feedback, p))
        for p, of in votes.items()
        if p in selection
        and p.stream in project.params.streams
        and Votes.of(of).lfs_digest == LabelModel.of(model).lfs_digest
    )

    def why(unit: LabelWork) -> str | None:
        return _reason(candidates.get(unit.partition), unit.inputs, frozen=unit.partition.dt < oldest)

    return plan_units(STAGE, units, why)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    return {**project.params.in_force("labels"), **project.params.names()}


def files_read(work: LabelWork) -> list[tuple[str, FileRef]]:
    """List the files that labelling a partition reads, with their folders."""
    folder = Layout.of(Layout.VOTES, work.partition)
    return [(folder, work.votes), (folder, work.patterns)]


def _reviewed(feedback: Manifest | None, partition: Partition) -> Reviewed | None:
    """Return the reviewed rows of a partition, where that changes a label."""
    found = reviewed_in(feedback, partition)
    return found if found and found.sha256 is not None else None


def _reason(candidate: Manifest | None, inputs: Mapping[str, str], *, frozen: bool) -> str | None:
    if candidate is None:
        return "no labels yet"
    for name in ("votes", "feedback"):
        if candidate.inputs.get(name) != inputs.get(name):
            return f"{name} changed"
    if has_other_format(STAGE, candidate.inputs):
        return FORMAT_CHANGED
    if Candidates.of(candidate).label_model != inputs["label_model"] and not frozen:
        return "label model changed"
    return None


def read_answers(project: Project, work: LabelWork) -> pa.Table | None:
    """Read the reviewed rows of a partition, if there are any that change a label."""
    manifest = project.store.read(Layout.FEEDBACK) if work.reviewed else None
    if work.reviewed is None or manifest is None:
        return None
    return read_reviewed(project.store, manifest, work.reviewed, OF_LABELS)


def publish_candidate(project: Project, work: LabelWork, labels: FileRef, posteriors: Posteriors) -> Manifest:
    """Publish the candidate labels of one partition, with the figures the gate judges."""
    store, folder = project.store, Layout.of(Layout.CANDIDATES, work.partition)
    votes = store.require(Layout.of(Layout.VOTES, work.partition), "run `beambell apply`")
    everyone = PatternCounts.from_table(read_table(store, Layout.of(Layout.VOTES, work.partition), work.patterns))
    counts = everyone.restrict(posteriors.lfs)
    facts = {
        "stream": work.partition.stream,
        "dt": work.partition.dt,
        "classes": posteriors.classes,
        **coverage_facts(counts.analysis()),
        "patterns": counts.n_patterns,
        FACT: fingerprints_of(votes, posteriors.lfs),  # its votes may be replaced while its labels stay
        **_label_facts(counts, posteriors),
    }
    if work.reviewed:
        facts |= _reviewed_facts(read_table(store, folder, labels, ["label", "source"]), posteriors.classes)
    return store.publish(folder, Manifest("labels", {"labels": labels}, work.inputs, facts))


def _reviewed_facts(labels: pa.Table, classes: list[str]) -> dict[str, Any]:
    """Count labels as they are, some of them by people's word; the gate's other figures are of the votes."""
    rows = np.bincount(labels["label"].to_numpy().astype(np.int64) + 1, minlength=len(classes) + 1).tolist()
    reviewed = pc.sum(pc.equal(labels["source"], "feedback")).as_py() or 0
    return {"label_counts": dict(zip(classes, rows[1:], strict=True)), "unlabelled": rows[0], "reviewed": reviewed}


def _label_facts(counts: PatternCounts, posteriors: Posteriors) -> dict[str, Any]:
    proba = posteriors.of(packed.pack(counts.patterns, counts.cardinality))
    covered = np.asarray((counts.patterns >= 0).any(axis=1))
    weights = counts.counts * covered
    total = max(int(weights.sum()), 1)
    hard = hard_labels(proba, covered)
    return {
        "label_counts": {name: int(counts.counts[hard == k].sum()) for k, name in enumerate(posteriors.classes)},
        "unlabelled": int(counts.counts[hard == NO_CLASS].sum()),
        "class_shares": [round(float(share), 9) for share in weights @ proba / total],
        "mean_entropy": round(float(weights @ entropy(proba) / total), 9),
    }
