"""What all sections of ``params.yaml`` share: unknown keys are errors, names fit folders, shares lie in [0, 1]."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"


def _valid_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError(f"{name!r} must match {NAME_PATTERN}: it becomes a folder's name")
    return name


def _valid_pattern(pattern: str) -> str:
    for placeholder in re.findall(r"\{[^{}/]*\}", pattern):
        if placeholder != "{dt}":
            raise ValueError(f"unknown placeholder {placeholder}; the one there is is {{dt}}, the date of a delivery")
    if any("**" in piece and part != "**" for part in pattern.split("/") for piece in part.split("{dt}")):
        raise ValueError("** stands for folders, and for nothing beside it; write * for the rest of a name")
    return pattern


Name = Annotated[str, AfterValidator(_valid_name)]
Pattern = Annotated[str, AfterValidator(_valid_pattern)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A part of ``params.yaml``; a key nobody knows is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)
