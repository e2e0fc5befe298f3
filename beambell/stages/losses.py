"""Losses: what was delivered, and what of it never became a row, counted where it belongs.

A file belongs to the partition of its date of delivery, or to the one that most of its rows are of. One that gave no
row and has no date belongs to none; it is counted for its stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from beambell.artefacts.kinds.records import Delivery
from beambell.project import Project
from beambell.records import Code
from beambell.stages.raw_files import name_pattern
from beambell.stages.stage import some_of
from beambell.store import Manifest, Partition, Selection


@dataclass
class Delivered:
    """Files that belong together.

    Attributes
    ----------
    files, bytes
        Number of files, and their size in bytes; 0 for files that were put on record before sizes were.
    quarantined
        Records that could not be read.
    lost
        Bytes of the files that could not be read to their end, or not at all.
    lost_files
        Names of files that were lost, with the reason.
    misnamed
        Names of the files that were not looked into because of their name.
    unreadable
        Whether a file is among them that gave no row, though it is not empty.
    """

    files: int = 0
    bytes: int = 0
    quarantined: int = 0
    lost: int = 0
    lost_files: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)
    unreadable: bool = False

    def add(self, delivery: Delivery) -> None:
        """Count one file."""
        self.files += 1
        self.bytes += delivery.bytes or 0
        self.quarantined += delivery.quarantined
        self.unreadable |= _gave_nothing(delivery)
        if Code.MISNAMED in delivery.codes:
            self.misnamed.append(delivery.file)
        elif delivery.lost:
            self.lost += delivery.lost
            codes = ", ".join(f"{count} {code}" if count > 1 else code for code, count in delivery.codes.items())
            self.lost_files.append(f"{delivery.file} ({codes})")


@dataclass(frozen=True)
class Losses:
    """All that was delivered to some streams.

    Attributes
    ----------
    partitions
        Files that belong to each partition.
    homeless
        Files that belong to no partition, by stream.
    bytes
        Number of bytes of all files, by stream.
    """

    partitions: dict[Partition, Delivered]
    homeless: dict[str, Delivered]
    bytes: dict[str, int]

    @property
    def unreadable(self) -> set[Partition]:
        """Partitions of which a file was delivered that gave no row."""
        return {partition for partition, delivered in self.partitions.items() if delivered.unreadable}


def find_losses(project: Project, deliveries: Iterable[Manifest]) -> Losses:
    """Count what was delivered to the project's streams.

    Partitions before a stream's ``first`` are none of its own: nothing is expected of what was delivered for them.
    """
    found = Losses({}, {}, dict.fromkeys(project.params.streams, 0))
    for delivery in map(Delivery.of, deliveries):
        stream = delivery.stream
        if stream not in found.bytes or delivery.is_withdrawn:
            continue
        found.bytes[stream] += delivery.bytes or 0
        home, first = _home(delivery), project.params.streams[stream].first
        if home is None:
            found.homeless.setdefault(stream, Delivered()).add(delivery)
        elif first is None or home >= first:
            found.partitions.setdefault(Partition(stream, home), Delivered()).add(delivery)
    return found


def refused_streams(project: Project, losses: Losses, selection: Selection) -> dict[str, str]:
    """Say which of the selected streams lost more than the gate allows in files that belong to no partition."""
    bound, lost = project.params.gate.max_lost, {}
    for stream, delivered in losses.homeless.items():
        share = delivered.lost / losses.bytes[stream] if delivered.lost else 0.0
        if share > bound and selection.has_stream(stream):
            lost[stream] = (
                f"the share of bytes in files that could not be read, and belong to no partition, is {share:.6g}; "
                f"it must be at most {bound:.6g}: {some_of(delivered.lost_files)}"
            )
    return lost


def doubtful_streams(project: Project, deliveries: Iterable[Manifest], selection: Selection) -> tuple[str, ...]:
    """Say which of the selected streams have patterns without a file on record, and files with a wrong name."""
    names: dict[str, list[str]] = {stream: [] for stream in project.params.streams if selection.has_stream(stream)}
    misnamed: dict[str, list[str]] = {stream: [] for stream in names}
    for delivery in map(Delivery.of, deliveries):
        if delivery.stream in names:
            names[delivery.stream].append(delivery.file)
            if Code.MISNAMED in delivery.codes:
                misnamed[delivery.stream].append(delivery.file)
    lost = []
    for stream, found in names.items():
        patterns = project.params.streams[stream].inputs
        unfit = [pattern for pattern in patterns if not any(map(name_pattern(pattern).search, found))]
        if not found:
            lost.append(f"stream {stream}: no file of it is on record; its inputs are {some_of(patterns)}")
        elif unfit:
            lost.append(f"stream {stream}: no file on record fits {some_of(unfit)} of its inputs")
        if misnamed[stream]:
            count = len(misnamed[stream])
            lost.append(
                f"stream {stream}: {count} files have a wrong name, and are not read: {some_of(misnamed[stream])}"
            )
    return tuple(lost)


def _home(delivery: Delivery) -> str | None:
    per_dt, date = delivery.partitions, delivery.delivery
    if date in per_dt or not per_dt:
        return str(date) if date else None
    return str(max(sorted(per_dt), key=per_dt.__getitem__))


def _gave_nothing(delivery: Delivery) -> bool:
    return not delivery.partitions and bool(delivery.quarantined or delivery.problems)
