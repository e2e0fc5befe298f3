"""The letters of an automaton: characters that no pattern tells apart are one symbol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from beambell.labeling.compiler.charsets import LAST, CharSet

Array = np.ndarray[Any, Any]

MAX_SYMBOLS: Final = 256
PAGE: Final = 256


class TooManySymbols(Exception):  # noqa: N818  # an outcome for the planner, not a failure
    """More than 256 kinds of characters: a symbol would not fit into a byte."""


@dataclass(frozen=True, eq=False)
class Alphabet:
    """Maps every code point to a symbol, in two steps, for most pages of Unicode are alike.

    Attributes
    ----------
    page_of
        uint16 [4352], the page of each run of 256 code points.
    pages
        uint8 [p, 256], symbols.
    """

    page_of: Array
    pages: Array

    @classmethod
    def of(cls, charsets: Iterable[CharSet]) -> Alphabet:
        """Make the smallest alphabet in which each set is a set of symbols.

        Raises
        ------
        TooManySymbols
            If a byte cannot hold them.
        """
        sets = list(dict.fromkeys(charsets))
        bounds = [_bounds(members) for members in sets]
        starts = np.unique(np.concatenate([[0], *bounds]))
        starts = starts[starts <= LAST]
        # Between two bounds all code points are in the same sets.
        inside = [np.searchsorted(b, starts, side="right") % 2 == 1 for b in bounds]
        signatures = np.packbits(np.array(inside, dtype=bool).reshape(len(sets), len(starts)), axis=0).T
        symbols: dict[bytes, int] = {}
        symbol_of = [symbols.setdefault(signature.tobytes(), len(symbols)) for signature in signatures]
        if len(symbols) > MAX_SYMBOLS:
            raise TooManySymbols(len(symbols))
        every = np.repeat(np.array(symbol_of, dtype=np.uint8), np.diff([*starts, LAST + 1])).tobytes()
        pages: dict[bytes, int] = {}
        page_of = [pages.setdefault(every[start : start + PAGE], len(pages)) for start in range(0, len(every), PAGE)]
        return cls(
            np.array(page_of, dtype=np.uint16),
            np.frombuffer(b"".join(pages), dtype=np.uint8).reshape(len(pages), PAGE),
        )

    @property
    def ascii(self) -> Array:
        """Symbols of single bytes, uint8 [256]; those of bytes that are not ASCII mean nothing."""
        symbols: Array = self.pages[self.page_of[0]]
        return symbols

    def symbol(self, code: int) -> int:
        """Return the symbol of a code point."""
        return int(self.pages[self.page_of[code // PAGE], code % PAGE])

    def symbols(self, members: CharSet) -> list[int]:
        """Return the symbols that a set consists of, ascending; the alphabet must have been made for it."""
        inside = np.searchsorted(_bounds(members), self._examples, side="right") % 2 == 1
        found: list[int] = np.flatnonzero(inside).tolist()
        return found

    @cached_property
    def _examples(self) -> Array:
        """A code point for each symbol, int64 [size]."""
        _, places = np.unique(self.pages, return_index=True)
        _, first = np.unique(self.page_of, return_index=True)
        page, offset = np.divmod(places, PAGE)
        examples: Array = first[page] * PAGE + offset
        return examples

    @property
    def size(self) -> int:
        """Number of symbols."""
        return int(self.pages.max()) + 1

    def joined(self, other: Alphabet) -> Alphabet:
        """Return the smallest alphabet that tells apart what this one or the other does.

        Raises
        ------
        TooManySymbols
            If a byte cannot hold it.
        """
        pairs, page_of = np.unique(self.page_of.astype(np.int64) << 16 | other.page_of, return_inverse=True)
        both = self.pages[pairs >> 16].astype(np.int64) << 8 | other.pages[pairs & 0xFFFF]
        occurs = np.zeros(MAX_SYMBOLS**2, dtype=bool)
        occurs[both] = True
        size = int(np.count_nonzero(occurs))
        if size > MAX_SYMBOLS:
            raise TooManySymbols(size)
        return Alphabet(page_of.astype(np.uint16), (np.cumsum(occurs) - 1)[both].astype(np.uint8))

    def spelled(self, larger: Alphabet) -> Spelling:
        """Tell how to read in this alphabet what is written in one that was `joined` from it."""
        page, offset = np.divmod(larger._examples, PAGE)
        own = np.zeros(MAX_SYMBOLS, dtype=np.uint8)
        own[: larger.size] = self.pages[self.page_of[page], offset]
        return Spelling(larger, self.ascii, own)


@dataclass(frozen=True, eq=False)
class Spelling:
    """How a loop that knows one alphabet reads texts that are written in a larger one.

    Attributes
    ----------
    written
        The larger one.
    ascii
        uint8 [256], the loop's own symbol of each byte of a text that is ASCII.
    own
        uint8 [256], the loop's own symbol of each symbol that other texts are written in.
    """

    written: Alphabet
    ascii: Array
    own: Array


def spell(alphabets: Sequence[Alphabet]) -> list[Spelling]:
    """Find few larger alphabets for all of these, so that texts need to be written but a few times."""
    larger: list[Alphabet] = []
    chosen = []
    for alphabet in alphabets:
        place = next((p for p, candidate in enumerate(larger) if _join(larger, p, candidate, alphabet)), None)
        if place is None:
            place = len(larger)
            larger.append(alphabet)
        chosen.append(place)
    return [alphabet.spelled(larger[place]) for alphabet, place in zip(alphabets, chosen, strict=True)]


def _join(larger: list[Alphabet], place: int, candidate: Alphabet, alphabet: Alphabet) -> bool:
    """Enlarge one alphabet by another if a byte can hold both."""
    try:
        larger[place] = candidate.joined(alphabet)
    except TooManySymbols:
        return False
    return True


def _bounds(members: CharSet) -> Array:
    """Return where a set begins, ends, begins again: int64 [2 r]."""
    return np.array([bound for first, last in members.ranges for bound in (first, last + 1)], dtype=np.int64)
