"""The steps of a live job in several processes, as a cluster runs them: keys move, states go back to a checkpoint."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from live_projects import live_project, send

from beam_jobs.live import Keep, Label, Parts, Poll
from beambell import Project
from beambell.live import desk, fence, worker
from beambell.live.desk import STATUS
from beambell.live.folder import LiveFolder
from beambell.live.segments import Landing
from beambell.store import Layout, Partition

DAY = Partition("comments", "2026-01-03")


@dataclass
class Cell:
    """State of one key."""

    value: Any = None

    def read(self) -> Any:
        return self.value

    def write(self, value: Any) -> None:
        self.value = value


@dataclass
class Cluster:
    """Processes that share nothing but the data root and what the runner keeps for them."""

    folder: Path
    number: int
    patch: pytest.MonkeyPatch
    cells: dict[str, Cell] = field(default_factory=dict)
    processes: dict[int, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)

    def cell(self, name: str) -> Cell:
        return self.cells.setdefault(name, Cell())

    def enter(self, process: int) -> None:
        workers, desks = self.processes.setdefault(process, ({}, {}))
        self.patch.setattr(worker, "_workers", workers)
        self.patch.setattr(desk, "_desks", desks)

    def step(self, kind: type, process: int) -> Any:
        self.enter(process)
        step = kind(str(self.folder), self.number)
        step.setup()
        return step

    def tick(self, where: dict[str, int], *, lose: bool = False) -> None:
        """Let the clock tick once; each key is worked on in some process."""
        for key, beat in list(self.step(Parts, 0).process(None)):
            at = where.get(key, 0)
            poll = self.step(Poll, at)
            for batch in list(poll.process((key, beat), self.cell(f"epoch {key}"))):
                _, tally = next(self.step(Label, at).process(batch))
                if not lose:
                    keep = self.step(Keep, where.get("keep", 0))
                    keep.process(("job", tally), self.cell("kept"), self.cell("number"))

    def counted(self, where: dict[str, int]) -> int:
        """Number of rows of the open day that the keeper counts."""
        at_work = self.processes.get(where.get("keep", 0), ({}, {}))[1].get(str(self.folder))
        counts = at_work and at_work.keeper.open_counts().get(DAY)
        return counts.n_rows if counts else 0

    def status(self) -> str:
        """What the job says of itself."""
        return LiveFolder(Project(self.folder).store.files, Layout.LIVE).read_json(STATUS)["state"]


def landed(folder: Path) -> list[bytes]:
    paths = sorted((folder / "data/segments/comments").glob("*.jsonl"))
    return [line for path in paths for line in path.read_bytes().splitlines()]


def rows_landed(folder: Path) -> int:
    landing = Landing(Project(folder).store, "comments")
    names = {name.rpartition("-")[0] for name in landing.files.names(".jsonl")}
    return sum(one.partitions.get(DAY.dt, 0) for part in names for one in landing.segments(part))


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [1, 2])
def test_keys_move_and_processes_die_and_every_record_counts_once(tmp_path, monkeypatch, seed):
    folder, coming = live_project(
        tmp_path / "project", segment={"rows": 30, "seconds": 0.2}, model={"on": False}, idle_s=1_000.0
    )
    records, random = coming["comments"], Random(seed)
    store, began = Project(folder).store, time.monotonic()
    monkeypatch.setattr(desk, "_MISSED_S", 0.2)
    cluster = Cluster(folder, fence.begin(store), monkeypatch)
    where: dict[str, int] = {}
    checkpoint: dict[str, Any] = {}
    pieces = [records[i::12] for i in range(12)]
    while len(landed(folder)) < len(records) or cluster.counted(where) != rows_landed(folder):
        assert time.monotonic() < began + 60, cluster.status()
        if pieces and random.random() < 0.5:
            send(folder, "comments", pieces.pop(), f"{len(pieces) % 3}.jsonl")
        cluster.tick(where, lose=bool(pieces) and random.random() < 0.1)
        if random.random() < 0.2:
            checkpoint = {name: cell.value for name, cell in cluster.cells.items()}
        if pieces and random.random() < 0.15:  # a task fails: states go back, keys move, perhaps a machine is gone
            cluster.cells = {name: Cell(value) for name, value in checkpoint.items()}
            keys = [key for key, _ in cluster.step(Parts, 0).process(None)]
            where = {key: random.randrange(2) for key in [*keys, "keep"]}
            if random.random() < 0.5:
                cluster.processes.pop(random.randrange(2), None)
    fence.end(store, cluster.number)
    until = time.monotonic() + 20
    while cluster.status() == "running":
        assert time.monotonic() < until
        cluster.tick(where)
    assert Counter(landed(folder)) == Counter(records)
    assert cluster.counted(where) == rows_landed(folder)
