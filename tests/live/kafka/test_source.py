"""Kafka as a source: against a real broker that is killed, added to and emptied under the reader."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from kafka_topics import NOBODY, eventually, new_topic, produce, read_all, values_of

from beambell.errors import ConfigError, LiveSinkError, LiveSourceError
from beambell.live.kafka import KafkaSink, KafkaSource

if TYPE_CHECKING:
    from servers.kafka import KafkaServer

    from beambell.live.source import Chunk


def test_a_setting_that_there_is_not_is_named() -> None:
    pytest.importorskip("confluent_kafka")
    with pytest.raises(ConfigError, match=r"no\.such\.setting"):
        KafkaSource("topic", {**NOBODY, "no.such.setting": 1}).parts()


def test_a_broker_that_is_away_is_said_by_every_method(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("confluent_kafka")
    monkeypatch.setattr("beambell.live.kafka.source._ASK_S", 0.5)
    source = KafkaSource("topic", NOBODY)
    for ask in (source.parts, lambda: source.bounds("000"), lambda: source.read("000", 0, 10, 0.1)):
        with pytest.raises(LiveSourceError, match="the topic topic") as caught:
            ask()
        assert caught.value.fix
    source.close()


@pytest.mark.heavy
def test_reading_goes_on_from_any_offset(broker: KafkaServer, source: KafkaSource) -> None:
    values: list[bytes | None] = [f'{{"n": {n}}}'.encode() for n in range(2500)]
    produce(broker, source.topic, values)
    assert source.parts() == ("000", "001")
    assert (source.bounds("000"), source.bounds("001")) == ((0, 2500), (0, 0))
    chunks = read_all(source, "000", 0, 2500)
    assert [value for chunk in chunks for value in chunk.values] == values
    assert [n for chunk in chunks for n in chunk.offsets.tolist()] == list(range(2500))
    assert all(chunk.first == chunk.offsets[0] and chunk.next == chunk.offsets[-1] + 1 for chunk in chunks)
    assert chunks[-1].behind == 0
    assert abs(chunks[0].arrived[0] / 1000 - time.time()) < 300
    for offset in (2000, 17, 2499, 0):
        (chunk,) = read_all(source, "000", offset, 1, most=5)
        assert chunk.values == tuple(values[offset : offset + 5])
        assert chunk.behind == 2500 - chunk.next
    assert read_all(KafkaSource(source.topic, {"bootstrap.servers": broker.bootstrap}), "000", 1000, 1500)


@pytest.mark.heavy
def test_where_nothing_has_arrived_it_waits_no_longer_than_asked(source: KafkaSource, broker: KafkaServer) -> None:
    assert len(source.read("001", 0, 10, 2.0)) == 0
    started = time.monotonic()
    chunk = source.read("001", 0, 10, 0.2)
    assert time.monotonic() - started < 1.0
    assert (len(chunk), chunk.first, chunk.next, chunk.behind) == (0, 0, 0, 0)
    produce(broker, source.topic, [b"one"], 1)
    started = time.monotonic()
    assert source.read("001", 0, 1000, 30.0).values == (b"one",)
    assert time.monotonic() - started < 5.0  # nor until there are as many as may come


@pytest.mark.heavy
def test_progress_is_noted_at_the_broker(broker: KafkaServer, source: KafkaSource) -> None:
    from confluent_kafka import Consumer, TopicPartition

    produce(broker, source.topic, [b"x"] * 9)
    read_all(source, "000", 0, 9)
    source.commit("000", 7)
    watcher = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "beambell"})
    eventually(lambda: watcher.committed([TopicPartition(source.topic, 0)], timeout=10)[0].offset == 7)
    watcher.close()


@pytest.mark.heavy
def test_a_broker_that_is_killed_is_said_and_read_on_when_it_is_back(broker: KafkaServer, source: KafkaSource) -> None:
    produce(broker, source.topic, [b"a"] * 10)
    read_all(source, "000", 0, 10)
    sink = KafkaSink(source.topic, {"bootstrap.servers": broker.bootstrap})
    broker.kill("broker")
    with pytest.raises(LiveSourceError, match=source.topic):
        for _ in range(100):
            source.read("000", 10, 10, 0.1)
    with pytest.raises(LiveSourceError):
        source.bounds("000")
    time.sleep(0.3)
    with pytest.raises(LiveSourceError):
        source.parts()
    sink.send([("k", b"held")])
    with pytest.raises(LiveSinkError, match="1 records"):
        sink.flush(0.5)
    broker.restart()
    assert source.parts() == ("000", "001")
    sink.flush(60)
    assert sink.delivered == 1
    produce(broker, source.topic, [b"b"] * 10)
    again = [value for part in ("000", "001") for value in values_of(source, part, 10 if part == "000" else 0)]
    assert sorted(again) == [b"b"] * 10 + [b"held"]
    sink.close()


@pytest.mark.heavy
def test_a_broker_that_is_silent_is_not_taken_for_one_that_has_nothing_new(
    broker: KafkaServer, source: KafkaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beambell.live.kafka.source._ASK_S", 1.0)
    monkeypatch.setattr("beambell.live.kafka.source._SURE_S", 1.0)
    produce(broker, source.topic, [b"x"])
    read_all(source, "000", 0, 1)
    process = broker.processes.running()["broker"]
    os.kill(process, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(LiveSourceError, match=source.topic):
            while time.monotonic() - started < 30:
                assert source.read("000", 1, 10, 0.1).behind == 0
    finally:
        os.kill(process, signal.SIGCONT)
    time.sleep(2.0)
    assert source.bounds("000") == (0, 1)
    assert source.read("000", 1, 10, 0.5).behind == 0


@pytest.mark.heavy
def test_a_partition_that_is_added_appears_and_is_read(broker: KafkaServer, source: KafkaSource) -> None:
    assert source.parts() == ("000", "001")
    broker.add_partitions(source.topic, 3)
    eventually(lambda: source.parts() == ("000", "001", "002"))
    produce(broker, source.topic, [b"late"], 2)
    (chunk,) = read_all(source, "002", 0, 1)
    assert chunk.values == (b"late",)


@pytest.mark.heavy
def test_what_retention_has_taken_is_skipped_and_told(broker: KafkaServer, source: KafkaSource) -> None:
    produce(broker, source.topic, [b"%d" % n for n in range(100)])
    broker.delete_before(source.topic, 0, 60)
    assert source.bounds("000") == (60, 100)
    chunks = read_all(source, "000", 10, 40)
    assert [gap for chunk in chunks for gap in chunk.lost] == [(10, 60)]
    assert (chunks[0].first, chunks[-1].next) == (60, 100)
    broker.delete_before(source.topic, 0, 100)
    assert source.read("000", 100, 10, 0.5).lost == ()
    chunk = KafkaSource(source.topic, {"bootstrap.servers": broker.bootstrap}).read("000", 70, 10, 2.0)
    assert (chunk.lost, chunk.first, chunk.next, len(chunk)) == (((70, 100),), 100, 100, 0)


@pytest.mark.heavy
def test_a_topic_with_fewer_records_than_were_read_is_refused(broker: KafkaServer, source: KafkaSource) -> None:
    produce(broker, source.topic, [b"x"] * 5)
    for _ in range(2):  # and again
        with pytest.raises(LiveSourceError, match="made anew"):
            source.read("000", 9, 10, 5.0)
    assert len(read_all(source, "000", 0, 5))


@pytest.mark.heavy
def test_a_topic_that_is_not_there_is_said_and_not_made(broker: KafkaServer) -> None:
    source = KafkaSource("nobody-made-it", {"bootstrap.servers": broker.bootstrap})
    for _ in range(2):
        with pytest.raises(LiveSourceError, match=r"the topic nobody-made-it: .*nknown topic"):
            source.parts()
    with pytest.raises(LiveSourceError, match="nobody-made-it"):
        source.read("000", 0, 1, 1.0)
    source.close()


@pytest.mark.heavy
def test_a_record_of_10_mb_comes_whole(broker: KafkaServer, source: KafkaSource) -> None:
    big = b"x" * 10_000_000
    produce(broker, source.topic, [b"before", big, b"after"])
    chunks = read_all(source, "000", 0, 3)
    assert [value for chunk in chunks for value in chunk.values] == [b"before", big, b"after"]


@pytest.mark.heavy
def test_a_tombstone_is_empty(broker: KafkaServer, source: KafkaSource) -> None:
    produce(broker, source.topic, [b"x", None, b""])
    assert [value for chunk in read_all(source, "000", 0, 3) for value in chunk.values] == [b"x", b"", b""]


@pytest.mark.heavy
def test_offsets_without_a_record_are_stepped_over(broker: KafkaServer, source: KafkaSource) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": source.topic})
    producer.init_transactions(60)
    for ends_well in (True, False, True):
        producer.begin_transaction()
        producer.produce(source.topic, b"kept" if ends_well else b"dropped", partition=0)
        producer.flush(30)
        (producer.commit_transaction if ends_well else producer.abort_transaction)(60)
    chunks = read_all(source, "000", 0, 2)
    assert [value for chunk in chunks for value in chunk.values] == [b"kept", b"kept"]
    assert all(
        (offset, value) != (1, b"dropped")
        for chunk in chunks
        for offset, value in zip(chunk.offsets, chunk.values, strict=True)
    )
    end = source.bounds("000")[1]
    at = chunks[-1].next

    def caught_up() -> bool:
        nonlocal at
        chunk = source.read("000", at, 10, 0.2)
        at = chunk.next
        return chunk.behind == 0 and at == end  # the mark of the last transaction is no record that is still to come

    eventually(caught_up)
    assert chunks[0].lost == ()


@pytest.mark.heavy
def test_a_compacted_topic_has_gaps_and_loses_nothing_else(broker: KafkaServer) -> None:
    topic = new_topic()
    settings = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    broker.create_topic(topic, 1, {**settings, "max.compaction.lag.ms": "100"})
    for n in range(5):
        produce(broker, topic, [b"%d" % n] * 3)
        time.sleep(0.2)
    source = KafkaSource(topic, {"bootstrap.servers": broker.bootstrap})
    chunks: list[Chunk] = []

    def compacted() -> bool:
        chunks.clear()
        at = 0
        while at < 15:  # the last segment is never compacted: the end can be read
            chunks.append(source.read("000", at, 1000, 0.5))
            at = chunks[-1].next
        return sum(map(len, chunks)) < 15

    eventually(compacted, 90)
    assert chunks[-1].values[-1] == b"4"
    assert not any(chunk.lost for chunk in chunks)
    source.close()
