"""Learn what turns rows into numbers: inverse document frequencies of words, means of numbers, commonest categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import Floats
from beambell.errors import TrainingError
from beambell.model.features import inverse_document_frequency
from beambell.model.standalone import TEXT, Features, as_numbers, as_texts, counted

Columns = Mapping[str, Sequence[Any]]
"""Rows as columns of Python values."""


def as_columns(rows: pa.Table) -> dict[str, Sequence[Any]]:
    """Lay a table out as columns of Python values; truth values are numbers."""
    return {
        name: rows[name].cast(pa.int8()).to_pylist()
        if pa.types.is_boolean(rows.schema.field(name).type)
        else rows[name].to_pylist()
        for name in rows.column_names
    }


def learn_features(
    rows: pa.Table,
    fields: Sequence[str],
    *,
    ngrams: tuple[int, int],
    n_features: int,
    max_categories: int,
    text_columns: int | None = None,
    proba: Floats | None = None,
) -> tuple[Features, dict[str, Any]]:
    """Learn features of rows.

    Parameters
    ----------
    rows
        Table with ``text`` and the fields.
    fields
        Names of the fields to learn from.
    ngrams, n_features
        Lengths of the sequences of words, and number of buckets that these are hashed to.
    max_categories
        Largest number of categories of a field that have a column each, the commonest of those seen twice.
    text_columns, proba
        Number of hashed columns that are kept, those that differ most between classes by their probabilities, float64
        [n, K]; ``None`` keeps all that occur.

    Returns
    -------
    Features, dict
        Features, and their description for ``model.json``.

    Raises
    ------
    TrainingError
        If there is no such field, or it is of no type that can be learnt from.
    """
    counts = counted(as_texts(rows[TEXT].to_pylist()), ngrams, n_features)
    columns = np.unique(counts.indices).astype(np.int32)
    if text_columns is not None and proba is not None and len(columns) > text_columns:
        columns = _telling(counts[:, columns], columns, proba, text_columns)
    idf = inverse_document_frequency(counts[:, columns]) if len(columns) else np.empty(0)
    described = {
        "ngrams": list(ngrams),
        "n_features": n_features,
        "fields": [_learn_field(rows, name, max_categories) for name in fields],
    }
    return Features(described, columns, np.asarray(idf, np.float64)), described


def _telling(counts: Any, columns: npt.NDArray[np.int32], proba: Floats, most: int) -> npt.NDArray[np.int32]:
    """Hashed columns whose share of rows differs most between one class and the others, by their z-score; ascending."""
    occurs = (counts > 0).astype(np.float64)
    of_class = proba.sum(axis=0)
    total, n = np.asarray(occurs.sum(axis=0)).ravel(), proba.sum()
    expected = total[:, None] * (of_class / n)
    found = np.asarray(occurs.T @ proba)
    spread = np.sqrt(np.maximum(expected * (1 - of_class / n) * (1 - total[:, None] / n), 1e-9))
    score = np.abs((found - expected) / spread).max(axis=1)
    chosen = np.lexsort((columns, -np.round(score, 9)))[:most]  # ties by column: the same wherever it is computed
    return np.sort(columns[chosen])


def _learn_field(rows: pa.Table, name: str, max_categories: int) -> dict[str, Any]:
    if name not in rows.column_names:
        raise TrainingError(
            f"there is no field {name!r} in the rows to train on",
            where="model.options.fields in params.yaml",
            fix="name fields that a stream of model.streams has, under its `fields`",
        )
    type_ = rows.schema.field(name).type
    if pa.types.is_string(type_):
        found = Counter(value for value in rows[name].to_pylist() if value is not None)
        common = sorted(((-count, value) for value, count in found.items() if count > 1))[:max_categories]
        return {"name": name, "kind": "category", "categories": [value for _, value in common]}
    values = as_numbers(as_columns(rows.select([name]))[name], rows.num_rows)
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else 0.0
    scale = float(known.std()) if len(known) else 0.0
    return {"name": name, "kind": "number", "mean": mean, "scale": scale if scale > 0 and np.isfinite(scale) else 1.0}


def check_targets(
    proba: Floats, classes: tuple[str, ...], drop_below: float | None
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Drop what is the label model's doubt, and find the classes that there is any evidence of.

    Parameters
    ----------
    proba
        Probabilities, float64 [n, K].
    classes
        Names of the K classes.
    drop_below
        Probability below which a class counts as impossible; ``None`` for 0.05, or 0.01 of two classes.

    Returns
    -------
    targets, seen
        Probabilities without those, float64 [n, K], and whether there is any of each class, bool [K].

    Raises
    ------
    TrainingError
        If they speak for fewer than two classes.
    """
    threshold = (0.01 if len(classes) == 2 else 0.05) if drop_below is None else drop_below
    targets = np.where(proba < threshold, 0.0, proba)
    seen: npt.NDArray[np.bool_] = np.asarray(targets.any(axis=0))
    if seen.sum() < 2:
        which = f"one class, {classes[int(seen.argmax())]!r}" if seen.any() else "no class"
        raise TrainingError(
            f"the labels of all {len(proba)} covered rows speak for {which}",
            fix="add labeling functions that vote for the other classes, or train on more partitions",
        )
    return targets, seen


def repeated(targets: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Spell probabilistic targets for learners of hard ones: each row once per class, weighted by its probability.

    Returns
    -------
    rows, classes, weights
        Position of the row, number of the class, and weight of each example, [m] each.
    """
    rows, classes = np.nonzero(targets)
    return rows, classes, targets[rows, classes]
