"""The many ways to spell: how spammers hide a word, and how people mistype one."""

from __future__ import annotations

from collections.abc import Callable

from beambell.demo.rng import Rng, Weighted

Respell = Callable[[str, Rng], str]

LEET = str.maketrans("aeiostAEIOS", "43105743105")
# Cyrillic letters that look like Latin ones.
LOOK_ALIKES = str.maketrans(
    "aceopxyACEOPX", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0410\u0421\u0415\u041e\u0420\u0425"
)
ACCENTS = str.maketrans("aeiouc", "\u00e1\u00e8\u00ed\u00f4\u00fc\u00e7")
ZERO_WIDTH = "\u200b"


def _leet(word: str, rng: Rng) -> str:  # noqa: ARG001
    return word.translate(LEET)


def _look_alike(word: str, rng: Rng) -> str:  # noqa: ARG001
    return word.translate(LOOK_ALIKES)


def _accented(word: str, rng: Rng) -> str:  # noqa: ARG001
    return word.translate(ACCENTS)


def _spaced(word: str, rng: Rng) -> str:
    return rng.pick((" ", ".", "_")).join(word)


def _split(word: str, rng: Rng) -> str:
    cut = rng.between(1, len(word) - 1)
    return word[:cut] + rng.pick((ZERO_WIDTH, "-", "*")) + word[cut:]


def _upper(word: str, rng: Rng) -> str:  # noqa: ARG001
    return word.upper()


def _swapped(word: str, rng: Rng) -> str:
    at = rng.below(len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _dropped(word: str, rng: Rng) -> str:
    at = rng.between(1, len(word) - 1)
    return word[:at] + word[at + 1 :]


def _stretched(word: str, rng: Rng) -> str:
    return word + word[-1] * rng.between(2, 5)


DISGUISES: Weighted[Respell] = Weighted(
    [(_leet, 5), (_look_alike, 4), (_spaced, 3), (_split, 3), (_accented, 2), (_upper, 4)]
)
SLIPS: Weighted[Respell] = Weighted([(_swapped, 4), (_dropped, 4), (_stretched, 2), (_upper, 1)])


def disguise(text: str, rng: Rng) -> str:
    """Hide one to three words from filters."""
    return _respell(text, DISGUISES, rng.between(1, 3), rng)


def mistype(text: str, rng: Rng) -> str:
    """Write as people do in a hurry: a slip, no capitals, no full stop, an emoji."""
    fate = rng.unit()
    if fate < 0.07:
        return _respell(text, SLIPS, 1, rng)
    if fate < 0.20:
        return _outside_links(text, str.lower)
    if fate < 0.30:
        return text[:1].upper() + text[1:] + rng.pick((".", "!", ""))
    if fate < 0.36:
        return f"{text} {rng.pick(('🙂', '😂', '❤️', '👍', '🙏', '🎉', ':)', ':D'))}"
    return text


def _respell(text: str, how: Weighted[Respell], times: int, rng: Rng) -> str:
    words = text.split(" ")
    long = [at for at, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return text
    for _ in range(times):
        at = rng.pick(long)
        words[at] = how.draw(rng)(words[at], rng)
    return " ".join(words)


def _outside_links(text: str, change: Callable[[str], str]) -> str:
    return " ".join(word if "/" in word else change(word) for word in text.split(" "))
