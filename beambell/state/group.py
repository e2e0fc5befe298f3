"""What counts have in common, whatever they count: they add and subtract, and equal ones have one form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Self


class Group(ABC):
    """A commutative group with integer multiples.

    A kind of counts says how many are summed, how one is multiplied, and its canonical form; the rest follows.
    """

    _group: ClassVar[type[Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if Group in cls.__bases__:  # a sample of pattern counts is a subclass of them, and no group of its own
            cls._group = cls

    @classmethod
    @abstractmethod
    def sum(cls, parts: Iterable[Any]) -> Self:
        """Add many at once."""

    @abstractmethod
    def __mul__(self, factor: object) -> Any:
        """Count every row that many times."""

    @abstractmethod
    def _key(self) -> tuple[object, ...]:
        """Return the canonical form: equal exactly where the counts are."""

    def __add__(self, other: Self) -> Self:
        """Count the rows of both."""
        return self._group.sum([self, other]) if isinstance(other, self._group) else NotImplemented

    def __sub__(self, other: Self) -> Self:
        """Take the rows of the other away."""
        return self + -other if isinstance(other, self._group) else NotImplemented

    def __neg__(self) -> Self:
        """Return the inverse: what, added, leaves nothing."""
        return self * -1  # type: ignore[no-any-return]

    def __rmul__(self, factor: object) -> Self:
        """Count every row that many times."""
        return self.__mul__(factor)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        """Say whether both count the same rows."""
        return self._key() == other._key() if isinstance(other, self._group) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())
