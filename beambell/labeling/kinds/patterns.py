"""Kinds that search with a pattern: regex and count. For what exactly they mean, see `beambell.labeling.kinds`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Unpack

from beambell.labeling.core import About
from beambell.labeling.declarative import Predicate, Textual, match_any, measure, normalise_bounds, within


@dataclass(frozen=True, kw_only=True)
class Regex(Textual):
    """A regular expression is found. See `regex`."""

    kind = "regex"

    pattern: str
    flags: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _normalise_pattern(self, "pattern")

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The pattern, compiled."""
        return re.compile(self.pattern, self.flags)

    @cached_property
    def predicate(self) -> Predicate:
        """``re.search``."""
        return self.regex.search


@dataclass(frozen=True, kw_only=True)
class Count(Textual):
    """Something occurs a number of times. See `count`."""

    kind = "count"

    of: str
    flags: int = 0
    min: int | None = None
    max: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _normalise_pattern(self, "of")
        normalise_bounds(self, whole=True)

    @cached_property
    def predicate(self) -> Predicate:
        """The number of matches is within bounds."""
        if self.of in ("chars", "words"):
            return within(self.min, self.max, measure(self.of))
        matches = re.compile(self.of, self.flags).finditer
        return within(self.min, self.max, lambda text: sum(1 for _ in matches(text)))


def regex(
    name: str,
    *,
    pattern: str | re.Pattern[str],
    label: int,
    field: str = "text",
    flags: int = 0,
    **more: Unpack[About],
) -> Regex:
    r"""Vote ``label`` where ``re.search(pattern, text, flags)`` finds something.

    Examples
    --------
    >>> url = regex("url", pattern=r"https?://\S+", label=0)
    >>> url.vote({"text": "no links here"})
    -1
    """
    return Regex(name, pattern=match_any(pattern), label=label, field=field, flags=flags, **match_any(more))


def count(
    name: str,
    *,
    of: str | re.Pattern[str],
    min: int | None = None,  # noqa: A002
    max: int | None = None,  # noqa: A002
    label: int,
    field: str = "text",
    flags: int = 0,
    **more: Unpack[About],
) -> Count:
    """Vote ``label`` where something occurs at least ``min`` and at most ``max`` times.

    Parameters
    ----------
    of
        A regular expression, whose non-overlapping matches are counted as ``re.finditer`` finds them; or
        ``"words"`` (what whitespace separates), or ``"chars"``. To count those two words, write ``"(words)"``.
    min, max
        Inclusive bounds; one of them may be left out.

    Examples
    --------
    >>> shouting = count("shouting", of="!", min=3, label=1)
    >>> shouting.vote({"text": "now!!!"})
    1
    """
    return Count(name, of=match_any(of), min=min, max=max, label=label, field=field, flags=flags, **match_any(more))


def _normalise_pattern(lf: Regex | Count, parameter: str) -> None:
    pattern, flags = getattr(lf, parameter), lf.flags
    if isinstance(pattern, re.Pattern):
        pattern, flags = pattern.pattern, flags | pattern.flags
    if not isinstance(pattern, str):
        lf.fail(f"{parameter} must be a regular expression for text, not {pattern!r}")
    try:
        re.compile(pattern, flags)
    except (re.error, ValueError, TypeError, OverflowError, RecursionError) as error:
        lf.fail(
            f"{parameter}: {pattern!r} is not a regular expression: {error}",
            fix=r"correct it; a character that stands for itself needs a backslash, such as \( or \*",
        )
    lf._set(parameter, pattern)
    lf._set("flags", int(flags) & ~int(re.UNICODE))  # every text pattern has it
