"""Text from data and people, made safe to show: what a terminal would obey is spelled out."""

from __future__ import annotations

import re

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters of ASCII and of Latin-1; tabs and line feeds stay
    "\u2028\u2029\u202a-\u202e\u2066-\u2069"  # other ends of lines; what turns the direction of writing
    "\ud800-\udfff\ufeff]"  # halves of characters, as of file names that are no UTF-8; byte order marks
)


def visible(text: str) -> str:
    """Spell out every character that a terminal would obey; lines stay lines."""
    return _OBEYED.sub(_spelled, text)


def one_line(text: str) -> str:
    """Spell out line feeds and tabs as well: an id must not look like several rows."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def plain(text: object) -> str:
    """Text that must not be read as markup by rich, which our own lines are."""
    from rich.markup import escape

    return escape(str(text))


def in_json(document: str) -> str:
    """Spell out, in a JSON document, what JSON leaves as it is; it stays the same document."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return {"\r": "\\r"}.get(found[0]) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
