"""Labels of rows: the posterior of each vote pattern, looked up, and what people said of a row in its place."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import NO_CLASS
from beambell.artefacts.kinds.labels import LabelModel
from beambell.artefacts.label_files import labels_schema
from beambell.feedback.stored import LIMITING, SETTING
from beambell.project import Project
from beambell.state import patterns as packed
from beambell.store import Layout
from beambell.store.tables import read_table

SHORT = 16


class Posteriors:
    """The label model as a lookup from packed patterns to probabilities.

    Parameters
    ----------
    project
        Project whose label model it is.

    Attributes
    ----------
    classes, lfs
        Names of the classes, and of the labeling functions that the label model listens to.
    id, by_feedback
        Id of the label model's manifest, and whether it was fitted to feedback.
    """

    def __init__(self, project: Project) -> None:
        manifest = project.store.require(Layout.LABEL_MODEL, "run `beambell fit`")
        table = read_table(project.store, Layout.LABEL_MODEL, manifest.files["posterior"])
        fitted = LabelModel.of(manifest)
        self.classes, self.lfs = list(fitted.classes), list(fitted.lfs)
        self.n_lfs = len(self.lfs)
        self.id: str = manifest.id
        self.by_feedback = fitted.is_fitted_to_feedback
        self._voting = list(fitted.voting)
        self._project = project
        self._patterns = table["pattern"].combine_chunks()
        self._proba = np.column_stack([table[f"p_{k}"].to_numpy() for k in range(len(self.classes))])

    @cached_property
    def _model(self) -> Any:
        return self._project.label_model()

    def without_shadows(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
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
            uint8 [n, width]; see `without_shadows`.

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
    labels[tied | ~covered] = NO_CLASS
    return labels


def entropy(proba: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Entropy of each row of probabilities, in nats; [n]."""
    logs = np.log(proba, out=np.zeros_like(proba), where=proba > 0)
    return np.asarray(-(proba * logs).sum(axis=1) + 0.0)


def labels_table(
    ids: pa.ChunkedArray, codes: npt.NDArray[np.uint8], posteriors: Posteriors, reviewed: pa.Table | None = None
) -> pa.Table:
    """Label rows from their packed patterns, and those that were reviewed by what people said of them.

    Parameters
    ----------
    ids, codes
        n ids, and uint8 [n, width].
    posteriors
        The label model as a lookup.
    reviewed
        Reviewed rows of the partition: `beambell.feedback.stored.OF_LABELS`.
    """
    distinct, inverse, _ = packed.unique(posteriors.without_shadows(codes))
    by_pattern, at = _label_patterns(distinct, posteriors), pa.array(inverse)
    columns = {name: by_pattern[name].combine_chunks().take(at) for name in by_pattern.column_names}
    if reviewed is not None:
        answers = Answers(ids, reviewed, posteriors.classes)
        for name, words in answers.columns.items():
            columns[name] = pc.replace_with_mask(columns[name], answers.mask, words)
        limits = Limits(ids, reviewed, columns, posteriors.classes)
        for name, left in limits.columns.items():
            columns[name] = pc.replace_with_mask(columns[name], limits.mask, left)
    model = pa.repeat(posteriors.id[:SHORT], len(ids))
    schema = labels_schema(posteriors.classes)
    return pa.table({"id": ids, "label_model": model, **columns}).select(schema.names).cast(schema)


def _label_patterns(codes: npt.NDArray[np.uint8], posteriors: Posteriors) -> pa.Table:
    """Label distinct patterns by the label model: what each row takes from its own, all but ``id`` and its model's."""
    proba = posteriors.of(codes)
    covered = np.asarray(codes.any(axis=1))  # abstain is digit 0: a pattern without a vote is all zero bits
    voted, by_feedback = pa.array(covered), pa.array(covered & posteriors.by_feedback)
    columns = {
        f"p_{name}": pa.array(p.astype(np.float32), mask=~covered)
        for name, p in zip(posteriors.classes, proba.T, strict=True)
    }
    return pa.table(
        {
            "label": pa.array(hard_labels(proba, covered)),
            **columns,
            "entropy": pa.array(entropy(proba).astype(np.float32), mask=~covered),
            "covered": voted,
            "source": pc.if_else(voted, "votes", "none"),
            "feedback": pc.if_else(by_feedback, "model", "none"),
            "split": pa.nulls(len(codes), pa.string()),
        }
    )


class Answers:
    """What people said of some of n rows, as labels.

    Attributes
    ----------
    mask
        Mask of the rows that have an answer, bool [n].
    columns
        Columns of a file of labels, for these rows in their order. A row of none of the classes is unlabelled.
    """

    def __init__(self, ids: pa.ChunkedArray, reviewed: pa.Table, classes: list[str]) -> None:
        reviewed = reviewed.filter(pc.is_in(reviewed["verdict"], pa.array(SETTING)))
        found = pc.index_in(ids, value_set=reviewed["row_id"].combine_chunks())
        self.mask = found.is_valid().combine_chunks()
        rows = reviewed.take(found.drop_null()).combine_chunks()
        n = rows.num_rows
        label = pc.index_in(rows["label"], value_set=pa.array(classes, pa.string())).combine_chunks()
        known = label.is_valid()

        def where_labelled(values: pa.Array) -> pa.Array:
            return pc.if_else(known, values.cast(pa.float32()), pa.scalar(None, pa.float32()))

        self.columns = {
            "label": pc.fill_null(label, NO_CLASS).cast(pa.int8()),
            **{f"p_{name}": where_labelled(pc.equal(label, k).cast(pa.int8())) for k, name in enumerate(classes)},
            "entropy": where_labelled(pa.repeat(0.0, n)),
            "source": pa.repeat("feedback", n),
            "feedback": pa.repeat("row", n),
            "split": pc.if_else(rows["evaluate"].combine_chunks(), "evaluate", "fit"),
        }


class Limits:
    """What the votes say of rows of which people only said what they are not.

    Attributes
    ----------
    mask
        Mask of these rows, bool [n].
    columns
        Columns of a file of labels, for these rows in their order: their probabilities without the classes that people
        ruled out, shared out again among the others in proportion.
    """

    def __init__(
        self, ids: pa.ChunkedArray, reviewed: pa.Table, columns: dict[str, pa.Array], classes: list[str]
    ) -> None:
        reviewed = reviewed.filter(pc.equal(reviewed["verdict"], LIMITING))
        found = pc.index_in(ids, value_set=reviewed["row_id"].combine_chunks())
        self.mask = found.is_valid().combine_chunks()
        self.columns: dict[str, pa.Array] = {}
        rows = reviewed.take(found.drop_null()).combine_chunks()
        if not rows.num_rows:
            return
        mine = {name: column.filter(self.mask) for name, column in columns.items()}
        covered = mine["covered"].to_numpy(zero_copy_only=False)
        before = np.column_stack([pc.fill_null(mine[f"p_{name}"], 0.0).to_numpy() for name in classes])
        out = np.array([[name in words for name in classes] for words in rows["excluded"].to_pylist()])
        proba = _without(before.astype(np.float64), out)
        self.columns = {
            "label": pa.array(hard_labels(proba, covered)),
            **{
                f"p_{name}": pa.array(p.astype(np.float32), mask=~covered)
                for name, p in zip(classes, proba.T, strict=True)
            },
            "entropy": pa.array(entropy(proba).astype(np.float32), mask=~covered),
            "feedback": pa.repeat("row", len(covered)),
            "split": pc.if_else(rows["evaluate"].combine_chunks(), "evaluate", "fit"),
        }


def _without(proba: npt.NDArray[np.float64], out: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Condition distributions [n, K] on classes that are out; those left are equally likely where none of them was."""
    left = np.where(out, 0.0, proba)
    left = np.where(left.sum(axis=1, keepdims=True) > 0, left, (~out).astype(np.float64))
    return np.asarray(left / left.sum(axis=1, keepdims=True))
