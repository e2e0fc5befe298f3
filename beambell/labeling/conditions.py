"""Boolean combinations of declarative labeling functions: ``(refund & ~question).named("complaint", label=1)``.

An operand holds where it would vote, whatever its label. On a null (or NaN) it is unknown, and the unknown spreads as
in SQL and Arrow: "not unknown" is unknown, "unknown and false" is false, "unknown or true" is true. A combination votes
where its condition is certain to hold, so a lone ``~`` never votes on a null.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Unpack

import numpy as np
import pyarrow as pa

from beambell.arrays import ABSTAIN, Mask, Votes
from beambell.labeling.core import About, LabelingFunction, OnError
from beambell.labeling.python import adopt, is_labeling_function, refuse_to_combine
from beambell.labeling.row import Columns, Row

Truths = tuple[Mask, Mask]
"""Where a condition holds, and where it does not: bool [n] each; unknown where neither."""


class Condition(ABC):
    """Something that holds on a row, does not, or cannot be known; ``&``, ``|`` and ``~`` combine it with others."""

    @property
    @abstractmethod
    def leaves(self) -> tuple[LabelingFunction, ...]:
        """The labeling functions it is made of, from left to right."""

    @abstractmethod
    def truth(self, row: Row) -> bool | None:
        """Whether it holds on one row; ``None`` where that is unknown."""

    @abstractmethod
    def truths(self, columns: Columns) -> Truths:
        """Whether it holds on each row."""

    def named(self, name: str, *, label: int, **more: Unpack[About]) -> Combination:
        """Make it a labeling function that votes ``label`` where the condition holds.

        It votes on the streams on which all its operands do; ``streams`` narrows them further.

        Examples
        --------
        >>> from beambell.labeling import keyword, length
        >>> thanks = keyword("thanks", any_of=["thanks"], label=0)
        >>> short = length("short", max=20, label=0)
        >>> brief = (thanks & short).named("brief", label=0)
        >>> brief.vote({"text": "Thanks!"})
        0
        """
        options: Any = more
        return Combination(name, condition=_bare(self), label=label, **options)

    def __and__(self, other: object) -> Condition:
        return AllOf((_bare(self), _bare(other))) if isinstance(other, Condition) else _refused(other)

    def __or__(self, other: object) -> Condition:
        return AnyOf((_bare(self), _bare(other))) if isinstance(other, Condition) else _refused(other)

    def __rand__(self, other: object) -> Any:
        return _refused(other)  # of two conditions, Python asks the left one

    def __ror__(self, other: object) -> Any:
        return _refused(other)

    def __invert__(self) -> Condition:
        return Not(_bare(self))

    def __bool__(self) -> NoReturn:
        raise TypeError("a condition has no truth value without a row: write &, | and ~ instead of and, or and not")


@dataclass(frozen=True)
class _Junction(Condition):
    parts: tuple[Condition, ...]

    symbol: ClassVar[str]

    @property
    def leaves(self) -> tuple[LabelingFunction, ...]:
        """Those of all parts."""
        return tuple(leaf for part in self.parts for leaf in part.leaves)

    def truths(self, columns: Columns) -> Truths:
        """Join those of the parts."""
        return self.join([part.truths(columns) for part in self.parts])

    @abstractmethod
    def join(self, truths: Sequence[Truths]) -> Truths:
        """Tell where it holds and fails from where each part does."""


@dataclass(frozen=True)
class AllOf(_Junction):
    """Every part holds."""

    symbol = "&"

    def truth(self, row: Row) -> bool | None:
        """Fail where a part fails, else hold where all hold."""
        truths = [part.truth(row) for part in self.parts]
        return False if False in truths else None if None in truths else True

    def join(self, truths: Sequence[Truths]) -> Truths:
        """Fail where a part fails, hold where all hold."""
        holds, fails = zip(*truths, strict=True)
        return np.logical_and.reduce(holds), np.logical_or.reduce(fails)


@dataclass(frozen=True)
class AnyOf(_Junction):
    """Some part holds."""

    symbol = "|"

    def truth(self, row: Row) -> bool | None:
        """Hold where a part holds, else fail where all fail."""
        truths = [part.truth(row) for part in self.parts]
        return True if True in truths else None if None in truths else False

    def join(self, truths: Sequence[Truths]) -> Truths:
        """Hold where a part holds, fail where all fail."""
        holds, fails = zip(*truths, strict=True)
        return np.logical_or.reduce(holds), np.logical_and.reduce(fails)


@dataclass(frozen=True)
class Not(Condition):
    """The part does not hold."""

    part: Condition

    @property
    def leaves(self) -> tuple[LabelingFunction, ...]:
        """Those of the part."""
        return self.part.leaves

    def truth(self, row: Row) -> bool | None:
        """Turn true and false round; the unknown stays."""
        truth = self.part.truth(row)
        return None if truth is None else not truth

    def truths(self, columns: Columns) -> Truths:
        """Turn true and false round; the unknown stays."""
        holds, fails = self.part.truths(columns)
        return fails, holds


@dataclass(frozen=True, kw_only=True, eq=False)
class Combination(LabelingFunction, Condition):
    """Votes its label where a condition holds. See `Condition.named`."""

    kind = "combination"

    condition: Condition = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label is None:
            self.fail("label must be the number of a class")
        shared = _shared_streams(self.leaves)
        if shared is None:
            return
        if not shared:
            self.fail("there is no stream on which all its operands vote")
        if outside := sorted(set(self.streams or ()) - shared):
            self.fail(f"its operands do not all vote on the stream {outside[0]!r}")
        self._set("streams", self.streams or tuple(sorted(shared)))

    @property
    def leaves(self) -> tuple[LabelingFunction, ...]:
        """The labeling functions it is made of, from left to right."""
        return self.condition.leaves

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that its operands read."""
        return tuple(dict.fromkeys(name for leaf in self.leaves for name in leaf.fields or ()))

    def check(self, types: Mapping[str, pa.DataType | None]) -> None:
        """Raise if a column is missing, or of a type that an operand cannot read."""
        super().check(types)
        for leaf in self.leaves:
            leaf.check(types)

    def truth(self, row: Row) -> bool | None:
        """Whether its condition holds."""
        return self.condition.truth(row)

    def truths(self, columns: Columns) -> Truths:
        """Whether its condition holds on each row."""
        return self.condition.truths(columns)

    def _vote(self, row: Row) -> int:
        return (self.label or 0) if self.truth(row) else ABSTAIN

    def apply(self, columns: Columns, *, cardinality: int, on_error: OnError) -> Votes:  # noqa: ARG002
        """Vote on every row, int8 [n]; a value of the right type never fails."""
        return np.where(self.truths(columns)[0], np.int8(self.label or 0), np.int8(ABSTAIN))


def truths(condition: Condition, of_leaf: Callable[[LabelingFunction], Truths]) -> Truths:
    """Tell where a condition holds and fails, whatever way the truths of its leaves are found.

    Parameters
    ----------
    condition
        Combination of labeling functions, or one of them.
    of_leaf
        Returns where one of these holds and fails; called for each, from left to right.

    Raises
    ------
    TypeError
        If the condition is neither a labeling function nor a combination of them.
    """
    match condition:
        case Not(part):
            holds, fails = truths(part, of_leaf)
            return fails, holds
        case _Junction(parts):
            return condition.join([truths(part, of_leaf) for part in parts])
        case LabelingFunction():
            return of_leaf(condition)
    raise TypeError(f"{type(condition).__name__} is made of unknown parts")


def tokens(condition: Condition) -> Iterator[LabelingFunction | str]:
    """Spell a condition as it is written in Python: its leaves, and the text between them."""
    match condition:
        case Not(part):
            yield "~"
            yield from tokens(part)
        case _Junction(parts):
            yield "("
            for position, part in enumerate(parts):
                if position:
                    yield f" {condition.symbol} "
                yield from tokens(part)
            yield ")"
        case LabelingFunction():
            yield condition


def _refused(operand: Any) -> Any:
    """Return what tells Python that this cannot be combined with a condition; of a labeling function, say why.

    Raises
    ------
    LabelingFunctionError
        If it is a labeling function.
    """
    if is_labeling_function(operand):
        refuse_to_combine(adopt(operand))
    return NotImplemented


def _bare(condition: Condition) -> Condition:
    """See a combination as its condition: its name and label mean nothing within another."""
    return condition.condition if isinstance(condition, Combination) else condition


def _shared_streams(leaves: tuple[LabelingFunction, ...]) -> set[str] | None:
    named = [set(leaf.streams) for leaf in leaves if leaf.streams is not None]
    return set.intersection(*named) if named else None
