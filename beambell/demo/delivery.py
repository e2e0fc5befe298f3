"""How rows arrive: most on their day, some late, some twice, some broken on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from beambell.demo.rng import Rng
from beambell.demo.writing import SECONDS, Row, Writer

SHARE_LATE = 0.03
SHARE_AGAIN = 0.008
SHARE_BROKEN = 0.002
MAX_DAYS_LATE = 3
EDITS = (" (edited)", " edit: typo", " EDIT: thanks for the answers!", " edit: see below", "\nedit: found it")


@dataclass(slots=True)
class Arrival:
    """A row as a file holds it.

    Attributes
    ----------
    row
        The record.
    days_late
        Days between the event and the file.
    again
        Whether it was delivered before.
    broken
        Whether it is damaged, so that it cannot be read (how, is up to the format).
    """

    row: Row
    days_late: int = 0
    again: bool = False
    broken: bool = False


def deliver(writer: Writer, rng: Rng, days: int) -> Iterator[list[Arrival]]:
    """Yield the arrivals of each day, in the order of their file.

    A day's arrivals depend on nothing that happens later, so a longer run begins with the files of a shorter one.
    """
    pending: dict[int, list[Arrival]] = defaultdict(list)
    for day in range(days):
        arrivals: list[tuple[int, Arrival]] = [(rng.below(SECONDS), late) for late in pending.pop(day, ())]
        for row in writer.day(day):
            arrival = Arrival(row, broken=rng.chance(SHARE_BROKEN))
            if rng.chance(SHARE_LATE):
                arrival.days_late = rng.between(1, MAX_DAYS_LATE)
                pending[day + arrival.days_late].append(arrival)
                continue
            arrivals.append((row.second, arrival))
            if not arrival.broken and rng.chance(SHARE_AGAIN):
                days_later = rng.between(1, 2)
                pending[day + days_later].append(Arrival(_revised(row, rng), days_late=days_later, again=True))
        arrivals.sort(key=lambda timed: timed[0])
        yield [arrival for _, arrival in arrivals]


def _revised(row: Row, rng: Rng) -> Row:
    """Edit the text of a row with an id; a row without one comes again as it was, or it would be another."""
    if "comment_id" not in row.fields:
        return row
    text = row.fields["text"] + rng.pick(EDITS)
    likes = row.fields["likes"] + rng.heavy_tail(1.0, 100)
    return replace(row, fields=row.fields | {"text": text, "likes": likes})
