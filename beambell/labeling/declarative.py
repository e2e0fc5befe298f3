"""What all declarative kinds have in common: a predicate on one field, and the checks of their parameters.

Each votes its label where the predicate holds, and abstains elsewhere and on null.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from beambell.arrays import ABSTAIN, Votes
from beambell.errors import LabelingFunctionError
from beambell.labeling import folding
from beambell.labeling.conditions import Condition, Truths
from beambell.labeling.core import MAX_CLASSES, LabelingFunction, OnError, raise_error
from beambell.labeling.row import Columns, Row

Predicate = Callable[[Any], object]


Number = int | float


Unit = Literal["chars", "words"]


@dataclass(frozen=True, kw_only=True)
class Declarative(LabelingFunction, Condition):
    """A predicate on one field.

    Attributes
    ----------
    field
        The column it reads.
    """

    label: int
    field: str

    reads: ClassVar[str]
    value_types: ClassVar[tuple[type, ...]]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label is None:
            self.fail("label must be the number of a class")
        if not isinstance(self.field, str) or not self.field:
            self.fail(f"field must be the name of a column, not {self.field!r}")

    @cached_property
    @abstractmethod
    def predicate(self) -> Predicate:
        """Tells, by any true value, that a value which is not null gets the label."""

    @staticmethod
    @abstractmethod
    def accepts(type_: pa.DataType) -> bool:
        """Whether a column of this Arrow type can be read."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The one column it reads."""
        return (self.field,)

    def check(self, types: Mapping[str, pa.DataType | None]) -> None:
        """Raise if the column is missing or of another type."""
        super().check(types)
        type_ = types[self.field]
        if type_ is not None and not pa.types.is_null(type_) and not self.accepts(type_):
            self.fail(
                f"needs {self.reads}, but the column {self.field!r} is {type_}",
                fix="correct its field, or the column's type under the stream's `fields` in params.yaml",
            )

    def _vote(self, row: Row) -> int:
        value = row[self.field]
        if value is None:
            return ABSTAIN
        if not isinstance(value, self.value_types) or isinstance(value, bool):
            self.fail(f"needs {self.reads}, but the field {self.field!r} holds {value!r:.100}")
        return self.label if self.predicate(value) else ABSTAIN

    def apply(self, columns: Columns, *, cardinality: int, on_error: OnError) -> Votes:  # noqa: ARG002
        """Vote on every row, int8 [n]; a value of the right type never fails."""
        holds, label = self.predicate, self.label
        values = columns.values(self.field)
        votes = (label if value is not None and holds(value) else ABSTAIN for value in values)
        return np.fromiter(votes, dtype=np.int8, count=columns.n_rows)

    @property
    def leaves(self) -> tuple[LabelingFunction, ...]:
        """As a condition, it is made of itself alone."""
        return (self,)

    def truth(self, row: Row) -> bool | None:
        """As a condition, hold where it votes; null and NaN are unknown."""
        value = row[self.field]
        unknown = value is None or value != value  # noqa: PLR0124  # NaN
        return None if unknown else self._vote(row) != ABSTAIN

    def truths(self, columns: Columns) -> Truths:
        """As a condition, hold where it votes; null and NaN are unknown."""
        holds = self.apply(columns, cardinality=MAX_CLASSES, on_error=raise_error) != ABSTAIN
        return holds, columns.known(self.field) & ~holds


@dataclass(frozen=True, kw_only=True)
class Textual(Declarative):
    """A predicate on a text."""

    field: str = "text"

    reads = "text"
    value_types = (str,)

    @staticmethod
    def accepts(type_: pa.DataType) -> bool:
        """Accept every way Arrow has of holding strings."""
        return is_string(type_)


@dataclass(frozen=True, kw_only=True)
class Folding(Declarative):
    """A predicate on words, which are as people type them unless told otherwise.

    Attributes
    ----------
    fold
        Whether words and values are compared folded. See `beambell.labeling.folding`.
    """

    fold: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("fold", "ignore_case", "whole_words"):
            if (given := getattr(self, name, True)) not in (True, False):
                self.fail(
                    f"{name} must be True or False, not {given!r:.50}",
                    fix="write True or False; in YAML, a bare true or false",
                )

    @property
    def form(self) -> Callable[[str], str]:
        """Returns the form of a text in which it is compared."""
        return folding.fold if self.fold else str

    def _formed(self, what: str, word: str) -> str:
        """Return the form of a word; one of which nothing is left would be found everywhere."""
        form = self.form(word)
        if word and not form:
            self.fail(
                f"{what}: {word!a} is made of characters that cannot be seen, and folds to nothing",
                fix="take it out, or look for these very characters with fold=False",
            )
        return form


def match_any(value: Any) -> Any:
    """Hand over what a user gave; the class checks and normalises it."""
    return value


def lf_error(name: str, message: str, *, place: str | None = None, fix: str | None = None) -> LabelingFunctionError:
    """Make the error of a labeling function; ``place`` says where in it."""
    where = f"labeling function {name!r}"
    return LabelingFunctionError(message, where=f"{where}, {place}" if place else where, fix=fix)


def is_string(type_: pa.DataType) -> bool:
    """Whether a column of this type holds texts, as they are or as a dictionary."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def normalise_bounds(lf: Declarative, *, whole: bool) -> None:
    """Bring ``min`` and ``max`` of a labeling function into one form, and check them.

    Parameters
    ----------
    lf
        Labeling function with these two attributes, each a number or ``None``.
    whole
        Whether they bound a count.

    Raises
    ------
    LabelingFunctionError
        If neither is given, one is no number, or nothing lies between them.
    """
    for side in ("min", "max"):
        bound = getattr(lf, side)
        if bound is None:
            continue
        wrong = isinstance(bound, bool) or not isinstance(bound, int if whole else Real)
        if wrong or (not isinstance(bound, int) and math.isnan(bound)):
            lf.fail(f"{side} must be a {'whole ' if whole else ''}number, not {bound!r}")
        if not isinstance(bound, int):
            # 60.0 and 60 are one bound, and shall have one fingerprint.
            bound = float(bound)
            bound = int(bound) if bound.is_integer() else bound
        lf._set(side, bound)
    low, high = getattr(lf, "min"), getattr(lf, "max")  # noqa: B009 - which not every declarative kind has
    if low is None and high is None:
        lf.fail("give min, max or both")
    if low is not None and high is not None and low > high:
        lf.fail(f"min {low} is greater than max {high}: it could never vote")


def within(low: Number | None, high: Number | None, measure: Callable[[Any], Any]) -> Predicate:
    """Make the predicate that what is measured of a value lies between two bounds, both included."""
    if high is None:
        return lambda value: measure(value) >= low
    if low is None:
        return lambda value: measure(value) <= high
    return lambda value: low <= measure(value) <= high


def measure(unit: str) -> Callable[[str], int]:
    """Make the function that counts ``chars``, or ``words``, of a text."""
    # str.split and \S+ agree on what whitespace is; the former is faster.
    return len if unit == "chars" else lambda text: len(text.split())


def nearest_float(bound: Number | None, towards: float) -> float | None:
    """Return the first float at a bound or beyond it, in the direction of what is allowed."""
    if bound is None:
        return None
    try:
        nearest = float(bound)
    except OverflowError:
        nearest = math.inf if bound > 0 else -math.inf
    outside = nearest < bound if towards > 0 else nearest > bound
    return math.nextafter(nearest, towards) if outside else nearest


def rounded(towards: Callable[[float], int], bound: Number | None) -> Number | None:
    """Round a finite bound of a count to the whole number that bounds the same counts."""
    return towards(bound) if isinstance(bound, float) and math.isfinite(bound) else bound


def is_finite(number: Any) -> bool:
    """Whether something is a finite number, and no truth value."""
    try:
        return not isinstance(number, bool) and math.isfinite(number)
    except (TypeError, OverflowError):
        return False
