"""The kinds of label models, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

import numpy.typing as npt

from beambell.errors import ArtefactError, LabelModelError
from beambell.label_model.base import CONFIG, PARAMS, LabelModel
from beambell.label_model.dawid_skene import DawidSkene
from beambell.label_model.majority import MajorityVote
from beambell.label_model.snorkel import SnorkelLabelModel
from beambell.label_model.weighted import WeightedVote
from beambell.store.arrays import unpack_arrays

_KINDS: dict[str, type[LabelModel]] = {
    model.kind: model for model in (MajorityVote, WeightedVote, DawidSkene, SnorkelLabelModel)
}


def kinds() -> tuple[str, ...]:
    """Names of the kinds of label models there are."""
    return tuple(sorted(_KINDS))


def register(model: type[LabelModel]) -> type[LabelModel]:
    """Make a kind of label model known by its ``kind``; a class decorator.

    The same class, imported afresh, takes the place of the earlier one.

    Raises
    ------
    LabelModelError
        If another one has that name.
    """
    other = _KINDS.setdefault(model.kind, model)
    if (other.__module__, other.__qualname__) != (model.__module__, model.__qualname__):
        raise LabelModelError(f"there is another label model {model.kind!r}", fix="give yours another kind")
    _KINDS[model.kind] = model
    return model


def create(kind: str, **options: Any) -> LabelModel:
    """Make a label model, not fitted yet.

    Parameters
    ----------
    kind
        Name of `kinds`.
    **options
        Options of that kind, by name.

    Raises
    ------
    LabelModelError
        If there is no such kind, or it has no such option, or the option no such value.
    """
    model = _named(kind)
    known = [option.name for option in fields(model) if option.init]
    if unknown := sorted(set(options) - set(known)):
        raise LabelModelError(
            f"there is no option {unknown[0]!r}", where=kind, fix=f"its options are {', '.join(known) or 'none'}"
        )
    try:
        return model(**options)
    except (TypeError, ValueError) as error:
        raise LabelModelError(f"an option has an impossible value: {error}", where=kind) from error


def restore(kind: str, config: Mapping[str, Any], params: Mapping[str, npt.NDArray[Any]]) -> LabelModel:
    """Make a fitted label model again from its ``config()`` and ``params()``.

    Raises
    ------
    LabelModelError
        If there is no such kind, or these are not its configuration and parameters.
    """
    return _named(kind).restore(config, params)


def load(folder: str | PathLike[str]) -> LabelModel:
    """Read a label model of any known kind from the folder that `LabelModel.save` wrote.

    Raises
    ------
    LabelModelError
        If there is none, or it is damaged, or of a kind that nobody registered.
    """
    fix = "save it again: model.save(folder)"
    try:
        config = json.loads((Path(folder) / CONFIG).read_bytes())
        params = unpack_arrays((Path(folder) / PARAMS).read_bytes(), str(folder), fix)
        return restore(config["kind"], config, params)
    except (OSError, ValueError, KeyError, TypeError, ArtefactError) as error:
        raise LabelModelError(f"there is no readable label model ({error!r})", where=str(folder), fix=fix) from error


def _named(kind: str) -> type[LabelModel]:
    if kind not in _KINDS:
        raise LabelModelError(f"there is no label model {kind!r}", fix=f"use one of {', '.join(kinds())}")
    return _KINDS[kind]
