"""Export published labels: part by part into a draft, which takes the export's name when it is whole."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from beambell import __version__
from beambell.artefacts.kind import kinds
from beambell.artefacts.kinds.labels import LabelModel, Labels
from beambell.errors import UsageError, storage_errors
from beambell.exports.formats import format_named
from beambell.exports.formats.format import Draft, Format, TableWriter
from beambell.exports.parts import Part, Parts, find_parts
from beambell.exports.place import Place, file_digest, is_recorded, take_over
from beambell.exports.record import MANIFEST, ExportedFile, ExportManifest, PartRecord
from beambell.exports.request import PREDICTIONS, Request
from beambell.exports.tables import Account, part_tables
from beambell.project import Project
from beambell.store import Layout, canonical_json
from beambell.store.files import HashingSink
from beambell.store.local import LocalDraft

_RECORDS = ".records"
"""Folder in a draft: what is known of the parts that are in it."""


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes
    ----------
    out, manifest
        Paths of the export and of its manifest.
    format
        Name of the format.
    rows, files, bytes
        Numbers of rows and files, and size of all files in bytes.
    written, kept
        Numbers of partitions that were written, and of those whose files were there already.
    counts
        Counts of rows by split, or of ``all``: ``rows``, ``unlabelled``, and ``classes`` by name.
    left_out
        Number of rows below the least probability.
    warnings
        Sentences that a person should read.
    """

    out: str
    manifest: str
    format: str
    rows: int
    files: int
    bytes: int
    written: int
    kept: int
    counts: Mapping[str, Mapping[str, Any]]
    left_out: int
    warnings: tuple[str, ...]


def export_labels(project: Project, request: Request, out: str, *, replace: bool = False) -> Exported:
    """Export published labels to a folder, or to one file if its name ends as the format's files do.

    The export appears in one step when it is whole. A run that was killed is gone on with by the next. Where an export
    is already, only parts whose inputs changed are written.

    Parameters
    ----------
    project
        Project whose labels are exported; nothing is written to it.
    request
        Request that says what is exported, and how.
    out
        Path of the export.
    replace
        Whether what lies there may be lost: files that are no export of ours, or were changed since.

    Raises
    ------
    ArtefactError
        If nothing is published, or something that is read is damaged.
    UsageError
        If something else lies there, or nothing may be put there.
    StorageError
        If the disk is full, or may not be written to; what lay there before is still there.
    LockedError
        If another export to the same place is under way.
    """
    format_ = format_named(request.format)
    place = _place(project, format_, out)
    parts = find_parts(project, request)
    with storage_errors(str(place.out)):
        try:
            with place.drafting():
                return _Export(project, request, parts, format_, place).make(replace=replace)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                place.discard()  # it would be in the way of whoever makes room
            raise


def _place(project: Project, format_: Format, out: str) -> Place:
    if "://" in out:
        raise UsageError(
            "exports go to a folder of this machine", where=f"--out {out}", fix="export there, then copy the folder"
        )
    is_file = format_.is_one_file and Path(out).suffix.lower() == format_.suffix and not Path(out).is_dir()
    place = Place(Path(out), is_file=is_file)
    root = Path(project.store.files.root).resolve() if project.store.files.is_local else project.path
    place.check(project.path, root)
    top = place.out.relative_to(root).parts[0] if place.out.is_relative_to(root) else ""
    if root != project.path and top in {*(folder.split("/")[0] for folder in kinds()), Layout.PUBLIC, "raw"}:
        raise UsageError(
            f"{top!r} in the data root is kept by BeamBell itself", where=str(place.out), fix="name another folder"
        )
    return place


class _Export:
    """One export under way."""

    def __init__(self, project: Project, request: Request, parts: Parts, format_: Format, place: Place) -> None:
        self.project, self.request, self.parts = project, request, parts
        self.format, self.place = format_, place
        self.written = 0

    def make(self, *, replace: bool) -> Exported:
        """Bring the export up to what is published."""
        project, place = self.project, self.place
        before = None if replace else place.found(project.params.project, project.params.streams)
        known = self._known(before)
        parts = self.parts.parts
        records = self._one_file(before) if place.is_file else [self._part(part, known) for part in parts]
        self._tidy(records)
        self.format.finish(Draft(place.folder, self.parts.schema, project.params.classes, records, before, place.out))
        manifest = ExportManifest(self._facts(records), tuple(records), self._others(records))
        if before is not None and manifest.to_bytes() == place.manifest.read_bytes():
            place.discard()
            return self._exported(manifest, written=0)
        with place.folder.draft() as draft:
            draft.file.write(manifest.to_bytes())
            draft.publish(MANIFEST)
        place.publish()
        return self._exported(manifest, written=self.written)

    # -- parts -----------------------------------------------------------------------------------------------

    def _known(self, before: ExportManifest | None) -> dict[str, list[tuple[Path, PartRecord]]]:
        """Records of parts that are to be had without writing, by key: in the draft, or where the export is."""
        known: dict[str, list[tuple[Path, PartRecord]]] = {}
        for record in self._drafted():
            known.setdefault(record.key, []).append((self.place.draft, record))
        for record in before.parts if before and not self.place.is_file else ():
            known.setdefault(record.key, []).append((self.place.out, record))
        return known

    def _drafted(self) -> list[PartRecord]:
        found = []
        for path in sorted((self.place.draft / _RECORDS).glob("*.json")):
            try:
                found.append(PartRecord.from_tree(json.loads(path.read_bytes())))
            except (ValueError, TypeError, KeyError):  # torn by a crash: the part is written anew
                path.unlink()
        return found

    def _part(self, part: Part, known: Mapping[str, Sequence[tuple[Path, PartRecord]]]) -> PartRecord:
        key = self.parts.key(part, self.request)
        for folder, record in known.get(key, ()):
            if record.partition == str(part.partition) and self._take(folder, record):
                return record
        account = Account()
        files = self._write(part, account)
        record = self._record(part, key, files, account)
        self.place.folder.put(f"{_RECORDS}/{key}.json", canonical_json(asdict(record)))
        self.written += 1
        return record

    def _take(self, folder: Path, record: PartRecord) -> bool:
        if folder == self.place.draft:
            return all(is_recorded(folder / file.name, file) for file in record.files)
        return all(take_over(folder / file.name, self.place.draft / file.name, file) for file in record.files)

    def _write(self, part: Part, account: Account) -> tuple[ExportedFile, ...]:
        drafts: dict[str, tuple[LocalDraft, HashingSink]] = {}
        writers: dict[str, TableWriter] = {}
        rows: dict[str, int] = {}
        with ExitStack() as unpublished:
            with ExitStack() as unclosed:
                for split, table in part_tables(self.project, part, self.request, self.parts.schema, account):
                    if split not in writers:
                        draft = unpublished.enter_context(self.place.folder.draft())
                        drafts[split] = draft, HashingSink(draft.file)
                        writers[split] = unclosed.enter_context(self.format.writer(drafts[split][1], self.parts.schema))
                    writers[split].write_table(table)
                    rows[split] = rows.get(split, 0) + table.num_rows
            files = []
            for split, (draft, sink) in sorted(drafts.items()):
                name = self.format.file_name(part.partition, split, sink.sha256)
                draft.publish(name)
                files.append(ExportedFile(name, sink.sha256, sink.size, rows[split], split))
        return tuple(files)

    def _one_file(self, before: ExportManifest | None) -> list[PartRecord]:
        """Write all parts into one file; of the records, the first has it."""
        keys = [self.parts.key(part, self.request) for part in self.parts.parts]
        name, accounts = self.place.out.name, []
        if before and [record.key for record in before.parts] == keys:
            take_over(self.place.out, self.place.draft / name, before.part_files[name])
            return list(before.parts)
        rows = 0
        with self.place.folder.draft() as draft:
            sink = HashingSink(draft.file)
            with self.format.writer(sink, self.parts.schema) as writer:
                for part in self.parts.parts:
                    accounts.append(Account())
                    for _, table in part_tables(self.project, part, self.request, self.parts.schema, accounts[-1]):
                        writer.write_table(table)
                        rows += table.num_rows
            draft.publish(name)
        self.written = len(keys)
        whole = ExportedFile(name, sink.sha256, sink.size, rows)
        return [
            self._record(part, key, () if index else (whole,), account)
            for index, (part, key, account) in enumerate(zip(self.parts.parts, keys, accounts, strict=True))
        ]

    def _record(self, part: Part, key: str, files: tuple[ExportedFile, ...], account: Account) -> PartRecord:
        return PartRecord(
            str(part.partition),
            key,
            part.labels.id,
            Labels.of(part.labels).label_model,
            files,
            account.counts,
            account.left_out,
            account.without_row,
        )

    def _tidy(self, records: Sequence[PartRecord]) -> None:
        """Remove from the draft what an earlier run left there and nobody asked for."""
        self.place.folder.remove_tree(_RECORDS)
        wanted = {file.name for record in records for file in record.files}
        for name in self.place.folder.walk(""):
            if name not in wanted:
                self.place.folder.remove(name)

    def _others(self, records: Sequence[PartRecord]) -> tuple[ExportedFile, ...]:
        """Files in the draft that belong to no part."""
        known, folder = {file.name for record in records for file in record.files}, self.place.folder
        names = {name: entry for name, entry in folder.walk("").items() if name not in known}
        return tuple(ExportedFile(name, file_digest(folder.path(name)), e.bytes, 0) for name, e in names.items())

    # -- what is said of it ----------------------------------------------------------------------------------

    def _facts(self, records: Sequence[PartRecord]) -> dict[str, Any]:
        lfs: dict[str, set[str]] = {}
        for part in self.parts.parts:
            for name, fingerprint in (part.lfs or {}).items():
                lfs.setdefault(name, set()).add(fingerprint)
        return {
            "project": self.project.params.project,
            "made_by": f"beambell {__version__}",
            "parameters": self.request.parameters,
            "classes": list(self.project.params.classes),
            "columns": {field.name: str(field.type) for field in self.parts.schema},
            "label_models": {id_: self._label_model(id_) for id_ in sorted({record.label_model for record in records})},
            "lfs": {name: sorted(prints) for name, prints in sorted(lfs.items())},
            "of_unknown_lfs": [str(part.partition) for part in self.parts.parts if part.lfs is None],
            "rows": sum(counts["rows"] for record in records for counts in record.counts.values()),
            "counts": _summed(records, self.project.params.classes),
            "left_out": sum(record.left_out for record in records),
        }

    def _label_model(self, id_: str) -> dict[str, Any]:
        manifest = self.project.store.revision(Layout.LABEL_MODEL, id_)
        return {"kind": LabelModel.of(manifest).kind} if manifest else {}

    def _exported(self, manifest: ExportManifest, *, written: int) -> Exported:
        files = manifest.files.values()
        return Exported(
            out=str(self.place.out),
            manifest=str(self.place.manifest),
            format=self.format.name,
            rows=manifest.facts["rows"],
            files=len(files),
            bytes=sum(file.bytes for file in files),
            written=written,
            kept=len(self.parts.parts) - written,
            counts=manifest.facts["counts"],
            left_out=manifest.facts["left_out"],
            warnings=tuple(self._warnings(manifest)),
        )

    def _warnings(self, manifest: ExportManifest) -> list[str]:
        said = []
        if self.parts.unpublished:
            n, first = len(self.parts.unpublished), self.parts.unpublished[0]
            said.append(f"{n} of the selected partitions have no published labels, and are not exported ({first})")
        if gone := sum(record.without_row for record in manifest.parts):
            said.append(f"{gone:,} labels are of rows that were corrected or withdrawn since: their row is empty")
        if newer := [str(part.partition) for part in self.parts.parts if part.votes_are_newer]:
            said.append(f"the votes of {len(newer)} partitions are newer than their labels ({newer[0]})")
        asked = PREDICTIONS in self.request.beside
        if asked and (lacking := [str(part.partition) for part in self.parts.parts if part.predictions is None]):
            said.append(f"{len(lacking)} partitions have no predictions ({lacking[0]}): `beambell predict` makes them")
        if not manifest.facts["rows"]:
            said.append("no row is in the export: lower --min-probability, or select other partitions")
        return said


def _summed(records: Sequence[PartRecord], classes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Sum counts up over parts, with the classes in the order of their numbers."""
    total: dict[str, dict[str, Any]] = {}
    for record in records:
        for split, counts in record.counts.items():
            mine = total.setdefault(split, {"rows": 0, "unlabelled": 0, "classes": dict.fromkeys(classes, 0)})
            for name in ("rows", "unlabelled"):
                mine[name] += counts[name]
            for name in classes:
                mine["classes"][name] += counts["classes"][name]
    return dict(sorted(total.items()))
