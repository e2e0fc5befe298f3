"""Memory: what is kept of a stream's partitions, which of them are the reference of the next, and what it says."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from beambell.quality.check import Check, Law, Measures
from beambell.quality.finding import Finding

SHORT = 16
"""Hex digits of a digest of measures."""
AGREEMENT = "lf_agreement"
"""Name of the check by which a labeling function is broken."""


@dataclass(frozen=True)
class Remembered:
    """One partition of the past.

    Attributes
    ----------
    dt
        Name of the partition in its stream.
    passed
        Whether it may be a reference: it passed, or a person accepted it.
    measures
        Figures that the checks keep of it.
    digest
        Digest of the measures, 16 hex digits; see `digest_of`.
    """

    dt: str
    passed: bool
    measures: Measures = field(repr=False)
    digest: str


def digest_of(measures: Measures) -> str:
    """Digest measures, 16 hex digits."""
    text = json.dumps(measures, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


class Memory:
    """Partitions of one stream, by date.

    Parameters
    ----------
    length
        Largest number of partitions of a reference.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._known: dict[str, Remembered] = {}
        self._good: list[str] = []

    def put(self, one: Remembered) -> None:
        """Remember a partition, or another revision of it."""
        if (place := bisect_left(self._good, one.dt)) < len(self._good) and self._good[place] == one.dt:
            del self._good[place]
        if one.passed:
            self._good.insert(place, one.dt)
        self._known[one.dt] = one

    def before(self, dt: str) -> tuple[Remembered, ...]:
        """Return the last good partitions before a date, oldest first."""
        if not self._length:
            return ()
        end = bisect_left(self._good, dt)
        return tuple(self._known[name] for name in self._good[max(end - self._length, 0) : end])


def reference_inputs(reference: Sequence[Remembered]) -> dict[str, str]:
    """Name the partitions of a reference, with digests of what is kept of them, as inputs of what is judged by it."""
    return {f"reference {one.dt}": one.digest for one in reference}


def compare(checks: Collection[Check], now: Measures, reference: Sequence[Remembered], law: Law) -> tuple[Finding, ...]:
    """Let checks compare what is kept of a partition with its reference."""
    return tuple(
        finding
        for check in checks
        if check.kind in now
        for finding in check.judge(
            now[check.kind], [one.measures[check.kind] for one in reference if check.kind in one.measures], law
        )
    )


def excuse(findings: Collection[Finding], accepted: Mapping[tuple[str, str], str]) -> tuple[Finding, ...]:
    """Let critical findings that a person accepted be for the record.

    Parameters
    ----------
    findings
        Findings of a partition.
    accepted
        Words on who accepted it, by the findings' keys.
    """
    return tuple(
        replace(one, severity="info", message=f"{one.message}; {accepted[one.key]}")
        if one.blocks and one.key in accepted
        else one
        for one in findings
    )


def broken_lfs(findings: Collection[Finding]) -> tuple[str, ...]:
    """Name the labeling functions that vote against all others."""
    return tuple(sorted({one.lf for one in findings if one.lf and one.blocks and one.check == AGREEMENT}))


def quarantine(findings: Collection[Finding], broken: Collection[str]) -> tuple[Finding, ...]:
    """Let a broken labeling function weigh nothing, in place of blocking the partition."""
    return tuple(
        replace(one, severity="warning", message=f"{one.message}; until somebody decides, it weighs nothing")
        if one.blocks and one.lf in broken and one.check == AGREEMENT
        else one
        for one in findings
    )
