"""What the gate says of one partition, as plain values that go into JSON and come back equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from beambell.quality.finding import SEVERITIES, Finding


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer for one partition.

    Attributes
    ----------
    passed
        Whether its labels may be published: no finding is critical.
    findings
        Findings, the gravest first; among equals in the order of the checks.
    """

    passed: bool
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Verdict:
        """Let the findings decide."""
        ordered = tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
        return cls(not any(finding.blocks for finding in ordered), ordered)

    @property
    def critical(self) -> tuple[Finding, ...]:
        """Findings that block publication."""
        return tuple(finding for finding in self.findings if finding.blocks)

    @property
    def keys(self) -> frozenset[tuple[str, str, str]]:
        """What it complains of, figures left out: verdicts with the same say the same."""
        return frozenset((finding.severity, *finding.key) for finding in self.findings)

    @property
    def told(self) -> tuple[Finding, ...]:
        """Findings that a person should read: all but those for the record."""
        return tuple(finding for finding in self.findings if finding.severity != "info")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"passed": self.passed, "findings": [finding.to_dict() for finding in self.findings]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        """Read back what `to_dict` wrote, now or in an earlier version."""
        found = values["findings"] if "findings" in values else values["failures"]
        return cls(values["passed"], tuple(map(Finding.from_dict, found)))
