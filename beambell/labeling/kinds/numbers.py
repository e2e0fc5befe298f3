"""Kinds that compare with bounds: numeric and length. For what exactly they mean, see `beambell.labeling.kinds`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Unpack

import numpy as np
import pyarrow as pa

from beambell.arrays import ABSTAIN, Votes
from beambell.labeling.core import About, OnError
from beambell.labeling.declarative import (
    Declarative,
    Number,
    Predicate,
    Textual,
    Unit,
    match_any,
    measure,
    nearest_float,
    normalise_bounds,
    rounded,
    within,
)
from beambell.labeling.row import Columns


@dataclass(frozen=True, kw_only=True)
class Length(Textual):
    """The text is short or long. See `length`."""

    kind = "length"

    min: int | None = None
    max: int | None = None
    unit: Unit = "chars"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit not in ("chars", "words"):
            self.fail(f'unit must be "chars" or "words", not {self.unit!r}')
        normalise_bounds(self, whole=True)

    @cached_property
    def predicate(self) -> Predicate:
        """The length is within bounds."""
        return within(self.min, self.max, measure(self.unit))


@dataclass(frozen=True, kw_only=True)
class Numeric(Declarative):
    """A number is in a range. See `numeric`."""

    kind = "numeric"
    reads = "a number"
    value_types = (Real, Decimal)

    min: Number | None = None
    max: Number | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        normalise_bounds(self, whole=False)

    @staticmethod
    def accepts(type_: pa.DataType) -> bool:
        """Accept integers, floats and decimals."""
        return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))

    @cached_property
    def predicate(self) -> Predicate:
        """The number is within bounds."""
        return within(self.min, self.max, lambda value: value)

    def apply(self, columns: Columns, *, cardinality: int, on_error: OnError) -> Votes:
        """Vote on every row, int8 [n]: vectorised where NumPy compares as exactly as Python does."""
        column = columns.arrow(self.field).combine_chunks()
        if pa.types.is_floating(column.type):
            numbers = column.cast(pa.float64()).fill_null(math.nan)
            low, high = nearest_float(self.min, math.inf), nearest_float(self.max, -math.inf)
        elif pa.types.is_integer(column.type):
            # A whole number is at least 2.5 if it is at least 3: rounded bounds keep int64 out of float64.
            numbers, low, high = column.fill_null(0), rounded(math.ceil, self.min), rounded(math.floor, self.max)
        else:
            return super().apply(columns, cardinality=cardinality, on_error=on_error)
        values = numbers.to_numpy(zero_copy_only=False)
        holds = column.is_valid().to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):
            if low is not None:
                holds = holds & (values >= low)
            if high is not None:
                holds = holds & (values <= high)
        return np.where(holds, np.int8(self.label), np.int8(ABSTAIN))


def length(
    name: str,
    *,
    min: int | None = None,  # noqa: A002
    max: int | None = None,  # noqa: A002
    unit: Unit = "chars",
    label: int,
    field: str = "text",
    **more: Unpack[About],
) -> Length:
    """Vote ``label`` where the text has at least ``min`` and at most ``max`` characters, or words.

    Parameters
    ----------
    min, max
        Inclusive bounds; one of them may be left out.
    unit
        ``"chars"`` (code points) or ``"words"`` (what whitespace separates).

    Examples
    --------
    >>> short = length("short", max=40, label=0)
    >>> short.vote({"text": "nice song"})
    0
    """
    return Length(name, min=min, max=max, unit=unit, label=label, field=field, **match_any(more))


def numeric(
    name: str,
    *,
    field: str,
    min: Number | None = None,  # noqa: A002
    max: Number | None = None,  # noqa: A002
    label: int,
    **more: Unpack[About],
) -> Numeric:
    """Vote ``label`` where a number is at least ``min`` and at most ``max``; NaN abstains.

    Parameters
    ----------
    min, max
        Inclusive bounds; one of them may be left out.

    Examples
    --------
    >>> big = numeric("big", field="amount", min=60.0, label=1)
    >>> big.vote({"amount": 60})
    1
    """
    return Numeric(name, min=min, max=max, label=label, field=field, **match_any(more))
