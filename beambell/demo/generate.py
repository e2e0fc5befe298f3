"""Generates the demo's data set: files of raw records, and beside them the gold labels nobody trains on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from beambell.demo.authors import Crowd
from beambell.demo.campaigns import CAMPAIGNS
from beambell.demo.delivery import Arrival, deliver
from beambell.demo.formats import FORMATS
from beambell.demo.rng import Rng
from beambell.demo.writing import COMMENTS, FIRST_DAY, HAM, MESSAGES, SPAM, StreamSpec, Writer
from beambell.errors import UsageError

__all__ = ["FIRST_DAY", "HAM", "SPAM", "STREAMS", "Summary", "generate"]

STREAMS = (COMMENTS.name, MESSAGES.name)

# The format of each day of the week since the first day.
WEEK = {
    COMMENTS.name: ("csv", "csv", "csv", "csv", "parquet", "csv", "csv"),
    MESSAGES.name: ("jsonl", "jsonl", "jsonl.gz", "jsonl", "jsonl", "parquet", "jsonl.gz"),
}


@dataclass
class Summary:
    """What was generated, in counts.

    Attributes
    ----------
    files
        Raw files, relative to the root, in the order of their paths.
    rows
        Records in them, broken ones included.
    spam
        Records whose hidden label is spam, among those that can be read.
    late
        Records of an earlier day than their file's, those that come again included.
    again
        Records delivered before: comments with an edited text, messages as they were.
    broken
        Records that cannot be read.
    """

    files: list[str] = field(default_factory=list)
    rows: int = 0
    spam: int = 0
    late: int = 0
    again: int = 0
    broken: int = 0

    def add(self, arrival: Arrival) -> None:
        """Count one record."""
        self.rows += 1
        self.spam += arrival.row.label == SPAM and not arrival.broken
        self.late += arrival.days_late > 0
        self.again += arrival.again
        self.broken += arrival.broken


def generate(root: Path, *, gold: Path | None = None, seed: int = 2026, scale: float = 1.0, days: int = 14) -> Summary:
    """Write the raw files of both streams and the gold labels.

    Equal arguments give equal bytes. A file that is already there with the same bytes is left alone, and a longer
    run begins with the files of a shorter one, as if time had gone on.

    Parameters
    ----------
    root
        Folder of the raw files: ``comments/2026-01-01.csv``, ``messages/2026-01-01.jsonl`` and so on. Other files
        in it are not touched.
    gold
        Parquet file of the hidden labels; ``gold/gold.parquet`` beside ``root`` by default. Columns: ``stream``,
        ``id`` (null for messages, which have none), ``file`` (relative to ``root``), ``line`` (1-based, where the
        record begins; in Parquet its row), ``label`` (int8, 0 ham, 1 spam). One row per readable record.
    seed
        Seed of all that is drawn; another gives another data set.
    scale
        Multiplies the number of rows (about 100,000 in a fortnight at 1) and of accounts.
    days
        Number of days from 2026-01-01 on; the campaigns repeat every fortnight.

    Raises
    ------
    UsageError
        If ``scale`` or ``days`` is not positive.
    """
    if not 0 < scale < float("inf") or days < 1:
        raise UsageError(
            f"cannot generate {days} days at scale {scale}", fix="days must be at least 1 and scale above 0"
        )
    crowd = Crowd(seed, scale, (campaign.name for campaign in CAMPAIGNS))
    summary, truth = Summary(), _Gold()
    for spec in (COMMENTS, MESSAGES):
        for path, arrivals in _files(spec, crowd, seed, scale, days):
            content, lines = FORMATS[path.partition(".")[2]](arrivals, Rng(seed, "damage", path))
            _write(root / path, content)
            summary.files.append(path)
            for arrival, line in zip(arrivals, lines, strict=True):
                summary.add(arrival)
                truth.add(spec.name, path, line, arrival)
    _write(gold or root.parent / "gold" / "gold.parquet", truth.to_bytes())
    return summary


def _files(spec: StreamSpec, crowd: Crowd, seed: int, scale: float, days: int) -> Iterator[tuple[str, list[Arrival]]]:
    """Yield the relative path and the records of each file of a stream."""
    deliveries = deliver(Writer(spec, crowd, seed, scale), Rng(seed, "delivery", spec.name), days)
    for day, arrivals in enumerate(deliveries):
        date = (FIRST_DAY + timedelta(days=day)).date().isoformat()
        yield f"{spec.name}/{date}.{WEEK[spec.name][day % 7]}", arrivals


class _Gold:
    """The gold labels, column by column."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str | None, str, int, int]] = []

    def add(self, stream: str, file: str, line: int, arrival: Arrival) -> None:
        if not arrival.broken:
            row = arrival.row
            self._rows.append((stream, row.fields.get("comment_id"), file, line, row.label))

    def to_bytes(self) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = (pa.string(), pa.string(), pa.string(), pa.int64(), pa.int8())
        names = ("stream", "id", "file", "line", "label")
        columns = zip(*self._rows, strict=True) if self._rows else ((),) * len(names)
        arrays = [pa.array(column, type_) for column, type_ in zip(columns, types, strict=True)]
        sink = io.BytesIO()
        pq.write_table(pa.table(arrays, names=names), sink, compression="none")
        return sink.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Replace a file atomically, unless it holds these bytes already."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name is always the same, so what a killed run left behind is overwritten by the next.
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
