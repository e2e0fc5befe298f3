"""Reading a part of a source: records are landed, typed, and handed on as micro-batches with their offsets."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import Integers
from beambell.config import StreamParams
from beambell.config.live import LiveParams
from beambell.errors import LiveSourceError
from beambell.live.segments import Landing, OpenSegment, Segment, as_line
from beambell.live.source import Chunk, Source
from beambell.records import read_records, row_schema

_LONGEST_SILENCE_S = 1.0


@dataclass(frozen=True, eq=False)
class MicroBatch:
    """Records of one part of a stream that arrived together.

    Attributes
    ----------
    stream, part
        Names of the stream and of the part.
    epoch
        Number of the reading that it is of; a higher one has begun anew, and what came before no longer counts.
    first, next
        Offsets of the stretch of the log: of its first record, and the one after the last.
    previous
        The ``next`` of the micro-batch of this epoch before it; -1 for the first.
    rows
        Table of the n rows that could be read, as `beambell.records.read_records` gives them.
    offsets
        Offset of each row, int64 [n].
    arrived
        Time of arrival of each row, milliseconds since 1970, int64 [n].
    segment
        Offset at which the segment of these records begins.
    behind
        Number of records that the source has beyond; -1 where that is not known.
    quarantined
        Number of records that could not be read, by reason.
    lost
        Number of offsets that the source no longer had.
    is_replayed
        Whether these records were landed before, and are read again only to count them.
    error
        Sentence on why the source could not be read; empty if it could.
    """

    stream: str
    part: str
    epoch: int
    first: int
    next: int
    rows: pa.Table
    offsets: Integers
    arrived: Integers
    segment: int
    previous: int = -1
    behind: int = 0
    quarantined: dict[str, int] | None = None
    lost: int = 0
    is_replayed: bool = False
    error: str = ""

    @property
    def high(self) -> int | None:
        """Latest event time among the rows, microseconds since 1970; ``None`` without rows."""
        latest = pc.max(self.rows["ts"]) if self.rows.num_rows else None
        return None if latest is None or not latest.is_valid else latest.cast(pa.int64()).as_py()


class PartReader:
    """One part of a stream's source, read on from where its last segment ended.

    It begins with the landed segments that have rows of partitions that are not closed: what is known of open
    partitions is made from the log alone.

    Parameters
    ----------
    source
        Source of the stream.
    landing
        Segments of the stream.
    stream, part
        Names of the stream and of the part.
    params
        Columns and rules of the stream.
    live
        Parameters of live labeling.
    closed
        Dates of the partitions that are closed.
    labelled
        Names, without a suffix, of the segments whose labels are complete.
    replays
        Whether to begin with landed segments of open partitions.
    after
        Number of the reading before, in whichever process; the clocks of two machines may differ.

    Attributes
    ----------
    landed
        Segments that this reader landed.
    is_overtaken
        Whether another process landed records of this part meanwhile: what this one has read since no longer counts.
    """

    def __init__(
        self,
        source: Source,
        landing: Landing,
        stream: str,
        part: str,
        params: StreamParams,
        live: LiveParams,
        closed: frozenset[str] = frozenset(),
        labelled: frozenset[str] = frozenset(),
        *,
        replays: bool = True,
        after: int = 0,
    ) -> None:
        self.stream, self.part = stream, part
        self.epoch = max(time.time_ns(), after + 1)
        self.is_overtaken = False
        self._source, self._landing, self._params, self._live = source, landing, params, live
        landed = landing.segments(part)
        self.landed: list[Segment] = []
        self._replay = [
            one for one in landed if not set(one.partitions) <= closed or (one.records and one.stem not in labelled)
        ]
        if not replays:
            self._replay = []
        self._offset: int | None = landed[-1].next if landed else None
        self._landed_until = self._offset
        self._open: OpenSegment | None = None
        self._spoke = 0.0
        self._previous = -1

    @property
    def offset(self) -> int | None:
        """Offset that is read next; ``None`` before the first look at the source."""
        return self._offset

    def poll(self, wait_s: float = 0.0) -> Iterator[MicroBatch]:
        """Yield what is new, at most one micro-batch; once a second also an empty one that says that nothing is."""
        if self._replay:
            yield from self._again(self._replay.pop(0))
            return
        try:
            chunk = self._source.read(self.part, self._start(), self._live.batch, wait_s)
        except LiveSourceError as error:
            yield from self._silence(str(error))
            return
        if len(chunk) or chunk.lost or chunk.next > chunk.first:
            yield self._taken(chunk)
        else:
            yield from self._silence("", chunk.behind)
        if self._open is not None and self._open.is_complete:
            self.land()

    def land(self) -> Segment | None:
        """Land what was read of the open segment, if there is any; return the segment.

        Nothing is landed if another process landed something of this part since this reader began: a segment follows
        on the one before.
        """
        if self._open is None or self._open.next == self._open.first:
            return None
        if self._landing.position(self.part) != self._landed_until:
            self.is_overtaken = True
            self.abandon()
            return None
        segment, self._open = self._open.land(), None
        self._landed_until = segment.next
        self.landed.append(segment)
        self._source.commit(self.part, segment.next)
        return segment

    def abandon(self) -> None:
        """Forget what was not landed; it is read again by whoever comes next."""
        if self._open is not None:
            self._open.abandon()
            self._open = None

    def _start(self) -> int:
        if self._offset is None:
            first, end = self._source.bounds(self.part)
            self._offset = end if self._start_at_end() else first
        return self._offset

    def _start_at_end(self) -> bool:
        told = self._live.streams.get(self.stream) or self._live.feedback
        return told is not None and told.start == "latest"

    def _taken(self, chunk: Chunk) -> MicroBatch:
        if self._open is None:
            self._open = OpenSegment(self._landing, self.part, chunk.first, self._live.segment)
        lines = self._open.add(chunk)
        kept = np.array([bool(value) for value in chunk.values], bool)
        rows, at, quarantined = self._typed(lines)
        self._open.count(_partitions(rows))
        self._offset, self._spoke = chunk.next, time.monotonic()
        return MicroBatch(
            self.stream, self.part, self.epoch, chunk.first, chunk.next, rows,
            chunk.offsets[kept][at], chunk.arrived[kept][at], self._open.first, self._link(chunk.next), chunk.behind,
            quarantined, sum(end - first for first, end in chunk.lost),
        )  # fmt: skip

    def _link(self, after: int) -> int:
        previous, self._previous = self._previous, after
        return previous

    def _again(self, segment: Segment) -> Iterator[MicroBatch]:
        """Yield a landed segment's records once more, in pieces; offsets between its ends are counted, not known."""
        lines = self._landing.read(segment).splitlines()
        step = self._live.batch
        for start in range(0, max(len(lines), 1), step):
            some = lines[start : start + step]
            is_last = start + step >= len(lines)
            rows, at, _ = self._typed(some)
            first = segment.first + start
            after = segment.next if is_last else min(first + len(some), segment.next)
            offsets = first + np.asarray(at, np.int64)
            yield MicroBatch(
                self.stream, self.part, self.epoch, min(first, after), after, rows, offsets,
                np.zeros(len(at), np.int64), segment.first, self._link(after), is_replayed=True,
            )  # fmt: skip

    def _typed(self, lines: Iterable[bytes]) -> tuple[pa.Table, Integers, dict[str, int]]:
        """Return the rows of some lines, where among the lines each is, and how many could not be read, by reason."""
        data = b"\n".join(map(as_line, lines))
        tables: list[pa.Table] = []
        quarantined: dict[str, int] = {}
        for batch in read_records(
            io.BytesIO(data), name=f"{self.part}.jsonl", stream=self._params, stream_name=self.stream, delivered=_now()
        ):
            tables.append(batch.rows)
            for code in batch.quarantined["code"].to_pylist():
                quarantined[str(code)] = quarantined.get(str(code), 0) + 1
        rows = pa.concat_tables(tables) if tables else _no_rows(self._params)
        at = np.asarray(rows["_line"].to_numpy(), np.int64) - 1
        return rows, at, quarantined

    def _silence(self, error: str, behind: int = 0) -> Iterator[MicroBatch]:
        now = time.monotonic()
        if now - self._spoke < _LONGEST_SILENCE_S:
            return
        self._spoke = now
        at, nothing = self._offset or 0, np.empty(0, np.int64)
        yield MicroBatch(
            self.stream, self.part, self.epoch, at, at, _no_rows(self._params), nothing, nothing,
            self._open.first if self._open else at, self._previous, behind, error=error,
        )  # fmt: skip


def _partitions(rows: pa.Table) -> dict[str, int]:
    """Count the rows of each partition, by its date."""
    counted = rows["dt"].value_counts() if rows.num_rows else ()
    return {str(one["values"].as_py()): one["counts"].as_py() for one in counted}


def _no_rows(params: StreamParams) -> pa.Table:
    return row_schema(params).append(pa.field("dt", pa.string())).empty_table()


def _now() -> datetime:
    return datetime.now(UTC)
