"""Names of classes: any text that people use, and that readers can tell apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator

MOST_CHARS = 200
_JOINERS = "\u200c\u200d"  # part of emoji, and of words in Persian and Indic scripts
_SPACES = "Zs"


def _valid_class(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError('a class is named by text; write it in quotes, such as "1" or "no"')  # noqa: TRY004 - pydantic's
    text = same_text(name)
    if not text:
        raise ValueError("a class needs a name")
    if len(text) > MOST_CHARS:
        raise ValueError(f"a class's name has at most {MOST_CHARS} characters, not {len(text)}")
    for character in text:
        kind = unicodedata.category(character)
        if not (character.isprintable() or kind == _SPACES or character in _JOINERS):
            raise ValueError(f"U+{ord(character):04X} cannot be seen, so it cannot be part of a class's name")
    return text


ClassName = Annotated[str, BeforeValidator(_valid_class)]


def same_text(name: str) -> str:
    """Spell a name in the one way in which it is compared: composed, without spaces around it."""
    return unicodedata.normalize("NFC", name).strip()


def check_distinct(names: Iterable[str]) -> None:
    """Refuse names that a reader, a spreadsheet or a database takes for the same.

    Raises
    ------
    ValueError
        For two that differ by nothing, by case, or by forms of the same characters.
    """
    seen: dict[str, str] = {}
    for name in names:
        key = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        if key in seen:
            same = "is there twice" if seen[key] == name else f"and {seen[key]!r} are told apart by nobody"
            raise ValueError(f"classes must be distinct: {name!r} {same}; give one of them another name")
        seen[key] = name
