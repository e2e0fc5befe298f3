"""Records of the tools that people label with, each told by its shape and read into BeamBell's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from beambell.feedback.answers import Outcome, Reading, Record
from beambell.feedback.tools import argilla, doccano, label_studio, plain, prodigy


@dataclass(frozen=True)
class Tool:
    """How the records of one tool are told and read.

    Attributes
    ----------
    name
        Name of the tool, as ``--format`` has it.
    marks
        Keys without which a record is not one of its.
    tells
        Whether a record with such a key is one of its.
    read
        Record -> what was said in it, answer by answer.
    """

    name: str
    marks: frozenset[str]
    tells: Callable[[Record], bool]
    read: Callable[[Record, Reading], Iterable[Outcome]]


#: In the order in which they are asked; the first that knows a record reads it.
TOOLS: Final = (
    Tool("label-studio", label_studio.MARKS, label_studio.tells, label_studio.read),
    Tool("prodigy", prodigy.MARKS, prodigy.tells, prodigy.read),
    Tool("argilla", argilla.MARKS, argilla.tells, argilla.read),
    Tool("doccano", doccano.MARKS, doccano.tells, doccano.read),
)
PLAIN: Final = Tool("plain", plain.MARKS, plain.tells, plain.read)
#: Keys that only a tool's records have, or that may take an answer back: without any, a record says what it says.
MARKS: Final = frozenset().union(*(tool.marks for tool in (*TOOLS, PLAIN)))
_MARKS: Final = frozenset(mark.lower() for mark in MARKS)


def find_tool(record: Record) -> Tool:
    """Tell whose record it is, by its keys and the kinds of their values."""
    return next((tool for tool in TOOLS if tool.tells(record)), PLAIN)


def named(name: str) -> Tool | None:
    """Give the tool of a name, if there is one."""
    return next((tool for tool in TOOLS if tool.name == name), None)


def is_marked(names: Iterable[str]) -> bool:
    """Tell whether records with these keys have to be looked at one by one."""
    return any(name.lower() in _MARKS or plain.column(name) in _MARKS or name.endswith(".responses") for name in names)
