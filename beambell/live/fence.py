"""The fence around a live job: of all jobs that were ever started on a data root, only the newest reads on.

A cluster may carry on with a job whose driver died, or that was declared dead while its machine was merely out of
reach. Each start takes a higher number; workers look at it every so often, and those with a lower one fall silent.
"""

from __future__ import annotations

import threading
import time
from enum import Enum

from beambell.live.folder import LiveFolder
from beambell.store import Layout, Store

START = "start.json"


class Order(Enum):
    """What a worker has to do.

    Attributes
    ----------
    WORK
        Reading on.
    LAND
        Landing of what was read, and no more reading: the job is being stopped.
    NOTHING
        Silence: a newer job has begun.
    """

    WORK = "work"
    LAND = "land"
    NOTHING = "nothing"


def begin(store: Store) -> int:
    """Take the number of a new job; workers of all earlier ones fall silent."""
    folder = _folder(store)
    number = (folder.read_json(START) or {"number": 0})["number"] + 1
    folder.write_json(START, {"number": number, "ends": False})
    return int(number)


def end(store: Store, number: int) -> None:
    """Ask the workers of a job to land what they have read; nothing if a newer job has begun."""
    folder = _folder(store)
    if (folder.read_json(START) or {}).get("number") == number:
        folder.write_json(START, {"number": number, "ends": True})


class Fence:
    """What one process of a job looks at, from any of its threads.

    Parameters
    ----------
    store
        Data root.
    number
        Number of the job; ``None`` for one that needs no fence, because its process is all of it.
    look_s
        Seconds between two looks.
    """

    def __init__(self, store: Store, number: int | None, look_s: float) -> None:
        self._folder, self._number, self._look_s = _folder(store), number, look_s
        self._lock = threading.Lock()
        self._looked, self._order = 0.0, Order.WORK

    def order(self) -> Order:
        """Return what there is to do."""
        if self._number is None:
            return Order.WORK
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= self._look_s:
                self._looked, self._order = now, self._look(self._number)
            return self._order

    def _look(self, number: int) -> Order:
        told = self._folder.read_json(START)
        if told is None or told["number"] < number:  # it is lost: nobody newer has begun
            return Order.WORK
        if told["number"] > number:
            return Order.NOTHING
        return Order.LAND if told["ends"] else Order.WORK


def _folder(store: Store) -> LiveFolder:
    return LiveFolder(store.files, Layout.LIVE)
