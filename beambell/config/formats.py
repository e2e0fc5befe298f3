"""The number of what each stage makes of the same inputs: to raise it makes everything that the stage made stale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FORMATS: Final[Mapping[str, int]] = {
    "ingest": 2,
    "batch": 2,
    "feedback": 3,
    "aggregate": 1,
    "apply": 1,
    "screen": 2,
    "merge": 1,
    "count": 1,
    "fit": 1,
    "label": 1,
    "validate": 2,
    "train": 1,
    "evaluate": 2,
    "register": 1,
    "promote": 1,
    "predict": 1,
}
"""Raise a stage's number by one in the commit that changes what it makes of unchanged inputs."""

FORMAT: Final = "format"
"""Name of the number among the inputs of an artefact."""

FORMAT_CHANGED: Final = "made by another version of BeamBell"
"""Why an artefact with another number is stale, for people."""


def number_of(stage: str) -> int:
    """Return the number of a stage: 1 until it is raised."""
    return FORMATS.get(stage, 1)


def with_format(stage: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return inputs of an artefact with the number of the stage that makes it.

    The first number is not written: what was made before there were numbers has it.
    """
    number = number_of(stage)
    return {**inputs, FORMAT: str(number)} if number > 1 else dict(inputs)


def has_other_format(stage: str, inputs: Mapping[str, str]) -> bool:
    """Whether what was made from these inputs was made under another number than the stage has now."""
    return inputs.get(FORMAT) != with_format(stage, {}).get(FORMAT)
