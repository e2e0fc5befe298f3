"""Logistic regression on the text and on fields of a row, fitted to probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from beambell.arrays import Floats
from beambell.logistic import fit_logistic
from beambell.model.end_model import register
from beambell.model.row_features import as_columns, check_targets, learn_features
from beambell.model.row_model import RowModel, of_features


@register
@dataclass(frozen=True, eq=False)
class RowsLogistic(RowModel):
    """Logistic regression on hashed TF-IDF n-grams, standardised numbers and one column per category."""

    kind: ClassVar[str] = "rows_logistic"
    FORMAT: ClassVar[str] = "beambell-rows-logistic/1"

    @classmethod
    def fit_rows(
        cls,
        rows: pa.Table,
        proba: Floats,
        *,
        classes: tuple[str, ...],
        seed: int,  # noqa: ARG003 - nothing here is random
        fields: Sequence[str] = (),
        C: float = 10.0,
        ngrams: tuple[int, int] = (1, 2),
        n_features: int = 2**18,
        max_categories: int = 1000,
        drop_below: float | None = None,
    ) -> Self:
        """Fit logistic regression to probabilities.

        Parameters
        ----------
        rows, proba, classes, seed
            Rows with ``text`` and fields, their probabilities, names of the classes and a seed: see `EndModel.fit`.
        fields
            Names of the fields to learn from besides the text.
        C
            Inverse strength of the L2 penalty.
        ngrams, n_features
            Lengths of the sequences of words, and number of buckets.
        max_categories
            Largest number of categories of a field that have a column each.
        drop_below
            Probability below which a class counts as impossible.
        """
        targets, seen = check_targets(proba, classes, drop_below)
        shortest, longest = ngrams
        features, described = learn_features(
            rows, fields, ngrams=(shortest, longest), n_features=n_features, max_categories=max_categories
        )
        X = features.linear(as_columns(rows), rows.num_rows)
        coef = np.zeros((X.shape[1], len(classes)))
        intercept = np.full(len(classes), -np.inf)
        coef[:, seen], intercept[seen] = fit_logistic(X, targets[:, seen], C=C)
        arrays = {**of_features(features), "coef": coef, "intercept": intercept}
        return cls.made({"classes": list(classes), "features": described}, arrays)
