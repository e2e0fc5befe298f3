"""A live job as a command: it is looked after, killed, started again, stopped, and audited."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from live_commands import beambell, status
from live_projects import STREAMS, TO_LABELS, assert_same, copied_for_batch, labels, live_project, send
from projects import run_stages

from beambell import Project
from beambell.live.closed import closed_partitions
from beambell.live.prism import find_prism
from beambell.live.supervisor import running

DAY = "2026-01-03"


def until(done, most_s: float = 90.0):
    deadline = time.monotonic() + most_s
    while not (found := done()):
        assert time.monotonic() < deadline, "it was not done in time"
        time.sleep(0.1)
    return found


def group_of(pid: int) -> list[int]:
    """All processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == pid:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


@pytest.mark.heavy
@pytest.mark.parametrize("runner", ["loop", "prism"])
def test_killed_in_the_middle_it_loses_nothing_and_ends_without_a_trace(tmp_path, runner):
    if runner == "prism" and find_prism().path is None:
        pytest.skip(find_prism().advice)
    folder, coming = live_project(tmp_path / "project", runner=runner, idle_s=2.0, refit_s=0.5)
    started = beambell(folder, "live", "start", "--detach")
    assert started.returncode == 0, started.stderr + (folder / ".beambell/live.log").read_text()
    supervisor = running(Project(folder))
    try:
        assert beambell(folder, "live", "start").returncode == 1  # there is one
        third = {stream: len(records) // 3 for stream, records in coming.items()}
        for stream in STREAMS:
            send(folder, stream, coming[stream][: third[stream]])
        until(lambda: all(labels(folder, stream) for stream in STREAMS))
        job = until(lambda: status(folder).get("process"))
        os.killpg(os.getpgid(job), signal.SIGKILL)
        for stream in STREAMS:
            send(folder, stream, coming[stream][third[stream] :])
        until(lambda: status(folder)["process"] != job)
        until(lambda: beambell(folder, "live", "audit", DAY).returncode == 0, most_s=150)
        versions = {one["model"] for stream in STREAMS for one in labels(folder, stream)}
        assert len(versions) > 1  # it was fitted again while it ran
        now = status(folder)
        assert now["state"] == "running"
        group = group_of(os.getpgid(now["process"]))
        stopped = beambell(folder, "live", "stop")
        assert stopped.returncode == 0, stopped.stderr
        assert running(Project(folder)) is None
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in group))
    finally:
        if running(Project(folder)) is not None:
            os.kill(supervisor, signal.SIGKILL)
            os.killpg(os.getpgid(status(folder)["process"]), signal.SIGKILL)
    for stream in STREAMS:
        landed = [
            line
            for path in sorted((folder / "data/segments" / stream).glob("*.jsonl"))
            for line in path.read_bytes().splitlines()
        ]
        assert landed == coming[stream]
    assert status(folder)["state"] == "stopped"
    assert beambell(folder, "verify").returncode == 0


@pytest.mark.heavy
def test_a_fortnight_through_many_deaths_equals_batch(tmp_path):
    """Both streams at full speed, with duplicates, late and broken records; all processes die at random moments."""
    if find_prism().path is None:
        pytest.skip(find_prism().advice)
    folder, coming = live_project(
        tmp_path / "project", days=14, live_days=13, scale=0.1, runner="prism", idle_s=3.0, refit_s=1.0, restart_s=1.0,
        segment={"rows": 200, "seconds": 1},
    )  # fmt: skip
    assert beambell(folder, "live", "start", "--detach").returncode == 0
    random, deaths = Random(7), 0
    pieces = {stream: list(_cut(records, 25)) for stream, records in coming.items()}
    try:
        for i in range(25):
            for stream in STREAMS:
                send(folder, stream, pieces[stream][i])
            if i % 2:
                job = until(lambda: _job_of(folder))
                time.sleep(random.random() * 8)
                with suppress(ProcessLookupError):
                    os.killpg(job, signal.SIGKILL)
                    deaths += 1
        days = [f"2026-01-{day:02d}" for day in range(2, 15)]
        until(lambda: all(set(days) <= set(closed_partitions(Project(folder).store, s)) for s in STREAMS), most_s=120)
        until(lambda: not status(folder)["waiting"], most_s=240)
        audits = json.loads(beambell(folder, "live", "audit", *days, "--json").stdout)
    finally:
        beambell(folder, "live", "stop")
    assert deaths >= 6
    assert {one["dt"]: len(one["missing"]) for one in audits if one["missing"]} == {}
    for stream in STREAMS:
        landed = [
            line
            for path in sorted((folder / "data/segments" / stream).glob("*.jsonl"))
            for line in path.read_bytes().splitlines()
        ]
        assert landed == coming[stream]
    run_stages(folder, *TO_LABELS)
    batch = copied_for_batch(folder, tmp_path / "batch")
    run_stages(batch, *TO_LABELS)
    assert_same(folder / "data", batch / "data")


def _job_of(folder: Path) -> int | None:
    """The leader of the group of processes that does the work, from its first moment on."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if b"beam_jobs.live" in words and str(folder).encode() in words:
                return os.getpgid(int(entry.name))
    return None


def _cut(records: list[bytes], pieces: int) -> Iterator[list[bytes]]:
    size = -(-len(records) // pieces)
    return (records[i * size : (i + 1) * size] for i in range(pieces))


def test_micro_batches_land_once_and_are_labelled(tmp_path):
    folder, coming = live_project(tmp_path / "project")
    for stream in STREAMS:
        send(folder, stream, coming[stream][:100])
    first = json.loads(beambell(folder, "live", "land", "--json").stdout)
    assert [one["records"] for one in first["landed"]] == [100, 100]
    assert Project(folder).labels("comments", DAY).shape[0] > 50
    again = json.loads(beambell(folder, "live", "land", "--json").stdout)
    assert [one["records"] for one in again["landed"]] == [0, 0]
    assert again["outcomes"] == []
    send(folder, "comments", coming["comments"][100:])
    last = json.loads(beambell(folder, "live", "land", "--json", "--stream", "comments").stdout)
    assert last["landed"][0]["records"] == len(coming["comments"]) - 100


def test_without_a_section_live_it_says_what_to_write(tmp_path):
    from projects import small_project

    folder = small_project(tmp_path / "project", days=1, scale=0.02)
    for command in (("start",), ("land",), ("replay",)):
        done = beambell(folder, "live", *command)
        assert done.returncode == 1
        assert "live: {streams:" in done.stderr
    assert beambell(folder, "live", "status").returncode == 0
    assert beambell(folder, "live", "stop").returncode == 0


def test_without_a_label_model_it_says_to_run_batch_first(tmp_path):
    from projects import change_params, small_project

    folder = small_project(tmp_path / "project", days=1, scale=0.02)
    change_params(folder, live={"runner": "loop", "streams": {"comments": {"folder": "incoming/*.jsonl"}}})
    done = subprocess.run(
        [sys.executable, "-m", "beambell.live.loop", "--project", str(folder)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "beambell run" in done.stderr
