"""Train: the end model, on published probabilistic labels of rows outside the holdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.artefacts.contributors import sum_up
from beambell.artefacts.kinds import models as kinds
from beambell.artefacts.kinds.labels import Labels
from beambell.config.formats import with_format
from beambell.errors import TrainingError
from beambell.model import holdout
from beambell.project import Project
from beambell.stages.model_rows import field_types, model_rows, set_apart, stored_columns
from beambell.stages.screen import refused_partitions
from beambell.stages.stage import Outcome, Plan, plan_whole
from beambell.store import FileRef, Layout, Manifest, Partition, digest
from beambell.store.partition import days_before
from beambell.store.tables import read_table

STAGE = "train"
#: What is joined to a row of its label, and by which name; `probabilities_of` knows the rest.
LABEL_COLUMNS = {"label": "label", "entropy": "entropy", "split": "_split"}
SPOKEN = {"params": "model or evaluation.holdout in params.yaml"}


@dataclass(frozen=True)
class Sources:
    """Published labels in the training window, and the rows they label.

    Attributes
    ----------
    labels, rows
        Manifests per partition.
    """

    labels: Mapping[Partition, Manifest]
    rows: Mapping[Partition, Manifest]

    @property
    def files(self) -> dict[str, str]:
        """Digests of all files that are read, by what they are."""
        named = [(f"labels {p}", m.files["labels"]) for p, m in self.labels.items()]
        named += [(f"rows {p}", self.rows[p].files["rows"]) for p in self.labels]
        return {name: ref.sha256 for name, ref in named}


def plan(project: Project) -> Plan[Sources]:
    """Say whether the end model would be trained again, and why."""
    sources, before = find_sources(project), project.store.read(Layout.END_MODEL)
    inputs = _inputs(project, sources) if sources.labels else None
    plan = plan_whole(STAGE, "end model", before, inputs, SPOKEN, work=sources)
    if not plan.tasks:
        return plan
    learnt = kinds.EndModel.of(before).labels if before else {}
    now = {str(partition): manifest.id for partition, manifest in sources.labels.items()}
    changed = sum(learnt.get(partition) != now.get(partition) for partition in {**learnt, **now})
    return replace(plan, figures={"partitions changed": changed})


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    params = project.params
    texts = {name: stream.text for name, stream in params.streams.items()}
    read = {"texts": texts, **_fields(project)}
    return {**params.in_force("model"), "holdout": params.evaluation.holdout, **read, **params.names()}


def run(project: Project, plan: Plan[Sources]) -> Outcome:
    """Train the end model, unless labels, rows and parameters are those it was trained with."""
    manifest = _publish(project, plan.work) if plan.tasks else project.store.read(Layout.END_MODEL)
    figures = kinds.EndModel.of(manifest).figures if manifest else {}
    return Outcome(STAGE, len(plan.tasks), plan.current, figures)


def find_sources(project: Project) -> Sources:
    """Find the published labels in the training window, without those of partitions that the gate keeps out."""
    params = project.params.model
    streams = set(params.streams or project.params.streams)
    published = project.store.partitions(Layout.LABELS)
    rows = project.store.partitions(Layout.PARTITIONS)
    kept_out = refused_partitions(project)
    mine = {p: m for p, m in published.items() if p.stream in streams and p in rows and p not in kept_out}
    if mine and params.window_days:
        oldest = days_before(max(p.dt for p in mine), params.window_days)
        mine = {p: m for p, m in mine.items() if p.dt >= oldest}
    return Sources(mine, rows)


def _inputs(project: Project, sources: Sources) -> dict[str, str]:
    params = {"model": project.params.model.to_dict(), "holdout": project.params.evaluation.holdout}
    names = {s: project.params.streams[s].text for s in sorted({p.stream for p in sources.labels})}
    made_from = {
        "data": digest(sources.files),
        "params": digest({**params, "text": names, "classes": project.params.classes, **_fields(project)}),
    }
    return with_format(STAGE, made_from)


def _fields(project: Project) -> dict[str, Any]:
    """Name the types of the fields that the model learns from, by stream, if it learns from any."""
    wanted = project.params.model.fields
    found = {
        stream: {name: str(params.fields[name]) for name in wanted if name in params.fields}
        for stream, params in project.params.streams.items()
    }
    types = {stream: named for stream, named in found.items() if named}
    return {"fields": types} if types else {}


def _publish(project: Project, sources: Sources) -> Manifest:
    from beambell.model import train

    params = project.params.model
    project.register_models(params.kind)
    rows, proba, covered = training_rows(project, sources, params.fields)
    if not rows.num_rows:
        raise TrainingError(
            "no published row is left to train on",
            where=", ".join(str(partition) for partition in list(sources.labels)[:3]),
            fix="lower evaluation.holdout or widen model.window_days in params.yaml",
        )
    model = train(
        rows["text"],
        proba,
        covered=covered,
        classes=project.params.classes,
        seed=params.seed,
        max_rows=params.max_rows,
        kind=params.kind,
        beside=rows.select(params.fields),
        **params.settings,
    )
    store, folder = project.store, Layout.END_MODEL
    files = {name: _put(project, name, data) for name, data in sorted(model.to_files().items())}
    facts = {
        "name": params.name,
        "classes": list(project.params.classes),
        "rows": int(covered.sum()),
        "partitions": len(sources.labels),
        "labels": {str(p): manifest.id for p, manifest in sources.labels.items()},
        "sources": {str(p): sources.rows[p].files["rows"].sha256 for p in sources.labels},
        "label_models": sorted({Labels.of(manifest).label_model for manifest in sources.labels.values()}),
        **sum_up(store, sources.labels),
        **{
            name: {str(p): m.inputs[name] for p, m in sources.labels.items() if name in m.inputs}
            for name in ("votes", "feedback")
        },
    }
    return store.publish(folder, Manifest("end_model", files, _inputs(project, sources), facts), keep_history=True)


def _put(project: Project, name: str, data: bytes) -> FileRef:
    """Write a file of the model under a name that holds its digest: a crash leaves the last model whole."""
    role, dot, suffix = name.rpartition(".")
    return project.store.put(Layout.END_MODEL, role, dot + suffix, data)


def training_rows(
    project: Project, sources: Sources, fields: Sequence[str] = ()
) -> tuple[pa.Table, npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Read texts, fields and probabilities of the rows outside the holdout and the feedback that measures.

    Returns
    -------
    rows, proba, covered
        Table of ``text`` and the fields, n rows; float64 [n, K], bool [n].
    """
    rows = [pa.schema({"text": pa.string(), **field_types(project, fields)}).empty_table()]
    probabilities = [np.empty((0, project.params.cardinality))]
    covered = [np.empty(0, dtype=bool)]

    def read(partition: Partition) -> pa.Table:
        labels = sources.labels[partition].files["labels"]
        return labelled_rows(project, partition, labels, sources.rows[partition], fields)

    tables = project.store.files.each(read, sources.labels)
    for partition, table in zip(sources.labels, tables, strict=True):
        kept = table.filter(pa.array(~(held_out(project, partition.stream, table["id"]) | measures(table))))
        rows.append(model_rows(project, partition.stream, kept, fields))
        proba, is_covered = probabilities_of(kept, project.params.classes)
        probabilities.append(proba)
        covered.append(is_covered)
    return pa.concat_tables(rows), np.concatenate(probabilities), np.concatenate(covered)


def labelled_rows(
    project: Project, partition: Partition, labels: FileRef, rows: Manifest, fields: Sequence[str] = ()
) -> pa.Table:
    """Join a partition's published labels to its rows: id, provenance, text, label, probabilities, and some fields.

    Labels that failed the gate leave older ones published, so the two may not be of the same revision: rows without
    a label are left out.
    """
    wanted = stored_columns(project, partition.stream, fields)
    label_table = read_table(project.store, Layout.of(Layout.LABELS, partition), labels)
    columns = ["id", "_file", "_line", *wanted]
    row_table = read_table(project.store, Layout.of(Layout.PARTITIONS, partition), rows.files["rows"], columns)
    row_table = set_apart(row_table, project, partition.stream, fields)
    if not label_table["id"].equals(row_table["id"]):
        at = pc.index_in(row_table["id"], value_set=label_table["id"].combine_chunks())
        row_table, at = row_table.filter(pc.is_valid(at)), pc.drop_null(at)
        label_table = label_table.take(at)
    for name in label_table.column_names:
        if name in LABEL_COLUMNS or name.startswith("p_"):
            row_table = row_table.append_column(LABEL_COLUMNS.get(name, name), label_table[name])
    return row_table


def measures(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Say which labelled rows people have reviewed in order to measure, bool [n]: never to be trained on."""
    if "_split" not in table.column_names:  # labels of before there was feedback
        return np.zeros(table.num_rows, bool)
    return np.asarray(pc.fill_null(pc.equal(table["_split"], "evaluate"), False).to_numpy())


def held_out(project: Project, stream: str, ids: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Say which rows are kept for evaluation, by a hash of stream and id; bool [n]."""
    keys = pc.binary_join_element_wise(pa.scalar(stream), ids.cast(pa.string()), "/")
    return holdout(keys, project.params.evaluation.holdout)


def probabilities_of(
    table: pa.Table, classes: tuple[str, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Take probabilities out of a table of labels.

    Returns
    -------
    proba, covered
        float64 [n, K], uniform where uncovered; bool [n].
    """
    columns = [table[f"p_{name}"].to_numpy().astype(np.float64) for name in classes]
    proba = np.column_stack(columns) if table.num_rows else np.empty((0, len(classes)))
    covered: npt.NDArray[np.bool_] = np.asarray(np.isfinite(proba).all(axis=1))
    proba[~covered] = 1.0 / len(classes)
    return proba, covered
