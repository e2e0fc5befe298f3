"""The event clock: how far event time has come over all parts of a stream, and which partitions are over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from beambell.records import delivery_end

MICROS = 1_000_000


@dataclass
class PartClock:
    """What is known of one part.

    Attributes
    ----------
    high
        Latest event time among its rows, microseconds since 1970; ``None`` before the first row.
    behind
        Number of records that its source has, and that are not read yet; -1 where that is not known.
    moved
        Time at which its last record was read, seconds since 1970.
    heard
        Time at which it was last heard of, seconds since 1970; 0 if never.
    error
        Sentence on why its source cannot be read; empty if it can.
    """

    high: int | None = None
    behind: int = 0
    moved: float = 0.0
    heard: float = 0.0
    error: str = ""

    def is_idle(self, now: float, idle_s: float) -> bool:
        """Whether nothing comes from it, though it answers and has nothing left."""
        return not self.error and self.behind == 0 and self.heard > 0 and now - self.moved >= idle_s

    def is_stalled(self, now: float, stall_s: float) -> bool:
        """Whether nothing comes from it, though there is something, or though it no longer answers."""
        return (self.behind != 0 or bool(self.error) or not self.heard) and now - self.moved >= stall_s


@dataclass
class EventClock:
    """Clock of one stream: the least of its expected parts' event times, less the lateness that is allowed.

    A part that has not been heard of holds the clock back as one that lags does: it counts what is expected, and not
    what was seen. An idle part does not. Where all are idle, the time of day is the event time, as far as is known.

    Attributes
    ----------
    lateness_s, idle_s, stall_s
        Seconds, as in `beambell.config.live.LiveParams`.
    parts
        State of each part, by name.
    """

    lateness_s: float
    idle_s: float
    stall_s: float
    parts: dict[str, PartClock] = field(default_factory=dict)

    def expect(self, names: Iterable[str], now: float) -> None:
        """Expect records from these parts, from now on."""
        for name in names:
            self.parts.setdefault(name, PartClock(moved=now))

    def note(self, part: str, *, high: int | None, behind: int, moved: bool, now: float, error: str = "") -> None:
        """Note what was read of a part.

        Parameters
        ----------
        part
            Name of the part.
        high
            Latest event time that was read, microseconds since 1970; ``None`` if nothing was.
        behind
            Number of records that are left at the source; -1 where that is not known.
        moved
            Whether records were read.
        now
            Time of day, seconds since 1970. An event of a later time counts as of this one: one wrong time must not
            close days that have hardly begun.
        error
            Sentence on why the source could not be read.
        """
        clock = self.parts.setdefault(part, PartClock(moved=now))
        clock.heard, clock.error = (clock.heard if error else now), error
        if not error:
            clock.behind = behind
        if moved:
            clock.moved = now
        if high is not None:
            seen = min(high, round(now * MICROS))
            clock.high = seen if clock.high is None else max(clock.high, seen)

    def low(self, now: float) -> int | None:
        """Return the event time before which nothing more is expected, microseconds; ``None`` while that is unknown."""
        if not self.parts:
            return None
        holding = [part for part in self.parts.values() if not part.is_idle(now, self.idle_s)]
        lateness = round(self.lateness_s * MICROS)
        if not holding:
            return round(now * MICROS) - lateness
        if any(part.high is None for part in holding):
            return None
        return min(part.high for part in holding if part.high is not None) - lateness

    def over(self, partitions: Iterable[str], now: float) -> list[str]:
        """Return those of some partitions, by date, that are over, in their order."""
        low = self.low(now)
        return [] if low is None else [dt for dt in sorted(partitions) if end_of(dt) <= low]

    def stalled(self, now: float) -> list[str]:
        """Return the names of the parts that should move and do not."""
        return [name for name, part in sorted(self.parts.items()) if part.is_stalled(now, self.stall_s)]

    def lag_s(self, now: float) -> Mapping[str, float | None]:
        """Return how many seconds each part's event time is behind the time of day; ``None`` before its first row."""
        return {
            name: None if part.high is None else max(0.0, now - part.high / MICROS)
            for name, part in sorted(self.parts.items())
        }


def end_of(dt: str) -> int:
    """Return the end of a partition, microseconds since 1970."""
    return round(delivery_end(dt).timestamp() * MICROS)


def spell_micros(micros: int | None) -> str | None:
    """Return a time as ``2026-01-03T07:15:00Z``; ``None`` for none."""
    if micros is None:
        return None
    return datetime.fromtimestamp(micros / MICROS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
