"""The share of each class, as an option of a label model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from beambell.errors import LabelModelError

Balance = Sequence[float] | Literal["estimated"] | None


def balance_option(balance: Balance) -> Balance:
    """Return it as JSON has it, also if it is an array.

    Raises
    ------
    ValueError
        If it is another word than ``estimated``, or something in it is not a number.
    """
    if isinstance(balance, str):
        if balance != "estimated":
            raise ValueError(f"class_balance is a list of shares or 'estimated', not {balance!r}")
        return balance
    return None if balance is None else [float(share) for share in balance]


def check_balance(balance: Sequence[float] | None, cardinality: int, kind: str) -> npt.NDArray[np.float64]:
    """Return the shares [K], uniform ones if none are given.

    Raises
    ------
    LabelModelError
        If they are not a positive share for each class, summing to 1.
    """
    if balance is None:
        return np.ones(cardinality) * (1 / cardinality)
    shares = np.asarray(balance, np.float64)
    if shares.shape != (cardinality,) or not (np.all(shares > 0) and abs(shares.sum() - 1) < 1e-6):
        raise LabelModelError(
            f"class_balance {list(balance)} is not a share for each of {cardinality} classes",
            where=kind,
            fix="give positive numbers that sum to 1, or leave it out",
        )
    return shares
