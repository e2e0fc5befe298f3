"""A live job in one process: landed once, labelled at once, and equal to batch when the day is over."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from live_projects import STREAMS, TO_LABELS, assert_same, copied_for_batch, labels, live_project, send
from projects import run_stages

from beambell import Project
from beambell.live.closed import closed_partitions, is_landed, read_closed
from beambell.live.loop import Loop
from beambell.live.supervisor import read_status
from beambell.store import Partition

DAY = "2026-01-03"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return live_project(tmp_path_factory.mktemp("live") / "project")


@pytest.fixture
def live(made, tmp_path):
    import shutil

    folder, coming = made
    return Path(shutil.copytree(folder, tmp_path / "project")), coming


def run_until(loop: Loop, done, most_s: float = 30.0) -> None:
    deadline = time.monotonic() + most_s
    while not done():
        assert time.monotonic() < deadline, "it was not done in time"
        if not loop.step():
            time.sleep(0.02)


def test_a_day_comes_live_and_equals_batch(live, tmp_path):
    folder, coming = live
    loop = Loop(Project(folder))
    for stream in STREAMS:
        half = len(coming[stream]) // 2
        send(folder, stream, coming[stream][:half])
    run_until(loop, lambda: sum(len(labels(folder, stream)) for stream in STREAMS) > 50)
    for stream in STREAMS:
        send(folder, stream, coming[stream][len(coming[stream]) // 2 :], "b.jsonl")
    store = loop.worker.project.store
    run_until(loop, lambda: all(DAY in closed_partitions(store, stream) for stream in STREAMS))
    run_until(loop, lambda: all(is_landed(store, read_closed(store, Partition(s, DAY))) for s in STREAMS))
    for stream in STREAMS:
        nobody = [one for one in labels(folder, stream) if one["source"] == "none"]
        topics = loop.desk.keeper.topics[stream]
        assert sum(hour.rows for hour in topics._hours.values()) == len(nobody) > 0
    loop.desk._tell(time.time() + 60)
    assert read_status(Project(folder))["topics"]["comments"]["rows"] > 0
    loop.close()

    run_stages(folder, *TO_LABELS)
    for stream in STREAMS:
        by_id = {one["id"]: one for one in labels(folder, stream)}
        votes = Project(folder).votes(stream, DAY)
        assert set(votes["id"]) <= set(by_id)
        live_votes = np.array([_unpacked(folder, by_id[name]["pattern"]) for name in votes["id"]])
        assert (live_votes == votes.drop(columns="id").to_numpy()).all()
    batch = copied_for_batch(folder, tmp_path / "batch")
    run_stages(batch, *TO_LABELS)
    assert_same(folder / "data", batch / "data")


def _unpacked(folder: Path, pattern: str):
    from beambell.state import patterns as packed

    names = Project(folder).catalogue.names
    return packed.unpack(np.frombuffer(bytes.fromhex(pattern), np.uint8)[None], len(names), 2)[0]
