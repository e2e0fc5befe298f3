"""Check that everything is there, is what its manifest says, and was made from what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from beambell.artefacts import books
from beambell.artefacts.kind import HOMES, Artefact, kind_at
from beambell.artefacts.kinds.models import Version
from beambell.artefacts.kinds.records import Delivery, Rows
from beambell.artefacts.kinds.votes import Votes
from beambell.artefacts.lf_records import record_path
from beambell.artefacts.snapshot import Snapshot, take_snapshot
from beambell.store.backend import CHUNK
from beambell.store.layout import Layout
from beambell.store.manifest import FILE_NAME, Store
from beambell.store.partition import Partition
from beambell.store.version import FILE as VERSION_FILE
from beambell.store.version import version_bytes

Severity = Literal["error", "note"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes
    ----------
    severity
        ``error``: damaged or dangling. ``note``: nothing is wrong, but something waits to be done.
    where
        The file, below the data root.
    what, fix
        Description of what is wrong, and of what to do.
    """

    severity: Severity
    where: str
    what: str
    fix: str


@dataclass(frozen=True)
class Verification:
    """What a check of a data root found.

    Attributes
    ----------
    artefacts, files, bytes
        Numbers of artefacts, files and bytes that were checked.
    deep
        Whether every byte was read, or names and sizes only.
    findings
        Errors first.
    """

    artefacts: int
    files: int
    bytes: int
    deep: bool
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What is damaged."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def verify(store: Store, *, deep: bool = False) -> Verification:
    """Check every manifest, file and reference below a data root.

    Parameters
    ----------
    store
        Store of the data root.
    deep
        Whether every byte is read and digests are compared; otherwise names and sizes only, which finds no flipped bit.
    """
    snapshot = take_snapshot(store)
    findings = [
        *_version(store),
        *_unreadable(snapshot),
        *_files(store, snapshot, deep=deep),
        *_references(snapshot),
        *_sources(snapshot),
        *_books(snapshot),
    ]
    refs = {f"{a.folder}/{ref.name}": ref.bytes for a in snapshot.current for ref in a.manifest.files.values()}
    findings.sort(key=lambda finding: (finding.severity, finding.where, finding.what))
    return Verification(len(snapshot.artefacts), len(refs), sum(refs.values()), deep, tuple(findings))


def _version(store: Store) -> Iterator[Finding]:
    """Look at the version of the data root; a flipped bit would make it a newer one."""
    data = store.files.read(VERSION_FILE)
    if data is not None and data != version_bytes():
        what = "not the version of this data root, as it was written"
        fix = "if no newer BeamBell wrote here, remove it; the next command that writes makes it anew"
        yield Finding("error", VERSION_FILE, what, fix)


def _unreadable(snapshot: Snapshot) -> Iterator[Finding]:
    for name, error in snapshot.unreadable.items():
        yield Finding("error", name, error.message, HOMES.how_to_mend(name))


def _files(store: Store, snapshot: Snapshot, *, deep: bool) -> Iterator[Finding]:
    for artefact in snapshot.current:
        for ref in artefact.manifest.files.values():
            where = f"{artefact.folder}/{ref.name}"
            entry = snapshot.entries.get(where)
            if entry is None:
                yield Finding("error", where, "missing, though its manifest names it", HOMES.how_to_mend(where))
            elif entry.bytes != ref.bytes:
                what = f"{entry.bytes} bytes, where its manifest says {ref.bytes}"
                yield Finding("error", where, what, HOMES.how_to_mend(where))
            elif deep and (found := _sha256(store, where)) != ref.sha256:
                what = f"changed: SHA-256 {found[:16]}..., where its manifest says {ref.sha256[:16]}..."
                yield Finding("error", where, what, HOMES.how_to_mend(where))


def _sha256(store: Store, name: str) -> str:
    seen = hashlib.sha256()
    with store.files.open(name) as file:
        while chunk := file.read(CHUNK):
            seen.update(chunk)
    return seen.hexdigest()


def _references(snapshot: Snapshot) -> Iterator[Finding]:
    now, ever = _digests(snapshot.current), _digests(snapshot.artefacts)
    for artefact in snapshot.current:
        for reference in artefact.REFERENCES:
            target, digest = reference.folder, artefact.manifest.inputs.get(reference.name)
            if (
                not reference.is_checked
                or digest is None
                or any((folder, digest) in now for folder in reference.folders)
            ):
                continue
            if not kind_at(target).KEEPS_HISTORY:
                what = f"made from {target} that were replaced or removed since"
                yield Finding("note", artefact.place, what, "`beambell run` brings it up to date")
            elif not any((folder, digest) in ever for folder in reference.folders):
                what = f"made from {target} {digest[:16]}..., which is on no record"
                fix = f"restore {target}/history from a backup; what it labelled can still be made again"
                yield Finding("error", artefact.place, what, fix)
            elif not isinstance(artefact, Version):  # a version is of its time
                what = f"made from {target} {digest[:16]}..., which is not the newest"
                yield Finding("note", artefact.place, what, "`beambell status` says whether it is to be made again")


def _digests(artefacts: Iterable[Artefact]) -> set[tuple[str, str]]:
    return {(artefact.FOLDER, digest) for artefact in artefacts for digest in artefact.own_digests}


def _sources(snapshot: Snapshot) -> Iterator[Finding]:
    """Each version of a labeling function that voted must be on record with its source."""
    missing: dict[str, str] = {}
    for artefact in snapshot.current:
        if isinstance(artefact, Votes):
            for name, fingerprint in artefact.fingerprints.items():
                record = record_path(name, fingerprint)
                if record not in snapshot.entries:
                    missing.setdefault(record, artefact.place)
    for record, place in missing.items():
        what = f"missing: the source of a labeling function that voted in {place}"
        yield Finding("error", record, what, "`beambell apply` writes it again if the function is unchanged")


def _books(snapshot: Snapshot) -> Iterator[Finding]:
    """Partitions and the deliveries on record must say the same, and every record must be accounted for."""
    deliveries = [a.manifest for a in snapshot.current if isinstance(a, Delivery)]
    partitions = {Partition.from_folder(a.folder): a.manifest for a in snapshot.current if isinstance(a, Rows)}
    again = "`beambell ingest` makes it again from the files that are there; see docs/operating.md if it does not"
    for difference in books.differences(deliveries, partitions):
        where = f"{Layout.of(Layout.PARTITIONS, difference.partition)}/{FILE_NAME}"
        yield Finding("error", where, difference.what, again)
    for name, what in books.out_of_balance(deliveries, partitions).items():
        stream, _, dt = name.partition("/")
        folder = Layout.of(Layout.PARTITIONS, Partition(stream, dt)) if dt else f"{Layout.PARTITIONS}/stream={stream}"
        yield Finding("error", folder, what, again)
