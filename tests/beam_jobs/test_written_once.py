"""What a job writes: a partition that is one work item once, and the same bytes however it is cut and handed over."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from projects import change_params, published, run_stages, small_project

from beam_jobs import pipeline
from beambell.store import Files

BY_ROWS = ("aggregate", "apply", "label")
STAGES = ("ingest", "aggregate", "apply", "merge", "fit", "label")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_project(tmp_path_factory.mktemp("raw") / "project", days=2, scale=0.03)


@contextmanager
def tables_staged() -> Iterator[list[str]]:
    """Names of the tables that are staged in the block; the past of keys, which the driver stages, is left out."""
    names: list[str] = []

    def observe(verb: str, name: str) -> None:
        if verb == "write" and name.endswith(".arrow") and "/past/" not in name:
            names.append(name)

    Files.observer = observe
    try:
        yield names
    finally:
        Files.observer = None


def staged_by(folder: Path) -> dict[str, int]:
    """Run the stages; returns the number of tables that each staged."""
    found = {}
    for stage in STAGES:
        with tables_staged() as names:
            run_stages(folder, stage)
        found[stage] = len(names)
    return found


def test_a_partition_is_written_once_and_the_same_however_it_is_cut(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = shutil.copytree(raw, tmp_path / "small")
    assert not any(staged_by(small).values())  # fragments of raw files are handed over in memory

    monkeypatch.setattr(pipeline, "HELD_BYTES", 0)
    large = shutil.copytree(raw, tmp_path / "large")
    staged = staged_by(large)
    assert staged["ingest"] > 0  # a file has rows of several partitions, and a partition of several files
    assert not any(staged[stage] for stage in BY_ROWS)

    cut = shutil.copytree(raw, tmp_path / "cut")
    change_params(cut, beam={"rows_per_item": 40})
    staged = staged_by(cut)
    assert all(staged[stage] > 4 for stage in BY_ROWS)
    assert published(small) == published(large) == published(cut)
