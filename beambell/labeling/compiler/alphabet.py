"""The letters of an automaton: characters that no pattern tells apart are one symbol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from beambell.labeling.charsets import LAST, CharSet

Array = np.ndarray[Any, Any]

MAX_SYMBOLS: Final = 256
MAX_CLASSES: Final = 126
FILL, MARK = 254, 255
PAGE: Final = 256


class TooManySymbols(Exception):  # noqa: N818  # an outcome for the planner, not a failure
    """More kinds of characters than a byte can hold: see `Script`."""


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
            If a `Script` cannot hold them.
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
        if len(set(symbol_of[np.searchsorted(starts, 128, side="right") - 1 :])) > MAX_CLASSES:
            raise TooManySymbols(len(symbols))
        every = np.repeat(np.array(symbol_of, dtype=np.uint8), np.diff(starts, append=LAST + 1)).tobytes()
        # A page can only differ from the one before it if a set begins or ends in either of them.
        others = np.unique([starts // PAGE, starts // PAGE + 1])
        others = others[others <= LAST // PAGE]
        pages: dict[bytes, int] = {}
        page_of = [pages.setdefault(every[PAGE * page : PAGE * (page + 1)], len(pages)) for page in others.tolist()]
        return cls(
            np.repeat(np.array(page_of, dtype=np.uint16), np.diff(others, append=LAST // PAGE + 1)),
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
        pairs, page_of = _distinct(self.page_of.astype(np.int64) * len(other.pages) + other.page_of)
        one, two = np.divmod(pairs, len(other.pages))
        both = self.pages[one].astype(np.int64) << 8 | other.pages[two]
        occurs = np.zeros(MAX_SYMBOLS**2, dtype=bool)
        occurs[both] = True
        size = int(np.count_nonzero(occurs))
        if size > MAX_SYMBOLS:
            raise TooManySymbols(size)
        return Alphabet(page_of.astype(np.uint16), (np.cumsum(occurs) - 1)[both].astype(np.uint8))

    def beyond_ascii(self) -> Alphabet:
        """Return what is left of it if all of ASCII is one symbol, 0, which no other character is."""
        # The first page may be that of others, too, and then becomes another one.
        used, page_of = _distinct(np.concatenate([[len(self.pages)], self.page_of[1:]]))
        pages = np.vstack([self.pages, self.ascii])[used]
        occurs = np.zeros(MAX_SYMBOLS, dtype=bool)
        occurs[pages[:-1]] = occurs[pages[-1, 128:]] = True
        pages = np.cumsum(occurs).astype(np.uint8)[pages]
        pages[-1, :128] = 0
        return Alphabet(page_of.astype(np.uint16), pages)


@dataclass(frozen=True, eq=False)
class Script:
    """How texts are written before automata read them: a byte for each character, and a mark after each text.

    ASCII is written as it is; all other characters are one of 126 classes, from 128 on; the mark is 255, and 254 fills
    up what is left of a word of eight bytes.

    Attributes
    ----------
    page_of, pages
        Tables of the alphabet, as an `Alphabet` has them.
    """

    page_of: Array
    pages: Array

    @classmethod
    def of(cls, classes: Alphabet) -> Script:
        """Make the script that tells apart the symbols of an alphabet that is one `beyond_ascii`."""
        pages = (classes.pages.astype(np.int64) + 127).astype(np.uint8)
        pages[classes.page_of[0], :128] = np.arange(128)
        return cls(classes.page_of, pages)


class Encoding(NamedTuple):
    """How a loop that knows one alphabet reads texts.

    Attributes
    ----------
    script
        Script of the texts.
    columns
        uint8 [256], the symbol of the alphabet for each byte that stands for a character.
    """

    script: Script
    columns: Array


def encode(alphabets: Sequence[Alphabet]) -> list[Encoding]:
    """Find few scripts for all of these, so that texts need to be written but a few times."""
    joined: list[Alphabet] = []
    chosen = []
    for classes in (alphabet.beyond_ascii() for alphabet in alphabets):
        place = next((p for p, candidate in enumerate(joined) if _join(joined, p, candidate, classes)), None)
        if place is None:
            place = len(joined)
            joined.append(classes)
        chosen.append(place)
    scripts = [Script.of(classes) for classes in joined]
    return [
        Encoding(scripts[place], _columns(alphabet, joined[place]))
        for alphabet, place in zip(alphabets, chosen, strict=True)
    ]


def _join(joined: list[Alphabet], place: int, candidate: Alphabet, classes: Alphabet) -> bool:
    """Enlarge one alphabet by another if a script can hold both."""
    try:
        both = candidate.joined(classes)
    except TooManySymbols:
        return False
    fits = both.size <= 1 + MAX_CLASSES
    if fits:
        joined[place] = both
    return fits


def _columns(alphabet: Alphabet, classes: Alphabet) -> Array:
    columns = np.zeros(256, dtype=np.uint8)
    columns[:128] = alphabet.ascii[:128]
    page, offset = np.divmod(classes._examples[1:], PAGE)
    columns[128 : 127 + classes.size] = alphabet.pages[alphabet.page_of[page], offset]
    return columns


def _distinct(numbers: Array) -> tuple[Array, Array]:
    """Return which numbers there are, ascending, and the place of each among them; they are low: no need to sort."""
    occurs = np.zeros(numbers.max() + 1, dtype=bool)
    occurs[numbers] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[numbers]


def _bounds(members: CharSet) -> Array:
    """Return where a set begins, ends, begins again: int64 [2 r]."""
    return np.array([bound for first, last in members.ranges for bound in (first, last + 1)], dtype=np.int64)
