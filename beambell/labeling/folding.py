r"""Text as people type it: one form for what looks the same, whatever keyboard, editor or web page it went through.

`fold` changes three things, in this order, and nothing else; upper and lower case stay as they are:

1. What cannot be seen goes: all that Unicode calls default-ignorable (zero-width spaces and joiners, soft hyphens, byte
   order marks, marks of direction, variation selectors), but for the tags that make the flag of, say, Scotland.
2. What keyboards, editors and input methods replace becomes what a plain keyboard has: quotes and apostrophes ``"`` and
   ``'``, hyphens, en dashes and minus signs ``-``, spaces of any width a space, and the full-width and half-width
   letters of East Asia those of the usual width.
3. What remains is composed: Unicode's normal form NFC.

Around a whole word in a folded text there is no word character, that is ``\w`` or a mark (of category M); but

- letters of `unspaced` scripts, whose words no spaces part, do not count, and next to one of them in the word itself
  nothing counts: so words of these scripts are found anywhere in a sentence, and those of others between them;
- Korean words end in particles: after one that ends in Hangul anything may follow, and before one that begins with it
  only Hangul counts; around other words Hangul does not count. So the word for refund is found with an ending;
- what marks complete is not taken apart: no word ends just before a mark.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Final, NamedTuple

from beambell.labeling.charsets import CharSet, category, charset, one_of, single

DEFINITION: Final = "beambell-fold-1"
"""Part of the fingerprints of what folds. To be changed whenever what is said above is."""

_TYPED: Final = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u2039\u203a\u02b9\u02bb\u02bc\u0374\u00b4\u1ffd",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u02ba",
    "-": "\u2010\u2011\u2012\u2013\u2212\ufe63",
    " ": "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\u0f0b": "\u0f0c",
}
_WIDTHS: Final = range(0xFF01, 0xFFEF)

INVISIBLE: Final = charset(
    (
        *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
        *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
        *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
    )
)
"""What Unicode calls default-ignorable."""

HANGUL: Final = charset(((0x1100, 0x11FF), (0xA960, 0xA97F), (0xAC00, 0xD7FF)))
"""Syllables of Korean, and what older ones are made of."""

_UNSPACED: Final = (
    *((0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF)),  # Thai, Lao, Tibetan, Burmese, Khmer
    *((0x1950, 0x19FF), (0x1A20, 0x1AAF), (0xA9E0, 0xA9FF), (0xAA60, 0xAADF)),  # Tai, and more of Burmese and Khmer
    *((0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3031, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x16FE0, 0x18D8F), (0x1AFF0, 0x1B2FF), (0x20000, 0x3FFFD)),
    (0x3131, 0x318E),  # letters of Hangul on their own are laughter, and belong to no word
)
_WITH_DIGITS: Final = range(0x0E00, 0xAAE0)

_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
FIRST_TAG: Final = 0xE0020
LAST_TAG: Final = 0xE007F


def fold(text: str) -> str:
    r"""Return the one form of all texts that look the same; folding it again changes nothing.

    Examples
    --------
    >>> fold("re\u00adfund, don\u2019t cafe\u0301") == "refund, don't caf\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", one_of(replaced()).sub(_typed, text))


@cache
def replaced() -> CharSet:
    """Return the characters that the first two steps replace, or take out."""
    return INVISIBLE | single(*map(ord, replacements()))


class Edges(NamedTuple):
    """What must not be around a whole word.

    Attributes
    ----------
    before, after
        The characters that the word must not be next to; empty if it does not matter.
    """

    before: CharSet
    after: CharSet


def edges(word: str, *, folded: bool) -> Edges:
    r"""Return the edges of a word that is not empty, in folded texts, or in texts as they are: there, it is ``\w``."""
    if not folded:
        return Edges(category(r"\w"), category(r"\w"))
    first, last = ord(word[0]), ord(word[-1])
    before = _NOTHING if first in unspaced() else HANGUL if first in HANGUL else _others_before()
    return Edges(before, marks() if last in unspaced() or last in HANGUL else _others_after())


@cache
def unspaced() -> CharSet:
    """Return the letters of scripts whose words no spaces part, with their marks; digits are not among them."""
    return charset(_UNSPACED) - single(*(code for code in _WITH_DIGITS if chr(code).isdecimal()))


@cache
def marks() -> CharSet:
    """Return what is no character of its own: it completes the one before."""
    assigned = chain(range(0x300, 0x20000), range(0xE0100, 0xE01F0))
    return single(*(code for code in assigned if unicodedata.category(chr(code)).startswith("M")))


_NOTHING: Final = charset(())


@cache
def _others_before() -> CharSet:
    return (category(r"\w") | marks()) - unspaced() - HANGUL


@cache
def _others_after() -> CharSet:
    return (category(r"\w") - unspaced() - HANGUL) | marks()


def _typed(match: re.Match[str]) -> str:
    stays = FIRST_TAG <= ord(match[0]) <= LAST_TAG and _is_in_flag(match)
    return match[0] if stays else replacements().get(match[0], "")


def _is_in_flag(match: re.Match[str]) -> bool:
    return any(flag.start() < match.start() < flag.end() for flag in _FLAG.finditer(match.string))


@cache
def replacements() -> dict[str, str]:
    """Return what the second step replaces, character by character."""
    return dict(_each())


def _each() -> Iterator[tuple[str, str]]:
    for plain, others in _TYPED.items():
        yield from ((other, plain) for other in others)
    for code in _WIDTHS:
        kind, _, usual = unicodedata.decomposition(chr(code)).partition(" ")
        if kind in ("<wide>", "<narrow>") and code not in INVISIBLE:
            yield chr(code), chr(int(usual, 16))
