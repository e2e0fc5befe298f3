"""The keeper: open partitions' pattern counts, the event clock, recent rows with people's answers, and the next fit.

All of it is made from the log: what is kept here may be lost at any moment, and is counted again from what was landed.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import Integers, Packed
from beambell.config.live import LiveParams
from beambell.feedback.events import EVENTS_SCHEMA
from beambell.live.clock import EventClock, PartClock
from beambell.live.learner import Learner, Lesson
from beambell.live.recent import RecentRows
from beambell.live.topics import Topics, Uncovered
from beambell.state import PatternCounts
from beambell.state import patterns as packed
from beambell.store import Partition
from beambell.store.arrays import pack_arrays, unpack_arrays


@dataclass(frozen=True, eq=False)
class Tally:
    """What the keeper is told of a micro-batch: 20 to 40 bytes for each row, and the texts of uncovered ones.

    Attributes
    ----------
    stream, part, epoch, first, next, previous
        Names and offsets, as in `beambell.live.reader.MicroBatch`.
    ids, dts
        Id of each row and date of its partition, string [n].
    offsets
        Offset of each row, int64 [n].
    patterns
        Packed votes, uint8 [n, width].
    high
        Latest event time, microseconds since 1970; ``None`` without rows.
    behind
        Number of records that are left at the source; -1 where that is not known.
    delays
        Milliseconds from a record's arrival to its label, for some of the rows, int64 [k].
    figures
        Numbers of records quarantined, lost, and of rows on which labeling functions failed, by name.
    error
        Sentence on why the source could not be read; empty if it could.
    is_replayed
        Whether the records were landed before.
    uncovered
        Rows that no labeling function covers.
    lesson
        Rows that the online end model learns from; ``None`` if there is no such model.
    """

    stream: str
    part: str
    epoch: int
    first: int
    next: int
    previous: int
    ids: pa.Array
    dts: pa.Array
    offsets: Integers
    patterns: Packed
    high: int | None = None
    behind: int = 0
    delays: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    figures: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    is_replayed: bool = False
    uncovered: tuple[Uncovered, ...] = ()
    lesson: Lesson | None = None

    def after(self, offset: int) -> Tally:
        """Return the rest of it, from an offset on."""
        kept = self.offsets >= offset
        mask = pa.array(kept)
        return Tally(
            self.stream, self.part, self.epoch, max(self.first, offset), self.next, offset, self.ids.filter(mask),
            self.dts.filter(mask), self.offsets[kept], self.patterns[kept], self.high, self.behind, self.delays,
            self.figures, self.error, self.is_replayed, tuple(row for row in self.uncovered if row.offset >= offset),
            self.lesson and self.lesson.after(offset),
        )  # fmt: skip


@dataclass
class PartCounts:
    """What was counted of one part since its epoch began.

    Attributes
    ----------
    epoch
        Number of the reading; what an earlier one brought no longer counts.
    next
        Offset up to which everything is counted; -1 before the first batch.
    held
        Batches that came before one that they follow, by the offset that they follow.
    since
        Time since which some are held, seconds since 1970; 0 if none is.
    counts
        Pattern counts of each open partition, by date.
    """

    epoch: int = 0
    next: int = -1
    held: dict[int, Tally] = field(default_factory=dict)
    since: float = 0.0
    counts: dict[str, PatternCounts] = field(default_factory=dict)


@dataclass
class Rates:
    """Figures of a stream since the job began, and of its last minutes.

    Attributes
    ----------
    rows
        Number of rows that were labelled.
    figures
        Numbers of records quarantined, lost and so on, by name.
    late
        Number of rows of closed partitions, by date.
    recent
        Pairs of time and number of rows of the last minute.
    delays
        Milliseconds from arrival to label, of some of the last rows.
    """

    rows: int = 0
    figures: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=1_200))
    delays: deque[int] = field(default_factory=lambda: deque(maxlen=2_000))

    def per_second(self, now: float, over_s: float = 10.0) -> float:
        """Return the rows per second of the last seconds."""
        return sum(rows for at, rows in self.recent if now - at <= over_s) / over_s

    def percentile(self, share: float) -> int | None:
        """Return the delay, in milliseconds, that a share of the last rows had at most; ``None`` without rows."""
        return int(np.quantile(list(self.delays), share)) if self.delays else None


class Keeper:
    """What a live job knows of all its streams; the state of one Beam key, or of a plain loop.

    Parameters
    ----------
    lfs
        Names of the m labeling functions, in the order of the patterns' digits.
    cardinality
        Number of classes K.
    live
        Parameters of live labeling.
    closed
        Dates of the closed partitions of each stream.
    learner
        The online end model; ``None`` if there is none.
    """

    def __init__(
        self,
        lfs: tuple[str, ...],
        cardinality: int,
        live: LiveParams,
        closed: Mapping[str, Iterable[str]],
        learner: Learner | None = None,
    ) -> None:
        self.learner = learner
        self.lfs, self.cardinality, self.live = lfs, cardinality, live
        self.clocks = {s: EventClock(live.lateness_s, live.idle_s, live.stall_s) for s in live.streams}
        self.rates = {stream: Rates() for stream in live.streams}
        self.closed = {stream: set(closed.get(stream, ())) for stream in live.streams}
        self.recent = RecentRows(live.recent_rows)
        self.topics = {stream: Topics() for stream in live.streams}
        self.events = EVENTS_SCHEMA.empty_table()
        self.repeated = 0
        self.revision = 0
        self._parts: dict[tuple[str, str], PartCounts] = {}
        self._over: dict[Partition, PatternCounts] = {}
        self._late: set[Partition] = set()

    # -- rows ------------------------------------------------------------------------------------------------

    def expect(self, stream: str, parts: Iterable[str], now: float | None = None) -> None:
        """Expect records from these parts of a stream, from now on."""
        self.clocks[stream].expect(parts, time.time() if now is None else now)

    def add(self, tally: Tally, now: float | None = None) -> None:
        """Count a micro-batch: each offset once, in order, whatever comes twice, cut otherwise, or too early."""
        now = time.time() if now is None else now
        key = (tally.stream, tally.part)
        part = self._parts.setdefault(key, PartCounts())
        if tally.epoch < part.epoch:
            self.repeated += len(tally.ids)
            return
        if tally.epoch > part.epoch:
            part = self._parts[key] = PartCounts(tally.epoch)
        self.clocks[tally.stream].note(
            tally.part, high=tally.high, behind=tally.behind, moved=tally.next > tally.first, now=now, error=tally.error
        )
        if tally.next == tally.first and not tally.figures:  # with figures: records that are gone, which others follow
            return
        part.held[tally.previous] = tally
        while part.held:
            previous = min(part.held)
            if previous > part.next:
                break  # one before it is still on its way
            one = part.held.pop(previous)
            if one.next <= part.next:
                self.repeated += len(one.ids)
                continue
            if previous < part.next:
                self.repeated += int((one.offsets < part.next).sum())
                one = one.after(part.next)
            self._count(part, one, now)
            part.next = one.next
        part.since = (part.since or now) if part.held else 0.0

    def _count(self, part: PartCounts, tally: Tally, now: float) -> None:
        rates, n = self.rates[tally.stream], len(tally.ids)
        if not tally.is_replayed:
            rates.rows += n
            rates.figures.update(tally.figures)
            rates.recent.append((now, n))
            rates.delays.extend(tally.delays.tolist())
        self.topics[tally.stream].add(tally.uncovered)
        if self.learner is not None and tally.lesson is not None:
            self.learner.learn(tally.stream, tally.lesson, is_replayed=tally.is_replayed)
        if not n:
            return
        dts = tally.dts
        for dt in pc.unique(dts).to_pylist():
            mask = pc.equal(dts, dt)
            if dt in self.closed[tally.stream]:
                if not tally.is_replayed:
                    rates.late[dt] += int(pc.sum(mask).as_py())
                    self._late.add(Partition(tally.stream, dt))
                continue
            counts = PatternCounts.of_packed(
                tally.patterns[mask.to_numpy(zero_copy_only=False)], self.cardinality, self.lfs
            )
            part.counts[dt] = part.counts[dt] + counts if dt in part.counts else counts
        self.recent.add(tally.stream, tally.ids.to_pylist(), dts.to_pylist(), tally.patterns)

    # -- partitions ------------------------------------------------------------------------------------------

    def open_counts(self) -> dict[Partition, PatternCounts]:
        """Pattern counts of the partitions that are open, and of those that closed and that batch has not yet."""
        counted: dict[Partition, list[PatternCounts]] = {one: [counts] for one, counts in self._over.items()}
        for (stream, _), part in sorted(self._parts.items()):
            for dt, counts in part.counts.items():
                counted.setdefault(Partition(stream, dt), []).append(counts)
        return {one: PatternCounts.sum(parts) for one, parts in sorted(counted.items())}

    def close_due(self, now: float | None = None) -> dict[Partition, dict[str, int]]:
        """Close the partitions that are over.

        Returns
        -------
        dict
            Offset up to which every part was read, for each: when that is landed, the ordinary stages can run.
        """
        now = time.time() if now is None else now
        due: dict[Partition, dict[str, int]] = {}
        for stream, clock in self.clocks.items():
            parts = {name: part for (of, name), part in sorted(self._parts.items()) if of == stream}
            if any(part.held for part in parts.values()):
                continue  # something that was read is still on its way
            dates = {dt for part in parts.values() for dt in part.counts}
            for dt in clock.over(dates, now):
                due[Partition(stream, dt)] = {name: part.next for name, part in parts.items()}
                counts = [part.counts.pop(dt) for part in parts.values() if dt in part.counts]
                self._over[Partition(stream, dt)] = PatternCounts.sum(counts)
                self.closed[stream].add(dt)
        return due

    def positions(self) -> dict[tuple[str, str], int]:
        """Return the offset up to which each part was counted, by stream and name."""
        return {key: part.next for key, part in sorted(self._parts.items())}

    def missed(self, now: float, longest_s: float) -> dict[str, int]:
        """Return the epochs of parts of which a batch is missing for longer than some seconds, by stream and part."""
        return {
            f"{stream}/{name}": part.epoch
            for (stream, name), part in sorted(self._parts.items())
            if part.since and now - part.since > longest_s
        }

    def take_late(self) -> dict[Partition, dict[str, int]]:
        """Return the closed partitions that rows came for since this was asked last, as `close_due` does."""
        late, self._late = sorted(self._late), set()
        return {
            one: {name: part.next for (of, name), part in sorted(self._parts.items()) if of == one.stream}
            for one in late
        }

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Forget closed partitions: batch counts them now."""
        for partition in partitions:
            self._over.pop(partition, None)

    @property
    def closing(self) -> list[Partition]:
        """Partitions that closed, and that batch does not count yet."""
        return sorted(self._over)

    # -- state -----------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Write down what was counted of open partitions, and up to where: the state of a Beam key.

        Recent rows are not part of it: they are read again with the log.
        """
        arrays: dict[str, npt.NDArray[Any]] = {}
        parts = []
        for (stream, name), part in sorted(self._parts.items()):
            parts.append([stream, name, part.epoch, part.next, sorted(part.counts)])
            for dt, counts in part.counts.items():
                arrays[f"p/{stream}/{name}/{dt}"], arrays[f"c/{stream}/{name}/{dt}"] = counts.packed, counts.counts
        for one, counts in self._over.items():
            arrays[f"op/{one}"], arrays[f"oc/{one}"] = counts.packed, counts.counts
        clocks = {
            stream: {name: asdict(part) for name, part in clock.parts.items()} for stream, clock in self.clocks.items()
        }
        told = {"parts": parts, "over": list(map(str, self._over)), "clocks": clocks}
        arrays["told"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
        return pack_arrays(arrays)

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot of a keeper of the same labeling functions."""
        arrays = unpack_arrays(snapshot, "the state of a live job")
        told = json.loads(arrays["told"].tobytes())

        def read(patterns: str, counts: str) -> PatternCounts:
            return PatternCounts.from_packed(arrays[patterns], self.cardinality, self.lfs, arrays[counts])

        self._parts = {
            (stream, name): PartCounts(
                epoch, after, {}, 0.0, {dt: read(f"p/{stream}/{name}/{dt}", f"c/{stream}/{name}/{dt}") for dt in dates}
            )
            for stream, name, epoch, after, dates in told["parts"]
        }
        self._over = {Partition(*one.split("/")): read(f"op/{one}", f"oc/{one}") for one in told["over"]}
        for stream, clocks in told["clocks"].items():
            self.clocks[stream].parts = {name: PartClock(**clock) for name, clock in clocks.items()}

    # -- feedback --------------------------------------------------------------------------------------------

    def add_events(self, events: pa.Table) -> None:
        """Take in what people said, `EVENTS_SCHEMA`."""
        self.events = pa.concat_tables([self.events, events])

    def reviewed_patterns(self, rows: pa.Table) -> pa.Array:
        """Return the packed pattern of each reviewed row, null where it is not among the recent ones."""
        kind = packed.arrow_type(len(self.lfs), self.cardinality)
        found = [
            self.recent.find(stream, name)
            for stream, name in zip(rows["stream"].to_pylist(), rows["row_id"].to_pylist(), strict=True)
        ]
        return pa.array([None if one is None else one.pattern for one in found], kind)
