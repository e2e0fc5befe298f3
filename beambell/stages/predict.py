"""Predict, the driver's side: which partitions lack what the champion says of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from beambell.arrays import Floats
from beambell.artefacts.kinds.predictions import Predictions
from beambell.config.formats import with_format
from beambell.project import Project
from beambell.registry import champion
from beambell.registry.served import find_served
from beambell.registry.versions import ModelVersion
from beambell.stages.stage import Plan, plan_units, staleness
from beambell.store import FileRef, Layout, Manifest, Partition, Selection
from beambell.store.partition import days_before
from beambell.store.tables import iter_tables

STAGE = "predict"
_SPOKEN = {"version": "the champion"}


@dataclass(frozen=True)
class PredictWork:
    """Predictions that one partition lacks.

    Attributes
    ----------
    partition
        Partition that lacks them.
    rows
        File of its rows.
    version, folder, version_id
        Name and folder of the model's version, and id of its manifest.
    """

    partition: Partition
    rows: FileRef
    version: str
    folder: str
    version_id: str

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of what the predictions are made from."""
        return with_format(STAGE, {"rows": self.rows.sha256, "version": self.version_id})


def plan(project: Project, selection: Selection) -> Plan[list[PredictWork]]:
    """Say which partitions would be predicted, and why: those that ``predictions`` in params.yaml asks for."""
    params = project.params.predictions
    version = champion(project, project.params.model.name) if params.mode == "champion" else None
    if version is None:
        return Plan(STAGE, work=[])
    rows = project.store.partitions(Layout.PARTITIONS)
    streams = set(params.streams or project.params.streams)
    oldest = days_before(max(p.dt for p in rows), params.days) if rows and params.days else ""
    wanted = [p for p in rows if p in selection and p.stream in streams and p.dt >= oldest]
    return _plan(project, version, {p: rows[p] for p in wanted})


def plan_asked(project: Project, selection: Selection, model: str) -> Plan[list[PredictWork]]:
    """Say which of the selected partitions would be predicted by a version, whatever params.yaml asks for."""
    version = find_served(project, model)
    rows = project.store.partitions(Layout.PARTITIONS)
    return replace(_plan(project, version, {p: m for p, m in rows.items() if p in selection}), selection=selection)


def _plan(project: Project, version: ModelVersion, rows: dict[Partition, Manifest]) -> Plan[list[PredictWork]]:
    known = project.store.partitions(Layout.PREDICTIONS)
    units = (
        PredictWork(p, manifest.files["rows"], version.name, version.folder, version.manifest.id)
        for p, manifest in rows.items()
        if p.stream in project.params.streams
    )
    return plan_units(STAGE, units, lambda unit: staleness(known.get(unit.partition), unit.inputs, _SPOKEN))


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    return {**project.params.in_force("predictions"), **project.params.names()}


def files_read(work: PredictWork) -> list[tuple[str, FileRef]]:
    """List the files that predicting a partition reads, with their folders."""
    return [(Layout.of(Layout.PARTITIONS, work.partition), work.rows)]


def predictions_schema(classes: Sequence[str]) -> pa.Schema:
    """Schema of a file of predictions: ``id``, ``label`` (number of the most probable class), ``p_<class>``."""
    return pa.schema([("id", pa.string()), ("label", pa.int8()), *((f"p_{name}", pa.float32()) for name in classes)])


def predictions_table(ids: pa.ChunkedArray, proba: Floats, classes: Sequence[str]) -> pa.Table:
    """Lay predictions out.

    Parameters
    ----------
    ids, proba
        Ids of n rows, and their probabilities, float64 [n, K].
    classes
        Names of the K classes.
    """
    columns = {"id": ids, "label": pa.array(proba.argmax(axis=1).astype(np.int8))}
    columns |= {f"p_{name}": pa.array(proba[:, k].astype(np.float32)) for k, name in enumerate(classes)}
    return pa.table(columns).cast(predictions_schema(classes))


def publish_predictions(project: Project, work: PredictWork, predictions: FileRef, classes: Sequence[str]) -> Manifest:
    """Publish the predictions of one partition."""
    folder = Layout.of(Layout.PREDICTIONS, work.partition)
    counts = np.zeros(len(classes), np.int64)
    for table in iter_tables(project.store, folder, predictions, ["label"]):
        counts += np.bincount(table["label"].to_numpy(), minlength=len(classes))
    facts = {
        "stream": work.partition.stream,
        "dt": work.partition.dt,
        "version": work.version,
        "classes": list(classes),
        "rows": predictions.rows,
        "label_counts": dict(zip(classes, counts.tolist(), strict=True)),
    }
    return project.store.publish(folder, Manifest(Predictions.KIND, {"predictions": predictions}, work.inputs, facts))
