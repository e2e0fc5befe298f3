"""Train an end model on probabilistic labels, of the rows on which labeling functions voted or a sample of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.errors import TrainingError
from beambell.model import boosting, estimator, rows_logistic, tfidf_logistic  # noqa: F401 - which register
from beambell.model.checks import check_probabilities
from beambell.model.end_model import DEFAULT, EndModel, fit
from beambell.model.features import Texts, as_list


def train(
    texts: Texts,
    proba: npt.ArrayLike,
    *,
    covered: npt.ArrayLike,
    classes: Sequence[str],
    seed: int,
    max_rows: int | None = None,
    kind: str = DEFAULT,
    beside: pa.Table | None = None,
    **options: Any,
) -> EndModel:
    """Train an end model on the label model's probabilities.

    A row that no labeling function voted on is left out: its probabilities are the label model's prior, and training
    on a prior teaches the model to ignore the text (measured: macro-F1 79 to 60 on the SMS collection).

    Parameters
    ----------
    texts
        n texts.
    proba
        Posterior of the label model, [n, K]; read for covered rows only.
    covered
        bool [n], whether any labeling function voted on the row.
    classes
        Names of the K classes.
    seed
        Seed of the sample that ``max_rows`` takes, and of whatever is random in the kind of model.
    max_rows
        Number of rows to train on, drawn at random, if more are covered; ``None`` for all.
    beside
        Fields of the same rows, for kinds that learn from these, too; ``None`` for none.
    kind
        Kind of end model, one of `beambell.model.end_model.kinds`.
    **options
        Options of that kind.

    Returns
    -------
    EndModel
        Trained model: the same to the last bit for the same rows in the same order.

    Raises
    ------
    TrainingError
        If no row is covered, there is nothing to be learnt from those that are, or there is no such kind or option.
    """
    names = tuple(classes)
    rows = _sample(np.flatnonzero(_covered(covered, len(texts))), max_rows, seed)
    targets = _targets(proba, rows, n=len(texts), classes=names)
    taken = {"text": pa.array(_take(texts, rows), pa.string())}
    if beside is not None:
        fields = beside.take(pa.array(rows))
        taken |= {name: fields[name] for name in fields.column_names}
    return fit(kind, pa.table(taken), targets, classes=names, seed=seed, **options)


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
    proba: npt.ArrayLike, rows: npt.NDArray[np.intp], *, n: int, classes: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    array = np.asarray(proba)
    # Checked as a whole for its shape, and row by row only where it will be read.
    chosen = array[rows] if array.ndim == 2 and len(array) == n else array
    return check_probabilities(chosen, rows=len(rows), classes=classes)


def _take(texts: Texts, rows: npt.NDArray[np.intp]) -> Sequence[str | None]:
    everything = as_list(texts)
    return [everything[row] for row in rows]
