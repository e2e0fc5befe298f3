"""What feedback did to the labels: published ones beside those that the votes alone would give, against gold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell import label_model
from beambell.arrays import Floats, Votes
from beambell.artefacts.kinds.labels import LabelModel
from beambell.model.evaluation import evaluate
from beambell.project import Project
from beambell.store import Layout, Partition
from beambell.workshop.sample import Gold, Part


@dataclass(frozen=True)
class Quality:
    """Labels of rows whose true class is known.

    Attributes
    ----------
    rows
        Number of rows that have a label.
    accuracy, macro_f1, log_loss
        Figures of these rows.
    """

    rows: int
    accuracy: float
    macro_f1: float
    log_loss: float


@dataclass(frozen=True)
class FeedbackEffect:
    """What feedback did.

    Attributes
    ----------
    reviewed
        Rows whose label is people's own word.
    before, after
        Quality over all rows: of labels by votes alone, and as they are published.
    before_others, after_others
        Quality over the rows with votes that nobody reviewed: what the answers changed for other rows.
    """

    reviewed: int
    before: Quality | None
    after: Quality | None
    before_others: Quality | None
    after_others: Quality | None


def show_effect(project: Project, gold: Gold) -> FeedbackEffect:
    """Compare published labels with those of a label model that was not told of any feedback.

    Parameters
    ----------
    gold
        Function that gives the true class of rows.
    """
    params = project.params.label_model
    lfs = LabelModel.of(project.store.require(Layout.LABEL_MODEL, "run `beambell fit`")).lfs
    counts = project.state().restrict(lfs)
    untaught = label_model.create(params.kind, **params.options).fit(counts)
    parts = [
        _compare(project, partition, untaught, lfs, gold)
        for partition in project.store.partitions(Layout.LABELS)
        if partition.stream in project.params.streams
    ]
    y, reviewed = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    before, after = (np.concatenate([part[i] for part in parts]) for i in (2, 3))
    others = ~reviewed & np.isfinite(before).all(axis=1)
    classes = project.params.classes
    return FeedbackEffect(
        int(reviewed.sum()),
        *(_quality(y, proba, classes) for proba in (before, after)),
        *(_quality(y[others], proba[others], classes) for proba in (before, after)),
    )


def _compare(
    project: Project, partition: Partition, untaught: label_model.LabelModel, lfs: Sequence[str], gold: Gold
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], Floats, Floats]:
    """True class, whether reviewed, and probabilities before and after, of rows whose class is known."""
    rows, labels, votes = (
        read(partition.stream, partition.dt, "arrow") for read in (project.rows, project.labels, project.votes)
    )
    y = gold(Part(partition, rows, None))
    known = pa.array(y >= 0)
    ids = rows["id"].filter(known)
    labels, votes = (
        table.take(pc.index_in(ids, value_set=table["id"].combine_chunks()).drop_null()) for table in (labels, votes)
    )
    L: Votes = np.column_stack([votes[name].to_numpy() for name in lfs])
    before = untaught.predict_proba(L)
    before[~(L >= 0).any(axis=1)] = np.nan
    columns = [labels[f"p_{name}"].to_numpy().astype(np.float64) for name in project.params.classes]
    reviewed = pc.equal(labels["source"], "feedback").to_numpy()
    return y[y >= 0], reviewed, before, np.column_stack(columns)


def _quality(y: npt.NDArray[np.int64], proba: Floats, classes: tuple[str, ...]) -> Quality | None:
    labelled = np.isfinite(proba).all(axis=1)
    if not labelled.any():
        return None
    found = evaluate(y[labelled], proba[labelled], classes=classes)
    return Quality(found.n, found.accuracy, found.macro_f1, found.log_loss)
