"""Label, the driver's side: which partitions need labels of the current label model.

A label is a lookup: pattern to posterior. Labels first become *candidates*; the gate publishes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.labeling import patterns as packed
from beambell.project import Project
from beambell.state import PatternCounts
from beambell.steps.apply import coverage_facts
from beambell.steps.stage import Plan, Task
from beambell.store import FileRef, Layout, Manifest, Partition, Selection
from beambell.store.partition import days_before
from beambell.store.tables import read_table

STAGE = "label"
UNLABELLED = -1


@dataclass(frozen=True)
class LabelWork:
    """Labels that one partition lacks.

    Attributes
    ----------
    partition
        Whose.
    votes, patterns
        Its files of votes and of pattern counts.
    label_model
        Id of the label model's manifest.
    reason
        Why there is work, for people.
    """

    partition: Partition
    votes: FileRef
    patterns: FileRef
    label_model: str
    reason: str


def plan(project: Project, selection: Selection) -> Plan:
    """Say which partitions would be labelled, and why."""
    work, current = find_work(project, selection)
    return Plan(STAGE, tuple(Task(str(item.partition), item.reason) for item in work), current)


def find_work(project: Project, selection: Selection) -> tuple[list[LabelWork], int]:
    """Compare the candidates there are with votes and label model.

    A partition whose votes are of other LFs than the label model's waits for apply and fit. When only the label model
    changed, partitions older than ``labels.relabel_days`` keep the labels they have.
    """
    model = project.store.read(Layout.LABEL_MODEL)
    votes = project.store.partitions(Layout.VOTES)
    if model is None or not votes:
        return [], 0
    candidates = project.store.partitions(Layout.CANDIDATES)
    days, model_id = project.params.labels.relabel_days, model.id
    oldest = days_before(max(partition.dt for partition in votes), days) if days else ""
    work, current = [], 0
    for partition, manifest in votes.items():
        wanted = partition in selection and partition.stream in project.params.streams
        if not wanted or manifest.inputs["lfs"] != model.inputs["lfs"]:
            continue
        inputs = {"votes": manifest.files["votes"].sha256, "label_model": model_id}
        reason = _reason(candidates.get(partition), inputs, frozen=partition.dt < oldest)
        if reason:
            work.append(LabelWork(partition, manifest.files["votes"], manifest.files["patterns"], model_id, reason))
        else:
            current += 1
    return work, current


def _reason(candidate: Manifest | None, inputs: Mapping[str, str], *, frozen: bool) -> str | None:
    if candidate is None:
        return "no labels yet"
    if candidate.inputs["votes"] != inputs["votes"]:
        return "votes changed"
    if candidate.inputs["label_model"] != inputs["label_model"] and not frozen:
        return "label model changed"
    return None


class Posteriors:
    """The label model as a lookup from packed patterns to probabilities.

    Parameters
    ----------
    project
        Whose label model.
    """

    def __init__(self, project: Project) -> None:
        manifest = project.store.require(Layout.LABEL_MODEL, "run `beambell fit`")
        table = read_table(project.store, Layout.LABEL_MODEL, manifest.files["posterior"])
        self.classes: list[str] = manifest.facts["classes"]
        self.lfs: list[str] = manifest.facts["lfs"]
        self.n_lfs = len(self.lfs)
        self._voting: list[str] = manifest.facts["voting"]
        self._project = project
        self._patterns = table["pattern"].combine_chunks()
        self._proba = np.column_stack([table[f"p_{k}"].to_numpy() for k in range(len(self.classes))])

    @cached_property
    def _model(self) -> Any:
        return self._project.label_model()

    def heard(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Patterns without the votes of shadow LFs, to which the label model does not listen.

        Parameters
        ----------
        codes
            Packed patterns of all LFs, uint8 [n, width].
        """
        if self.lfs == self._voting:
            return codes
        distinct, inverse, _ = packed.unique(codes)
        votes = packed.unpack(distinct, len(self._voting), len(self.classes))
        kept = [self._voting.index(name) for name in self.lfs]
        return np.asarray(packed.pack(votes[:, kept], len(self.classes))[inverse])

    def of(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Look up packed patterns of the LFs that the label model listens to.

        Parameters
        ----------
        codes
            uint8 [n, width]; see `heard`.

        Returns
        -------
        ndarray
            float64 [n, K]. A pattern that the state had not seen at fitting asks the label model itself, one
            pattern at a time, so that the answer does not depend on its company.
        """
        distinct, inverse, _ = packed.unique(codes)
        at = pc.index_in(packed.to_arrow(distinct), value_set=self._patterns)
        proba = self._proba[pc.fill_null(at, 0).to_numpy()]
        for i in np.flatnonzero(~pc.is_valid(at).to_numpy(zero_copy_only=False)):
            pattern = packed.unpack(distinct[i : i + 1], self.n_lfs, len(self.classes))
            proba[i] = self._model.posterior(pattern)[0]
        return np.asarray(proba[inverse])


def hard_labels(proba: npt.NDArray[np.float64], covered: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    """Most probable class of each covered row; -1 for ties and for rows without a vote.

    Returns
    -------
    ndarray
        int8 [n].
    """
    best = proba.max(axis=1)
    tied = (proba == best[:, None]).sum(axis=1) > 1
    labels: npt.NDArray[np.int8] = proba.argmax(axis=1).astype(np.int8)
    labels[tied | ~covered] = UNLABELLED
    return labels


def entropy(proba: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Entropy of each row of probabilities, in nats; [n]."""
    logs = np.log(proba, out=np.zeros_like(proba), where=proba > 0)
    return np.asarray(-(proba * logs).sum(axis=1) + 0.0)


def labels_schema(classes: list[str]) -> pa.Schema:
    """Schema of a file of labels: ``id``, ``label``, ``p_<class>`` and ``entropy`` (null where uncovered)."""
    probabilities = [(f"p_{name}", pa.float32()) for name in classes]
    return pa.schema([("id", pa.string()), ("label", pa.int8()), *probabilities, ("entropy", pa.float32())])


def labels_table(ids: pa.ChunkedArray, codes: npt.NDArray[np.uint8], posteriors: Posteriors) -> pa.Table:
    """Label rows from their packed patterns.

    Parameters
    ----------
    ids, codes
        n ids, and uint8 [n, width].
    posteriors
        The label model as a lookup.
    """
    codes = posteriors.heard(codes)
    proba = posteriors.of(codes)
    covered = np.asarray(codes.any(axis=1))  # abstain is digit 0: a pattern without a vote is all zero bits
    uncovered = ~covered
    columns = [ids, pa.array(hard_labels(proba, covered))]
    columns += [pa.array(p.astype(np.float32), mask=uncovered) for p in proba.T]
    columns.append(pa.array(entropy(proba).astype(np.float32), mask=uncovered))
    return pa.table(columns, schema=labels_schema(posteriors.classes))


def publish_candidate(project: Project, work: LabelWork, labels: FileRef, posteriors: Posteriors) -> Manifest:
    """Publish the candidate labels of one partition, with the figures the gate judges."""
    store, folder = project.store, Layout.of(Layout.CANDIDATES, work.partition)
    everyone = PatternCounts.from_table(read_table(store, Layout.of(Layout.VOTES, work.partition), work.patterns))
    counts = everyone.restrict(posteriors.lfs)
    facts = {
        "stream": work.partition.stream,
        "dt": work.partition.dt,
        "classes": posteriors.classes,
        **coverage_facts(counts.analysis()),
        "patterns": counts.n_patterns,
        **_label_facts(counts, posteriors),
    }
    inputs = {"votes": work.votes.sha256, "label_model": work.label_model}
    return store.publish(folder, Manifest("labels", {"labels": labels}, inputs, facts))


def _label_facts(counts: PatternCounts, posteriors: Posteriors) -> dict[str, Any]:
    proba = posteriors.of(packed.pack(counts.patterns, counts.cardinality))
    covered = np.asarray((counts.patterns >= 0).any(axis=1))
    weights = counts.counts * covered
    total = max(int(weights.sum()), 1)
    hard = hard_labels(proba, covered)
    return {
        "label_counts": {name: int(counts.counts[hard == k].sum()) for k, name in enumerate(posteriors.classes)},
        "unlabelled": int(counts.counts[hard == UNLABELLED].sum()),
        "class_shares": [round(float(share), 9) for share in weights @ proba / total],
        "mean_entropy": round(float(weights @ entropy(proba) / total), 9),
    }
