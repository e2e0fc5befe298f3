"""What was set aside, to be read by a person: records that did not become rows, and votes that failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from beambell.artefacts.kinds.records import Delivery
from beambell.artefacts.kinds.votes import Votes
from beambell.errors import UsageError
from beambell.project import Project
from beambell.store import Layout, Selection
from beambell.store.tables import iter_tables


@dataclass(frozen=True)
class SetAsideRecord:
    """A record of a raw file that did not become a row, or a remark on the whole file.

    Attributes
    ----------
    stream, file, delivery
        Stream and name of the raw file, and the day or hour of its delivery; ``None`` if nothing says it.
    line
        Line of the file; ``None`` for a remark on the whole file, which is no record.
    code, message
        Reason in one word, and in a sentence.
    raw
        Beginning of the record as it was delivered.
    """

    stream: str
    file: str
    delivery: str | None
    line: int | None
    code: str
    message: str
    raw: str


@dataclass(frozen=True)
class QuarantineView:
    """Records that were set aside.

    Attributes
    ----------
    records, remarks
        Numbers of records and of remarks on whole files that match, of which some may not be shown.
    not_kept
        Number of matching records that were counted and not kept: of one file, the first 10,000 are.
    codes
        Number of records and remarks that are kept, by reason.
    shown
        Records and remarks that are shown, in the order of their files and lines.
    """

    records: int
    remarks: int
    not_kept: int
    codes: dict[str, int]
    shown: tuple[SetAsideRecord, ...]


@dataclass(frozen=True)
class DeadLetter:
    """A vote that failed: the labeling function abstained on that row.

    Attributes
    ----------
    stream, dt, id
        Row whose vote it was.
    lf, fingerprint
        Name of the labeling function, and the identity of what it computed, 64 hex digits.
    error, message
        Name of the exception, and what it said.
    traceback
        Frames of the labeling function, given once for each distinct error; empty where it would be repeated.
    """

    stream: str
    dt: str
    id: str
    lf: str
    fingerprint: str
    error: str
    message: str
    traceback: str


@dataclass(frozen=True)
class DeadLettersView:
    """Votes that failed.

    Attributes
    ----------
    failed
        Number of votes that match, of which some may not be shown.
    lfs
        Number of these votes by labeling function, then by exception.
    shown
        Votes that are shown, in the order of their partitions.
    """

    failed: int
    lfs: dict[str, dict[str, int]]
    shown: tuple[DeadLetter, ...]


def list_quarantine(
    project: Project, selection: Selection, *, codes: list[str], files: list[str], limit: int
) -> QuarantineView:
    """List records that were set aside.

    Parameters
    ----------
    selection
        Selection of streams, and of days of delivery; files without a day are left out where days are selected.
    codes
        Reasons to look for, in one word each; none for all.
    files
        Names or globs of raw files; none for all.
    limit
        Number of records to show.

    Raises
    ------
    UsageError
        For a word that is no reason.
    """
    _check_codes(codes)
    shown: list[SetAsideRecord] = []
    found: dict[str, int] = {}
    records = remarks = not_kept = 0
    for delivery in _deliveries(project, selection, files):
        if (ref := delivery.manifest.files.get("quarantine")) is None:
            continue
        kept = 0
        for table in iter_tables(project.store, delivery.folder, ref):
            for row in table.to_pylist():
                kept += row["line"] is not None
                if codes and row["code"] not in codes:
                    continue
                found[row["code"]] = found.get(row["code"], 0) + 1
                records += row["line"] is not None
                remarks += row["line"] is None
                if len(shown) < limit:
                    shown.append(_record(delivery, row))
        not_kept += 0 if codes else delivery.quarantined - kept
    return QuarantineView(records + not_kept, remarks, not_kept, dict(sorted(found.items())), tuple(shown))


def _check_codes(codes: list[str]) -> None:
    from beambell.records.schema import Code

    known = [code.value for code in Code]
    if unknown := sorted(set(codes) - set(known)):
        raise UsageError(f"{unknown[0]!r} is no reason", where="--code", fix=f"choose of {', '.join(known)}")


def _deliveries(project: Project, selection: Selection, files: list[str]) -> Iterator[Delivery]:
    of_days = selection.start or selection.end
    for folder, manifest in project.store.under(Layout.DELIVERIES).items():
        delivery = Delivery(manifest, folder)
        day = delivery.delivery or (delivery.delivered or "")[: len("2026-01-03")]
        if not selection.has_stream(delivery.stream) or (of_days and not (day and selection.has_dt(day))):
            continue
        if not files or any(delivery.file == file or fnmatchcase(delivery.file, file) for file in files):
            yield delivery


def _record(delivery: Delivery, row: dict[str, Any]) -> SetAsideRecord:
    return SetAsideRecord(delivery.stream, row["file"], delivery.delivery, *(row[n] for n in _COLUMNS))


_COLUMNS = ("line", "code", "message", "raw")


def list_dead_letters(project: Project, selection: Selection, *, lfs: list[str], limit: int) -> DeadLettersView:
    """List votes that failed.

    Parameters
    ----------
    selection
        Selection of partitions.
    lfs
        Names of labeling functions; none for all.
    limit
        Number of votes to show.

    Raises
    ------
    UsageError
        For a labeling function that cast no votes.
    """
    votes = {p: m for p, m in project.store.partitions(Layout.VOTES).items() if p in selection}
    voters = {name for manifest in votes.values() for name in Votes.of(manifest).fingerprints}
    if unknown := sorted(set(lfs) - voters):
        raise UsageError(
            f"no labeling function {unknown[0]!r} voted on what is selected",
            where="--lf",
            fix="`beambell lf list` names those that did",
        )
    shown: list[DeadLetter] = []
    counts: dict[str, dict[str, int]] = {}
    for partition, manifest in votes.items():
        if (ref := manifest.files.get("dead_letters")) is None:
            continue
        for table in iter_tables(project.store, Layout.of(Layout.VOTES, partition), ref):
            for row in table.to_pylist():
                if lfs and row["lf"] not in lfs:
                    continue
                of_lf = counts.setdefault(row["lf"], {})
                of_lf[row["error"]] = of_lf.get(row["error"], 0) + 1
                if len(shown) < limit:
                    shown.append(DeadLetter(partition.stream, partition.dt, **row))
    failed = sum(sum(of_lf.values()) for of_lf in counts.values())
    return DeadLettersView(failed, dict(sorted(counts.items())), tuple(shown))
