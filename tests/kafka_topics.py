"""Topics of a real broker: records to put there, and to read back."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.kafka import KafkaServer

    from beambell.live.source import Chunk, Source

NOBODY = {"bootstrap.servers": "127.0.0.1:1"}
_numbers = count()


def new_topic() -> str:
    """Give a name that no other test has."""
    return f"topic-{next(_numbers)}"


def produce(
    broker: KafkaServer, topic: str, values: list[bytes | None], partition: int = 0, *, key: bytes = b"k"
) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": broker.bootstrap, "message.max.bytes": 16 * 1024 * 1024})
    for value in values:
        producer.produce(topic, value, key=key, partition=partition)
        producer.poll(0)
    assert producer.flush(60) == 0


def read_all(source: Source, part: str, offset: int, number: int, most: int = 1000) -> list[Chunk]:
    """Read on until there are so many records."""
    chunks: list[Chunk] = []
    deadline = time.monotonic() + 60
    while sum(map(len, chunks)) < number:
        assert time.monotonic() < deadline, chunks
        chunk = source.read(part, offset, most, 0.5)
        offset = chunk.next
        if len(chunk) or chunk.lost:
            chunks.append(chunk)
    return chunks


def eventually(holds: Callable[[], bool], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def values_of(source: Source, part: str, offset: int) -> list[bytes]:
    end = source.bounds(part)[1]
    return [value for chunk in read_all(source, part, offset, end - offset) for value in chunk.values]
