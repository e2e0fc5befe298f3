"""Volume: how many rows a partition has; where weekdays or weekends differ, earlier ones are scaled to its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from beambell.quality.check import KINDS, Check, Law, found
from beambell.quality.finding import Finding, Severity
from beambell.quality.reference import Deviation, count_deviation
from beambell.quality.sight import Sight

ENOUGH, SATURDAY = 3, 5  # days of a kind, and the first day of a weekend
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
        deviation = count_deviation(rows, [n for _, n in reference])
        for kind_of_day in (_weekend, _weekday):
            scaled = _scaled(dt, reference, kind_of_day)
            deviation = _steadier(deviation, count_deviation(rows, scaled) if scaled else None)
        severity = _severity(deviation, law) if deviation else None
        if deviation and severity:
            low, high = deviation.interval(law.warn_z)
            expected = min(low, deviation.expected / MATTERS), max(high, deviation.expected * MATTERS)
            yield found(self.kind, severity, "the number of rows", deviation, expected, FIX)


def _scaled(
    dt: str, reference: Sequence[tuple[str, int]], kind_of_day: Callable[[str], int | None]
) -> list[float] | None:
    """Scale earlier numbers of rows from the mean of their kind of day to that of a date's, if each has enough days."""
    kinds: dict[int | None, list[int]] = {}
    for day, n in reference:
        kinds.setdefault(kind_of_day(day), []).append(n)
    if None in kinds or kind_of_day(dt) not in kinds or min(map(len, kinds.values())) < ENOUGH:
        return None
    means = {kind: max(sum(counts) / len(counts), 0.5) for kind, counts in kinds.items()}
    return [n * means[kind_of_day(dt)] / means[kind_of_day(day)] for day, n in reference]


def _steadier(whole: Deviation | None, scaled: Deviation | None) -> Deviation | None:
    """Take the scaled reference where it expects a much narrower interval."""
    if whole is None or scaled is None:
        return whole
    (low, high), (own_low, own_high) = whole.interval(2.0), scaled.interval(2.0)
    return scaled if own_high / max(own_low, 1e-9) < (high / max(low, 1e-9)) ** 0.7 else whole


def _severity(deviation: Deviation, law: Law) -> Severity | None:
    ratio, z = max(deviation.figure, 0.5) / deviation.expected, abs(deviation.z)
    if z >= law.block_z and ratio <= 1 / BLOCKS:
        return "critical"
    return "warning" if z >= law.warn_z and not 1 / MATTERS < ratio < MATTERS else None


def _weekend(dt: str) -> int | None:
    day = _weekday(dt)
    return None if day is None else int(day >= SATURDAY)


def _weekday(dt: str) -> int | None:
    return date.fromisoformat(dt).weekday() if len(dt) == len("2026-01-03") else None
