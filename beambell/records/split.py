"""Split rows by the hash of their id: the same row falls on the same side for ever.

A random split by position moves when a late row arrives; this one does not, needs no memory of earlier splits,
and gives the same answer in every process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def holdout(
    ids: Sequence[str] | pa.Array | pa.ChunkedArray, fraction: float, *, salt: str = "holdout"
) -> npt.NDArray[np.bool_]:
    """Choose about ``fraction`` of the rows, each by its own id alone.

    A larger fraction keeps the rows of a smaller one. Splits with different salts are independent.

    Parameters
    ----------
    ids
        n ids; equal ids fall on the same side.
    fraction
        Share of the rows, between 0 (no row) and 1 (every row).
    salt
        Name of the split.

    Returns
    -------
    ndarray
        bool [n], true for the rows held out.

    Raises
    ------
    ValueError
        If ``fraction`` is outside of [0, 1], or an id is null.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction {fraction} must be between 0 and 1")
    return uniform(ids, salt=salt) < fraction


def uniform(ids: Sequence[str] | pa.Array | pa.ChunkedArray, *, salt: str = "holdout") -> npt.NDArray[np.float64]:
    """Give each id a number in [0, 1) that looks random and depends on the id and the salt only.

    Returns
    -------
    ndarray
        float64 [n], multiples of 2**-53.

    Raises
    ------
    ValueError
        If an id is null.
    """
    array = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, pa.string())
    if array.null_count:
        raise ValueError(f"{array.null_count} of {len(array)} ids are null")
    # The salt takes blake2's own parameter, so that no id and salt together can spell another pair.
    seed = hashlib.blake2b(salt.encode(), digest_size=16).digest()
    hashed = hashlib.blake2b
    digests = [
        hashed(name, digest_size=8, salt=seed).digest()
        for name in array.cast(pa.string()).cast(pa.binary()).to_pylist()
    ]
    integers = np.frombuffer(b"".join(digests), dtype="<u8")
    return np.asarray((integers >> np.uint64(11)) * 2.0**-53, dtype=np.float64)
