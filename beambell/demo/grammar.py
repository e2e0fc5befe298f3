r"""Texts from a context-free grammar, which is kept in the text files of ``phrases/``.

A line that ends in a colon at the left margin names a symbol; the indented lines below it are what it may become,
each as likely as the others, with ``{symbol}`` for what is to be expanded in turn. ``~`` is the empty text, ``\n``
a line break, ``[name]`` begins a section, whose symbols come before those of the file's head and of
``common.txt``. A line that begins with ``#`` is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

from beambell.demo.rng import Rng

Rules = dict[str, list[tuple[str, ...]]]


class Grammar:
    """Symbols, and what each may become.

    Parameters
    ----------
    rules
        Symbol to alternatives; an alternative is literal text at even positions and symbols at odd ones.

    Raises
    ------
    KeyError
        If a rule uses a symbol that is not defined.
    """

    def __init__(self, rules: Mapping[str, list[tuple[str, ...]]]) -> None:
        used = {symbol for rule in rules.values() for parts in rule for symbol in parts[1::2]}
        if undefined := sorted(used - rules.keys()):
            raise KeyError(f"undefined symbols: {', '.join(undefined)}")
        self._rules = rules

    def expand(self, symbol: str, rng: Rng) -> str:
        """Draw a text of this symbol."""
        parts = rng.pick(self._rules[symbol])
        if len(parts) == 1:
            return parts[0]
        return "".join([self.expand(part, rng) if odd & 1 else part for odd, part in enumerate(parts)])


def load(name: str) -> dict[str, Grammar]:
    """Read ``phrases/<name>.txt``: section to grammar; without sections, the whole is under the empty name."""
    common = _parse(_read("common"))[""]
    sections = _parse(_read(name))
    head = common | sections.pop("")
    return {section: Grammar(head | rules) for section, rules in sections.items()} or {"": Grammar(head)}


def _read(name: str) -> str:
    return files(__package__).joinpath("phrases", f"{name}.txt").read_text(encoding="utf-8")


def _parse(text: str) -> dict[str, Rules]:
    sections: dict[str, Rules] = {"": {}}
    rules = sections[""]
    alternatives: list[tuple[str, ...]] = []
    for line in text.splitlines():
        content = line.strip()
        if not content or line.startswith("#"):
            continue
        if line.startswith("["):
            rules = sections[content[1:-1]] = {}
        elif line.startswith(" "):
            alternatives.append(_alternative(content))
        else:
            alternatives = rules[content.removesuffix(":")] = []
    return sections


def _alternative(content: str) -> tuple[str, ...]:
    literal = "" if content == "~" else content.replace("\\n", "\n")
    return tuple(re.split(r"\{(\w+)\}", literal))
