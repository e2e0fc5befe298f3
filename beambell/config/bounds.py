"""Bounds of what is read as YAML or JSON: small files could otherwise unfold to any size, or nest beyond any stack."""

from __future__ import annotations

import re
from typing import Any

import yaml

DEEPEST = 50
"""Levels of lists and sections within each other."""

MOST_REPEATED = 100_000
"""Values that aliases (``*name``) may bring in again, each with all that is in it."""

_BRACKET = re.compile(r"[\[{]|[\]}]")


class BoundError(yaml.MarkedYAMLError):
    """A document that is beyond a bound; it is marked like one that is not YAML."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)


def check_yaml(text: str) -> None:
    """Look at a document's events, which takes no more memory than its text, before anything is built of it.

    Raises
    ------
    BoundError
        If it nests too deep, or repeats too much by aliases. What is no YAML is left for its reader to complain of.
    """
    try:
        _check(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except BoundError:
        raise
    except yaml.YAMLError:
        return


def _check(events: Any) -> None:
    sizes: dict[str, int] = {}  # of what has an anchor, with all that is in it
    opened: list[tuple[str | None, int]] = []  # anchor, and values before it
    values = repeated = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, values))
            values += 1
            if len(opened) > DEEPEST:
                raise BoundError(f"more than {DEEPEST} levels of nesting", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = values - before
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            name = str(event.anchor)
            if any(anchor == name for anchor, _ in opened):
                raise BoundError(f"*{name} stands within what it repeats", event.start_mark)
            values += sizes.get(name, 0)
            repeated += sizes.get(name, 0)
            if repeated > MOST_REPEATED:
                raise BoundError(f"aliases such as *{name} repeat more than {MOST_REPEATED:,} values", event.start_mark)


def nests_too_deep(text: str) -> bool:
    """Whether JSON nests deeper than a reader of it should follow."""
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > DEEPEST:
            return True
    return False
