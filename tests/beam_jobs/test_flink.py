"""Beam's jobs on a real Flink cluster of two task managers: the bytes of the embedded runner, also where one dies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from projects import change_params, published, run_stages, small_project, tree_bytes
from servers.fetched import NotInstalledError
from servers.flink import FlinkCluster

from beambell import Project
from beambell.store import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def flink(s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    """Give a cluster whose workers know where the object store is: they have the environment of their task manager."""
    cluster = FlinkCluster(tmp_path_factory.mktemp("flink"))
    try:
        cluster.__enter__()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    try:
        yield cluster
    finally:
        cluster.__exit__()


@pytest.fixture(scope="module")
def arriving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project with raw files, cut into many small items, so that there is something to spread."""
    return small_project(
        tmp_path_factory.mktemp("projects") / "arriving", days=4, scale=0.2, beam={"rows_per_item": 100}
    )


@pytest.fixture(scope="module")
def embedded(arriving: Path) -> Path:
    """Give the same project after all stages."""
    folder = shutil.copytree(arriving, arriving.with_name("embedded"))
    run_stages(folder)
    return folder


def command(flink: FlinkCluster, folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "beambell", *words, "--project", str(folder)],
        env={**os.environ, **flink.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_all_jobs_give_the_same_bytes(flink: FlinkCluster, arriving: Path, embedded: Path) -> None:
    folder = shutil.copytree(arriving, arriving.with_name("on_flink"))
    running = command(flink, folder, "run")
    said, _ = running.communicate(timeout=1000)
    assert running.returncode == 0, said
    jobs = flink.ask("/jobs/overview")["jobs"]
    assert [job["state"] for job in jobs] == ["FINISHED"] * 4, jobs
    found, expected = tree_bytes(folder / "data"), tree_bytes(embedded / "data")
    assert sorted(found) == sorted(expected)
    assert [name for name, data in found.items() if data != expected[name]] == []


def test_the_data_root_is_an_object_store(flink: FlinkCluster, tmp_path: Path) -> None:
    local = small_project(tmp_path / "local", days=1, scale=0.05, label_model={"kind": "majority", "options": {}})
    raw = {name: {"inputs": [f"{local}/data/raw/{name}/{{dt}}.*"]} for name in Project(local).params.streams}
    change_params(local, streams=raw)
    folder = shutil.copytree(local, tmp_path / "remote", ignore=shutil.ignore_patterns("data"))
    change_params(folder, data="s3://bucket/flink/data")
    run_stages(local, "ingest", "apply")
    for stage in ("ingest", "apply"):
        running = command(flink, folder, stage)
        said, _ = running.communicate(timeout=400)
        assert running.returncode == 0, said
    store = Project(folder).store
    expected = published(local)
    assert any(name.startswith(f"{Layout.VOTES}/") for name in expected)
    found = {name: bytes(store.files.read(name)) for name in expected}
    assert [name for name, data in found.items() if data != expected[name]] == []


def test_a_task_manager_that_is_killed_in_apply_changes_no_byte(
    flink: FlinkCluster, arriving: Path, embedded: Path
) -> None:
    folder = shutil.copytree(arriving, arriving.with_name("killed"))
    run_stages(folder, "ingest", "aggregate")
    running = command(flink, folder, "apply")
    staged = folder / "data" / Layout.STAGING
    jobs: set[str] = set()
    first: set[Path] = set()  # what the driver has staged for the workers
    deadline = time.monotonic() + 300
    while not jobs or len(files(staged) - first) < 5:  # shards, of more than a hundred
        assert running.poll() is None, running.communicate()[0]
        assert time.monotonic() < deadline
        if not jobs:
            overview = flink.ask("/jobs/overview")["jobs"]
            jobs, first = {job["jid"] for job in overview if job["state"] == "RUNNING"}, files(staged)
        time.sleep(0.01)
    flink.kill("taskmanager-1")
    time.sleep(3)
    flink.restart("taskmanager-1")
    said, _ = running.communicate(timeout=600)
    assert running.returncode == 0, said
    (job,) = jobs
    assert flink.ask(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"], "nothing of the job was done anew"
    votes, expected = (tree_bytes(one / "data" / Layout.VOTES) for one in (folder, embedded))
    assert votes
    assert votes == expected
    assert not files(staged)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}
