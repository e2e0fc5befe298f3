"""A real broker on loopback for the heavy tests; where Java or Maven is missing, they say so and are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kafka_topics import new_topic
from servers.fetched import NotInstalledError
from servers.kafka import KafkaServer

from beambell.live.kafka import KafkaSource

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """Give a Kafka broker that tests may kill, and start again."""
    pytest.importorskip("confluent_kafka")
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    try:
        server.__enter__()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.__exit__()


@pytest.fixture
def source(broker: KafkaServer) -> Iterator[KafkaSource]:
    """Give a topic of two partitions."""
    topic = new_topic()
    broker.create_topic(topic, 2)
    source = KafkaSource(topic, {"bootstrap.servers": broker.bootstrap}, refresh_s=0.2)
    yield source
    source.close()
