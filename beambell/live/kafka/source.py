"""A Kafka topic as a live source."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from beambell.errors import LiveSourceError
from beambell.live.kafka.client import MEBI, client_exception, new_client, said
from beambell.live.source import Chunk

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, KafkaException, Message

_ASK_S = 5.0  # longest wait for an answer of the broker
_SURE_S = 5.0  # after so long without a sign of life, silence is no proof that nothing has arrived

_READING = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "allow.auto.create.topics": False,
    "fetch.wait.max.ms": 50,
    "fetch.message.max.bytes": 16 * MEBI,
    "fetch.max.bytes": 64 * MEBI,
    "receive.message.max.bytes": 100 * MEBI,
    "queued.max.messages.kbytes": 64 * 1024,
    "reconnect.backoff.max.ms": 1_000,
}
_AGAIN = "see that the broker runs, and that it can be reached from here; then go on: nothing is lost"


class KafkaSource:
    """A topic; its partitions are the parts, named ``000``, ``001``, ...

    It reads by offset (`assign`) and is no member of a consumer group: a group would move partitions between workers,
    and where to go on is for the caller to know. Each part has a client of its own, made when it is first read.

    Parameters
    ----------
    topic
        Name of the topic. It is never made.
    settings
        Settings of the client, as from `client_settings`.
    group
        Name under which progress is noted at the broker, for people who watch it.
    refresh_s
        Age in seconds at which the list of partitions is asked for again.

    Notes
    -----
    Every method may be called from any thread, and by several at once.
    """

    def __init__(
        self, topic: str, settings: Mapping[str, Any], *, group: str = "beambell", refresh_s: float = 5.0
    ) -> None:
        self.topic = topic
        self._settings = {**_READING, **settings, "group.id": group}
        self._refresh_s = refresh_s
        self._lock = threading.Lock()
        self._readers: dict[str, _Reader] = {}
        self._asking: _Reader | None = None
        self._parts: tuple[str, ...] = ()
        self._asked = -np.inf

    def parts(self) -> tuple[str, ...]:
        """Return the names of all partitions, sorted; one that was added appears within ``refresh_s``.

        Raises
        ------
        LiveSourceError
            If there is no such topic, or no broker that answers.
        """
        with self._lock:
            if time.monotonic() - self._asked > self._refresh_s:
                if self._asking is None:
                    self._asking = _Reader(self.topic, -1, self._settings)
                self._parts = tuple(sorted(f"{number:03d}" for number in self._asking.partitions()))
                self._asked = time.monotonic()
            return self._parts

    def bounds(self, part: str) -> tuple[int, int]:
        """Return the first offset that the broker still has, and the one that the next record will have.

        Raises
        ------
        LiveSourceError
            If no broker answers for that partition.
        """
        return self._reader(part).bounds()

    def read(self, part: str, offset: int, most: int, wait_s: float) -> Chunk:
        """Read at most so many records from an offset on, and wait at most so many seconds for the first.

        Raises
        ------
        LiveSourceError
            If the broker is away, refuses, or has fewer records than were read: then the topic was made anew.
        """
        return self._reader(part).read(part, offset, most, wait_s)

    def commit(self, part: str, offset: int) -> None:
        """Note at the broker that all before an offset is landed; it is not waited for.

        Raises
        ------
        LiveSourceError
            If the client refuses.
        """
        self._reader(part).commit(offset)

    def close(self) -> None:
        """Let go of all connections; who reads afterwards opens new ones."""
        with self._lock:
            readers = [*self._readers.values(), *([self._asking] if self._asking else [])]
            self._readers, self._asking, self._asked = {}, None, -np.inf
        for reader in readers:
            reader.close()

    def _reader(self, part: str) -> _Reader:
        with self._lock:
            if part not in self._readers:
                self._readers[part] = _Reader(self.topic, int(part), self._settings)
            return self._readers[part]


class _Reader:
    """One partition's client and where it stands."""

    def __init__(self, topic: str, number: int, settings: Mapping[str, Any]) -> None:
        self._topic, self._number = topic, number
        self._lock = threading.Lock()
        self._consumer: Consumer = new_client("Consumer", {**settings, "error_cb": self._note})
        self._at = -1  # offset of the next record to come; -1: to be assigned anew
        self._trouble: str | None = None  # what the client said since the broker's last sign of life
        self._alive = -np.inf

    def partitions(self) -> Iterable[int]:
        with self._lock:
            try:
                topic = self._consumer.list_topics(self._topic, timeout=_ASK_S).topics[self._topic]
            except client_exception() as error:
                raise self._away(error) from None
            if topic.error is not None:
                raise self._away(topic.error)
            return list(topic.partitions)

    def bounds(self) -> tuple[int, int]:
        with self._lock:
            return self._bounds(_ASK_S)

    def commit(self, offset: int) -> None:
        with self._lock:
            try:
                self._consumer.commit(offsets=[self._place(offset)], asynchronous=True)
            except client_exception() as error:
                raise self._away(error) from None

    def close(self) -> None:
        with self._lock, suppress(RuntimeError):  # closed already
            self._consumer.close()

    def read(self, part: str, offset: int, most: int, wait_s: float) -> Chunk:
        with self._lock:
            lost: tuple[tuple[int, int], ...] = ()
            at = offset
            deadline = time.monotonic() + wait_s
            while True:
                messages, out_of_range, end = self._take(at, most, deadline)
                if messages or not out_of_range:
                    break
                at = self._earliest(at)
                lost = ((offset, at),)
                deadline = time.monotonic() + wait_s
            if not messages:
                at = max(at, end)
                behind = self._behind(at)
                if not lost:
                    return Chunk.empty(part, at, behind)
                nothing = np.empty(0, np.int64)
                return Chunk(part, at, at, (), nothing, nothing, behind, lost)
            offsets = np.fromiter((message.offset() for message in messages), np.int64, len(messages))
            after = max(int(offsets[-1]) + 1, end)
            return Chunk(
                part,
                int(offsets[0]),
                after,
                tuple(message.value() or b"" for message in messages),
                offsets,
                np.fromiter((_arrived(message) for message in messages), np.int64, len(messages)),
                self._behind(after),
                lost,
            )

    def _take(self, at: int, most: int, deadline: float) -> tuple[list[Message], bool, int]:
        """Return what has come, whether the offset is out of range, and where the end is, if it was met (else -1)."""
        from confluent_kafka import KafkaError

        if self._at != at:
            self._assign(at)
        got: list[Message] = []
        end = -1
        while len(got) < most:
            # Of several messages at once, the client waits for as many as were asked for: so for the first one alone.
            if got:
                come = self._consumer.consume(most - len(got), timeout=0)
            else:
                first = self._consumer.poll(max(0.0, deadline - time.monotonic()))
                come = [] if first is None else [first]
            for message in come:
                error = message.error()
                if error is None:
                    got.append(message)
                    self._at = message.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    end = self._at = message.offset()
                else:
                    # What came before it is good; the rest is read again from where that ends, and fails again.
                    self._at = -1
                    if got:
                        break
                    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                        return [], True, -1
                    raise self._away(error)
            if come and (got or end >= 0):
                self._alive, self._trouble = time.monotonic(), None
            if self._at < 0 or (not come and (got or time.monotonic() >= deadline)):
                break
        return got, False, end

    def _assign(self, offset: int) -> None:
        try:
            self._consumer.assign([self._place(offset)])
        except client_exception() as error:
            raise self._away(error) from None
        self._at = offset

    def _earliest(self, offset: int) -> int:
        low, high = self._bounds(_ASK_S)
        if offset > high:
            raise LiveSourceError(
                f"offset {offset} was read up to, but there are only {high} records: the topic was made anew, or the "
                "broker lost what it had",
                where=self._where,
                fix="if the topic was made anew, give it a new name here too; what was landed stays",
            )
        if offset >= low:
            raise self._away(f"offset {offset} cannot be read, though there are those from {low} to {high}")
        return low

    def _behind(self, at: int) -> int:
        """Count what the broker has beyond; ask it, where its silence may have another reason.

        Raises
        ------
        LiveSourceError
            If it does not answer.
        """
        if self._trouble is not None or time.monotonic() - self._alive > _SURE_S:
            _, high = self._bounds(_ASK_S)
        else:
            _, high = self._consumer.get_watermark_offsets(self._place(), cached=True)
        return max(0, high - at) if high >= 0 else -1

    def _bounds(self, timeout: float) -> tuple[int, int]:
        try:
            found = self._consumer.get_watermark_offsets(self._place(), timeout=timeout)
        except client_exception() as error:
            raise self._away(error) from None
        if found is None:
            raise self._away(self._trouble or "it does not answer")
        self._alive, self._trouble = time.monotonic(), None
        return int(found[0]), int(found[1])

    def _note(self, error: KafkaError) -> None:
        """Take down what the client says; it is called in the thread that polls."""
        self._trouble = error.str()

    def _away(self, error: KafkaException | KafkaError | str) -> LiveSourceError:
        self._at = -1
        return LiveSourceError(said(error), where=self._where, fix=_AGAIN)

    def _place(self, offset: int | None = None) -> Any:
        from confluent_kafka import TopicPartition

        place = TopicPartition(self._topic, self._number)
        if offset is not None:
            place.offset = offset
        return place

    @property
    def _where(self) -> str:
        return f"the topic {self._topic}" + (f", partition {self._number}" if self._number >= 0 else "")


def _arrived(message: Message) -> int:
    """Return the record's time as the broker has it; the oldest format has none."""
    kind, milliseconds = message.timestamp()
    return milliseconds if kind else int(time.time() * 1000)
