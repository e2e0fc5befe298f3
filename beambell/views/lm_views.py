"""Label models side by side: fitted to the same pattern counts, judged by the same known rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from beambell import label_model
from beambell.arrays import ABSTAIN, Floats
from beambell.errors import LabelModelError
from beambell.label_model import Dependency, LabelModel
from beambell.model.evaluation import Evaluation, evaluate
from beambell.project import Project
from beambell.state import FeedbackCounts, PatternCounts
from beambell.store import Partition, Selection
from beambell.workshop.sample import Gold, draw


@dataclass(frozen=True)
class ModelQuality:
    """How one label model fares on covered rows whose class is known.

    Attributes
    ----------
    rows
        Number of these rows.
    accuracy, low, high
        Share labelled rightly (a tie of k classes counts as 1/k), and its 95 % Wilson interval.
    log_loss, calibration_error
        Errors of the probabilities: see `beambell.model.evaluation`.
    """

    rows: int
    accuracy: float
    low: float
    high: float
    log_loss: float
    calibration_error: float


@dataclass(frozen=True)
class ModelFigures:
    """What one label model makes of the state.

    Attributes
    ----------
    kind
        Name of the kind.
    failure
        Reason why it could not be fitted; all else is then empty.
    seconds
        Seconds that fitting took, here and now.
    quality
        ``None`` where no covered row has a known class.
    agreement
        Share of covered rows that get the same label from each of the others, by name.
    ties
        Share of covered rows on which several classes are the most probable.
    mean_entropy
        Mean entropy of covered rows, in nats.
    class_shares
        Mean probability of each class over covered rows.
    """

    kind: str
    failure: str | None = None
    seconds: float = 0.0
    quality: ModelQuality | None = None
    agreement: Mapping[str, float] | None = None
    ties: float = 0.0
    mean_entropy: float = 0.0
    class_shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Label models side by side.

    Attributes
    ----------
    rows, covered
        Number of rows of the state, and how many of them have a vote.
    feedback
        Labelled rows that the models were fitted with.
    judged_by
        ``gold``, or ``feedback``: the part of it that no model was fitted to.
    models
        Figures of each model; the project's own first.
    dependencies
        Labeling functions that copy others.
    """

    rows: int
    covered: int
    feedback: int
    judged_by: str
    classes: tuple[str, ...]
    models: tuple[ModelFigures, ...]
    dependencies: tuple[Dependency, ...]


def compare_label_models(
    project: Project,
    selection: Selection,
    sample: int,
    *,
    gold: Gold,
    feedback: FeedbackCounts | None = None,
    reviewed: FeedbackCounts | None = None,
    among: Collection[Partition] | None = None,
) -> Comparison:
    """Fit every kind of label model to the project's state, and judge them by rows whose class is known.

    Parameters
    ----------
    selection, sample
        Partitions whose rows have gold labels to judge by, and how many of these rows are looked at.
    gold
        Function that gives the known class of sampled rows.
    feedback
        Feedback to fit with.
    reviewed
        Feedback to judge by instead of gold, on rows that are not in ``feedback``.
    among
        Partitions whose gold counts: those whose labels `beambell summary` judges; ``None`` for all.
    """
    everyone, params = project.state(), project.params.label_model
    counts = everyone.restrict([name for name in everyone.lfs if name not in project.params.lfs.shadow])
    project.register_label_models(params.kind)
    known = reviewed or _known(project, selection, sample, gold, counts, among)
    options, classes = {params.kind: params.options}, project.params.classes
    made = compare(counts, classes, known=known, feedback=feedback, first=params.kind, options=options)
    return replace(made, judged_by="feedback" if reviewed else "gold")


def compare(
    counts: PatternCounts,
    classes: Sequence[str],
    *,
    known: FeedbackCounts | None = None,
    feedback: FeedbackCounts | None = None,
    first: str = "dawid_skene",
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Comparison:
    """Fit every kind of label model to the same counts.

    Parameters
    ----------
    counts
        Number of rows of each vote pattern.
    classes
        K names.
    known
        Number of rows of each pattern that have each class: to judge by.
    feedback
        Feedback to fit with.
    first
        The kind to begin with.
    options
        Options of kinds that are not to have their defaults, by kind.
    """
    kinds = sorted(label_model.kinds(), key=lambda kind: (kind != first, kind))
    covered = np.asarray((counts.patterns >= 0).any(axis=1))
    patterns, rows = counts.patterns[covered], counts.counts[covered] / counts.unit
    models: dict[str, tuple[LabelModel, float] | str] = {
        kind: _fit(kind, dict((options or {}).get(kind, {})), counts, feedback) for kind in kinds
    }
    proba = {kind: made[0].posterior(patterns) for kind, made in models.items() if not isinstance(made, str)}
    hard = {kind: _hard(of_kind) for kind, of_kind in proba.items()}
    figures = []
    for kind, made in models.items():
        if isinstance(made, str):
            figures.append(ModelFigures(kind, failure=made))
            continue
        total = max(float(rows.sum()), 1.0)
        agreement = {other: float(rows @ (hard[kind] == labels)) / total for other, labels in hard.items()}
        figures.append(
            ModelFigures(
                kind,
                seconds=made[1],
                quality=_quality(made[0], known, classes) if known is not None else None,
                agreement={other: share for other, share in agreement.items() if other != kind},
                ties=float(rows @ (hard[kind] == ABSTAIN)) / total,
                mean_entropy=float(rows @ _entropy(proba[kind])) / total,
                class_shares=tuple((rows @ proba[kind] / total).tolist()),
            )
        )
    return Comparison(
        rows=counts.n_rows,
        covered=round(float(rows.sum())),
        feedback=feedback.n_rows if feedback is not None else 0,
        judged_by="gold",
        classes=tuple(classes),
        models=tuple(figures),
        dependencies=label_model.dependencies(counts),
    )


def _fit(
    kind: str, options: dict[str, Any], counts: PatternCounts, feedback: FeedbackCounts | None
) -> tuple[LabelModel, float] | str:
    start = perf_counter()
    try:
        model = label_model.create(kind, **options).fit(counts, feedback)
    except LabelModelError as error:
        return error.message
    return model, perf_counter() - start


def _known(
    project: Project,
    selection: Selection,
    sample: int,
    gold: Gold,
    counts: PatternCounts,
    among: Collection[Partition] | None,
) -> FeedbackCounts | None:
    """Gold labels of a sample of rows, by pattern; rows whose votes are older than the state's are left out."""
    parts = []
    for part in draw(project, selection, sample):
        if (
            (among is None or part.partition in among)
            and part.stored is not None
            and set(counts.lfs) <= set(part.stored.fingerprints)
        ):
            votes = np.column_stack([part.stored.of(name) for name in counts.lfs])
            parts.append(FeedbackCounts.from_labels(votes, gold(part), counts.cardinality, counts.lfs))
    return FeedbackCounts.sum(parts) if parts else None


def _quality(model: LabelModel, known: FeedbackCounts, classes: Sequence[str]) -> ModelQuality | None:
    covered = np.asarray((known.patterns >= 0).any(axis=1))
    labels = known.counts[covered]
    if not labels.any():
        return None
    proba = model.posterior(known.patterns[covered])
    row, y = np.nonzero(labels)
    times = labels[row, y]
    figures: Evaluation = evaluate(np.repeat(y, times), np.repeat(proba[row], times, axis=0), classes=classes)
    low, high = figures.accuracy_interval
    return ModelQuality(figures.n, figures.accuracy, low, high, figures.log_loss, figures.calibration_error)


def _hard(proba: Floats) -> npt.NDArray[np.int64]:
    best = proba >= proba.max(axis=1, keepdims=True) - 1e-5
    return np.where(best.sum(axis=1) > 1, ABSTAIN, best.argmax(axis=1))


def _entropy(proba: Floats) -> Floats:
    logs = np.log(proba, out=np.zeros_like(proba), where=proba > 0)
    return np.asarray(-(proba * logs).sum(axis=1))
