"""Notes of the labeling functions that are made while a module is imported: one that nobody keeps can be named."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

_OURS = frozenset({"beambell", "beam_jobs", "dataclasses", "functools", "contextlib"})


@dataclass(frozen=True)
class Made:
    """A labeling function, and where it was made.

    Attributes
    ----------
    thing
        The labeling function.
    module
        Name of the module whose code made it.
    file, line
        The place in it.
    """

    thing: Any
    module: str
    file: str
    line: int


_made: ContextVar[list[Made] | None] = ContextVar("made", default=None)


@contextmanager
def noting() -> Iterator[list[Made]]:
    """Note what is made meanwhile in this thread."""
    made: list[Made] = []
    token = _made.set(made)
    try:
        yield made
    finally:
        _made.reset(token)


def note(thing: Any) -> None:
    """Note that a labeling function is made, and by which line of whose code."""
    made = _made.get()
    if made is None:
        return
    frame = sys._getframe(1)
    while frame.f_back is not None and _module(frame).partition(".")[0] in _OURS:
        frame = frame.f_back
    made.append(Made(thing, _module(frame), frame.f_code.co_filename, frame.f_lineno))


def _module(frame: Any) -> str:
    name: Any = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""
