r"""What a text must contain for a pattern to be found in it, and how often that is to be expected.

A factor of ``\d+ (?:dollars|euros)`` is ``\d dollars`` or ``\d euros``. Short sequences of characters are cheap to look
for, all of them in one automaton; the pattern itself is then tried on the texts that have one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

from beambell.labeling.charsets import ASCII, LAST, CharSet
from beambell.labeling.compiler.syntax import Ahead, Chars, Choice, Concat, Look, Repeat, Tree

LONGEST: Final = 12
MOST: Final = 64
TYPICAL_LENGTH: Final = 150

# Characters by how often they occur in plain text, in per mille; rough is good enough to choose by.
_PER_MILLE = {
    160: " ",
    95: "e",
    65: "atoinsr",
    35: "hldcu",
    18: "mfpgwyb.",
    6: "vkxjqz,'-TISAMW",
    3: '0123456789!?:/()"\nBCDEFGHLNOPRUVY',
}
_SHARE: Final = {ord(c): share / 1000 for share, chars in _PER_MILLE.items() for c in chars}
_RARE: Final = 0.0005
_ANY_OTHER: Final = 0.03  # all that is not ASCII, together


class Factors(NamedTuple):
    """Alternatives, one of which every match contains, or what follows it.

    Attributes
    ----------
    alternatives
        Sequences of characters.
    share
        Expected share of the positions of a text at which one of them begins.
    """

    alternatives: tuple[tuple[CharSet, ...], ...]
    share: float

    @property
    def frequency(self) -> float:
        """Expected number in a text."""
        return self.share * TYPICAL_LENGTH


@cache
def share(members: CharSet) -> float:
    """Estimate which share of the characters of a text are in a set."""
    in_ascii = members - ~ASCII
    others = sum(last - max(first, 128) + 1 for first, last in members.ranges if last > 127)
    known = sum(_SHARE.get(code, _RARE) for first, last in in_ascii.ranges for code in range(first, last + 1))
    if not others:
        return min(1.0, known)
    # A handful of other characters are rare, half of Unicode means letters or the like.
    return min(1.0, known + max(_RARE * min(others, 10), _ANY_OTHER * others / LAST))


def match_rate(tree: Tree) -> float:
    """Estimate how likely it is that a tree matches at a position: at a cold one, few matches are under way."""
    if isinstance(tree, Chars):
        return share(tree.members)
    if isinstance(tree, Look | Ahead):
        return 1.0
    if isinstance(tree, Concat):
        return math.prod(match_rate(part) for part in tree.parts)
    if isinstance(tree, Choice):
        return min(1.0, sum(match_rate(option) for option in tree.options))
    return float(match_rate(tree.body) ** tree.low)


def factors(tree: Tree) -> Factors | None:
    """Return the factors of a tree that are the least to be expected, if there are any."""
    return _rarest(_candidates(tree))


def _candidates(tree: Tree) -> Iterable[Factors | None]:
    run: list[CharSet] = []
    for part in tree.parts if isinstance(tree, Concat) else (tree,):
        if isinstance(part, Chars):
            run.append(part.members)
        elif isinstance(part, Choice):
            yield _of_run(run)
            yield _of_choice(part)
            run = []
        elif isinstance(part, Ahead) and not part.negated:
            yield factors(part.body)
        elif isinstance(part, Repeat):
            copies = [part.body.members] * min(part.low, LONGEST) if isinstance(part.body, Chars) else []
            run += copies
            if not copies and part.low:
                yield factors(part.body)
            if not copies or part.high != part.low:
                yield _of_run(run)
                run = copies
    yield _of_run(run)


def _of_run(run: list[CharSet]) -> Factors | None:
    windows = [tuple(run[start : start + LONGEST]) for start in range(max(1, len(run) - LONGEST + 1))]
    return _rarest(Factors((window,), math.prod(map(share, window))) for window in windows if window)


def _of_choice(choice: Choice) -> Factors | None:
    found = [factors(option) for option in choice.options]
    if not found or None in found:
        return None
    each = [option for option in found if option is not None]
    alternatives = tuple(dict.fromkeys(window for option in each for window in option.alternatives))
    return Factors(alternatives, sum(option.share for option in each)) if len(alternatives) <= MOST else None


def _rarest(candidates: Iterable[Factors | None]) -> Factors | None:
    return min((c for c in candidates if c is not None), key=lambda c: c.share, default=None)
