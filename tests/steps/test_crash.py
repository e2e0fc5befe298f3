"""Killed at any instant and run again: the same bytes as an undisturbed run."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from pathlib import Path

import pytest
from projects import run_stages, small_project, tree_bytes

PRELOAD = [
    "beam_jobs.ingest",
    "beam_jobs.apply_lfs",
    "beam_jobs.label",
    "great_expectations",
    "sklearn.linear_model",
    "snorkel.labeling.model.label_model",
    *(f"beambell.steps.{name}" for name in ("merge", "fit", "validate", "train", "evaluate", "register")),
]


@pytest.fixture(scope="module")
def processes():
    """Processes that have everything imported, so that a kill hits the work and not the imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


@pytest.fixture(scope="module")
def undisturbed(processes, tmp_path_factory):
    """The bytes of a run that nobody disturbed, and how long it took."""
    folder = small_project(tmp_path_factory.mktemp("undisturbed"), beam={"workers": 1})
    raw = tmp_path_factory.mktemp("raw") / "project"
    shutil.copytree(folder, raw)
    _run(processes, shutil.copytree(raw, raw.parent / "warm"))
    start = time.monotonic()
    assert _run(processes, folder) == 0
    return raw, tree_bytes(folder / "data"), time.monotonic() - start


def _run(processes, folder: Path, *, kill_after: float | None = None) -> int | None:
    process = processes.Process(target=run_stages, args=(folder,))
    process.start()
    process.join(kill_after)
    if kill_after is not None:
        process.kill()
        process.join()
    return process.exitcode


def _survives(processes, undisturbed, folder: Path, share: float) -> None:
    raw, expected, duration = undisturbed
    shutil.copytree(raw, folder)
    _run(processes, folder, kill_after=share * duration)
    assert _run(processes, folder) == 0
    found = tree_bytes(folder / "data")
    assert sorted(found) == sorted(expected)
    assert found == expected


@pytest.mark.parametrize("share", [0.25, 0.6, 0.85])
def test_a_killed_run_is_continued(processes, undisturbed, tmp_path, share):
    _survives(processes, undisturbed, tmp_path / "project", share)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(10))
def test_ten_kills_at_random(processes, undisturbed, tmp_path, seed):
    _survives(processes, undisturbed, tmp_path / "project", random.Random(seed).random())


def test_two_runs_at_once_end_as_one(processes, undisturbed, tmp_path):
    raw, expected, _ = undisturbed
    folder = shutil.copytree(raw, tmp_path / "project")
    both = [processes.Process(target=run_stages, args=(folder,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert tree_bytes(folder / "data") == expected
