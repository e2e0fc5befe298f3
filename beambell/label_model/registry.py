"""The kinds of label models, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt

from beambell.errors import ArtefactError, LabelModelError
from beambell.kinds import Kinds
from beambell.label_model.base import CONFIG, PARAMS, LabelModel
from beambell.label_model.dawid_skene import DawidSkene
from beambell.label_model.majority import MajorityVote
from beambell.label_model.snorkel import SnorkelLabelModel
from beambell.label_model.weighted import WeightedVote
from beambell.store.arrays import unpack_arrays

M = TypeVar("M", bound=LabelModel)
_KINDS: Kinds[LabelModel] = Kinds("label model", LabelModelError)
for _model in (MajorityVote, WeightedVote, DawidSkene, SnorkelLabelModel):
    _KINDS.register(_model)


def kinds() -> tuple[str, ...]:
    """Names of the kinds of label models there are."""
    return _KINDS.names()


def register(model: type[M]) -> type[M]:
    """Make a kind of label model known by its ``kind``; a class decorator.

    The same class, imported afresh, takes the place of the earlier one.

    Raises
    ------
    LabelModelError
        If another one has that name.
    """
    return _KINDS.register(model)


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
    model = _KINDS[kind]
    _KINDS.check_options(options, (option.name for option in fields(model) if option.init), where=kind)
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
    return _KINDS[kind].restore(config, params)


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
