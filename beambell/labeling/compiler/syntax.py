r"""Regular expressions as small trees of characters, looks, sequences, choices and repeats.

The trees describe languages, not how to search for them: greedy and lazy are the same, groups capture nothing.
A lookbehind for more than one character is turned into characters to be read first, where nothing comes before it.
What a tree cannot say (a look within a look, a backreference) is left out so that the tree matches too much rather
than too little, and `Syntax.exact` tells.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from beambell.labeling.charsets import ANY, NEWLINE, CharSet, caseless, category, charset, single
from beambell.labeling.folding import edges

_parser: Any = importlib.import_module("re._parser")
_op: Any = importlib.import_module("re._constants")


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set."""

    members: CharSet


@dataclass(frozen=True, slots=True)
class Look:
    """A neighbouring character exists and is in a set; negated, this is not so. Every anchor is such a look."""

    members: CharSet
    behind: bool
    negated: bool


@dataclass(frozen=True, slots=True)
class Ahead:
    """What follows begins with a match of the body, which has no such look in it; negated, it does not."""

    body: Tree
    negated: bool


@dataclass(frozen=True, slots=True)
class Concat:
    """One after the other."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of them."""

    options: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same again, at least ``low`` times, at most ``high`` (``None``: without end)."""

    body: Tree
    low: int
    high: int | None


Tree = Chars | Look | Ahead | Concat | Choice | Repeat


class Syntax(NamedTuple):
    r"""What a regular expression matches.

    Attributes
    ----------
    tree
        Found in every text that the expression is found in.
    exact
        Whether it is found in no other.
    equal
        Length of a run of equal characters that every match contains, as for ``(\w)\1{2}``; 1 says nothing.
    equal_only
        Set of the characters of that run, if the expression asks for nothing else; ``None`` otherwise.
    """

    tree: Tree
    exact: bool
    equal: int
    equal_only: CharSet | None


EMPTY = Concat(())
NEVER = Choice(())
ANYTHING = Repeat(Chars(ANY), 0, None)


def concat(parts: Iterable[Tree]) -> Tree:
    """Put trees one after the other."""
    flat: list[Tree] = []
    for part in parts:
        flat += part.parts if isinstance(part, Concat) else [part]
    return flat[0] if len(flat) == 1 else Concat(tuple(flat))


def literal(text: str, *, ignore_case: bool) -> Tree:
    """Return the tree of a text itself."""
    return concat(Chars(_literal(code, ignore_case)) for code in map(ord, text))


def word(text: str, *, whole: bool, ignore_case: bool, folded: bool) -> Tree:
    """Return the tree of a word that a `keyword` looks for, in folded texts, or in texts as they are."""
    tree = literal(text, ignore_case=ignore_case)
    if not whole:
        return tree
    before, after = edges(text, folded=folded)
    return concat((Look(before, behind=True, negated=True), tree, Look(after, behind=False, negated=True)))


@lru_cache(maxsize=4096)
def parse(pattern: str, flags: int) -> Syntax:
    """Parse a regular expression for text, which must be valid."""
    parsed = _parser.parse(pattern, flags)
    reader = _Reader()
    tree = reader.sequence(parsed, parsed.state.flags, first=True, last=True)
    equal, members = _equal_run(parsed, parsed.state.flags)
    return Syntax(tree, reader.exact, equal, members if len(parsed) == 2 else None)


def one_character(pattern: str, flags: int) -> tuple[CharSet, bool] | None:
    r"""Return the set behind a pattern such as ``!`` or ``[A-Z]``, or behind ``\S+``, and whether it has the plus.

    The non-overlapping matches of such a pattern are the characters of the set, or their longest runs.
    """
    parsed = _parser.parse(pattern, flags)
    items, flags = list(parsed), parsed.state.flags
    while len(items) == 1 and items[0][0] is _op.SUBPATTERN:
        _, on, off, items = items[0][1]
        items, flags = list(items), _combined(flags, on, off)
    if len(items) != 1:
        return None
    (op, value), run = items[0], False
    if op in (_op.MAX_REPEAT, _op.POSSESSIVE_REPEAT) and value[0] == 1 and value[1] is _op.MAXREPEAT:
        if len(value[2]) != 1:
            return None
        (op, value), run = value[2][0], True
    members = _characters((op, value), flags)
    return None if members is None else (members, run)


def _equal_run(items: Sequence[Any], flags: int) -> tuple[int, CharSet | None]:
    """Return the longest run of equal characters that a sequence asks for by a backreference, and their set."""
    longest: tuple[int, CharSet | None] = (1, None)
    if flags & re.IGNORECASE:
        return longest
    for (op, value), (next_op, next_value) in pairwise(items):
        if op is not _op.SUBPATTERN or value[0] is None or len(value[3]) != 1:
            continue
        members = _characters(value[3][0], _combined(flags, value[1], value[2]))
        if members is not None:
            times, reference = 0, (_op.GROUPREF, value[0])
            if (next_op, next_value) == reference:
                times = 1
            elif next_op in _REPEATS and list(next_value[2]) == [reference]:
                times = int(next_value[0])
            longest = max(longest, (times + 1, members), key=lambda run: run[0])
    return longest


class _Reader:
    """Turns what `re` parsed into a tree.

    Parameters
    ----------
    within_look
        Whether it is the body of a look, in which there can be no other for more than one character.
    """

    def __init__(self, *, within_look: bool = False) -> None:
        self.exact = True
        self._within_look = within_look

    def sequence(self, items: Sequence[Any], flags: int, *, first: bool, last: bool) -> Tree:
        """Read items; `first` and `last` if nothing comes before them, or after them, in the whole expression."""
        end = len(items) - 1
        return concat(
            self._item(op, value, flags, first=first and i == 0, last=last and i == end)
            for i, (op, value) in enumerate(items)
        )

    def _item(  # noqa: PLR0911  # one for each
        self, op: Any, value: Any, flags: int, *, first: bool, last: bool
    ) -> Tree:
        members = _characters((op, value), flags)
        if members is not None:
            return Chars(members)
        if op is _op.BRANCH:
            return Choice(tuple(self.sequence(option, flags, first=first, last=last) for option in value[1]))
        if op is _op.SUBPATTERN:
            _, on, off, items = value
            return self.sequence(items, _combined(flags, on, off), first=first, last=last)
        if op in _REPEATS:
            low, high, items = value
            self.exact &= op is not _op.POSSESSIVE_REPEAT
            body = self.sequence(items, flags, first=False, last=False)
            return Repeat(body, int(low), None if high is _op.MAXREPEAT else int(high))
        if op is _op.AT:
            return self._anchor(value, flags, last=last)
        if op in (_op.ASSERT, _op.ASSERT_NOT):
            look = self._look(value[1], flags, first=first, behind=value[0] < 0, negated=op is _op.ASSERT_NOT)
            self.exact &= look is not None
            return EMPTY if look is None else look
        self.exact = False
        if op is _op.ATOMIC_GROUP:
            return self.sequence(value, flags, first=first, last=last)
        if op is _op.GROUPREF_EXISTS:
            _, yes, no = value
            options = (self.sequence(items, flags, first=first, last=last) for items in (yes, no or []))
            return Choice(tuple(options))
        return ANYTHING

    def _anchor(self, at: Any, flags: int, *, last: bool) -> Tree:  # noqa: PLR0911  # one for each
        if at in (_op.AT_BOUNDARY, _op.AT_NON_BOUNDARY):
            return _boundary(category(r"\w", ascii_only=bool(flags & re.ASCII)), inside=at is _op.AT_NON_BOUNDARY)
        if at is _op.AT_END_STRING:
            return _END
        if at is _op.AT_END and flags & re.MULTILINE:
            return _LINE_END
        if at is _op.AT_END:
            if last:  # the final newline may be eaten, for nothing else is to come
                return Choice((_END, Concat((Chars(NEWLINE), _END))))
            self.exact = False
            return _LINE_END
        if at is _op.AT_BEGINNING and flags & re.MULTILINE:
            return Look(~NEWLINE, behind=True, negated=True)
        return Look(ANY, behind=True, negated=True)

    def _look(self, items: Sequence[Any], flags: int, *, first: bool, behind: bool, negated: bool) -> Tree | None:
        """Read a look, if there is a tree for it."""
        reader = _Reader(within_look=True)
        body = reader.sequence(items, flags, first=False, last=not behind)
        body = body if behind else _without_slack(body, -1)
        if not reader.exact:
            return None
        if body == EMPTY:
            return NEVER if negated else EMPTY
        if isinstance(body, Chars):
            return Look(body.members, behind, negated)
        if self._within_look or (behind and not first):
            return None
        if not behind:
            return Ahead(body, negated)
        return _anything_but(body) if negated else body


def _anything_but(behind: Tree) -> Tree | None:
    """Return what to read so as not to be behind some characters: the last ones of these, but not one more."""
    run = _run(behind)
    if run is None:
        return None
    parts: list[Tree] = [Chars(members) for members in run]
    other = (Look(members, behind=True, negated=True) for members in run)
    return Choice(tuple(concat((look, *parts[place + 1 :])) for place, look in enumerate(other)))


def _run(tree: Tree) -> list[CharSet] | None:
    """Return the sets of a tree that is but a sequence of characters."""
    if isinstance(tree, Chars):
        return [tree.members]
    if isinstance(tree, Repeat) and tree.low == tree.high:
        times = _run(tree.body)
        return None if times is None else times * tree.low
    if not isinstance(tree, Concat):
        return None
    parts = [_run(part) for part in tree.parts]
    return None if None in parts else [members for part in parts for members in part or ()]


_REPEATS = (_op.MAX_REPEAT, _op.MIN_REPEAT, _op.POSSESSIVE_REPEAT)

_END = Look(ANY, behind=False, negated=True)
_LINE_END = Look(~NEWLINE, behind=False, negated=True)


def _boundary(word: CharSet, *, inside: bool) -> Tree:
    before, after = Look(word, behind=True, negated=False), Look(word, behind=False, negated=False)
    not_before, not_after = Look(word, behind=True, negated=True), Look(word, behind=False, negated=True)
    if not inside:
        return Choice((Concat((before, not_after)), Concat((not_before, after))))
    neither: tuple[Tree, ...] = (Concat((not_before, not_after)),)
    if not _INSIDE_EMPTY_TEXT:  # one of the two characters has to be there
        other_before, other_after = Look(~word, behind=True, negated=False), Look(~word, behind=False, negated=False)
        neither = (Concat((other_before, not_after)), Concat((not_before, other_after)))
    return Choice((Concat((before, after)), *neither))


_INSIDE_EMPTY_TEXT = re.search(r"\B", "") is not None
"""Newer versions of Python find a non-boundary in an empty text."""


def _combined(flags: int, on: int, off: int) -> int:
    """Return the flags inside a group such as ``(?i-s:...)``; of ASCII and UNICODE, the new one holds."""
    if on & (re.ASCII | re.UNICODE):
        flags &= ~(re.ASCII | re.UNICODE)
    return (flags | on) & ~off


def _characters(item: tuple[Any, Any], flags: int) -> CharSet | None:
    """Return what an item matches if it always matches one character."""
    op, value = item
    if op is _op.ANY:
        return ANY if flags & re.DOTALL else ~NEWLINE
    if op is _op.LITERAL and not flags & re.ASCII:
        return _literal(value, bool(flags & re.IGNORECASE))
    if op in (_op.LITERAL, _op.NOT_LITERAL):
        items = [(_op.LITERAL, value)]
        items = [(_op.NEGATE, None), *items] if op is _op.NOT_LITERAL else items
    elif op is _op.IN:
        items = value
    else:
        return None
    ascii_only = bool(flags & re.ASCII)
    negated = items[0][0] is _op.NEGATE
    named = [_in_class(item, ascii_only) for item in items[negated:]]
    members = charset(r for part, _ in named for r in part.ranges)
    members = ~members if negated else members
    if flags & re.IGNORECASE:
        text = f"[{'^' if negated else ''}{''.join(text for _, text in named)}]"
        members = caseless(text, members, ascii_only=ascii_only)
    return members


def _in_class(item: tuple[Any, Any], ascii_only: bool) -> tuple[CharSet, str]:
    """Return a part of a character class as a set, and as it may be written."""
    op, value = item
    if op is _op.LITERAL:
        return single(value), rf"\U{value:08x}"
    if op is _op.RANGE:
        first, last = value
        return charset([value]), rf"\U{first:08x}-\U{last:08x}"
    escape = _CATEGORIES[value]
    members = category(escape.lower(), ascii_only=ascii_only)
    return (~members if escape.isupper() else members), escape


_CATEGORIES = {
    _op.CATEGORY_DIGIT: r"\d",
    _op.CATEGORY_NOT_DIGIT: r"\D",
    _op.CATEGORY_SPACE: r"\s",
    _op.CATEGORY_NOT_SPACE: r"\S",
    _op.CATEGORY_WORD: r"\w",
    _op.CATEGORY_NOT_WORD: r"\W",
}


@lru_cache(maxsize=4096)
def _literal(code: int, ignore_case: bool) -> CharSet:
    members = single(code)
    return caseless(rf"\U{code:08x}", members, ascii_only=False) if ignore_case else members


def essence(tree: Tree) -> Tree:
    """Return a smaller tree that is found in the same texts: ``a+b+`` is found where ``ab`` is."""
    return _without_slack(_without_slack(tree, -1), 0)


def _without_slack(tree: Tree, end: int) -> Tree:
    """Cut what may repeat at the first (0) or last (-1) place of a tree down to what has to be there."""
    if isinstance(tree, Choice):
        return Choice(tuple(_without_slack(option, end) for option in tree.options))
    if isinstance(tree, Repeat) and tree.high != tree.low:
        return _without_slack(tree.body, end) if tree.low == 1 else _times(tree.body, tree.low)
    if isinstance(tree, Concat) and tree.parts:
        outer = _without_slack(tree.parts[end], end)
        inner = tree.parts[1:] if end == 0 else tree.parts[:-1]
        if outer == EMPTY:
            return _without_slack(concat(inner), end)
        return concat((outer, *inner) if end == 0 else (*inner, outer))
    return tree


def _times(body: Tree, times: int) -> Tree:
    return Repeat(body, times, times) if times else EMPTY
