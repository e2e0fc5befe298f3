"""Train the end model on probabilistic labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from beambell.errors import TrainingError
from beambell.model.checks import check_probabilities
from beambell.model.end_model import EndModel
from beambell.model.features import HashedNgrams, Texts, as_list, inverse_document_frequency, tfidf
from beambell.model.logistic import fit_logistic


def train(
    texts: Texts,
    proba: npt.ArrayLike,
    *,
    covered: npt.ArrayLike,
    classes: Sequence[str],
    seed: int,
    C: float = 10.0,
    ngrams: tuple[int, int] = (1, 2),
    n_features: int = 2**18,
    drop_below: float | None = None,
    max_rows: int | None = None,
) -> EndModel:
    """Fit logistic regression to the label model's probabilities.

    Each covered row counts once per class, with the class's probability as its weight. A row that no labeling
    function voted on is left out: its probabilities are the label model's prior, and training on a prior
    teaches the model to ignore the text (measured: macro-F1 79 to 60 on the SMS collection).

    Parameters
    ----------
    texts
        n texts.
    proba
        [n, K], the label model's posterior; read for covered rows only.
    covered
        bool [n], whether any labeling function voted on the row.
    classes
        K names.
    seed
        Of the sample that ``max_rows`` takes; nothing else is random.
    C
        Inverse strength of the L2 penalty. Vote shares as labels of the YouTube, SMS and ChemProt sets: 10 gives
        4 to 6 points of accuracy or macro-F1 more than 1; from 10 to 30 little changes.
    ngrams, n_features
        See :class:`~beambell.model.features.HashedNgrams`.
    drop_below
        Smaller weights count as zero: they are mostly the label model's doubt, not evidence. By default
        0.05, or 0.01 of two classes.
    max_rows
        If more rows are covered, train on this many of them, drawn at random.

    Returns
    -------
    EndModel
        The same to the last bit for the same rows in the same order.

    Raises
    ------
    TrainingError
        If no row is covered, the labels speak for one class only, or no text has a word.
    """
    names = tuple(classes)
    rows = _sample(np.flatnonzero(_covered(covered, len(texts))), max_rows, seed)
    threshold = (0.01 if len(names) == 2 else 0.05) if drop_below is None else drop_below
    targets = _targets(proba, rows, n=len(texts), classes=names, drop_below=threshold)
    seen = targets.any(axis=0)
    if seen.sum() < 2:
        which = f"one class, {names[int(seen.argmax())]!r}" if seen.any() else "no class"
        raise TrainingError(
            f"the labels of all {len(rows)} covered rows speak for {which}",
            fix="add labeling functions that vote for the other classes, or train on more partitions",
        )
    features = HashedNgrams(ngrams=ngrams, n_features=n_features)
    counts = features.counts(_take(texts, rows))
    columns = np.unique(counts.indices).astype(np.int32)
    if not len(columns):
        raise TrainingError(
            f"none of the {len(rows)} texts has a single word",
            fix="check that the stream's text column in params.yaml is the one with the text",
        )
    counts = counts[:, columns]
    idf = inverse_document_frequency(counts)
    coef = np.zeros((len(columns), len(names)))
    intercept = np.full(len(names), -np.inf)
    coef[:, seen], intercept[seen] = fit_logistic(tfidf(counts, idf), targets[:, seen], C=C)
    return EndModel(names, features, columns, idf, coef, intercept)


def _covered(covered: npt.ArrayLike, n: int) -> npt.NDArray[np.bool_]:
    mask = np.asarray(covered)
    if mask.shape != (n,) or mask.dtype != np.bool_:
        raise TrainingError(
            f"covered is {mask.dtype} {list(mask.shape)}, but there are {n} texts",
            fix="pass one boolean per text",
        )
    if not mask.any():
        raise TrainingError(
            f"no labeling function votes on any of the {n} rows, so there is nothing to train on",
            fix="look at the coverage in `beambell lf list`, and widen or add labeling functions",
        )
    return mask


def _sample(rows: npt.NDArray[np.intp], max_rows: int | None, seed: int) -> npt.NDArray[np.intp]:
    if max_rows is None or len(rows) <= max_rows:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, max_rows, replace=False))


def _targets(
    proba: npt.ArrayLike, rows: npt.NDArray[np.intp], *, n: int, classes: tuple[str, ...], drop_below: float
) -> npt.NDArray[np.float64]:
    array = np.asarray(proba)
    # Checked as a whole for its shape, and row by row only where it will be read.
    chosen = array[rows] if array.ndim == 2 and len(array) == n else array
    targets = check_probabilities(chosen, rows=len(rows), classes=classes)
    return np.where(targets < drop_below, 0.0, targets)


def _take(texts: Texts, rows: npt.NDArray[np.intp]) -> Sequence[str | None]:
    everything = as_list(texts)
    return [everything[row] for row in rows]
