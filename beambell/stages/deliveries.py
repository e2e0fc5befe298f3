"""Deliveries: what is on record of each raw file, so that it is read once, and can be taken out again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from beambell.artefacts.kinds.records import Delivery
from beambell.config import StreamParams
from beambell.config.formats import with_format
from beambell.project import Project
from beambell.records import Code
from beambell.stages.raw_files import RawFile
from beambell.store import FileRef, Layout, Manifest, digest

Key = tuple[str, str]
"""Stream, and name of a raw file."""

ARCHIVE = "archive"
ARCHIVED_QUARANTINE = "archived_quarantine"

# What decided how files are read when files were first put on record. A parameter that came later counts when it says
# something: a data root of before is not read again for it.
_FIRST = frozenset(
    {"grain", "first", "id", "text", "time", "fields", "undated", "encoding", "delimiter", "max_text_chars"}
)
_NOT_OF_READING = frozenset({"inputs", "removed"})


def schema_digest(params: StreamParams) -> str:
    """Digest of all that decides how a stream's files are read (where they lie does not)."""
    settings = params.model_dump(mode="json", exclude_defaults=True)
    first = params.model_dump(mode="json", include=set(_FIRST))
    first["delimiter"] = params.delimiter or ","  # which it was where none was given, before it was told from the file
    later = {name: value for name, value in settings.items() if name not in _FIRST | _NOT_OF_READING}
    return digest(first | later | ({"told": False} if params.delimiter == "," else {}))


def delivery_inputs(project: Project, file: RawFile) -> dict[str, str]:
    """Digests of all that the record of a file depends on: its bytes, how they are read, the fault of its name."""
    inputs = {"file": file.sha256, "schema": schema_digest(project.params.streams[file.stream])}
    return with_format("ingest", inputs | ({"name": digest(file.fault)} if file.fault else {}))


def read_deliveries(project: Project, streams: Iterable[str]) -> dict[Key, Manifest]:
    """Read what is on record of the raw files of some streams."""
    wanted = set(streams)
    found = map(Delivery.of, project.store.under(Delivery.FOLDER).values())
    return {(one.stream, one.file): one.manifest for one in found if one.stream in wanted}


@dataclass(frozen=True)
class Archive:
    """What a file that is not there any more was, before its rows were read again under other columns.

    Attributes
    ----------
    rows, quarantine
        Rows of the file with a column ``dt``, and what was quarantined of it, as files of its record.
    partitions, quarantined, codes, problems
        Figures as in `DeliveryReport`.
    """

    rows: FileRef
    quarantine: FileRef | None
    partitions: dict[str, int]
    quarantined: int
    codes: dict[str, int]
    problems: list[str]

    @property
    def facts(self) -> dict[str, Any]:
        """As its record says it."""
        return {name: getattr(self, name) for name in ("partitions", "quarantined", "codes", "problems")}

    @property
    def files(self) -> dict[str, FileRef]:
        """By role."""
        return {ARCHIVE: self.rows, **({ARCHIVED_QUARANTINE: self.quarantine} if self.quarantine else {})}


@dataclass(frozen=True)
class DeliveryReport:
    """What reading one raw file gave.

    Attributes
    ----------
    file
        The raw file.
    records
        Records in it, good and bad.
    partitions
        Rows per ``dt``.
    quarantined
        Records that could not be read.
    problems
        Problems of the file as a whole: truncated, empty, not the format its name says.
    codes
        Quarantined records and file problems per reason.
    quarantine
        The file that holds them, if there are any.
    lost
        Bytes of the file if it could not be read to its end, or not at all; else 0.
    archive
        Former state of the file, if it is gone and its rows were read again under other columns.
    """

    file: RawFile
    records: int
    partitions: dict[str, int]
    quarantined: int
    problems: list[str]
    codes: dict[str, int]
    quarantine: FileRef | None
    lost: int = 0
    archive: Archive | None = None

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> DeliveryReport:
        """Read back what ``dataclasses.asdict`` made of a report."""
        archive = tree["archive"]
        if archive:
            archive = Archive(**{**archive, **{name: _ref(archive[name]) for name in ("rows", "quarantine")}})
        return cls(
            **{**tree, "file": RawFile(**tree["file"]), "quarantine": _ref(tree["quarantine"]), "archive": archive}
        )


def _ref(tree: dict[str, Any] | None) -> FileRef | None:
    return FileRef(**tree) if tree else None


def publish_delivery(project: Project, report: DeliveryReport) -> Manifest:
    """Record that a raw file was read, after the partitions it touched were published."""
    file = report.file
    facts = {
        "stream": file.stream,
        "file": file.name,
        "delivery": file.delivery,
        "records": report.records,
        "rows": report.records - report.quarantined,
        "quarantined": report.quarantined,
        "partitions": dict(sorted(report.partitions.items())),
        "problems": report.problems,
        "codes": dict(sorted(report.codes.items())),
    }
    if Code.FROM_THE_FUTURE in report.codes:  # only then does it matter when it was, and a copy is later
        facts["delivered"] = file.delivered
    if file.bytes is not None:
        facts |= {"bytes": file.bytes, "lost": report.lost}
    files = {"quarantine": report.quarantine} if report.quarantine else {}
    if report.archive:
        facts[ARCHIVE] = report.archive.facts
        files |= report.archive.files
    manifest = Manifest("delivery", files, delivery_inputs(project, file), facts)
    return project.store.publish(Layout.delivery(file.stream, file.name), manifest)


def withdraw_delivery(project: Project, file: RawFile) -> Manifest:
    """Record that a person took a raw file out: it has no rows, and is not read while its bytes are the same."""
    facts: dict[str, Any] = {
        "stream": file.stream,
        "file": file.name,
        "delivery": file.delivery,
        "records": 0,
        "rows": 0,
        "quarantined": 0,
        "partitions": {},
        "problems": [],
        "codes": {},
        "bytes": file.bytes or 0,
        "lost": 0,
        "withdrawn": True,
    }
    manifest = Manifest("delivery", {}, {"file": file.sha256}, facts)
    return project.store.publish(Layout.delivery(file.stream, file.name), manifest)


def forget_delivery(project: Project, key: Key) -> None:
    """Take a raw file off the record, as if it had never been delivered."""
    project.store.withdraw(Layout.delivery(*key))
