"""Feedback: what people say of rows, and what is counted of it."""

from __future__ import annotations

from beambell.state import FeedbackCounts

__all__ = ["FeedbackCounts"]
