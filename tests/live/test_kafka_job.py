"""A live job on a real broker: both die and come back, a partition is added, records are lost at the source."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kafka_topics import eventually, new_topic, produce, values_of
from live_commands import beambell, status
from live_projects import TO_LABELS, assert_same, copied_for_batch, labels, live_project
from projects import run_stages

from beambell import Project
from beambell.live.closed import closed_partitions
from beambell.live.kafka import KafkaSource
from beambell.live.prism import find_prism

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.kafka import KafkaServer

pytestmark = pytest.mark.heavy
DAY = "2026-01-03"


@contextmanager
def live(folder: Path) -> Iterator[None]:
    started = beambell(folder, "live", "start", "--detach")
    assert started.returncode == 0, started.stderr
    try:
        yield
    finally:
        beambell(folder, "live", "stop")


def project_on(broker: KafkaServer, folder: Path, topic: str, **settings: object) -> tuple[Path, list[bytes]]:
    """A project whose comments come from a topic; and those that are to come."""
    made, coming = live_project(
        folder, streams={"comments": {"topic": topic}}, brokers=broker.bootstrap, idle_s=3.0, **settings
    )
    return made, coming["comments"]


def landed(folder: Path) -> list[bytes]:
    paths = sorted((folder / "data/segments/comments").glob("*.jsonl"))
    return [line for path in paths for line in path.read_bytes().splitlines()]


def closed(folder: Path) -> bool:
    return DAY in closed_partitions(Project(folder).store, "comments") and not status(folder)["waiting"]


def audit(folder: Path) -> dict:
    (found,) = json.loads(beambell(folder, "live", "audit", DAY, "--json").stdout)
    return found


@pytest.mark.parametrize("runner", ["loop", "prism"])
def test_job_and_broker_die_and_every_record_is_labelled(broker, tmp_path, runner):
    if runner == "prism" and find_prism().path is None:
        pytest.skip(find_prism().advice)
    topic, labelled = new_topic(), new_topic()
    broker.create_topic(topic, 2)
    broker.create_topic(labelled, 1)
    folder, coming = project_on(
        broker, tmp_path / "project", topic, runner=runner, labels="kafka", labels_topic=labelled
    )
    thirds = [coming[i::3] for i in range(3)]
    with live(folder):
        for part in (0, 1):
            produce(broker, topic, thirds[0][part::2], part)
        eventually(lambda: len(labels(folder, "comments")) > 10)
        job = status(folder)["process"]
        os.killpg(os.getpgid(job), signal.SIGKILL)
        for part in (0, 1):
            produce(broker, topic, thirds[1][part::2], part)
        eventually(lambda: status(folder)["process"] != job)
        broker.kill("broker")
        broker.restart()
        broker.add_partitions(topic, 3)
        for part in (0, 1, 2):
            produce(broker, topic, thirds[2][part::3], part)
        eventually(lambda: closed(folder), 150)
        found = audit(folder)
        ids = {one["id"] for one in labels(folder, "comments") if one["dt"] == DAY}
        source = KafkaSource(labelled, {"bootstrap.servers": broker.bootstrap})
        sent = {json.loads(value)["id"] for value in values_of(source, "000", 0)}
        source.close()
    assert sorted(landed(folder)) == sorted(coming)
    assert found["differences"] == 0
    assert found["missing"] == []
    assert ids <= sent
    run_stages(folder, *TO_LABELS)
    batch = copied_for_batch(folder, tmp_path / "batch")
    run_stages(batch, *TO_LABELS)
    assert_same(folder / "data", batch / "data")


def test_no_day_closes_before_the_slowest_partition_and_an_idle_one_holds_none(broker, tmp_path):
    topic = new_topic()
    broker.create_topic(topic, 3)
    folder, coming = project_on(broker, tmp_path / "project", topic)
    half = len(coming) // 2
    with live(folder):
        produce(broker, topic, coming[half:], 0)  # the end of the day is there; partition 2 stays without a record
        produce(broker, topic, coming[:5], 1)
        eventually(lambda: status(folder)["streams"]["comments"]["rows"] >= half)
        produce(broker, topic, coming[5:half], 1)
        eventually(lambda: closed(folder), 60)
        found = audit(folder)
    assert sorted(landed(folder)) == sorted(coming)
    assert found["missing"] == []
    assert found["differences"] == 0


def test_what_the_broker_deleted_unread_is_a_gap_on_record(broker, tmp_path):
    topic = new_topic()
    broker.create_topic(topic, 1)
    folder, coming = project_on(broker, tmp_path / "project", topic)
    with live(folder):
        produce(broker, topic, coming[:20])
        eventually(lambda: len(labels(folder, "comments")) > 5)
    produce(broker, topic, coming[20:])
    broker.delete_before(topic, 0, 30)  # as retention does
    with live(folder):
        eventually(lambda: closed(folder), 60)
        said = status(folder)
        found = audit(folder)
        text = beambell(folder, "live", "audit", DAY).stdout
    assert landed(folder) == coming[:20] + coming[30:]
    assert found["incomplete"]
    assert "lost at the source" in text
    assert said["streams"]["comments"]["figures"]["lost at the source"] == 10
    (gap,) = said["gaps"]["comments"]
    assert (gap["first"], gap["next"]) == (20, 30)
