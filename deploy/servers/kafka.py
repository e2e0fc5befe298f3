"""A Kafka broker of one process, without ZooKeeper: a log to read from and to write to in tests and in `make live`."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from servers.fetched import ServerError, jars, java
from servers.processes import Server, free_ports, listens

ARTIFACTS = ("org.apache.kafka:kafka_2.13:3.9.1", "org.slf4j:slf4j-simple:1.7.36")
BIGGEST = 32 * 1024 * 1024
"""Longest batch of records that the broker takes, in bytes."""

READY_S = 120.0
_CLUSTER = "BeamBellOnThisMachine0"  # 16 bytes in base64, as Kafka has it


class KafkaServer(Server):
    """One broker, which is its own controller.

    Parameters
    ----------
    folder
        Its data, settings and log.
    settings
        More of the broker's settings, by their names.
    """

    parts = ("broker",)

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(folder)
        self._settings = settings or {}
        self._ports: list[int] = []

    @property
    def port(self) -> int:
        """Port of the broker; 0 until one was chosen."""
        return self._ports[0] if self._ports else 0

    @property
    def bootstrap(self) -> str:
        """Address to give to clients."""
        return f"127.0.0.1:{self.port}"

    def create_topic(self, name: str, partitions: int = 1, settings: Mapping[str, str] | None = None) -> None:
        """Make a topic and wait until it can be used; nothing if there is one of that name."""
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        topic = NewTopic(name, partitions, 1, config=dict(settings or {}))
        try:
            admin.create_topics([topic], operation_timeout=30)[name].result(60)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def add_partitions(self, topic: str, total: int) -> None:
        """Give a topic more partitions, so that it has ``total``."""
        from confluent_kafka.admin import AdminClient, NewPartitions

        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_partitions([NewPartitions(topic, total)], operation_timeout=30)[topic].result(60)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Delete records as retention does: all before an offset."""
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import AdminClient

        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        (answer,) = admin.delete_records([TopicPartition(topic, partition, offset)], operation_timeout=30).values()
        answer.result(60)

    def prepare(self) -> None:
        """Choose ports, the same as this object had if they are free; make the data folder the first time."""
        if not self.port or any(map(listens, self._ports)):
            self._ports = free_ports(2)
        self.processes.note(ports=self._ports)
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        if not (self.folder / "data" / "meta.properties").exists():
            command = self._java("kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(properties))
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ServerError(f"Kafka's data folder cannot be made: {(done.stdout + done.stderr).strip()}")

    def resume(self) -> None:
        """Read the ports that were chosen."""
        self._ports = self.processes.noted("ports")

    def restart(self, part: str = "broker") -> None:
        """Start the broker on the ports and the data that it had."""
        self.processes.spawn(part, self._java("kafka.Kafka", str(self.folder / "server.properties")))
        self.processes.wait(part, self._is_ready, READY_S)

    def _is_ready(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        if not listens(self.port):  # or the client would log a line for each refusal
            return False
        with contextlib.suppress(KafkaException):
            return bool(AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=5).brokers)
        return False

    def _java(self, *words: str) -> list[str]:
        return [java(), "-Xms64m", "-Xmx320m", "-cp", f"{jars('kafka', *ARTIFACTS)}/*", *words]

    def _properties(self) -> dict[str, Any]:
        broker, controller = (f"127.0.0.1:{port}" for port in self._ports)
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "group.initial.rebalance.delay.ms": 0,
            "message.max.bytes": BIGGEST,
            "replica.fetch.max.bytes": BIGGEST,
            "socket.request.max.bytes": 4 * BIGGEST,
            "log.segment.bytes": 4 * BIGGEST,
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
            "log.cleaner.backoff.ms": 500,
            **self._settings,
        }
