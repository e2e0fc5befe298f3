"""Collect: takes in new files of what people said, as batches that never change.

It looks at nothing but the files, and so can be done before any labeling function votes. The stage `feedback` begins
with it, and so does `aggregate` if a labeling function votes by what people said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa

from beambell.config.formats import with_format
from beambell.errors import ArtefactError, InputError
from beambell.feedback.batches import batch_folder, publish_batch, read_batches
from beambell.feedback.events import CheckedEvents, check_events
from beambell.project import Project
from beambell.records.schema import Code, Reject
from beambell.steps.outside import FileDigests, Found, glob_files
from beambell.steps.stage import Outcome, Plan, Task
from beambell.store import Layout, Manifest, Selection, digest
from beambell.store.manifest import FILE_NAME

STAGE = "collect"

NewFile = tuple[Found, dict[str, str]]
"""A file, and the inputs of the batch that is made from it."""


@dataclass(frozen=True)
class NewFiles:
    """Files of events.

    Attributes
    ----------
    files
        Those that were not taken in yet, in order.
    known
        How many were.
    batches
        All that was ever taken in, by folder.
    """

    files: tuple[NewFile, ...]
    known: int
    batches: Mapping[str, Manifest]


def plan(project: Project, selection: Selection) -> Plan:  # noqa: ARG001 - a file speaks of any partition
    """Say which files would be taken in."""
    new = find_new(project)
    return Plan(STAGE, tuple(Task(file.name, "new file") for file, _ in new.files), new.known)


def run(project: Project, selection: Selection) -> Outcome:  # noqa: ARG001
    """Take in new files."""
    with project.writing():
        new = find_new(project)
        batches = take_in(project, new.files)
    figures = {"events": sum(batch.facts["events"] for batch in batches)}
    return Outcome(STAGE, len(batches), new.known, figures, tuple(set_aside(batches)))


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
    for pattern in project.params.feedback.inputs:
        for file in glob_files(project.path, pattern):
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
    for folder in (Layout.FEEDBACK, Layout.ANSWERS):
        counted = project.store.read(folder)
        for name in counted.facts["batches"] if counted else ():
            place = f"{Layout.FEEDBACK_BATCHES}/{name}"
            if place not in batches:
                raise ArtefactError(
                    f"this batch of feedback is missing, though {folder} was made with it",
                    where=project.store.files.path(place),
                    fix=f"restore it from a backup or from DVC; or, to go on without it, remove {folder}/{FILE_NAME}",
                )


def take_in(project: Project, files: Iterable[NewFile]) -> list[Manifest]:
    """Read files of events into batches; what is no event is set aside there."""
    return [_take_in(project, file, inputs) for file, inputs in files]


def _take_in(project: Project, file: Found, inputs: dict[str, str]) -> Manifest:
    try:
        return publish_batch(project.store, read_file(project, file.url, file.name), inputs, file=file.name)
    except InputError as error:
        remark = Reject(None, Code.UNREADABLE, f"{error.message}; {error.fix}")
        nothing = check_events(pa.table({}), classes=project.params.classes).events
        return publish_batch(project.store, [CheckedEvents(nothing, [remark])], inputs, file=file.name)


def set_aside(batches: Iterable[Manifest]) -> Iterator[str]:
    """Say what of the files was no event, for people."""
    for batch in batches:
        facts = batch.facts
        yield from (f"{facts['file']}: {problem}" for problem in facts["problems"])
        if facts["quarantined"]:
            why = ", ".join(f"{n} {code}" for code, n in facts["codes"].items())
            yield (
                f"{facts['file']}: {facts['quarantined']} events were set aside ({why}), {facts['events']} taken in; "
                "`beambell feedback status` lists them"
            )


def file_inputs(project: Project, sha256: str) -> dict[str, str]:
    """Digests of what a batch is made from that is read from a file: its bytes, and how they are understood."""
    streams = sorted(project.params.streams)
    return with_format(
        STAGE, {"file": sha256, "reading": digest({"classes": project.params.classes, "streams": streams})}
    )


def consensus_inputs(project: Project, batches: Mapping[str, Manifest]) -> dict[str, str]:
    """Digests of what a consensus is made from: all that was said, and how it is understood."""
    params = project.params.feedback.model_dump(mode="json", exclude={"inputs", "queue"})
    return {
        "events": digest(sorted(batches)),
        "params": digest({**params, "classes": project.params.classes}),
    }


def read_file(
    project: Project, url: str, name: str, *, defaults: dict[str, Any] | None = None, file_format: Any = None
) -> Iterator[CheckedEvents]:
    """Read a file of events part by part.

    Parameters
    ----------
    url, name
        Where it is, and what messages call it.
    defaults
        Column -> what an empty cell of it means.
    file_format
        If its name does not tell.

    Raises
    ------
    InputError
        If its format is unknown.
    """
    from beambell.feedback import interchange

    params = project.params
    with fsspec.open(url, "rb") as source:
        for chunk in interchange.read_events(source, name=name, file_format=file_format).chunks:
            yield check_events(chunk, classes=params.classes, streams=list(params.streams), defaults=defaults)
