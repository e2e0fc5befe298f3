"""Text models that are fitted to probabilities: logistic regressions over scaled features, and folds of texts."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from beambell.arrays import Floats, Integers, Mask
from beambell.logistic import fit_logistic, log_softmax

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    Features: TypeAlias = csr_matrix | npt.NDArray[np.floating[Any]]


class TextModel:
    """Logistic regression on the classes that occur; it knows nothing where there is but one.

    Parameters
    ----------
    classes
        Numbers of the classes that occur, in order.
    coef, intercept
        Weights, [d, k], and [k].
    """

    def __init__(self, classes: Integers, coef: Floats | None, intercept: Floats | None) -> None:
        self._classes, self._coef, self._intercept = classes, coef, intercept

    @classmethod
    def fit(cls, features: Any, target: Floats, C: float) -> Self:
        """Fit it to targets [n, K] that need not sum up to 1."""
        classes = np.flatnonzero(target.sum(axis=0) > 0)
        kept = target[:, classes]
        if len(classes) < 2:
            return cls(classes, None, None)
        columns = np.unique(features.indices) if hasattr(features, "indices") else np.arange(features.shape[1])
        coef = np.zeros((features.shape[1], len(classes)))
        coef[columns], intercept = fit_logistic(features[:, columns], kept, C=C)
        return cls(classes, coef, intercept)

    @property
    def knows_something(self) -> bool:
        """Whether it tells classes apart."""
        return self._coef is not None

    def predict_proba(self, features: Any, K: int) -> Floats:
        """Probability of each class, [n, K]; NaN for a class that it was never told of."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1):
            logits = np.asarray(features @ self._coef + self._intercept)
        proba = np.full((features.shape[0], K), np.nan)
        proba[:, self._classes] = np.exp(log_softmax(logits))
        return proba


class Scaling:
    """Rows of unit length; dense ones are centred first.

    Parameters
    ----------
    centre
        Mean of dense features, [d]; ``None`` for sparse ones.
    """

    def __init__(self, centre: Floats | None) -> None:
        self._centre = centre

    @classmethod
    def of(cls, X: Features, covered: Mask) -> Self:
        """Take the mean of the covered rows."""
        if not isinstance(X, np.ndarray):
            return cls(None)
        usable = covered & np.isfinite(X).all(axis=1)
        unit = _unit(X[usable].astype(np.float64))
        return cls(unit.mean(axis=0) if len(unit) else np.zeros(X.shape[1]))

    def apply(self, X: Features) -> tuple[Any, Mask]:
        """Return features of unit length, and which rows are usable, [n]; others are zero."""
        if isinstance(X, np.ndarray):
            finite: Mask = np.asarray(np.isfinite(X).all(axis=1))
            clean = np.where(finite[:, None], X, 0).astype(np.float64)
            centred = _unit(clean) - (0.0 if self._centre is None else self._centre)
            return _unit(centred) * finite[:, None], finite
        from scipy.sparse import csr_matrix

        sparse = csr_matrix(X, dtype=np.float64, copy=True)
        bad = ~np.isfinite(sparse.data)
        usable = np.ones(len(sparse.indptr) - 1, bool)
        usable[np.repeat(np.arange(sparse.shape[0]), np.diff(sparse.indptr))[bad]] = False
        sparse.data[bad] = 0
        lengths = np.sqrt(np.asarray(sparse.multiply(sparse).sum(axis=1))[:, 0])
        sparse.data /= np.repeat(np.where(lengths > 0, lengths, 1), np.diff(sparse.indptr))
        return sparse, usable


def _unit(X: Floats) -> Floats:
    scale = np.abs(X).max(axis=1, keepdims=True, initial=0.0)  # first, so that squares neither overflow nor vanish
    X = X / np.where(scale > 0, scale, 1)
    length = np.linalg.norm(X, axis=1, keepdims=True)
    unit: Floats = X / np.where(length > 0, length, 1)
    return unit


def fold_of(groups: npt.ArrayLike, folds: int) -> Integers:
    """Return the fold of each group, int64 [n]: by a hash, so it is the same in any set of rows."""
    return (hashes_of(np.asarray(groups)) % np.uint64(folds)).astype(np.int64)


def hashes_of(groups: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Hash groups to whole numbers; text, bytes, numbers and anything with a text form."""
    distinct, inverse = np.unique(groups.astype(str) if groups.dtype == object else groups, return_inverse=True)
    told = (one if isinstance(one, bytes) else str(one).encode("utf-8", "surrogatepass") for one in distinct.tolist())
    hashes = [int.from_bytes(blake2b(one, digest_size=8).digest(), "big") for one in told]
    return np.array(hashes, np.uint64)[inverse.reshape(-1)] if hashes else np.empty(0, np.uint64)
