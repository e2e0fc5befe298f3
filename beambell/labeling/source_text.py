"""The source of a labeling function, for people: the expression that makes it, or the text of its Python."""

from __future__ import annotations

import dataclasses
from typing import Any

from beambell.labeling.conditions import Combination, tokens
from beambell.labeling.core import LabelingFunction
from beambell.labeling.declarative import Declarative
from beambell.labeling.kinds import Lexicon, Lookup
from beambell.labeling.python import adopt
from beambell.labeling.reached import Walk

_LINE = 100


def source(lf: LabelingFunction) -> str:
    """Return what a labeling function was made of, to be recorded beside its fingerprint.

    Returns
    -------
    str
        The expression that makes a declarative one; the source text of a Python one, followed by that of its
        helpers and by the values of its constants.
    """
    lf = adopt(lf)
    if isinstance(lf, Declarative | Combination):
        return _expression(lf)
    return "\n\n\n".join(Walk.of(lf).texts) + "\n"


def _expression(lf: Declarative | Combination) -> str:
    """Write the code that makes a declarative labeling function."""
    if isinstance(lf, Declarative):
        line = _call(lf.kind, lf)
        return (line if len(line) <= _LINE else _call(lf.kind, lf, wrapped=True)) + "\n"
    words = [_call(part.kind, part) if isinstance(part, LabelingFunction) else part for part in tokens(lf.condition)]
    condition = "".join(words)
    return _call(f"({condition}).named" if condition.startswith("~") else f"{condition}.named", lf) + "\n"


def _call(function: str, lf: LabelingFunction, *, wrapped: bool = False) -> str:
    """Write the call of a constructor, defaults left out."""
    arguments = [repr(lf.name)]
    for f in dataclasses.fields(lf):
        value = getattr(lf, f.name)
        if f.name not in ("name", "condition") and value != f.default:
            arguments.append(f"{f.name}={_argument(lf, value)}")
    inside = "".join(f"\n    {argument}," for argument in arguments) + "\n" if wrapped else ", ".join(arguments)
    return f"{function}({inside})"


def _argument(lf: LabelingFunction, value: Any) -> str:
    if isinstance(lf, Lexicon) and value is lf.weights:
        return repr(dict(lf.weights))
    if isinstance(lf, Lookup) and value is lf.values:
        return repr(sorted(lf.values))
    return repr(list(value) if isinstance(value, tuple) else value)
