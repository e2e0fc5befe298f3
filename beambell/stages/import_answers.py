"""Answers that are taken in by hand: files wherever they are, read as the command line says."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.artefacts.kinds.feedback import Batch
from beambell.errors import InputError
from beambell.feedback.batches import (
    batch_folder,
    publish_batch,
    read_batches,
    read_events,
    read_quarantine,
    take_turn,
)
from beambell.feedback.events import EVENTS_SCHEMA
from beambell.feedback.imported import Imported, NotUnderstood
from beambell.project import Project
from beambell.stages.feedback_files import How, file_inputs, read_file
from beambell.stages.row_index import RowIndex
from beambell.store import Layout, Manifest

REJECTS_SHOWN = 10


def import_file(project: Project, path: Path, how: How = How()) -> Imported:  # noqa: B008 - frozen
    """Take in a file of events, wherever it is.

    Parameters
    ----------
    how
        Way to read it.

    Raises
    ------
    InputError
        If there is no such file, or its format is unknown.
    """
    with project.writing():
        importer = _Importer(project, how)
        taken = importer.take(path)
        return importer.account(taken, set(_unknown_rows(project, taken.events)))


def import_files(project: Project, paths: Sequence[Path], how: How = How()) -> list[Imported]:  # noqa: B008 - frozen
    """Take in files of events, and all files in folders; one that cannot be read does not keep the others out.

    Raises
    ------
    InputError
        If there is only one file, and it cannot be read; or none.
    """
    files = [file for path in paths for file in (_files_in(path) if path.is_dir() else [path])]
    if not files:
        where = ", ".join(map(str, paths))
        raise InputError("there is no file in the folder", where=where, fix="check the name")
    if len(files) == 1:
        return [import_file(project, files[0], how)]
    with project.writing():
        importer = _Importer(project, how)
        taken = [importer.take_or_tell(file) for file in files]
        events = [one.events for one in taken if isinstance(one, _Taken)]
        unknown = set(_unknown_rows(project, pa.concat_tables([EVENTS_SCHEMA.empty_table(), *events])))
        return [importer.account(one, unknown) if isinstance(one, _Taken) else one for one in taken]


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


@dataclass(frozen=True)
class _Taken:
    """A file that was taken in.

    Attributes
    ----------
    name, folder, batch, events
        Name of the file, folder and manifest of its batch, and the events in it.
    new
        Whether it was not taken in before.
    repeated, replaced
        Events that were there already; answers that do not count any more.
    """

    name: str
    folder: str
    batch: Manifest
    events: pa.Table
    new: bool
    repeated: int
    replaced: int


class _Importer:
    """Takes files in, one after the other, without reading all that is there for each."""

    def __init__(self, project: Project, how: How) -> None:
        self._project, self._how = project, how
        self._counting = read_batches(project.store)
        self._turns: defaultdict[str, dict[str, Manifest]] = defaultdict(dict)
        for folder, batch in project.store.under(Layout.FEEDBACK_BATCHES).items():
            self._turns[Batch.of(batch).asked][folder] = batch
        self._known = Counter(read_events(project.store, self._counting)["event_id"].to_pylist())

    def take_or_tell(self, path: Path) -> _Taken | Imported:
        """Take a file in, or say why it cannot be."""
        try:
            return self.take(path)
        except InputError as error:
            problem = f"{error.message}; {error.fix}"
            return Imported(path.name, True, 0, 0, 0, 0, 0, 0, (problem,), {}, (), (), 0, (), "line", 0)

    def take(self, path: Path) -> _Taken:
        """Take a file in."""
        project, store, path = self._project, self._project.store, path.resolve()
        if not path.is_file():
            raise InputError("there is no such file", where=str(path), fix="check the name")
        name = path.relative_to(project.path).as_posix() if path.is_relative_to(project.path) else path.name
        with path.open("rb") as file:
            inputs = file_inputs(project, hashlib.file_digest(file, "sha256").hexdigest()) | self._how.inputs()
        folder, asked = batch_folder(inputs), self._how.asked(inputs)
        new = folder not in self._counting
        turns = self._turns[asked]
        turn, replaced = take_turn(store, turns, inputs)
        facts = {"asked": asked, "turn": turn}
        batch = publish_batch(store, read_file(project, str(path), name, self._how), inputs, file=name, facts=facts)
        events = read_events(store, {folder: batch})
        ids = events["event_id"].to_pylist()
        repeated = sum(map(self._known.__contains__, ids)) if new else 0
        if new:
            self._known.update(ids)
        turns[folder] = self._counting[folder] = batch
        return _Taken(name, folder, batch, events, new, repeated, sum(Batch.of(one).answers for one in replaced))

    def account(self, taken: _Taken, unknown: set[str]) -> Imported:
        """Say what became of a file's records."""
        batch, quarantine = Batch.of(taken.batch), read_quarantine(self._project.store, {taken.folder: taken.batch})
        rejects = quarantine.filter(quarantine["line"].is_valid()).select(["line", "code", "message"])
        counts = Counter(rejects["code"].to_pylist())
        first = {code: rejects.filter(pc.equal(rejects["code"], code)).slice(0, 1).to_pylist()[0] for code in counts}
        mine = [row for row in _rows_of(taken.events) if row in unknown]
        return Imported(
            file=taken.name,
            new=taken.new,
            records=batch.records,
            answers=batch.answers,
            skipped=sum(batch.skipped.values()),
            not_understood=batch.quarantined,
            events=batch.events,
            quarantined=batch.quarantined,
            problems=batch.problems,
            skipped_because=batch.skipped,
            not_understood_because=tuple(
                NotUnderstood(code, n, first[code]["line"], first[code]["message"]) for code, n in counts.most_common()
            ),
            rejects=tuple((one["line"], one["message"]) for one in rejects.slice(0, REJECTS_SHOWN).to_pylist()),
            unknown=len(mine),
            unknown_rows=tuple(mine[:REJECTS_SHOWN]),
            counted_by=batch.counted_by,
            repeated=taken.repeated,
            replaced=taken.replaced,
        )


def _rows_of(events: pa.Table) -> list[str]:
    """Name the rows that events speak of, each once, in order."""
    rows = events.filter(events["row_id"].is_valid())
    return sorted(set(pc.binary_join_element_wise(rows["stream"], rows["row_id"], "/").to_pylist()))


def _unknown_rows(project: Project, events: pa.Table) -> list[str]:
    """List the rows that events speak of and no partition has, in order."""
    of_rows = events.filter(events["row_id"].is_valid()).group_by(["stream", "row_id"]).aggregate([])
    index, unknown = RowIndex(project), []
    for stream in sorted(set(of_rows["stream"].to_pylist())):
        ids = of_rows.filter(pc.equal(of_rows["stream"], stream))["row_id"].combine_chunks()
        there = np.zeros(len(ids), bool)
        for _, positions in index.find({stream: ids}):
            there[positions] = True
        unknown += [f"{stream}/{row}" for row in sorted(ids.filter(pa.array(~there)).to_pylist())]
    return unknown
