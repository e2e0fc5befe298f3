"""Expected partitions: which ones a stream misses, between those it has and since the last.

A stream is expected to be as far as the furthest of its grain. With `gate.streams.NAME.lateness` it is expected by the
clock, too. A stream that has nothing on Sundays is not asked for Sundays: what counts is the habit of four weeks (for
hours of four days, for months of four years).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from beambell.config.streams import Grain, duration_of
from beambell.project import Project
from beambell.stages.stage import some_of
from beambell.store import Layout, Partition, Selection, parse_dt
from beambell.store.partition import format_dt

PERIOD = {"hour": 24, "day": 7, "month": 12}
LONGEST = 100  # partitions back from the last that is expected, which are looked at


@dataclass(frozen=True)
class Missing:
    """What one stream misses.

    Attributes
    ----------
    stream
        Name of the stream.
    last
        Last partition that it has.
    partitions
        Partitions that it misses, in order.
    """

    stream: str
    last: str
    partitions: tuple[str, ...]

    @property
    def stopped(self) -> bool:
        """Whether nothing came after what it misses."""
        return self.partitions[-1] > self.last

    @property
    def sentence(self) -> str:
        """Say what is missing."""
        count = len(self.partitions)
        words = f"{count} partition{'s' if count > 1 else ''} expected and not there: {some_of(self.partitions)}"
        return f"the stream stopped: its last partition is {self.last}; {words}" if self.stopped else words


def find_missing(project: Project, selection: Selection, now: datetime | None = None) -> tuple[Missing, ...]:
    """Find what the selected streams miss, where `gate.expected` asks for it.

    Parameters
    ----------
    now
        Present moment, for streams with a lateness; by default that of the clock.
    """
    there: dict[str, set[str]] = {}
    for folder in project.store.stamps(Layout.PARTITIONS):
        if partition := Partition.in_folder(folder):
            there.setdefault(partition.stream, set()).add(partition.dt)
    found = []
    for name, params in project.params.streams.items():
        own = there.get(name, set())
        if not own or not selection.has_stream(name) or project.params.gate.of(name).expected == "off":
            continue
        grain = params.grain
        furthest = max(
            dt for other, dts in there.items() for dt in dts if _grain(project, other) == grain or other == name
        )
        by_clock = _due(project, name, grain, now or datetime.now(UTC))
        missing = tuple(
            dt
            for dt in _between(min(own), max(furthest, by_clock or furthest), grain)
            if dt not in own and selection.has_dt(dt) and _usual(dt, own, grain)
        )
        if missing:
            found.append(Missing(name, max(own), missing))
    return tuple(found)


def _grain(project: Project, stream: str) -> Grain | None:
    return project.params.streams[stream].grain if stream in project.params.streams else None


def _due(project: Project, stream: str, grain: Grain, now: datetime) -> str | None:
    """Last partition that should be there by now, if the stream has a lateness."""
    own = project.params.gate.streams.get(stream)
    if own is None or own.lateness is None:
        return None
    return _step(format_dt(now - duration_of(own.lateness), grain), grain, -1)


def _between(first: str, last: str, grain: Grain) -> Iterator[str]:
    start = max(first, _step(last, grain, -LONGEST))
    while start <= last:
        yield start
        start = _step(start, grain, 1)


def _usual(dt: str, own: Collection[str], grain: Grain) -> bool:
    """Whether the stream mostly has a partition at that time of the week, the day or the year."""
    first = min(own)
    before = [_step(dt, grain, -PERIOD[grain] * times) for times in range(1, 5)]
    known = [one in own for one in before if one >= first]
    return len(known) < 2 or 2 * sum(known) >= len(known)


def _step(dt: str, grain: Grain, steps: int) -> str:
    moment = parse_dt(dt)
    if grain == "month":
        months = moment.year * 12 + moment.month - 1 + steps
        return f"{months // 12:04d}-{months % 12 + 1:02d}"
    return format_dt(moment + timedelta(hours=steps) * (24 if grain == "day" else 1), grain)
