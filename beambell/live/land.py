"""Micro-batches without a running job: what a source has is landed, exactly once, and the command ends."""

from __future__ import annotations

import time
from dataclasses import dataclass

from beambell.errors import LiveError
from beambell.live.reader import PartReader
from beambell.live.segments import Landing
from beambell.live.supervisor import running
from beambell.live.worker import open_source
from beambell.project import Project


@dataclass(frozen=True)
class Landed:
    """What was landed of a stream.

    Attributes
    ----------
    stream
        Name of the stream.
    records
        Number of records.
    segments
        Number of new files.
    partitions
        Number of rows by the date of their partition.
    lost
        Number of records that the source no longer had.
    """

    stream: str
    records: int
    segments: int
    partitions: dict[str, int]
    lost: int = 0


def land(project: Project, stream: str, most_s: float = 3600.0) -> Landed:
    """Land all that the source of a stream has now.

    Raises
    ------
    LiveError
        If a live job of the project is at work, or the stream has no source.
    LiveSourceError
        If the source is away; what was landed before stays.
    """
    if running(project) is not None:
        raise LiveError("a live job of this project is at work: it lands by itself", fix="`beambell live stop` ends it")
    told = project.params.live.streams.get(stream)
    if told is None:
        raise LiveError(
            f"stream {stream!r} has no live source", where="live.streams in params.yaml", fix="name its topic or folder"
        )
    source = open_source(project, told)
    landing, live = Landing(project.store, stream), project.params.live
    ends = {part: source.bounds(part)[1] for part in source.parts()}
    records, segments, lost, partitions = 0, 0, 0, dict[str, int]()
    deadline = time.monotonic() + most_s
    try:
        for part, end in ends.items():
            reader = PartReader(source, landing, stream, part, project.params.streams[stream], live, replays=False)
            while (reader.offset is None or reader.offset < end) and time.monotonic() < deadline:
                before = reader.offset
                for batch in reader.poll(wait_s=0.5):
                    if batch.error:
                        source.read(part, batch.first, 1, 0.0)  # raises what it said
                    lost += batch.lost
                if reader.offset == before:
                    break  # the last line has no end yet
            reader.land()
            for segment in reader.landed:
                segments, records = segments + 1, records + segment.records
                for dt, rows in segment.partitions.items():
                    partitions[dt] = partitions.get(dt, 0) + rows
    finally:
        source.close()
    return Landed(stream, records, segments, dict(sorted(partitions.items())), lost)
