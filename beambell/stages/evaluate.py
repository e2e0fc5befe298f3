"""Evaluate: labels and end model against gold labels, never against the labels the model was trained on.

Gold labels of ingested rows judge the end model in the holdout only; gold rows with a text of their own, wholly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import NO_CLASS
from beambell.artefacts.kinds import models as kinds
from beambell.artefacts.kinds.votes import Votes
from beambell.config.formats import with_format
from beambell.label_model import MajorityVote
from beambell.model import EndModel, Evaluation, evaluate
from beambell.project import Project
from beambell.registry.served import load_model
from beambell.stages import train
from beambell.stages.gold_rows import Account, Gold, GoldGlobs, Matched, find_gold, gold_files, gold_warnings
from beambell.stages.model_rows import model_rows
from beambell.stages.stage import Outcome, Plan, plan_whole
from beambell.stages.train import Sources, find_sources, held_out, labelled_rows, probabilities_of
from beambell.state import patterns as packed
from beambell.store import Layout, Manifest, Partition, canonical_json, digest
from beambell.store.tables import read_table, write_table

STAGE = "evaluate"


@dataclass
class Scored:
    """Gold labels with what was predicted for the same rows, collected piece by piece.

    Attributes
    ----------
    y, proba
        Pieces of int64 [n] and float64 [n, K].
    streams, ids
        Streams and ids of the rows.
    """

    y: list[npt.NDArray[np.int64]] = field(default_factory=list)
    proba: list[npt.NDArray[np.float64]] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def add(self, stream: str, ids: list[str], y: npt.NDArray[np.int64], proba: npt.NDArray[np.float64]) -> None:
        """Add rows of one stream."""
        self.y.append(y)
        self.proba.append(proba)
        self.streams += [stream] * len(ids)
        self.ids += ids

    def judged(self, project: Project) -> Evaluation | None:
        """Measure, or ``None`` if no row has gold."""
        if not self.ids:
            return None
        params = project.params
        y, proba = np.concatenate(self.y), np.concatenate(self.proba)
        return evaluate(y, proba, classes=params.classes, bins=params.evaluation.bins)

    def table(self, classes: tuple[str, ...]) -> pa.Table:
        """All rows: ``stream``, ``id``, ``label`` and a probability per class."""
        proba = np.concatenate(self.proba) if self.proba else np.empty((0, len(classes)))
        y = np.concatenate(self.y) if self.y else np.empty(0, dtype=np.int64)
        columns = {"stream": pa.array(self.streams, pa.string()), "id": pa.array(self.ids, pa.string())}
        columns["label"] = pa.array(y, pa.int8())
        return pa.table(columns | {f"p_{name}": pa.array(proba[:, k]) for k, name in enumerate(classes)})


def plan(project: Project) -> Plan[None]:
    """Say whether labels and end model would be measured again, and why."""
    globs, before = find_gold(project), project.store.read(Layout.EVALUATION)
    inputs, warnings = _inputs(project, globs), gold_warnings(project, globs)
    return plan_whole(STAGE, "evaluation", before, inputs, {"params": "evaluation in params.yaml"}, warnings)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    files = {name: sha256 for name, (_, sha256) in gold_files(project).items()}
    return {**train.outer_inputs(project), "gold": files, **project.params.in_force("evaluation")}


def run(project: Project, plan: Plan[None]) -> Outcome:
    """Measure labels and end model, unless nothing changed since."""
    manifest = _publish(project) if plan.tasks else project.store.read(Layout.EVALUATION)
    none = () if project.params.evaluation.gold else ("evaluation.gold in params.yaml names no gold labels",)
    warnings = none + (gold_warnings(project) if plan.tasks else plan.warnings)
    figures = headline(kinds.Evaluation.of(manifest).metrics) if manifest else {}
    return Outcome(STAGE, len(plan.tasks), plan.current, figures, warnings)


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the figures that a person asks for first."""
    names = ("majority_vote", "labels", "end_model", "end_model_gold_texts")
    return {f"{name}_accuracy": metrics[name]["accuracy"] for name in names if "accuracy" in metrics.get(name, {})}


def _inputs(project: Project, globs: GoldGlobs | None = None) -> dict[str, str] | None:
    model, gold = project.store.read(Layout.END_MODEL), gold_files(project, globs)
    if model is None or not gold:
        return None
    made_from = {
        "end model": model.id,
        "gold": digest({name: sha256 for name, (_, sha256) in gold.items()}),
        "labels": digest(find_sources(project).files),
        "params": digest(project.params.evaluation.model_dump(mode="json", exclude={"gold"})),
    }
    return with_format(STAGE, made_from)


def _publish(project: Project) -> Manifest:
    store, folder, classes = project.store, Layout.EVALUATION, project.params.classes
    scores = {name: Scored() for name in ("end_model", "end_model_gold_texts", "labels", "majority_vote")}
    model, sources = load_model(project), find_sources(project)
    n_rows = n_covered = 0
    gold = Gold.read(project)
    account = Account(gold)
    for own in gold.own:
        _score_own_rows(own, model, scores["end_model_gold_texts"])
    if gold.of_rows:
        for part in store.files.each(partial(_read_gold_rows, project, sources, gold, model.fields), sources.labels):
            account.add(part.partition.stream, part.ids, part.matched)
            n_rows += part.rows.num_rows
            n_covered += _score_partition(project, part, model, scores)
    evaluations = {name: scored.judged(project) for name, scored in scores.items()}
    metrics = {name: evaluation.to_metrics() for name, evaluation in evaluations.items() if evaluation}
    if n_rows:
        metrics["labels"] = {**metrics.get("labels", {}), "coverage": round(n_covered / n_rows, 6)}
    files = {
        "predictions": write_table(store, folder, "predictions", _all_predictions(scores, classes)),
        "metrics": store.put_as(folder, "metrics.json", canonical_json(metrics)),
    }
    judged = evaluations["end_model"] or evaluations["end_model_gold_texts"]
    files["confusion"] = store.put_as(folder, "confusion.csv", _csv(judged.confusion_rows() if judged else []))
    files["calibration"] = store.put_as(folder, "calibration.csv", _csv(judged.calibration_rows() if judged else []))
    manifest = Manifest("evaluation", files, _inputs(project) or {}, {"metrics": metrics, "gold": account.facts()})
    return store.publish(folder, manifest)


def _all_predictions(scores: Mapping[str, Scored], classes: tuple[str, ...]) -> pa.Table:
    """Predictions of the end model on every row it is judged by: two models can be compared later on the same rows."""
    return pa.concat_tables([scores[name].table(classes) for name in ("end_model", "end_model_gold_texts")])


def _score_own_rows(gold: pa.Table, model: EndModel, scored: Scored) -> None:
    known = gold.filter(pc.is_valid(gold["text"]))
    named = [name for name in ("text", *model.fields) if name in known.column_names]
    proba = model.predict_rows(known.select(named))
    ids = known["id"].cast(pa.string()).to_pylist() if "id" in known.column_names else [""] * known.num_rows
    scored.add("gold", ids, known["label"].to_numpy().astype(np.int64), proba)


@dataclass(frozen=True)
class GoldRows:
    """The n rows of one partition that have gold.

    Attributes
    ----------
    partition, rows
        Partition, and its rows with their published labels and a column ``gold``.
    ids, matched
        Ids of all rows of the partition, and what gold says of them.
    majority, voted
        Majority vote of each, float64 [n, K], and the rows that have a vote.
    """

    partition: Partition
    rows: pa.Table
    ids: pa.ChunkedArray
    matched: Matched
    majority: npt.NDArray[np.float64]
    voted: npt.NDArray[np.intp]


def _read_gold_rows(
    project: Project, sources: Sources, gold: Gold, fields: Sequence[str], partition: Partition
) -> GoldRows:
    labels = sources.labels[partition].files["labels"]
    rows = labelled_rows(project, partition, labels, sources.rows[partition], fields)
    matched, ids = gold.match(rows, partition.stream), rows["id"]
    known = pa.array(matched.label != NO_CLASS)
    rows = rows.append_column("gold", pa.array(matched.label)).filter(known)
    return GoldRows(partition, rows, ids, matched, *_majority(project, partition, rows["id"]))


def _score_partition(project: Project, part: GoldRows, model: EndModel, scores: Mapping[str, Scored]) -> int:
    """Score labels, majority vote and end model where each has a say; returns how many rows have labels."""
    partition, rows, voted = part.partition, part.rows, part.voted
    y, ids = rows["gold"].to_numpy(), rows["id"].to_pylist()
    proba, covered = probabilities_of(rows, project.params.classes)
    at = np.flatnonzero(covered)
    chosen = [ids[i] for i in at]
    scores["labels"].add(partition.stream, chosen, y[at], proba[at])
    scores["majority_vote"].add(partition.stream, [ids[i] for i in voted], y[voted], part.majority[voted])
    mine = np.flatnonzero(held_out(project, partition.stream, rows["id"]))
    seen = model_rows(project, partition.stream, rows.take(pa.array(mine)), model.fields)
    scores["end_model"].add(partition.stream, [ids[i] for i in mine], y[mine], model.predict_rows(seen))
    return len(at)


def _majority(
    project: Project, partition: Partition, ids: pa.ChunkedArray
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Majority vote of each row, and the rows that have a vote."""
    folder = Layout.of(Layout.VOTES, partition)
    manifest = project.store.require(folder, "run `beambell apply`")
    votes = read_table(project.store, folder, manifest.files["votes"])
    at = pc.index_in(ids, value_set=votes["id"].combine_chunks())
    codes = packed.from_arrow(votes["pattern"])[pc.fill_null(at, 0).to_numpy()]
    cast = Votes.of(manifest)
    L = packed.unpack(codes, len(cast.fingerprints), cast.cardinality)
    L[~pc.is_valid(at).to_numpy()] = -1
    L[:, [name in project.params.lfs.shadow for name in cast.fingerprints]] = -1
    proba: npt.NDArray[np.float64] = MajorityVote(cardinality=cast.cardinality).predict_proba(L)
    return proba, np.flatnonzero((L >= 0).any(axis=1))


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue().encode()
