"""Kafka as a sink: labels wait for a broker that is away, and none is lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kafka_topics import NOBODY, values_of

from beambell.errors import LiveSinkError
from beambell.live.kafka import KafkaSink

if TYPE_CHECKING:
    from servers.kafka import KafkaServer

    from beambell.live.kafka import KafkaSource


def test_labels_for_a_broker_that_is_away_fill_the_queue_and_are_counted() -> None:
    pytest.importorskip("confluent_kafka")
    sink = KafkaSink("labels", {**NOBODY, "queue.buffering.max.messages": 10, "message.timeout.ms": 1000})
    with pytest.raises(LiveSinkError, match="the queue is full"):
        sink.send(((str(n), b"{}") for n in range(11)), wait_s=0.3)
    with pytest.raises(LiveSinkError, match="10 records"):
        sink.flush(5.0)
    assert (sink.delivered, sink.failed) == (0, 10)
    sink.flush(0.1)  # what was told once is not told again
    sink.close()


@pytest.mark.heavy
def test_labels_are_keyed_and_all_arrive(broker: KafkaServer, source: KafkaSource) -> None:
    sink = KafkaSink(source.topic, {"bootstrap.servers": broker.bootstrap, "queue.buffering.max.messages": 500})
    sink.send((str(n), b"%d" % n) for n in range(5000))  # ten times the queue
    sink.flush(60)
    assert (sink.delivered, sink.failed) == (5000, 0)
    values = [*values_of(source, "000", 0), *values_of(source, "001", 0)]
    assert sorted(map(int, values)) == list(range(5000))
    with pytest.raises(LiveSinkError):
        sink.send([("big", b"x" * 20_000_000)])
    sink.send([("k", b"still works")])
    sink.flush(60)
    assert sink.failed == 1
    sink.close()
