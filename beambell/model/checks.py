"""What the arrays of this package must satisfy, checked once at its doors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from beambell.errors import TrainingError


def check_probabilities(proba: npt.ArrayLike, *, rows: int, classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return ``proba`` as float64 [rows, K], each row a distribution over ``classes``.

    Raises
    ------
    TrainingError
        For another shape, a value that is not finite or negative, or a row that does not sum to one.
    """
    array = np.asarray(proba, dtype=np.float64)
    if array.shape != (rows, len(classes)):
        raise TrainingError(
            f"probabilities have the shape {list(array.shape)}, but there are {rows} rows and {len(classes)} classes",
            fix="pass one row of probabilities per record and one column per class, in the order of the classes",
        )
    # A comparison with NaN is false, so this catches NaN and infinity too.
    good = (array >= 0).all(axis=1) & (np.abs(array.sum(axis=1) - 1) <= 1e-6)
    if not good.all():
        row = int(np.argmin(good))
        raise TrainingError(
            f"{int((~good).sum())} rows are not probabilities; the first is {array[row].tolist()}",
            where=f"row {row}",
            fix="each row must be non-negative and sum to one; label the partition again",
        )
    return array
