"""``BEAMBELL__SECTION__KEY``: parameters that the environment overrides. Complaints name the variable."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from difflib import get_close_matches

from beambell.config.bounds import DEEPEST, nests_too_deep
from beambell.credentials import WHERE_THEY_BELONG, credentials
from beambell.errors import ConfigError

PREFIX = "BEAMBELL__"
SEPARATOR = "__"


def variables() -> dict[tuple[str, ...], str]:
    """Names of the variables that are set, by the key of ``params.yaml`` that each overrides."""
    found = (name for name in os.environ if name.upper().startswith(PREFIX))
    return {tuple(name[len(PREFIX) :].lower().split(SEPARATOR)): name for name in sorted(found)}


def check_environment(sections: Iterable[str]) -> None:
    """Check what could not be checked, or would be repeated in a message, once it is a value among others.

    Raises
    ------
    ConfigError
        For a section that there is not, credentials, or JSON that nests without end.
    """
    known = sorted(sections)
    for place, name in variables().items():
        value = os.environ[name]
        if place[0] not in known:
            near = get_close_matches(place[0], known, n=1)
            raise ConfigError(
                f"it overrides no parameter: there is no section {place[0]!r}",
                where=f"the environment variable {name}",
                fix=f"did you mean {PREFIX}{near[0].upper()}?" if near else f"unset it; known are {', '.join(known)}",
            )
        if found := credentials(value):
            raise ConfigError(
                f"its value holds {found}", where=f"the environment variable {name}", fix=WHERE_THEY_BELONG
            )
        if nests_too_deep(value):
            raise ConfigError(f"more than {DEEPEST} levels of nesting", where=f"the environment variable {name}")


def not_json() -> ConfigError:
    """Make the error for variables of which one should be JSON, and is not."""
    wrong = [name for name in variables().values() if not _is_json(os.environ[name])]
    return ConfigError(
        "not JSON, as lists and sections are written",
        where=f"the environment variable {' or '.join(wrong)}",
        fix='write a list as \'["one", "two"]\', and a section as \'{"key": 1}\'',
    )


def overriding(place: tuple[str, ...]) -> str | None:
    """Name of the variable that overrides a key, or a part of what is below it."""
    lowered = tuple(part.lower() for part in place)
    set_ = variables()
    return next((set_[lowered[:n]] for n in range(len(lowered), 0, -1) if lowered[:n] in set_), None)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
