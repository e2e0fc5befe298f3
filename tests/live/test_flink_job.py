"""A live job on a real Flink cluster of two task managers, which die: every part is read on, days close once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kafka_topics import eventually, new_topic, produce
from live_commands import beambell, status
from live_projects import TO_LABELS, assert_same, copied_for_batch, labels, live_project
from projects import run_stages
from servers.fetched import NotInstalledError
from servers.flink import FlinkCluster

from beambell import Project
from beambell.live.closed import closed_partitions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.kafka import KafkaServer

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]
DAY, PARTS = "2026-01-03", 3


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    cluster = FlinkCluster(tmp_path_factory.mktemp("flink"))
    try:
        cluster.__enter__()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    try:
        yield cluster
    finally:
        cluster.__exit__()


class Job:
    """A live job of a project whose comments come from a topic of three partitions."""

    def __init__(self, flink: FlinkCluster, broker: KafkaServer, folder: Path) -> None:
        self.flink, self.broker, self.topic = flink, broker, new_topic()
        broker.create_topic(self.topic, PARTS)
        master = flink.rest.removeprefix("http://")
        self.folder, coming = live_project(
            folder, runner="flink", streams={"comments": {"topic": self.topic}}, brokers=broker.bootstrap,
            options=[*flink.options(), f"--flink_master={master}"],
            idle_s=20.0, refit_s=1.0, segment={"rows": 50, "seconds": 1},
        )  # fmt: skip
        self.coming = coming["comments"]

    def start(self) -> subprocess.Popen[bytes]:
        words = ["live", "start", "--detach", "--project", str(self.folder)]
        return subprocess.Popen([sys.executable, "-m", "beambell", *words], stderr=subprocess.PIPE)

    def jobs(self, state: str = "RUNNING") -> list[str]:
        return [one["jid"] for one in self.flink.ask("/jobs/overview")["jobs"] if one["state"] == state]

    def send(self, records: list[bytes]) -> None:
        for part in range(PARTS):
            produce(self.broker, self.topic, records[part::PARTS], part)

    def kill(self, part: str, away_s: float = 3.0) -> None:
        self.flink.kill(part)
        time.sleep(away_s)
        self.flink.restart(part)

    def closed(self) -> bool:
        return DAY in closed_partitions(Project(self.folder).store, "comments") and not status(self.folder)["waiting"]

    def landed(self) -> list[bytes]:
        paths = sorted((self.folder / "data/segments/comments").glob("*.jsonl"))
        return [line for path in paths for line in path.read_bytes().splitlines()]

    def log(self) -> str:
        return (self.folder / ".beambell/live.log").read_text()[-6_000:]

    def checkpoints(self) -> list[int]:
        (job,) = self.jobs()
        found: list[dict[str, Any]] = self.flink.ask(f"/jobs/{job}/checkpoints")["history"]
        return [one["state_size"] for one in reversed(found) if one["status"] == "COMPLETED"]


@pytest.fixture
def job(flink: FlinkCluster, broker: KafkaServer, tmp_path: Path) -> Iterator[Job]:
    made = Job(flink, broker, tmp_path / "project")
    try:
        yield made
    finally:
        beambell(made.folder, "live", "stop")
        for one in made.jobs():
            flink.ask(f"/jobs/{one}?mode=cancel", method="PATCH")


def begun(job: Job, starting: subprocess.Popen[bytes]) -> None:
    _, said = starting.communicate(timeout=150)
    assert starting.returncode == 0, said.decode() + job.log()


@pytest.mark.parametrize("after_s", [0, 3, 10, 30])
def test_task_managers_die_early_and_in_mid_stream(job: Job, tmp_path: Path, after_s: int) -> None:
    starting = job.start()
    eventually(lambda: bool(job.jobs()), 90)
    time.sleep(after_s)
    job.kill("taskmanager-2")
    begun(job, starting)
    thirds = [job.coming[i::3] for i in range(3)]
    job.send(thirds[0])
    eventually(lambda: len(labels(job.folder, "comments")) > 10, 90)
    job.send(thirds[1])
    job.kill("taskmanager-1")
    job.send(thirds[2])
    eventually(job.closed, 240)
    told = status(job.folder)["streams"]["comments"]["parts"]
    (found,) = json.loads(beambell(job.folder, "live", "audit", DAY, "--json").stdout)
    stopped = beambell(job.folder, "live", "stop")
    assert stopped.returncode == 0, stopped.stderr
    assert status(job.folder)["state"] == "stopped"
    assert job.jobs() == []
    assert sorted(told) == ["000", "001", "002"]
    assert not any(part["behind"] or part["error"] for part in told.values())
    assert Counter(job.landed()) == Counter(job.coming)
    assert (found["differences"], found["missing"]) == (0, [])
    run_stages(job.folder, *TO_LABELS)
    batch = copied_for_batch(job.folder, tmp_path / "batch")
    run_stages(batch, *TO_LABELS)
    assert_same(job.folder / "data", batch / "data")


def test_a_job_whose_driver_died_is_ended_by_the_next_and_checkpoints_stay_flat(job: Job) -> None:
    begun(job, job.start())
    (first,) = job.jobs()
    half = len(job.coming) // 2
    job.send(job.coming[:half])
    eventually(lambda: len(labels(job.folder, "comments")) > 10, 90)
    supervisor = status(job.folder)["supervisor"]
    os.kill(supervisor, signal.SIGKILL)
    for pid in drivers(job.folder):
        os.kill(pid, signal.SIGKILL)
    job.send(job.coming[half:])
    assert job.jobs() == [first]  # a cluster does not care
    begun(job, job.start())
    assert first not in job.jobs()
    assert len(job.jobs()) == 1
    eventually(job.closed, 180)
    early = job.checkpoints()[-1]
    time.sleep(20)
    assert job.checkpoints()[-1] <= 1.1 * early
    assert Counter(job.landed()) == Counter(job.coming)
    assert beambell(job.folder, "live", "audit", DAY).returncode == 0


def drivers(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        if b"beam_jobs.live" in words and str(folder).encode() in words:
            found.append(int(entry.name))
    return found
