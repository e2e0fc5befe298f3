"""Segments: records as they came, landed as ordinary deliveries, each exactly once.

A segment is named by its part and its first offset only. It is written aside, synced, and then given its name; after
that, a note says where the next one begins. Whoever is killed before the note makes the same segment again, under the
same name. So no record is lost, and none is there twice, without any transaction.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from beambell.config.live import SegmentParams
from beambell.live.folder import LiveFolder
from beambell.live.gaps import Gaps
from beambell.live.source import Chunk
from beambell.store import Layout, Store


@dataclass(frozen=True)
class Segment:
    """What is known of a landed file.

    Attributes
    ----------
    part
        Name of the part that its records are of.
    first, next
        Offset of its first record, and the offset at which the next segment begins.
    records
        Number of records in the file.
    partitions
        Number of rows of each partition, by its date.
    lost
        Pairs of offsets of records that the source no longer had, the first and the one after the last.
    """

    part: str
    first: int
    next: int
    records: int
    partitions: Mapping[str, int] = field(default_factory=dict)
    lost: tuple[tuple[int, int], ...] = ()

    @property
    def stem(self) -> str:
        """Name of its files, without a suffix."""
        return stem(self.part, self.first)


def stem(part: str, first: int) -> str:
    """Return the name of the files of the segment that begins at an offset, without a suffix."""
    return f"{part}-{first:020d}"


class Landing:
    """Segments of one stream.

    Parameters
    ----------
    store
        Data root.
    stream
        Name of the stream; ``_feedback`` for people's answers.
    """

    def __init__(self, store: Store, stream: str) -> None:
        self.files = LiveFolder(store.files, f"{Layout.LANDED}/{stream}")
        self._notes = LiveFolder(store.files, f"{Layout.LIVE}/{stream}/segments")
        self._gaps = Gaps(store, stream)

    def segments(self, part: str) -> list[Segment]:
        """Return the landed segments of a part, in order of their offsets."""
        return [segment for name in self._names(part) if (segment := self._segment(name)) is not None]

    def _names(self, part: str) -> list[str]:
        return [name for name in self._notes.names(".json") if name[: -len(".json")].rpartition("-")[0] == part]

    def _segment(self, name: str) -> Segment | None:
        told = self._notes.read_json(name)
        if told is None:
            return None
        lost = tuple((first, end) for first, end in told.pop("lost", ()))
        return Segment(**told, lost=lost)

    def position(self, part: str) -> int | None:
        """Return the offset at which the next segment of a part begins; ``None`` if none was landed."""
        found = (self._segment(name) for name in reversed(self._names(part)))
        return next((segment.next for segment in found if segment is not None), None)

    def note(self, segment: Segment) -> None:
        """Note that a segment is landed: from now on, its part goes on after it. Gaps in it are put on record first."""
        if segment.lost:
            earlier = (one.partitions for one in reversed(self.segments(segment.part)) if one.partitions)
            dates = {*segment.partitions, *next(earlier, ())}
            for first, after in segment.lost:
                self._gaps.add(segment.part, first, after, dates)
        told = {name: getattr(segment, name) for name in ("part", "first", "next", "records", "partitions", "lost")}
        self._notes.write_json(f"{segment.stem}.json", told)

    def read(self, segment: Segment) -> bytes:
        """Return the bytes of a landed file, empty if it is gone."""
        return self.files.read(f"{segment.stem}.jsonl") or b""


class OpenSegment:
    """Segment that records are added to.

    Parameters
    ----------
    landing
        Segments of the stream.
    part, first
        Part of the records, and offset of the first.
    params
        Size at which the segment is complete.
    """

    def __init__(self, landing: Landing, part: str, first: int, params: SegmentParams) -> None:
        self.part, self.first, self.next = part, first, first
        self.records = 0
        self.lost: list[tuple[int, int]] = []
        self.partitions: Counter[str] = Counter()
        self._landing, self._params = landing, params
        self._since = time.monotonic()
        self._file: BinaryIO | None = None
        self._lines: list[bytes] = []
        self._owner = secrets.token_hex(4)

    def add(self, chunk: Chunk) -> Sequence[bytes]:
        """Add records; return their lines, one for each record that is not empty."""
        lines = [as_line(value) for value in chunk.values if value]
        if lines:
            data = b"\n".join(lines) + b"\n"
            if self._landing.files.is_local:
                self._part().write(data)
            else:
                self._lines.append(data)
        self.records += len(lines)
        self.lost += chunk.lost
        self.next = chunk.next
        return lines

    def count(self, partitions: Mapping[str, int]) -> None:
        """Note of which partitions rows were among the records."""
        self.partitions.update(partitions)

    @property
    def is_complete(self) -> bool:
        """Whether it is time to land it."""
        waited = time.monotonic() - self._since >= self._params.seconds
        return self.next > self.first and (self.records >= self._params.rows or waited)

    def land(self) -> Segment:
        """Give the file its name, and note where the next one begins."""
        segment = Segment(
            self.part, self.first, self.next, self.records, dict(sorted(self.partitions.items())), tuple(self.lost)
        )
        name = f"{segment.stem}.jsonl"
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._landing.files.publish(self._aside, name)
            self._file = None
        elif self._lines:
            self._landing.files.write(name, b"".join(self._lines))
        self._landing.note(segment)
        return segment

    def abandon(self) -> None:
        """Forget it: its records will be read again."""
        if self._file is not None:
            self._file.close()
            self._aside.unlink(missing_ok=True)
            self._file = None
        self._lines.clear()

    @property
    def _aside(self) -> Path:
        # A name of its own: a process that was thought dead, on whichever machine, may write the same segment.
        return Path(self._landing.files.path(f".{stem(self.part, self.first)}.{self._owner}.part"))

    def _part(self) -> BinaryIO:
        if self._file is None:
            self._aside.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._aside.open("wb")
        return self._file


def as_line(value: bytes) -> bytes:
    """Return a record as one line: in JSON, a line break between two words means as much as a space."""
    return value.translate(_SPACED) if b"\n" in value or b"\r" in value else value


def sweep(landing: Landing) -> Iterator[str]:
    """Remove what killed jobs left half-written; yield the names of these files."""
    if not landing.files.is_local:
        return
    folder = Path(landing.files.path(""))
    for path in sorted(folder.glob(".*.part")) if folder.is_dir() else ():
        path.unlink(missing_ok=True)
        yield path.name


_SPACED = bytes(32 if code in b"\r\n" else code for code in range(256))
