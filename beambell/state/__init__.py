"""The state: vote patterns and their counts, which add and subtract. Pure: nothing here reads or writes a file."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from beambell.state.budget import BudgetedCounts, IncompleteSampleError, Marginals, SampledCounts
from beambell.state.feedback_counts import FeedbackCounts
from beambell.state.pattern_counts import PatternCounts
from beambell.state.policy import Policy

if TYPE_CHECKING:
    from beambell.artefacts.state_partitions import StatePartition as Member
    from beambell.artefacts.state_partitions import read_partitions as read_members

__all__ = [
    "BudgetedCounts",
    "FeedbackCounts",
    "IncompleteSampleError",
    "Marginals",
    "Member",
    "PatternCounts",
    "Policy",
    "SampledCounts",
    "read_members",
]

_ABOVE = {"Member": "StatePartition", "read_members": "read_partitions"}


def __getattr__(name: str) -> Any:
    # They read files, so they live above; notebooks import them from here, where they were at first.
    if name in _ABOVE:
        return getattr(importlib.import_module("beambell.artefacts.state_partitions"), _ABOVE[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
