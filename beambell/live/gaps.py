"""Records that a source no longer had when it was their turn: which offsets, and which partitions lack them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

from beambell.live.folder import LiveFolder
from beambell.store import Layout, Partition, Store


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that were gone before they were read.

    Attributes
    ----------
    part
        Name of the part that they were of.
    first, next
        Offset of the first, and the one after the last.
    dates
        First and last date of the rows landed next to the gap: a part's records come in about the order of their
        times, so these partitions, and those between, may lack some. Empty if no row was landed next to it.
    """

    part: str
    first: int
    next: int
    dates: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        """Number of offsets."""
        return self.next - self.first

    def touches(self, dt: str) -> bool:
        """Whether a partition may lack some of these records, by its date."""
        return bool(self.dates) and self.dates[0] <= dt <= self.dates[-1]


class Gaps:
    """Gaps of one stream that are on record.

    Parameters
    ----------
    store
        Data root.
    stream
        Name of the stream.
    """

    def __init__(self, store: Store, stream: str) -> None:
        self._folder = LiveFolder(store.files, f"{Layout.LIVE}/{stream}/gaps")

    def add(self, part: str, first: int, after: int, dates: Collection[str]) -> None:
        """Put one on record; the same one again changes nothing."""
        gap = Gap(part, first, after, (min(dates), max(dates)) if dates else ())
        self._folder.write_json(f"{part}-{first:020d}.json", asdict(gap))

    def all(self) -> list[Gap]:
        """Return all, by part and offset."""
        told = (self._folder.read_json(name) for name in self._folder.names(".json"))
        return [Gap(one["part"], one["first"], one["next"], tuple(one["dates"])) for one in told if one is not None]


def is_incomplete(store: Store, partition: Partition) -> bool:
    """Whether records of a partition's time may have been lost at the source."""
    return any(gap.touches(partition.dt) for gap in Gaps(store, partition.stream).all())
