"""The state: pattern counts, which add and subtract."""

from __future__ import annotations

from beambell.state.pattern_counts import PatternCounts

__all__ = ["PatternCounts"]
