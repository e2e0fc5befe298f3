"""A disk that fills up, a limit that is reached: the last good state stays, and the message says what to do."""

from __future__ import annotations

import resource
import shutil
import subprocess

import pytest
from projects import run_stages, tree_bytes

from beambell import Project
from beambell.artefacts.verify import verify
from beambell.errors import StorageError
from beambell.store import Store


def run_below(folder, limit: int, answer) -> None:
    """Run with no file allowed to grow beyond a limit; leave the error's words."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        run_stages(folder)
    except StorageError as error:
        answer.send(str(error))


def test_a_limit_leaves_the_last_good_state(processes, arriving, arrived, tmp_path):
    folder = shutil.copytree(arriving, tmp_path / "project")
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=run_below, args=(folder, 12_000, sender))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert receiver.poll(), "the run ended without an error of ours"
    message = receiver.recv()
    assert "may not grow that large" in message
    assert "what to do: raise the limit" in message
    damaged = verify(Project(folder).store, deep=True).errors
    assert [finding.where for finding in damaged if not finding.where.startswith("evaluation/")] == []
    assert not (folder / "data" / ".staging").exists()
    run_stages(folder)
    assert tree_bytes(folder / "data") == arrived


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two megabytes, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk takes rights that this user has not")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_keeps_what_was_published(small_disk):
    store = Store(str(small_disk / "data"))
    good = store.put("state", "patterns", ".parquet", b"1" * 900_000)
    with pytest.raises(StorageError, match="the disk is full") as caught:
        store.put("state", "patterns", ".parquet", b"2" * 1_500_000)
    assert "beambell gc" in str(caught.value)
    with pytest.raises(StorageError, match="the disk is full"):
        store.files.stage("job/shard", b"3" * 1_500_000)
    assert store.get("state", good) == b"1" * 900_000
    assert store.files.list("state") == [good.name]


def test_a_read_only_folder_is_told_apart(tmp_path):
    from beambell.errors import storage_errors

    with pytest.raises(StorageError, match="this user may not write here"), storage_errors("data"):
        raise PermissionError(13, "Permission denied", "data/x")
    with pytest.raises(OSError, match="unknown"), storage_errors("data"):
        raise OSError(9999, "unknown")
