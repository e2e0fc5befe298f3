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


Name = Annotated[str, AfterValidator(_valid_name)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


Days = Annotated[int, Field(ge=1, le=36_600)]
"""Days back from a date; the calendar ends somewhere."""


class Section(BaseModel):
    """A part of ``params.yaml``; a key nobody knows is an error, not a silence, and a number is a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
