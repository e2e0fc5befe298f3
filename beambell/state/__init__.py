"""The state: pattern counts, which add and subtract."""

from __future__ import annotations

from beambell.state.pattern_counts import PatternCounter, PatternCounts

__all__ = ["PatternCounter", "PatternCounts"]
