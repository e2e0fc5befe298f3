"""A Kafka topic as a place for labels."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from beambell.errors import LiveSinkError
from beambell.live.kafka.client import MEBI, client_exception, new_client

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

_WRITING = {
    "enable.idempotence": True,
    "linger.ms": 5,
    "message.max.bytes": 16 * MEBI,
    "message.timeout.ms": 60_000,
    "queue.buffering.max.messages": 100_000,
    "reconnect.backoff.max.ms": 1_000,
}


class KafkaSink:
    """A topic that labels are written to, keyed, so that a compacted one keeps the last of each key.

    Parameters
    ----------
    topic
        Name of the topic.
    settings
        Settings of the client, as from `client_settings`.

    Attributes
    ----------
    delivered
        Number of records that the broker has taken.
    failed
        Number of records that it has not, and that were given up.
    """

    def __init__(self, topic: str, settings: Mapping[str, Any]) -> None:
        self.topic = topic
        self.delivered = self.failed = 0
        self._settings = {**_WRITING, **settings}
        self._producer: Producer | None = None
        self._lock = threading.Lock()  # one flush at a time, and nobody sends meanwhile
        self._unsaid = 0  # failures that no flush has told of
        self._reason = ""

    def send(self, records: Iterable[tuple[str, bytes]], wait_s: float = 30.0) -> None:
        """Hand over records, each a key and a value; wait for room where the queue is full.

        Raises
        ------
        LiveSinkError
            If there is no room for so long: the broker is away, or too slow.
        """
        with self._lock:
            deadline = time.monotonic() + wait_s
            for key, value in records:
                while not self._took(key, value):
                    if time.monotonic() > deadline:
                        raise self._error(f"the queue is full for {wait_s:.0f} s")
                    self._client().poll(0.1)
            self._client().poll(0)

    def flush(self, wait_s: float = 30.0) -> None:
        """Wait until the broker has all that was sent.

        Raises
        ------
        LiveSinkError
            If something is still on its way then, or was given up since the last call: send all since then again.
        """
        with self._lock:
            if self._producer is None:
                return
            left = self._producer.flush(wait_s)
            failed, self._unsaid = self._unsaid, 0
            if left or failed:
                raise self._error(f"{left + failed} records have not reached the broker")

    def close(self) -> None:
        """Drop what is still on its way, and let go of connections."""
        with self._lock:
            if self._producer is not None:
                self._producer.purge()
                self._producer.flush(0)
            self._producer = None

    def _client(self) -> Producer:
        if self._producer is None:
            self._producer = new_client("Producer", {**self._settings, "error_cb": self._note})
        return self._producer

    def _took(self, key: str, value: bytes) -> bool:
        try:
            self._client().produce(self.topic, key=key.encode(), value=value, on_delivery=self._delivered)
        except BufferError:
            return False
        except client_exception() as error:
            problem = error.args[0]
            if problem.fatal():  # of an idempotent client, for good: the next one begins anew
                self._producer = None
            self.failed += 1
            raise self._error(problem.str()) from None
        return True

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.delivered += 1
            return
        self.failed += 1
        self._unsaid += 1
        self._reason = error.str()

    def _note(self, error: KafkaError) -> None:
        self._reason = error.str()
        if error.fatal():
            self._producer = None

    def _error(self, message: str) -> LiveSinkError:
        why = f" ({self._reason})" if self._reason and self._reason not in message else ""
        fix = "see that the broker runs, and that it takes records of this size and rate; then send again"
        return LiveSinkError(message + why, where=f"the topic {self.topic}", fix=fix)
