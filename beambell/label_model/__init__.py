"""Label models: from the votes on a row to the probability of each class.

A label model is fitted on pattern counts alone. Its kinds are known by name; `register` adds one of your own.
"""

from __future__ import annotations

from beambell.label_model.base import Contribution, Explanation, LabelModel
from beambell.label_model.dawid_skene import DawidSkene
from beambell.label_model.dependencies import Dependency, dependencies
from beambell.label_model.majority import MajorityVote
from beambell.label_model.registry import create, kinds, load, register, restore
from beambell.label_model.snorkel import SnorkelLabelModel
from beambell.label_model.text_refiner import TextRefiner
from beambell.label_model.weighted import WeightedVote

__all__ = [
    "Contribution",
    "DawidSkene",
    "Dependency",
    "Explanation",
    "LabelModel",
    "MajorityVote",
    "SnorkelLabelModel",
    "TextRefiner",
    "WeightedVote",
    "create",
    "dependencies",
    "kinds",
    "load",
    "register",
    "restore",
]
