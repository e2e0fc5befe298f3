"""Files of what people said: which are new, and how they are taken in, as batches that never change."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa

from beambell.config.formats import with_format
from beambell.errors import ArtefactError, InputError
from beambell.feedback.batches import batch_folder, publish_batch, read_batches
from beambell.feedback.events import CheckedEvents, check_events
from beambell.project import Project
from beambell.records.chunk import Chunk
from beambell.records.schema import Code, Reject
from beambell.stages.sources import FileDigests, SourceFile, glob_files, landed
from beambell.store import Layout, Manifest, digest
from beambell.store.manifest import FILE_NAME
from beambell.store.partition import read_dt
from beambell.store.reaching import open_file

ZIP: Final = ".zip"
_OF_ALL: Final = frozenset({"all", "unknown"})
"""Files of a ZIP that are of no user in particular."""
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
TOLERANCE: Final = timedelta(days=2)
"""By which a clock may be ahead of another's, its time zone included."""

NewFile = tuple[SourceFile, dict[str, str]]
"""A file, and the inputs of the batch that is made from it."""


@dataclass(frozen=True)
class NewFiles:
    """Files of events.

    Attributes
    ----------
    files
        Files that were not taken in yet, in order.
    known
        Number of files that were.
    batches
        Manifests of all batches that were ever taken in, by folder.
    """

    files: tuple[NewFile, ...]
    known: int
    batches: Mapping[str, Manifest]


def digests_of_files(project: Project) -> dict[str, str]:
    """Digests of the files of ``feedback.inputs``, by name."""
    digests = FileDigests(project)
    found = {
        file.name: digests.of(file)
        for pattern in _patterns(project)
        for file in glob_files(project.path, pattern, "feedback.inputs")
    }
    digests.save()
    return found


def _patterns(project: Project) -> tuple[str, ...]:
    return (*project.params.feedback.inputs, *landed(project, Layout.LANDED_FEEDBACK))


def find_new(project: Project) -> NewFiles:
    """Compare the files of ``feedback.inputs`` with the batches there are.

    Raises
    ------
    ArtefactError
        If a batch is missing that the consensus was made with.
    """
    batches = read_batches(project.store)
    found: dict[str, NewFile] = {}
    known = set()
    digests = FileDigests(project)
    for pattern in _patterns(project):
        for file in glob_files(project.path, pattern, "feedback.inputs"):
            inputs = file_inputs(project, digests.of(file))
            if batch_folder(inputs) in batches:
                known.add(file.name)
            else:
                found.setdefault(batch_folder(inputs), (file, inputs))
    digests.save()
    _check_all_there(project, {*batches, *found})
    return NewFiles(tuple(sorted(found.values(), key=lambda item: item[0].name)), len(known), batches)


def _check_all_there(project: Project, batches: Collection[str]) -> None:
    """Refuse to go on without what people said: a batch that was once counted is never removed."""
    counted = project.store.read(Layout.FEEDBACK)
    for name in counted.facts["batches"] if counted else ():
        place = f"{Layout.FEEDBACK_BATCHES}/{name}"
        if place not in batches and project.store.read(place) is None:  # else it was read anew since
            raise ArtefactError(
                "this batch of feedback is missing, though the consensus was made with it",
                where=project.store.files.path(place),
                fix="restore it from a backup or from DVC; or, to go on without it, remove "
                f"{Layout.FEEDBACK}/{FILE_NAME}",
            )


def unfit_inputs(project: Project) -> tuple[list[str], list[str]]:
    """Say which globs of ``feedback.inputs`` fit no file.

    Returns
    -------
    list of str
        Warnings: where other files lie in the folder that a glob names.
    list of str
        Notes: where nothing does, as long as nobody has answered.
    """
    warnings, notes = [], []
    for pattern in project.params.feedback.inputs:
        if glob_files(project.path, pattern, "feedback.inputs"):
            continue
        said = f"feedback.inputs: {pattern!r} fits no file"
        folder = project.path / pattern.rpartition("/")[0]
        others = [] if "://" in pattern or "*" in str(folder) or not folder.is_dir() else sorted(folder.iterdir())
        names = [path.name for path in others if path.is_file() and not path.name.startswith(".")]
        if names and folder != project.path:
            warnings.append(f"{said}, though {len(names):,} others lie there, such as {names[0]}; correct it")
        else:
            notes.append(f"{said} (yet)")
    return warnings, notes


def take_in(project: Project, files: Iterable[NewFile]) -> list[Manifest]:
    """Read files of events into batches; what is no event is set aside there."""
    return [_take_in(project, file, inputs) for file, inputs in files]


def _take_in(project: Project, file: SourceFile, inputs: dict[str, str]) -> Manifest:
    try:
        return publish_batch(project.store, read_file(project, file.url, file.name), inputs, file=file.name)
    except InputError as error:
        remark = Reject(None, Code.UNREADABLE, f"{error.message}; {error.fix}")
        nothing = check_events(pa.table({}), classes=project.params.classes).events
        return publish_batch(project.store, [CheckedEvents(nothing, [remark])], inputs, file=file.name)


def set_aside(batches: Iterable[Manifest]) -> Iterator[str]:
    """Say of files what became of their records, for people, unless all of them were answers."""
    for batch in batches:
        facts = batch.facts
        yield from (f"{facts['file']}: {problem}" for problem in facts["problems"])
        if facts["quarantined"] or not facts["answers"]:
            listed = "; `beambell feedback status` lists them" if facts["quarantined"] else ""
            yield f"{facts['file']}: {account(facts)}{listed}"


def account(facts: Mapping[str, Any]) -> str:
    """Word what became of the records of a file: how many are answers, and why the others are not."""
    skipped, first = facts.get("skipped", {}), facts.get("first", {})
    reasons = [f"{n:,} {reason}" for reason, n in skipped.items()]
    for code, n in facts["codes"].items() if facts["quarantined"] else ():
        where = f" ({facts['counted_by']} {first[code][0]}: {first[code][1]})" if code in first else ""
        reasons.append(f"{n:,} {code}{where}")
    answers = facts.get("answers", facts["events"])
    records = facts.get("records", answers + facts["quarantined"])
    counted = (
        f"{records:,} records: {answers:,} answers taken in, {sum(skipped.values()):,} skipped, "
        f"{facts['quarantined']:,} not understood"
    )
    return f"{counted}, because {', '.join(reasons)}" if reasons else counted


def file_inputs(project: Project, sha256: str) -> dict[str, str]:
    """Digests of what a batch is made from that is read from a file: its bytes, and how they are understood."""
    streams = sorted(project.params.streams)
    reading = digest({"classes": project.params.classes, "streams": streams})
    return with_format("batch", {"file": sha256, "reading": reading})


@dataclass(frozen=True)
class How:
    """How a file is to be read, where neither it nor its name says so.

    Attributes
    ----------
    defaults
        Meaning of an empty cell, by column.
    file_format
        Name of the format, one of `beambell.feedback.reading.FORMATS`.
    theirs
        Class that each word of another tool means.
    id_field, label_field
        Names of the fields that hold the id of a row, and the answer.
    delimiter
        Character between the columns of CSV.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    file_format: str | None = None
    theirs: Mapping[str, str] = field(default_factory=dict)
    id_field: str | None = None
    label_field: str | None = None
    delimiter: str | None = None

    def asked(self, inputs: Mapping[str, str]) -> str:
        """Give the digest of what is asked of a file, whatever its words mean."""
        file = {name: value for name, value in inputs.items() if name != "how"}
        return digest({**file, **replace(self, theirs={}).inputs()})

    def inputs(self) -> dict[str, str]:
        """Give the digest of it, if anything is said."""
        told = {"id_field": self.id_field, "label_field": self.label_field, "delimiter": self.delimiter}
        said: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
        if self.theirs:
            said["theirs"] = dict(self.theirs)
        if not (said or self.defaults or self.file_format):
            return {}
        return {"how": digest({**self.defaults, "format": self.file_format, **said})}


def read_file(project: Project, url: str, name: str, how: How = How()) -> Iterator[CheckedEvents]:
    """Read a file of events part by part.

    Parameters
    ----------
    url, name
        URL to open, and name that messages call the file by.
    how
        Manner in which the file is read.

    Raises
    ------
    InputError
        If its format is unknown.
    """
    with open_file(url, where=name) as source:
        if name.lower().endswith(ZIP):
            yield from _read_archive(project, source, name, how)
        else:
            yield from _read_source(project, source, name, how)


def _read_source(project: Project, source: BinaryIO, name: str, how: How) -> Iterator[CheckedEvents]:
    from beambell.feedback.answers import Reading
    from beambell.feedback.reading import read_parts

    params, latest = project.params, last_moment(project)
    reading = Reading(tuple(params.classes), how.theirs, how.id_field, how.label_field)

    def checked(chunk: Chunk) -> CheckedEvents:
        return check_events(
            chunk, classes=params.classes, streams=list(params.streams), defaults=how.defaults, latest=latest
        )

    for part in read_parts(source, name=name, reading=reading, file_format=how.file_format, delimiter=how.delimiter):
        yield replace(checked(part.answers), skipped=part.skipped, counted_by=part.counted_by)
        if len(part.taken_back.lines):
            # Who only looked at a row need not be named: without, it stays skipped, and is no event.
            looked = checked(part.taken_back).events
            yield CheckedEvents(looked, [], taken_back=looked.num_rows, counted_by=part.counted_by)


def _read_archive(project: Project, source: BinaryIO, name: str, how: How) -> Iterator[CheckedEvents]:
    """Read the files in a ZIP, as doccano has one for each user: its name is who answered, if nothing else says it."""
    nothing = check_events(pa.table({}), classes=project.params.classes).events
    try:
        archive = zipfile.ZipFile(source)
        members = [one for one in archive.infolist() if not one.is_dir() and "__MACOSX" not in one.filename]
    except zipfile.BadZipFile as error:
        raise InputError(f"not a whole ZIP ({error})", where=name, fix="export it again") from None
    for member in members:
        stem = PurePosixPath(member.filename).stem
        who = {} if stem in _OF_ALL else {"reviewer": stem}
        try:
            with archive.open(member) as inner:
                mine = replace(how, defaults=who | dict(how.defaults))
                for part in _read_source(project, cast(BinaryIO, inner), member.filename, mine):
                    told = [replace(one, message=f"{member.filename}: {one.message}") for one in part.rejects]
                    yield replace(part, rejects=told)
        except (InputError, *_BROKEN) as error:
            message = f"{member.filename}: {error.message if isinstance(error, InputError) else error}; export it again"
            yield CheckedEvents(nothing, [Reject(None, Code.UNREADABLE, message)])


def last_moment(project: Project) -> datetime:
    """Give the moment after which nobody can have said anything: now, or the newest rows' day, and `TOLERANCE`."""
    newest = max((partition.dt for partition in project.store.partitions(Layout.PARTITIONS)), default="")
    now = datetime.now(UTC)
    return max(now, (read_dt(newest) if newest else None) or now) + TOLERANCE
