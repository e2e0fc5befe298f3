"""Partitions: one stream, one stretch of event time in UTC. Names become paths only after validation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from beambell.config import NAME_PATTERN, Grain
from beambell.errors import ArtefactError, BeamBellError, UsageError

DT_PATTERN = r"\d{4}-\d{2}(?:-\d{2}(?:T\d{2})?)?"
_DT = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2})(?:T(\d{2}))?)?", re.ASCII)


def format_dt(moment: datetime, grain: Grain) -> str:
    """Name the partition of a moment, which must be in UTC."""
    month = f"{moment.year:04d}-{moment.month:02d}"
    if grain == "month":
        return month
    day = f"{month}-{moment.day:02d}"
    return day if grain == "day" else f"{day}T{moment.hour:02d}"


def read_dt(text: str) -> datetime | None:
    """Read a ``dt`` of any grain as the first instant of its partition, in UTC; ``None`` if it is none."""
    match = _DT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour = match.groups()
    try:
        return datetime(int(year), int(month), int(day or 1), int(hour or 0), tzinfo=UTC)
    except ValueError:
        return None


@lru_cache(maxsize=10_000)
def parse_dt(text: str, grain: Grain | None = None) -> datetime:
    """Read a partition's ``dt``, strictly.

    Parameters
    ----------
    text
        ``2026-01-03T07``, ``2026-01-03`` or ``2026-01``.
    grain
        The only grain to accept; ``None`` accepts all three.

    Raises
    ------
    UsageError
        If the text is not a date of that form.
    """
    moment = read_dt(text)
    if moment is not None and (grain is None or format_dt(moment, grain) == text):
        return moment
    raise UsageError(
        f"{text!r} is not a partition's date",
        fix="write it as 2026-01-03 (day), 2026-01-03T07 (hour) or 2026-01 (month), as the stream's grain says",
    )


@dataclass(frozen=True, order=True)
class Partition:
    """One stream's records of one hour, day or month of event time.

    Attributes
    ----------
    stream, dt
        Names of the stream and of the partition in it, as ``comments`` and ``2026-01-03``.

    Raises
    ------
    UsageError
        If the stream's name cannot be a folder's, or the date is not that of an hour, a day or a month.
    """

    stream: str
    dt: str

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.stream):
            raise UsageError(f"{self.stream!r} is not a stream's name", fix=f"names match {NAME_PATTERN}")
        parse_dt(self.dt)

    def __str__(self) -> str:
        return f"{self.stream}/{self.dt}"

    @property
    def folder(self) -> str:
        """Hive-style path below an artefact's folder."""
        return f"stream={self.stream}/dt={self.dt}"

    @classmethod
    def in_folder(cls, folder: str) -> Partition | None:
        """Read a partition back from its path; ``None`` if the path names none."""
        try:
            return cls.from_folder(folder)
        except BeamBellError:
            return None

    @classmethod
    def from_folder(cls, folder: str) -> Partition:
        """Read a partition back from its path.

        Raises
        ------
        ArtefactError
            If the path does not name one.
        """
        match = re.search(rf"stream=({NAME_PATTERN})/dt=({DT_PATTERN})$", folder)
        if not match:
            raise ArtefactError("this folder does not name a partition", where=folder)
        return cls(*match.groups())


@dataclass(frozen=True)
class Selection:
    """Which partitions a command is about; empty fields select everything.

    Attributes
    ----------
    streams
        Names, or empty for all.
    start, end
        First and last ``dt``, both included. A coarser bound covers what lies within it: ``2026-01`` as ``end``
        includes ``2026-01-31``.

    Raises
    ------
    UsageError
        If the first date is after the last, or one is not a date.
    """

    streams: frozenset[str] = frozenset()
    start: str | None = None
    end: str | None = None

    def __post_init__(self) -> None:
        for bound in filter(None, (self.start, self.end)):
            parse_dt(bound)
        if self.start and self.end and self.start[: len(self.end)] > self.end:
            raise UsageError(f"--from {self.start} is after --to {self.end}", fix="swap them")

    def has_stream(self, stream: str) -> bool:
        """Whether a stream is selected."""
        return not self.streams or stream in self.streams

    def has_dt(self, dt: str) -> bool:
        """Whether a date is selected; ISO dates of any grain compare as text up to their common length."""
        after = not self.start or dt >= self.start[: len(dt)]
        return after and (not self.end or dt[: len(self.end)] <= self.end)

    def __contains__(self, partition: Partition) -> bool:
        return self.has_stream(partition.stream) and self.has_dt(partition.dt)


def days_before(dt: str, days: int) -> str:
    """Date ``days`` before a partition's, as text that compares with partitions of any grain."""
    return (parse_dt(dt) - timedelta(days=days)).date().isoformat()
