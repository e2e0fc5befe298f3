"""Ingest, the driver's side: which raw files are new, changed or gone, and which partitions are to be made again.

What a partition was made from and what is on record of the raw files must say the same (`beambell.artefacts.books`),
whatever happened: a crash between the two, a file that was corrected, renamed or removed meanwhile. A partition that
differs is made again from its files. The choice among revisions is a maximum, so files may come in any order, as often
as they like, and what is merely new is merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from beambell.artefacts import books
from beambell.artefacts.books import Difference, made_from
from beambell.artefacts.kinds.records import Delivery, Rows
from beambell.config.formats import FORMAT_CHANGED, has_other_format
from beambell.errors import ArtefactError, BeamBellError, InputError
from beambell.project import Project
from beambell.stages.deliveries import ARCHIVE, Key, delivery_inputs, read_deliveries, schema_digest
from beambell.stages.partitions import stale_labels
from beambell.stages.raw_files import RawFile, RawFiles, list_raw_files
from beambell.stages.stage import Plan, Task, some_of
from beambell.store import Layout, Manifest, Partition, Selection

STAGE = "ingest"
FEWEST_LOST = 2
"""From so many files on, all of a stream that are gone at once are taken for a folder that is not there."""


@dataclass(frozen=True)
class Withdrawal:
    """A raw file whose rows are taken out.

    Attributes
    ----------
    stream, file
        Stream and name of the file.
    rows, partitions
        Number of records that it had, and of partitions with them.
    why
        ``removed``, or ``withdrawn`` by a person.
    """

    stream: str
    file: str
    rows: int
    partitions: int
    why: str

    def __str__(self) -> str:
        return f"{self.why}: {self.file}, {self.rows:,} rows in {self.partitions} partitions"


@dataclass(frozen=True)
class IngestWork:
    """What one run of ingest reads and rebuilds.

    Attributes
    ----------
    files
        Raw files to read.
    rebuild
        Partitions to be made again from their sources, because one changed under its old name, is gone, or is not
        what is on record.
    withdrawn
        Raw files whose rows are taken out.
    gone
        Keys of those files that go off the record.
    tasks
        Tasks that tell all of it to people.
    current
        Raw files that need no reading.
    warnings
        Sentences about what is wrong, but keeps nothing from being done.
    refused
        Reasons why nothing is done of some streams.
    notes
        Sentences about what holds until somebody says otherwise.
    """

    files: tuple[RawFile, ...] = ()
    rebuild: tuple[Partition, ...] = ()
    withdrawn: tuple[Withdrawal, ...] = ()
    gone: tuple[Key, ...] = ()
    tasks: tuple[Task, ...] = ()
    current: int = 0
    warnings: tuple[str, ...] = ()
    refused: tuple[BeamBellError, ...] = ()
    notes: tuple[str, ...] = ()


def plan(project: Project, selection: Selection) -> Plan[IngestWork]:
    """Say which raw files would be read, and why, and what would be taken out."""
    work = find_work(project, selection)
    tasks = (*work.tasks, *(Task(error.where or "streams", error.message) for error in work.refused))
    return Plan(STAGE, tasks, work.current, notes=work.notes, warnings=work.warnings, work=work)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    streams = {name: params.model_dump(mode="json") for name, params in project.params.streams.items()}
    return {"files": {file.name: file.sha256 for file in list_raw_files(project, project.select())}, "streams": streams}


def find_work(project: Project, selection: Selection) -> IngestWork:
    """Compare the raw files that are there, the deliveries on record and the partitions.

    Of files that the selection leaves out, what is on record holds.
    """
    streams = [stream for stream in project.params.streams if selection.has_stream(stream)]
    raw = RawFiles(project, streams)
    known, partitions = read_deliveries(project, streams), project.store.partitions(Layout.PARTITIONS)
    searches = (_Search(project, stream, selection, raw, known, partitions) for stream in sorted(streams))
    found = list(map(_work_of, searches))
    raw.save()
    stale = stale_labels(project, known, {p for p in partitions if p.stream in streams})
    of_nothing = [Task(str(partition), "its labels are of rows that were withdrawn") for partition in stale]
    return IngestWork(
        files=tuple(sorted((file for work in found for file in work.files), key=lambda file: file.name)),
        rebuild=tuple(partition for work in found for partition in work.rebuild),
        withdrawn=tuple(one for work in found for one in work.withdrawn),
        gone=tuple(key for work in found for key in work.gone),
        tasks=(*(task for work in found for task in work.tasks), *of_nothing),
        current=sum(work.current for work in found),
        warnings=(*raw.unfit, *(warning for work in found for warning in work.warnings)),
        refused=tuple(error for work in found for error in work.refused),
        notes=tuple(note for work in found for note in work.notes),
    )


def _work_of(search: _Search) -> IngestWork:
    """Find the work of a stream: none of one whose files nobody knows, for they might seem to be removed."""
    try:
        return search.work()
    except InputError as error:
        return IngestWork(refused=(error,))


@dataclass
class _Search:
    """What is to be done for one stream."""

    project: Project
    stream: str
    selection: Selection
    raw: RawFiles
    records: Mapping[Key, Manifest]
    everything: Mapping[Partition, Manifest]
    tasks: list[Task] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    touched: set[Partition] = field(default_factory=set)

    def work(self) -> IngestWork:
        """Find it.

        Raises
        ------
        InputError
            If its files cannot be reached, or all of them are gone.
        """
        self.raw.check_reached(self.stream)
        self.known = {name: manifest for (stream, name), manifest in self.records.items() if stream == self.stream}
        self.partitions = {p: manifest for p, manifest in self.everything.items() if p.stream == self.stream}
        self.differences = list(books.differences(self.known.values(), self.partitions))
        self.there = self.raw.names(self.stream)
        gone = {name: record for name, record in self.known.items() if self._is_gone(name, record)}
        kept = {name for name, record in gone.items() if self._is_kept(record)}
        self._check_not_all_gone(set(gone) - kept)
        files, current = self._to_read()
        withdrawn = [self._withdraw(name, gone[name], "removed") for name in sorted(set(gone) - kept)]
        withdrawn += [
            self._withdraw(name, record, "withdrawn") for name, record in self.known.items() if self._lingers(record)
        ]
        self._find_differing()
        for name in sorted(kept):
            if self._outdated(name, gone[name]):
                archived = self._archived(gone[name], self._partitions_of(gone[name]))
                files[name] = replace(archived, outdated=True)
                self.touched |= self._partitions_of(gone[name])
                self.tasks.append(Task(name, "the stream's columns in params.yaml changed; the file is archived"))
        self._add_sources(files, kept)
        self._speak_of(kept)
        return IngestWork(
            files=tuple(map(self._as_delivered, files.values())),
            rebuild=tuple(sorted(self.touched)),
            withdrawn=tuple(withdrawn),
            gone=tuple((self.stream, name) for name in sorted(set(gone) - kept)),
            tasks=tuple(self.tasks),
            current=current,
            warnings=tuple(self.warnings),
            notes=self._notes(),
        )

    # -- files that are there -----------------------------------------------------------------------------------

    def _to_read(self) -> tuple[dict[str, RawFile], int]:
        """Find the files that are new or changed, or that a partition lacks; count the others."""
        lacking = {difference.file for difference in self.differences if difference.lacking}
        files, current = {}, 0
        for file in self.raw.selected(self.selection):
            if file.stream != self.stream:
                continue
            before = self.known.get(file.name)
            reason = self._reason(before, file, is_lacking=file.name in lacking)
            if reason is None:
                current += 1
                continue
            files[file.name] = file
            self.tasks.append(Task(file.name, reason))
            # A file that changed may have dropped a record that hid an older revision: only its sources know.
            self.touched |= self._partitions_of(before) if before else set()
        return files, current

    def _as_delivered(self, file: RawFile) -> RawFile:
        """Give a file the time of its delivery that is on record of the same bytes: a copy has a later one."""
        before = self.known.get(file.name)
        is_same = before is not None and before.inputs["file"] == file.sha256 and file.delivery is None
        return replace(file, delivered=Delivery.of(before).delivered or file.delivered) if before and is_same else file

    def _reason(self, before: Manifest | None, file: RawFile, *, is_lacking: bool) -> str | None:
        if before is None:
            return "new file"
        if before.inputs["file"] != file.sha256:
            return "file changed" + (" since it was withdrawn" if Delivery.of(before).is_withdrawn else "")
        if Delivery.of(before).is_withdrawn:
            return None
        changed = self._what_changed(before, file)
        return "a partition lacks its records" if is_lacking and not changed else changed

    def _what_changed(self, before: Manifest, file: RawFile) -> str | None:
        """Say what else than its bytes has changed since a file was read."""
        inputs = delivery_inputs(self.project, file)
        if before.inputs.get("name") != inputs.get("name") or Delivery.of(before).delivery != file.delivery:
            return "what its name says changed with inputs or grain in params.yaml"
        if has_other_format(STAGE, before.inputs):
            return FORMAT_CHANGED
        return None if before.inputs == inputs else "the stream's columns in params.yaml changed"

    def _partitions_of(self, record: Manifest) -> set[Partition]:
        delivery = Delivery.of(record)
        dts = {*delivery.partitions, *(delivery.archive or {"partitions": {}})["partitions"]}
        return {Partition(self.stream, dt) for dt in dts}

    # -- files that are not --------------------------------------------------------------------------------------

    def _is_gone(self, name: str, record: Manifest) -> bool:
        delivery = Delivery.of(record).delivery
        is_selected = delivery is None or self.selection.has_dt(delivery)
        return name not in self.there and is_selected and not Delivery.of(record).is_withdrawn

    def _is_kept(self, record: Manifest) -> bool:
        """Whether the rows of a file that is gone stay.

        They also do for what was put on record when they always did, which is known by what it did not say yet: whoever
        archived files then must not lose labels by an upgrade.
        """
        return self.project.params.streams[self.stream].removed == "keep" or Delivery.of(record).bytes is None

    def _check_not_all_gone(self, gone: set[str]) -> None:
        """Take all files gone at once for a folder that is not there, unless their bytes came under other names.

        Raises
        ------
        InputError
            If it looks like that.
        """
        held = {name for name, record in self.known.items() if not Delivery.of(record).is_withdrawn}
        if not gone or len(held) < FEWEST_LOST or held & self.there:
            return
        arrived = {file.sha256 for name in self.there if (file := self.raw.get(self.stream, name))}
        if any(self.known[name].inputs["file"] in arrived for name in held):
            return
        folders = sorted({name.rpartition("/")[0] or "." for name in held})
        raise InputError(
            f"all {len(held)} raw files on record are gone at once, from {some_of(folders)}; nothing was done, "
            "and what was published stays",
            where=f"stream {self.stream}",
            fix="bring the files back (is a folder not mounted? are the inputs in params.yaml right?); or take their "
            f"rows out: beambell ingest --stream {self.stream} --withdraw '*'; or keep their rows: "
            f"streams.{self.stream}.removed: keep in params.yaml",
        )

    def _withdraw(self, name: str, record: Manifest, why: str) -> Withdrawal:
        had = [p for p, manifest in self.partitions.items() if name in made_from(manifest)]
        records = sum(made_from(self.partitions[p])[name].records for p in had)
        self.touched |= self._partitions_of(record) | set(had)
        found = Withdrawal(self.stream, name, records, len(had), why)
        self.tasks.append(Task(name, f"{why}: its {records:,} rows in {len(had)} partitions are taken out"))
        return found

    def _lingers(self, record: Manifest) -> bool:
        """Whether a person took a file out whose rows are still there."""
        name = Delivery.of(record).file
        return Delivery.of(record).is_withdrawn and any(
            name in made_from(manifest) for manifest in self.partitions.values()
        )

    # -- partitions ----------------------------------------------------------------------------------------------

    def _find_differing(self) -> None:
        """Find partitions that are not what is on record, or that hold nothing."""
        for difference in self.differences:
            record = self.known.get(difference.file)
            if difference.lacking and not (record and ARCHIVE in record.files):
                if difference.file not in self.there:
                    self.warnings.append(
                        f"{difference.partition} {difference.what}; the file is gone: bring it back, "
                        f"or take it off the record: beambell ingest --withdraw {difference.file}"
                    )
            elif difference.partition not in self.touched and self._is_selected(difference):
                self.touched.add(difference.partition)
                self.tasks.append(Task(str(difference.partition), f"it {difference.what}"))
        expected = books.on_record(self.known.values())
        schema = schema_digest(self.project.params.streams[self.stream])
        for partition, manifest in self.partitions.items():
            if partition not in self.touched and Rows.of(manifest).schema not in (None, schema):
                self.touched.add(partition)
                self.tasks.append(Task(str(partition), "it has the columns of other parameters"))
            if not (made_from(manifest) or Rows.of(manifest).rows or partition in expected):
                self.touched.add(partition)
                self.tasks.append(Task(str(partition), "it holds no record any more"))

    def _is_selected(self, difference: Difference) -> bool:
        record, file = self.known.get(difference.file), self.raw.get(self.stream, difference.file)
        delivery = file.delivery if file else Delivery.of(record).delivery if record else None
        return delivery is None or self.selection.has_dt(delivery)

    def _add_sources(self, files: dict[str, RawFile], kept: set[str]) -> None:
        """Add all files that a partition which is made again needs."""
        expected = books.on_record(self.known.values())
        archived: defaultdict[str, set[Partition]] = defaultdict(set)
        for partition in sorted(self.touched):
            had = made_from(self.partitions[partition]) if partition in self.partitions else {}
            for name in sorted({*expected.get(partition, {}), *had} - files.keys()):
                record, file = self.known.get(name), self.raw.get(self.stream, name)
                if record and Delivery.of(record).is_withdrawn and (not file or file.sha256 == record.inputs["file"]):
                    continue
                if file:
                    files[name] = file
                elif record and self._has_rows(record, name in kept, name in had):
                    archived[name].add(partition)
        files |= {name: self._archived(self.known[name], partitions) for name, partitions in archived.items()}

    def _has_rows(self, record: Manifest, is_kept: bool, is_in_partition: bool) -> bool:
        """Whether the rows of a file that is not there are to stay, and are there."""
        stays = is_kept or not self._is_gone(Delivery.of(record).file, record)
        return stays and (is_in_partition or ARCHIVE in record.files)

    def _archived(self, record: Manifest, partitions: Iterable[Partition]) -> RawFile:
        of, dts = Delivery.of(record), tuple(sorted(partition.dt for partition in partitions))
        return RawFile(self.stream, of.file, "", of.delivery, of.sha256, of.bytes, archived=dts)

    def _outdated(self, name: str, record: Manifest) -> bool:
        """Whether the rows of an archived file are of other columns than today's, and all of them are there."""
        if ARCHIVE not in record.files and any(difference.file == name for difference in self.differences):
            return False
        return record.inputs.get("schema") != schema_digest(self.project.params.streams[self.stream])

    def _notes(self) -> tuple[str, ...]:
        out = sorted(name for name, record in self.known.items() if Delivery.of(record).is_withdrawn)
        if not out:
            return ()
        return (f"withdrawn from stream {self.stream}, until beambell ingest --restore FILE: {some_of(out)}",)

    def _speak_of(self, kept: set[str]) -> None:
        """Say which rows stay only because nobody said yet what is to become of them."""
        if kept and self.project.params.streams[self.stream].removed == "withdraw":
            self.warnings.append(
                f"{len(kept)} files of stream {self.stream!r} are gone, and their rows stay, as they did when they "
                f"were read: {some_of(sorted(kept))}. To take them out: beambell ingest --withdraw FILE; to settle it: "
                f"streams.{self.stream}.removed: keep in params.yaml"
            )


# -- the books ---------------------------------------------------------------------------------------------------


def balance(project: Project) -> dict[str, int]:
    """Balance the books over all that was ever delivered; see `beambell.artefacts.books.balance`."""
    deliveries, partitions = project.store.under(Layout.DELIVERIES), project.store.partitions(Layout.PARTITIONS)
    return books.balance(deliveries.values(), partitions.values())


def check_books(project: Project, selection: Selection) -> tuple[str, ...]:
    """Check that every record of the selected streams is accounted for.

    Returns
    -------
    tuple of str
        Sentences about what does not add up, where the selection of days may have left it out.

    Raises
    ------
    ArtefactError
        If the books of a stream do not balance, or a partition has more rows than records.
    """
    streams = [stream for stream in project.params.streams if selection.has_stream(stream)]
    everything = project.store.partitions(Layout.PARTITIONS)
    partitions = {p: manifest for p, manifest in everything.items() if p.stream in streams}
    wrong = books.out_of_balance(read_deliveries(project, streams).values(), partitions)
    warnings = tuple(f"{name}: {what}" for name, what in wrong.items())
    if wrong and not (selection.start or selection.end):
        raise ArtefactError(
            "; ".join(warnings),
            where=project.store.files.path(Layout.PARTITIONS),
            fix="`beambell verify` names the files that it is about: bring them back, or take them off the record "
            "(beambell ingest --withdraw FILE)",
        )
    return warnings
