"""Projects run the whole way once, for all tests that only look, and processes that need no time to import."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest
from projects import change_params, run_stages, small_project, tree_bytes

PRELOAD = [
    "killing",
    "synthetic",
    "beam_jobs.ingest",
    "beam_jobs.apply_lfs",
    "beam_jobs.label",
    "great_expectations",
    "sklearn.linear_model",
    "snorkel.labeling.model.label_model",
    *(f"beambell.stages.{name}" for name in ("merge", "fit", "validate", "train", "evaluate", "register")),
]
LFS = """
- {kind: regex, name: link, pattern: 'https?://|www', label: spam}
- {kind: keyword, name: begs, any_of: [subscribe, channel, free, click], label: spam}
- {kind: length, name: brief, max: 60, label: ham}
"""
LAST_DAY = "2026-01-02"


@pytest.fixture(scope="session")
def processes():
    """Processes that have everything imported, so that a kill hits the work and not the imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


@pytest.fixture(scope="session")
def arriving(processes, tmp_path_factory):
    """A project with one day done and the next, with its late records, just delivered; not to be changed."""
    folder = small_project(
        tmp_path_factory.mktemp("arriving") / "project",
        days=2,
        scale=0.03,
        beam={"workers": 1},
        label_model={"kind": "majority", "options": {}},
    )
    (folder / "lfs.yaml").write_text(LFS)
    change_params(folder, lfs={"modules": [], "files": ["lfs.yaml"]})
    later = sorted((folder / "data" / "raw").rglob(f"{LAST_DAY}.*"))
    for path in later:
        shutil.move(path, folder / path.name.replace(LAST_DAY, path.parent.name))
    run_alone(processes, run_stages, folder)
    for path in later:
        shutil.move(folder / path.name.replace(LAST_DAY, path.parent.name), path)
    return folder


@pytest.fixture(scope="session")
def arrived(processes, arriving, tmp_path_factory):
    """The bytes of that project after a run that nobody disturbed."""
    folder = shutil.copytree(arriving, tmp_path_factory.mktemp("arrived") / "project")
    run_alone(processes, run_stages, folder)
    return tree_bytes(folder / "data")


def run_alone(processes, target, folder: Path, *arguments) -> None:
    """Run something in a process of its own, to a good end."""
    process = processes.Process(target=target, args=(folder, *arguments))
    process.start()
    process.join()
    assert process.exitcode == 0
