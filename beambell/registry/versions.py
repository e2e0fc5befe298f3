"""Model versions: a numbered folder each, written once, never changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from beambell.artefacts.contributors import sum_up
from beambell.artefacts.kinds.labels import LabelModel
from beambell.artefacts.kinds.models import EndModel, Evaluation, Version
from beambell.config import NAME_PATTERN
from beambell.config.formats import has_other_format, with_format
from beambell.errors import RegistryError, UsageError
from beambell.project import Project
from beambell.store import Layout, Manifest, Partition
from beambell.store.numbered import read_numbered


@dataclass(frozen=True)
class ModelVersion:
    """One registered version.

    Attributes
    ----------
    model, number
        ``spam`` and 3: version v0003.
    folder
        Folder of the version, below the data root.
    manifest
        Manifest of the version: its files, what it was made from, and its metrics.
    """

    model: str
    number: int
    folder: str
    manifest: Manifest

    @property
    def name(self) -> str:
        """As people write it: ``spam@v3``."""
        return f"{self.model}@v{self.number}"

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Metrics it was registered with."""
        return Version.of(self.manifest).metrics

    @property
    def lineage(self) -> Mapping[str, Any]:
        """All that it was made from, by kind."""
        return Version.of(self.manifest).lineage


def versions(project: Project, model: str | None = None) -> list[ModelVersion]:
    """List the versions of a model, or of all models, oldest first.

    Raises
    ------
    ArtefactError
        If one of them is missing or damaged.
    """
    folder = f"{Layout.REGISTRY}/{model}" if model else Layout.REGISTRY
    found = read_numbered(project.store, folder, "v")
    return [ModelVersion(version.owner, version.number, version.folder, version.manifest) for version in found]


def find_version(project: Project, model: str, number: int) -> ModelVersion:
    """Find one version.

    Raises
    ------
    RegistryError
        If there is none of that number.
    """
    known = versions(project, model)
    for version in known:
        if version.number == number:
            return version
    have = ", ".join(f"v{version.number}" for version in known) or "none"
    raise RegistryError(f"there is no version {number} of {model}", fix=f"registered are: {have}")


def named_version(project: Project, name: str | None) -> ModelVersion:
    """Find a version as people name it: ``spam@v3``, ``v3`` or ``3``; the newest if ``None``.

    Raises
    ------
    UsageError
        If that is no name of a version.
    RegistryError
        If there is no such version.
    """
    model = project.params.model.name
    if name is None:
        known = versions(project, model)
        if not known:
            raise RegistryError(f"no version of {model} is registered", fix="run `beambell register`")
        return known[-1]
    match = re.fullmatch(rf"(?:({NAME_PATTERN})@)?v?(\d{{1,9}})", name)
    if not match:
        raise UsageError(f"{name!r} is not a version", fix=f"write it as {model}@v3, v3 or 3")
    return find_version(project, match[1] or model, int(match[2]))


def register(project: Project, model: Manifest, evaluation: Manifest | None) -> ModelVersion:
    """Register the trained model as the next version; the newest version again if it is that very model.

    Parameters
    ----------
    model
        Manifest of the trained model.
    evaluation
        Manifest of its evaluation, if there is gold to measure it on.
    """
    name = EndModel.of(model).model
    known = versions(project, name)
    inputs = with_format("register", {"end_model": model.id} | ({"evaluation": evaluation.id} if evaluation else {}))
    if known and holds(known[-1], model):
        return known[-1]
    number = known[-1].number + 1 if known else 1
    folder = Layout.version(name, number)
    project.store.copy(Layout.END_MODEL, folder, model.files.values())
    files = dict(model.files)
    if evaluation:
        project.store.copy(Layout.EVALUATION, folder, [evaluation.files["predictions"]])
        files["predictions"] = evaluation.files["predictions"]
    facts = {
        "name": name,
        "version": number,
        "metrics": Evaluation.of(evaluation).metrics if evaluation else {},
        "lineage": lineage(project, model),
    }
    manifest = project.store.publish(folder, Manifest("model_version", files, inputs, facts))
    return ModelVersion(name, number, folder, manifest)


def holds(version: ModelVersion, model: Manifest) -> bool:
    """Whether a version is that very model, registered as it would be now."""
    made_from = version.manifest.inputs
    return made_from["end_model"] == model.id and not has_other_format("register", made_from)


def lineage(project: Project, model: Manifest) -> dict[str, Any]:
    """All that made a model: labels, rows, votes, feedback, label models, LF fingerprints and parameters, by digest.

    Models that were trained before they said by which LFs their labels were made are asked by their labels, if these
    are still published.
    """
    label_models = {}
    trained = EndModel.of(model)
    for manifest_id in trained.label_models:
        revision = project.store.revision(Layout.LABEL_MODEL, manifest_id)
        label_models[manifest_id] = {"kind": LabelModel.of(revision).kind, **revision.inputs} if revision else {}
    made_by = model.facts
    if "unknown_lfs" not in made_by:
        made_by = sum_up(project.store, {p: _labels(project, p, id_) for p, id_ in _partitions(model)})
    return {
        "labels": dict(trained.labels),
        "rows": dict(trained.sources),
        "label_models": label_models,
        **{name: made_by[name] for name in ("lfs", "earlier_lfs", "unknown_lfs")},
        **{name: made_by[name] for name in ("votes", "feedback") if name in made_by},
        "params": dict(model.inputs),
    }


def _partitions(model: Manifest) -> list[tuple[Partition, str]]:
    return [(Partition(*key.split("/")), manifest_id) for key, manifest_id in EndModel.of(model).labels.items()]


def _labels(project: Project, partition: Partition, manifest_id: str) -> Manifest | None:
    """Published labels of a partition, if they are still those of that id."""
    labels = project.store.read(Layout.of(Layout.LABELS, partition))
    return labels if labels and labels.id == manifest_id else None
