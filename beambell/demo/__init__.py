"""The demo's data set: two invented streams, the same bytes on every machine, with a hidden gold label."""

from __future__ import annotations

from beambell.demo.generate import FIRST_DAY, HAM, SPAM, STREAMS, Summary, generate

__all__ = ["FIRST_DAY", "HAM", "SPAM", "STREAMS", "Summary", "generate"]
