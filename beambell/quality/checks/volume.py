"""Volume: how many rows a partition has, against the same weekday's where these are steadier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from beambell.quality.check import KINDS, Check, Law, found
from beambell.quality.finding import Finding, Severity
from beambell.quality.reference import Deviation, count_deviation
from beambell.quality.sight import Sight

MATTERS, BLOCKS = 1.3, 2.0  # ratios; more rows than expected never block
FIX = (
    "find out whether all files of the partition have arrived and whether the source was slow or sent them twice; "
    "deliver what is missing, then run `beambell run`. If the number is right: `beambell gate accept PARTITION`"
)


@KINDS.register
class Volume(Check):
    """The number of rows."""

    kind, of = "volume", "rows"

    def measure(self, sight: Sight) -> tuple[str, int]:
        """Keep date and number of rows."""
        return sight.dt, sight.rows

    def judge(self, now: tuple[str, int], reference: Sequence[tuple[str, int]], law: Law) -> Iterator[Finding]:
        """Compare the number of rows with those of the reference."""
        dt, rows = now
        deviation = _steadier(
            count_deviation(rows, [n for _, n in reference]),
            count_deviation(rows, [n for day, n in reference if _weekday(day) == _weekday(dt) is not None]),
        )
        severity = _severity(deviation, law) if deviation else None
        if deviation and severity:
            low, high = deviation.interval(law.warn_z)
            expected = min(low, deviation.expected / MATTERS), max(high, deviation.expected * MATTERS)
            yield found(self.kind, severity, "the number of rows", deviation, expected, FIX)


def _steadier(whole: Deviation | None, weekday: Deviation | None) -> Deviation | None:
    """Take the reference of the same weekdays where it expects a narrower interval."""
    if whole is None or weekday is None:
        return whole
    (low, high), (own_low, own_high) = whole.interval(2.0), weekday.interval(2.0)
    return weekday if own_high / max(own_low, 1e-9) < high / max(low, 1e-9) / 1.5 else whole


def _severity(deviation: Deviation, law: Law) -> Severity | None:
    ratio, z = max(deviation.figure, 0.5) / deviation.expected, abs(deviation.z)
    if z >= law.block_z and ratio <= 1 / BLOCKS:
        return "critical"
    return "warning" if z >= law.warn_z and not 1 / MATTERS < ratio < MATTERS else None


def _weekday(dt: str) -> int | None:
    return date.fromisoformat(dt).weekday() if len(dt) == len("2026-01-03") else None
