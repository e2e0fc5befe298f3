"""Sets of characters exactly as `re` has them: what is folded, the edges of words, the letters of automata."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from typing import Final

import numpy as np

Ranges = tuple[tuple[int, int], ...]

LAST: Final = 0x10FFFF
_PAGE: Final = 256
_LONG: Final = 200


class CharSet:
    """A set of code points. There is one object for each set, so that they compare and hash by identity.

    Parameters
    ----------
    ranges
        First and last code point of each run, ascending and apart. Use `charset` to make one.
    """

    __slots__ = ("ranges",)
    ranges: Ranges

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges

    def __contains__(self, code: int) -> bool:
        return any(first <= code <= last for first, last in self.ranges)

    def __repr__(self) -> str:
        return f"CharSet({_spelled(self)})"

    def __or__(self, other: CharSet) -> CharSet:
        return charset((*self.ranges, *other.ranges))

    def __invert__(self) -> CharSet:
        ends = [-1, *(code for first, last in self.ranges for code in (first - 1, last)), LAST]
        return charset((low + 1, high) for low, high in zip(ends[::2], ends[1::2], strict=True) if low < high)

    def __sub__(self, other: CharSet) -> CharSet:
        return ~(~self | other)


def charset(ranges: Iterable[tuple[int, int]]) -> CharSet:
    """Return the set of all code points in these ranges, which may overlap and come in any order."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return _the(tuple(joined))


def single(*codes: int) -> CharSet:
    """Return the set of these code points."""
    return charset((code, code) for code in codes)


@cache
def one_of(members: CharSet) -> re.Pattern[str]:
    """Return the regular expression that matches one character of a set."""
    ranges = "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in members.ranges)
    return re.compile(f"[{ranges}]" if ranges else "(?!)")


@cache
def _spelled(members: CharSet) -> str:
    ranges = repr(members.ranges)
    return ranges if len(ranges) <= _LONG else f"{len(members.ranges)} ranges, {sha256(ranges.encode()).hexdigest()}"


@cache
def _the(ranges: Ranges) -> CharSet:
    return CharSet(ranges)


ANY: Final = charset([(0, LAST)])
ASCII: Final = charset([(0, 127)])
NEWLINE: Final = single(ord("\n"))


@cache
def category(escape: str, *, ascii_only: bool = False) -> CharSet:
    r"""Return what ``\w``, ``\s`` or ``\d`` matches, by asking `re` itself."""
    pattern = re.compile(rf"{escape}+", re.ASCII if ascii_only else 0)
    return charset((match.start(), match.end() - 1) for match in pattern.finditer(_every_character()))


@cache
def caseless(pattern: str, members: CharSet, *, ascii_only: bool) -> CharSet:
    """Return what a pattern for one character matches under ``re.IGNORECASE``.

    Parameters
    ----------
    pattern
        Matches one character.
    members
        Characters that the pattern matches where case counts.
    ascii_only
        Whether ``re.ASCII`` is set as well.
    """
    # Letters come with dozens of exceptions (K has a Kelvin sign, s a long s): `re` is asked about each of them.
    # It leaves all other characters alone.
    cased = _cased_characters()
    found = re.findall(pattern, cased, re.IGNORECASE | (re.ASCII if ascii_only else 0))
    return (members - _cased_set()) | single(*map(ord, found))


def _every_character() -> str:
    codes = np.arange(LAST + 1, dtype="<u4")
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


@cache
def _cased_characters() -> str:
    every = _every_character()
    pages = (every[start : start + _PAGE] for start in range(0, len(every), _PAGE))
    return "".join(c for page in pages if _has_case(page) for c in page if _has_case(c))


@cache
def _cased_set() -> CharSet:
    return single(*map(ord, _cased_characters()))


def _has_case(text: str) -> bool:
    return text.lower() != text or text.upper() != text
