"""The checks that compare a partition with the last good ones of its stream, one module for each family.

To add a check, add one class to a module of this package: it is found by its ``kind``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from beambell.quality.check import KINDS, Check


@cache
def checks() -> Mapping[str, Check]:
    """Find all checks, by kind, in the order of their names."""
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    return {kind: KINDS[kind]() for kind in KINDS.names()}


def checks_of(subject: str) -> tuple[Check, ...]:
    """Return the checks of ``rows``, of ``votes`` or of ``labels``."""
    return tuple(check for check in checks().values() if check.of == subject)
