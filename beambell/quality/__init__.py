"""The quality gate: small summaries of labelled partitions in, verdicts out.

Nothing here reads a file or ``params.yaml``, and nothing heavy is imported until `judge` has something
to judge: Great Expectations alone takes longer to import than to run.
"""

from __future__ import annotations

from beambell.quality.expectations import FIND_FILES, gate_fingerprint
from beambell.quality.finding import Finding
from beambell.quality.gate import Judgement, judge
from beambell.quality.summary import LFSummary, PartitionSummary
from beambell.quality.validation import render_html
from beambell.quality.verdict import Verdict

__all__ = [
    "FIND_FILES",
    "Finding",
    "Judgement",
    "LFSummary",
    "PartitionSummary",
    "Verdict",
    "gate_fingerprint",
    "judge",
    "render_html",
]
