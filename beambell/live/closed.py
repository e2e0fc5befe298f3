"""Partitions that a live job closed: when, up to which offsets, and what the ordinary stages made of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from beambell.live.folder import LiveFolder
from beambell.live.segments import Landing
from beambell.store import Layout, Partition, Store


@dataclass(frozen=True)
class Closed:
    """A partition that is over.

    Attributes
    ----------
    partition
        The partition.
    at
        Time at which it closed, seconds since 1970.
    until
        Offset of each part up to which it was read when it closed.
    rows
        Number of rows that were counted.
    labelled
        Time at which the ordinary stages had run on it, seconds since 1970; ``None`` if they have not.
    """

    partition: Partition
    at: float
    until: Mapping[str, int]
    rows: int
    labelled: float | None = None


def _folder(store: Store, stream: str) -> LiveFolder:
    return LiveFolder(store.files, f"{Layout.LIVE}/{stream}/closed")


def closed_partitions(store: Store, stream: str) -> list[str]:
    """Return the dates of the closed partitions of a stream, sorted."""
    return [name.removesuffix(".json") for name in _folder(store, stream).names(".json")]


def close(store: Store, partition: Partition, until: Mapping[str, int], rows: int) -> None:
    """Note that a partition is over, or that more came for it since: batch has to label it."""
    told = {"at": time.time(), "until": dict(until), "rows": rows}
    _folder(store, partition.stream).write_json(f"{partition.dt}.json", told)


def note_labelled(store: Store, closed: Closed) -> None:
    """Note that the ordinary stages ran on a closed partition; unless more came for it meanwhile."""
    now = read_closed(store, closed.partition)
    if now == closed:
        told = {"at": now.at, "until": dict(now.until), "rows": now.rows}
        _folder(store, closed.partition.stream).write_json(
            f"{closed.partition.dt}.json", {**told, "labelled": time.time()}
        )


def waiting(store: Store, streams: Iterable[str]) -> list[Closed]:
    """Return the closed partitions that batch has not labelled since."""
    found = (read_closed(store, Partition(stream, dt)) for stream in streams for dt in closed_partitions(store, stream))
    return [one for one in found if one is not None and one.labelled is None]


def read_closed(store: Store, partition: Partition) -> Closed | None:
    """Return what is known of a closed partition; ``None`` if it is not closed."""
    told: dict[str, Any] | None = _folder(store, partition.stream).read_json(f"{partition.dt}.json")
    if told is None:
        return None
    told.pop("incomplete", None)  # earlier versions noted it here
    return Closed(partition, **told)


def is_landed(store: Store, closed: Closed) -> bool:
    """Whether all records that were read when a partition closed are landed."""
    landing = Landing(store, closed.partition.stream)
    return all((landing.position(part) or 0) >= offset for part, offset in closed.until.items())
