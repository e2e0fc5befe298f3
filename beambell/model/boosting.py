"""Gradient-boosted trees on the text and on fields of a row: scikit-learn grows them, arrays keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import Floats
from beambell.model.end_model import register
from beambell.model.row_features import as_columns, check_targets, learn_features, repeated
from beambell.model.row_model import RowModel, of_features


@register
@dataclass(frozen=True, eq=False)
class Boosting(RowModel):
    """Trees of `HistGradientBoostingClassifier` on numbers, categories, and the words that tell classes apart best."""

    kind: ClassVar[str] = "boosting"
    FORMAT: ClassVar[str] = "beambell-boosting/1"

    @classmethod
    def fit_rows(
        cls,
        rows: pa.Table,
        proba: Floats,
        *,
        classes: tuple[str, ...],
        seed: int,
        fields: Sequence[str] = (),
        text_columns: int = 128,
        ngrams: tuple[int, int] = (1, 2),
        n_features: int = 2**18,
        max_categories: int = 50,
        trees: int = 200,
        learning_rate: float = 0.1,
        max_leaves: int = 31,
        min_rows: int = 20,
        l2: float = 1.0,
        drop_below: float | None = None,
    ) -> Self:
        """Grow trees; each row counts once per class, weighted by its probability.

        Parameters
        ----------
        rows, proba, classes, seed
            Rows with ``text`` and fields, their probabilities, names of the classes and a seed: see `EndModel.fit`.
        fields
            Names of the fields to learn from besides the text.
        text_columns
            Number of hashed n-grams that are learnt from, those that tell the classes apart best; 0 for none.
        ngrams, n_features
            Lengths of the sequences of words, and number of buckets.
        max_categories
            Largest number of categories of a field that have a column each.
        trees, learning_rate, max_leaves, min_rows, l2
            Number of rounds, weight of each, largest number of leaves, smallest number of rows in one, and L2 penalty.
        drop_below
            Probability below which a class counts as impossible.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        targets, seen = check_targets(proba, classes, drop_below)
        shortest, longest = ngrams
        features, described = learn_features(
            rows,
            fields,
            ngrams=(shortest, longest),
            n_features=n_features,
            max_categories=max_categories,
            text_columns=text_columns,
            proba=targets,
        )
        X = features.dense(as_columns(rows), rows.num_rows)
        at, y, weights = repeated(targets)
        estimator = HistGradientBoostingClassifier(
            max_iter=trees,
            learning_rate=learning_rate,
            max_leaf_nodes=max_leaves,
            min_samples_leaf=min_rows,
            l2_regularization=l2,
            early_stopping=False,
            random_state=seed,
        )
        with threadpool_limits(limits=1):  # sums must not depend on how many threads share them
            estimator.fit(X[at], y, sample_weight=weights)
        arrays = {**of_features(features), **_trees(estimator), "seen": np.flatnonzero(seen).astype(np.int32)}
        return cls.made({"classes": list(classes), "features": described}, arrays)


def _trees(estimator: Any) -> dict[str, npt.NDArray[Any]]:
    """Lay all trees out as one list of nodes; ``left`` is -1 at a leaf."""
    found = [(k, tree.nodes) for round_ in estimator._predictors for k, tree in enumerate(round_)]
    starts = np.cumsum([0, *(len(nodes) for _, nodes in found)])[:-1]
    nodes = np.concatenate([nodes for _, nodes in found])
    offsets = np.repeat(starts, [len(one) for _, one in found])
    is_leaf = nodes["is_leaf"].astype(bool)
    return {
        "feature": np.where(is_leaf, 0, nodes["feature_idx"]).astype(np.int32),
        "threshold": np.where(is_leaf, 0.0, nodes["num_threshold"]).astype(np.float64),
        "left": np.where(is_leaf, -1, nodes["left"] + offsets).astype(np.int32),
        "right": np.where(is_leaf, -1, nodes["right"] + offsets).astype(np.int32),
        "nan_left": nodes["missing_go_to_left"].astype(bool) & ~is_leaf,
        "value": np.where(is_leaf, nodes["value"], 0.0).astype(np.float64),
        "roots": starts.astype(np.int32),
        "of_class": np.array([k for k, _ in found], np.int32),
        "baseline": np.asarray(estimator._baseline_prediction, np.float64).reshape(-1),
    }
