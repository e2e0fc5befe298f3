"""The fence: of all jobs that were started on a data root, only the newest reads on."""

from __future__ import annotations

from pathlib import Path

from beambell.live.fence import START, Fence, Order, begin, end
from beambell.store import Store


def test_workers_of_an_earlier_job_fall_silent(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = begin(store)
    old = Fence(store, first, 0.0)
    assert old.order() is Order.WORK
    second = begin(store)
    new = Fence(store, second, 0.0)
    assert (old.order(), new.order()) == (Order.NOTHING, Order.WORK)
    end(store, first)  # its driver is late
    assert new.order() is Order.WORK
    end(store, second)
    assert (old.order(), new.order()) == (Order.NOTHING, Order.LAND)


def test_a_look_holds_for_a_while_and_a_lost_note_stops_nobody(tmp_path: Path) -> None:
    store = Store(tmp_path)
    number = begin(store)
    patient, alone = Fence(store, number, 1_000.0), Fence(store, None, 0.0)
    assert patient.order() is Order.WORK
    begin(store)
    assert patient.order() is Order.WORK
    assert alone.order() is Order.WORK
    (tmp_path / "live" / START).unlink()
    assert Fence(store, number, 0.0).order() is Order.WORK
