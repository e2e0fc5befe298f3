"""One model version in detail: what it is, how it compares with the champion, and what was decided about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from beambell.project import Project
from beambell.registry import Decision, ModelVersion, champion, decisions, named_version

Judge = Callable[[Project, ModelVersion], tuple[dict[str, Any], Any]]


@dataclass(frozen=True)
class ModelDetail:
    """One registered version.

    Attributes
    ----------
    name, folder, id
        ``spam@v3``, where it lies below the data root, and its manifest's digest.
    champion
        The version that is served now, if any.
    partitions, lfs, label_models
        Numbers of partitions that it was trained on, and of LFs and label models behind its labels.
    metrics
        Metrics that it was registered with.
    evidence
        Figures against the champion on the same rows, and the policy's checks.
    policy
        Whether the policy would promote it.
    decisions
        Decisions about it, oldest first.
    """

    name: str
    folder: str
    id: str
    champion: str | None
    partitions: int
    lfs: int
    label_models: int
    metrics: Mapping[str, Any]
    evidence: Mapping[str, Any]
    policy: bool
    decisions: tuple[Decision, ...]


def show_model(project: Project, name: str | None, judge: Judge) -> ModelDetail:
    """Look at one version; the newest if it is not named.

    Parameters
    ----------
    judge
        Function that gathers evidence and judges it: a stage, which knows the gold.
    """
    version = named_version(project, name)
    best = champion(project, version.model)
    evidence, checks = judge(project, version)
    lineage = version.lineage
    return ModelDetail(
        name=version.name,
        folder=version.folder,
        id=version.manifest.id,
        champion=best.name if best else None,
        partitions=len(lineage["rows"]),
        lfs=len(lineage["lfs"]),
        label_models=len(lineage["label_models"]),
        metrics=version.metrics,
        evidence=evidence,
        policy=all(check.passed for check in checks),
        decisions=tuple(d for d in decisions(project, version.model) if version.name in (d.version, d.before)),
    )
