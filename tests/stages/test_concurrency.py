"""Two at once end as one alone would have."""

from __future__ import annotations

import shutil

import pytest
from killing import run_merge
from projects import run_stages, tree_bytes

from beambell import Project
from beambell.artefacts.verify import verify


def both(processes, target, folder) -> None:
    pair = [processes.Process(target=target, args=(folder,)) for _ in range(2)]
    for process in pair:
        process.start()
    for process in pair:
        process.join()
    assert [process.exitcode for process in pair] == [0, 0]


@pytest.fixture(scope="module")
def voted(arriving, tmp_path_factory):
    """A project whose state lacks a partition and holds an old revision of another."""
    folder = shutil.copytree(arriving, tmp_path_factory.mktemp("voted") / "project")
    run_stages(folder, "ingest", "apply")
    return folder


@pytest.fixture(scope="module")
def merged(voted, tmp_path_factory):
    folder = shutil.copytree(voted, tmp_path_factory.mktemp("merged") / "project")
    run_merge(folder)
    return tree_bytes(folder / "data")


def two_runs(processes, arriving, arrived, folder) -> None:
    shutil.copytree(arriving, folder)
    both(processes, run_stages, folder)
    assert tree_bytes(folder / "data") == arrived
    assert verify(Project(folder).store, deep=True).errors == ()


def two_merges(processes, voted, merged, folder) -> None:
    shutil.copytree(voted, folder)
    both(processes, run_merge, folder)
    assert tree_bytes(folder / "data") == merged


@pytest.mark.parametrize("attempt", range(2))
def test_two_runs_at_once(processes, arriving, arrived, tmp_path, attempt):
    two_runs(processes, arriving, arrived, tmp_path / "project")


@pytest.mark.parametrize("attempt", range(2))
def test_two_merges_at_once(processes, voted, merged, tmp_path, attempt):
    two_merges(processes, voted, merged, tmp_path / "project")


@pytest.mark.heavy
def test_twenty_times(processes, arriving, arrived, voted, merged, tmp_path):
    for attempt in range(20):
        two_runs(processes, arriving, arrived, tmp_path / f"runs{attempt}")
        two_merges(processes, voted, merged, tmp_path / f"merges{attempt}")
