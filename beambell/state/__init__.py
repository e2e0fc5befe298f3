"""The state: pattern counts, which add and subtract."""

from __future__ import annotations

from beambell.state.budget import BudgetedCounts, IncompleteSampleError, Marginals, SampledCounts
from beambell.state.feedback_counts import FeedbackCounts
from beambell.state.members import Member, read_members
from beambell.state.pattern_counts import PatternCounts
from beambell.state.policy import Policy

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
