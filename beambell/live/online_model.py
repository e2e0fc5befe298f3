"""An end model that learns as rows come: logistic regression over hashed n-grams, one step for a few dozen rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from beambell.arrays import Floats
from beambell.model.features import HashedNgrams, Texts
from beambell.store.arrays import pack_arrays, unpack_arrays

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

STEP = 64
"""Most rows of one step."""


class OnlineModel:
    """Multinomial logistic regression whose targets are probabilities.

    The steps are those of AdaGrad (Duchi, Hazan and Singer 2011) with one sum of squares for each column, so that words
    that are rare learn as fast as those that are common.

    Parameters
    ----------
    n_classes
        Number of classes K.
    n_features
        Number of columns d that words, and pairs of words, are hashed to.
    rate
        Length of the first step.

    Attributes
    ----------
    rows
        Number of rows that were learnt from.
    """

    def __init__(self, n_classes: int, n_features: int = 2**18, rate: float = 0.2) -> None:
        self.rows = 0
        self._rate = rate
        self._ngrams = HashedNgrams((1, 2), n_features)
        self._weights = np.zeros((n_features, n_classes), np.float32)
        self._squares = np.zeros(n_features, np.float32)
        self._bias = np.zeros(n_classes, np.float32)
        self._bias_squares = np.float32(0)

    def features(self, texts: Texts) -> csr_matrix:
        """Counts of n-grams, each row of unit length, float64 [n, d]; a text without words is a row of zeros."""
        from sklearn.preprocessing import normalize

        return normalize(self._ngrams.counts(texts), copy=False)

    def predict_proba(self, features: csr_matrix) -> Floats:
        """Probability of each class, float64 [n, K]."""
        scores = np.asarray(features @ self._weights, np.float64) + self._bias
        scores -= scores.max(axis=1, keepdims=True)
        likely: Floats = np.exp(scores)
        likely /= likely.sum(axis=1, keepdims=True)
        return likely

    def learn(self, features: csr_matrix, proba: Floats) -> Floats:
        """Learn from rows in their order; return what was said of each before it was learnt from.

        Parameters
        ----------
        features
            Features of n rows, as `features` gives them, float64 [n, d].
        proba
            Probability of each class, float64 [n, K].

        Returns
        -------
        numpy.ndarray
            float64 [n, K]; rows of the same step do not know of each other.
        """
        said = np.empty(proba.shape)
        for start in range(0, len(proba), STEP):
            some = features[start : start + STEP]
            before = self.predict_proba(some)
            said[start : start + STEP] = before
            self._step(some, before - proba[start : start + STEP])
        self.rows += len(proba)
        return said

    def _step(self, features: csr_matrix, errors: Floats) -> None:
        columns = np.unique(features.indices)
        slope = (features[:, columns].T @ errors).astype(np.float32) / np.float32(len(errors))
        self._squares[columns] += (slope * slope).sum(axis=1)
        self._weights[columns] -= self._rate * slope / np.sqrt(self._squares[columns] + 1e-8)[:, None]
        slope = errors.mean(axis=0).astype(np.float32)
        self._bias_squares += (slope * slope).sum()
        self._bias -= self._rate * slope / np.sqrt(self._bias_squares + np.float32(1e-8))

    def to_bytes(self) -> bytes:
        """Write down the columns that occurred, as arrays: the same model gives the same bytes."""
        at = np.flatnonzero(self._squares)
        return pack_arrays(
            {
                "columns": at,
                "weights": self._weights[at],
                "squares": self._squares[at],
                "bias": self._bias,
                "about": np.array([self.rows, len(self._squares)]),
                "rates": np.array([self._rate, self._bias_squares], np.float64),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Self:
        """Read back what `to_bytes` gave.

        Raises
        ------
        ArtefactError
            If that is damaged.
        """
        arrays = unpack_arrays(data, where)
        rows, n_features = arrays["about"].tolist()
        rate, bias_squares = arrays["rates"].tolist()
        model = cls(len(arrays["bias"]), n_features, rate)
        model.rows, model._bias, model._bias_squares = rows, arrays["bias"], np.float32(bias_squares)
        model._weights[arrays["columns"]], model._squares[arrays["columns"]] = arrays["weights"], arrays["squares"]
        return model
