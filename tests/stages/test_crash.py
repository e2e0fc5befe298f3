"""Killed at any write and run again: nothing published was harmed, and the same bytes as an undisturbed run."""

from __future__ import annotations

import random
import shutil
import signal
import time

import pytest
from killing import run_and_die, run_and_note
from projects import run_stages, tree_bytes

from beambell import Project
from beambell.artefacts.verify import verify

CHUNKS = 24


@pytest.fixture(scope="module")
def changes(processes, arriving, tmp_path_factory):
    """Every change that the run makes, in order, as "verb name"."""
    folder = shutil.copytree(arriving, tmp_path_factory.mktemp("noted") / "project")
    log = folder.parent / "log"
    process = processes.Process(target=run_and_note, args=(folder, log))
    process.start()
    process.join()
    return log.read_text().splitlines()


def survives(processes, arriving, arrived, folder, n: int) -> None:
    shutil.copytree(arriving, folder)
    first = processes.Process(target=run_and_die, args=(folder, n))
    first.start()
    first.join()
    assert first.exitcode == -signal.SIGKILL
    # What a reader sees between crash and rerun is whole. DVC wants the files of the evaluation under fixed names, so
    # these may be newer than their manifest; and a partition may be ahead of the records of its files, which is said.
    damaged = [f for f in verify(Project(folder).store, deep=True).errors if not f.where.startswith("evaluation/")]
    assert [finding.where for finding in damaged if "beambell ingest" not in finding.fix] == []
    again = processes.Process(target=run_stages, args=(folder,))
    again.start()
    again.join()
    assert again.exitcode == 0
    found = tree_bytes(folder / "data")
    assert sorted(found) == sorted(arrived)
    assert found == arrived
    shutil.rmtree(folder)


def test_the_run_s_writes_are_all_announced(changes, arriving, arrived):
    before = tree_bytes(arriving / "data")
    changed = {name for name, data in arrived.items() if before.get(name) != data}
    renamed = {line.removeprefix("rename ") for line in changes if line.startswith("rename ")}
    assert changed <= renamed
    assert len(changed) > 30


@pytest.mark.parametrize(
    ("start", "share"),
    [
        ("write .staging/", 0.1),
        ("rename votes/stream=comments/dt=2026-01-01/manifest.json", 0),
        ("sync candidates/", 0.5),
        ("rename models/candidate/", 0.5),
    ],
)
def test_killed_at_a_write_and_run_again(processes, arriving, arrived, changes, tmp_path, start, share):
    places = [n for n, change in enumerate(changes, 1) if change.startswith(start)]
    survives(processes, arriving, arrived, tmp_path / "project", places[int(share * len(places))])


@pytest.mark.heavy
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_killed_at_every_write_in_turn(processes, arriving, arrived, changes, tmp_path, chunk):
    for n in range(1 + chunk, 1 + len(changes), CHUNKS):
        survives(processes, arriving, arrived, tmp_path / f"project{n}", n)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(10))
def test_killed_at_any_other_time(processes, arriving, arrived, tmp_path, seed):
    folder = shutil.copytree(arriving, tmp_path / "project")
    first = processes.Process(target=run_stages, args=(folder,))
    first.start()
    time.sleep(4 * random.Random(seed).random())
    first.kill()
    first.join()
    again = processes.Process(target=run_stages, args=(folder,))
    again.start()
    again.join()
    assert again.exitcode == 0
    assert tree_bytes(folder / "data") == arrived
