"""Classes that are known by the name of their kind: formats of records, label models, end models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from beambell.errors import BeamBellError


class Named(Protocol):
    """A class that says what its kind is called."""

    kind: ClassVar[str]


T = TypeVar("T", bound=Named)
M = TypeVar("M", bound=Named)


class Kinds(dict[str, type[T]]):
    """The kinds of one thing, by name.

    Parameters
    ----------
    noun
        Word by which messages call one of them, such as ``label model``.
    error
        Class of the errors.
    where
        Name of the parameter that chooses one, for messages; ``None`` if there is none.
    more
        Words that follow the names of the known kinds in a message about an unknown one.
    """

    def __init__(self, noun: str, error: type[BeamBellError], *, where: str | None = None, more: str = "") -> None:
        super().__init__()
        self._noun, self._error, self._where, self._more = noun, error, where, more

    def names(self) -> tuple[str, ...]:
        """Names of the kinds there are, in order."""
        return tuple(sorted(self))

    def register(self, made: type[M]) -> type[M]:
        """Make a kind known by its ``kind``; a class decorator.

        The same class, imported afresh, takes the place of the earlier one.

        Raises
        ------
        BeamBellError
            If another one has that name; of the class that the registry was made with.
        """
        known: dict[str, Any] = self
        other = known.setdefault(made.kind, made)
        if (other.__module__, other.__qualname__) != (made.__module__, made.__qualname__):
            raise self._error(f"there is another {self._noun} {made.kind!r}", fix="give yours another kind")
        known[made.kind] = made
        return made

    def __missing__(self, kind: str) -> type[T]:
        fix = f"use one of {', '.join(self.names())}{self._more}"
        raise self._error(f"there is no {self._noun} {kind!r}", where=self._where, fix=fix)

    def check_options(self, options: Mapping[str, Any], known: Iterable[str], *, where: str) -> None:
        """Refuse options that a kind does not have.

        Parameters
        ----------
        options
            Values by name.
        known
            Names of the options that it has.
        where
            Place of the options, for messages.

        Raises
        ------
        BeamBellError
            If it has no such option; of the class that the registry was made with.
        """
        known = list(known)
        if unknown := sorted(options.keys() - set(known)):
            fix = f"its options are {', '.join(known) or 'none'}"
            raise self._error(f"there is no option {unknown[0]!r}", where=where, fix=fix)
