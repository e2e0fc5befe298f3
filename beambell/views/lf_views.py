"""What a labeling function is and did, from manifests, pattern counts and dead letters; no rows are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from beambell.artefacts.kinds.votes import Votes
from beambell.errors import ArtefactError
from beambell.project import Project
from beambell.state import PatternCounts
from beambell.state.analysis import LFAnalysis
from beambell.store import Layout, Manifest, Partition, Selection
from beambell.workshop.lf_errors import LFError, errors_of

FAILURES: Final = 5
"""Distinct errors that are shown of a labeling function."""


@dataclass(frozen=True)
class LFDetail:
    """One labeling function, as it is now.

    Attributes
    ----------
    label
        The class it votes for, by name; ``None`` if it may vote for several.
    fields, streams
        Columns that it reads, and streams that it votes on; ``None`` for all.
    place
        Place of its definition: ``file:line``.
    source
        The expression that makes it, or its source text with all it uses.
    partitions, rows, votes, errors
        Numbers of partitions that it was applied to, of their rows, of its votes and of its failures, as it is now.
    earlier
        Fingerprints of other versions that were applied once.
    failures, more_failures
        Distinct errors of the function in the votes that are stored, of this version or of an earlier one, newest
        first; and the number of errors beside these.
    """

    name: str
    kind: str
    label: str | None
    fields: tuple[str, ...] | None
    streams: tuple[str, ...] | None
    version: str | None
    owner: str | None
    tags: tuple[str, ...]
    description: str
    place: str | None
    fingerprint: str
    source: str
    partitions: int
    rows: int
    votes: int
    errors: int
    earlier: tuple[str, ...]
    failures: tuple[LFError, ...]
    more_failures: int


@dataclass(frozen=True)
class LFFigures:
    """What one labeling function did; the shares are of all rows.

    Attributes
    ----------
    polarity
        Classes it voted for.
    coverage, overlaps, conflicts
        Shares of rows on which it voted; another one did, too; another one voted for another class.
    errors
        Rows it failed on.
    """

    name: str
    polarity: tuple[str, ...]
    votes: int
    coverage: float
    overlaps: float
    conflicts: float
    errors: int


@dataclass(frozen=True)
class PartitionFigures:
    """What all labeling functions together, or a chosen one, did in one partition."""

    partition: str
    rows: int
    coverage: float
    overlaps: float
    conflicts: float
    errors: int


@dataclass(frozen=True)
class LFStats:
    """What the labeling functions did.

    Attributes
    ----------
    partitions, rows
        Numbers of partitions and rows that were analysed.
    behind
        Selected partitions that were not, for their votes are of other labeling functions than today's.
    coverage, overlaps, conflicts
        Shares of rows with a vote, with several, with votes for several classes.
    lfs
        Figures of each labeling function.
    over_time
        Partition by partition, if asked for.
    """

    partitions: int
    behind: int
    rows: int
    coverage: float
    overlaps: float
    conflicts: float
    lfs: tuple[LFFigures, ...]
    over_time: tuple[PartitionFigures, ...] = ()


def show_lf(project: Project, name: str) -> LFDetail:
    """Show one labeling function.

    Raises
    ------
    UsageError
        If there is none of this name.
    """
    catalogue, classes = project.catalogue, project.params.classes
    lf = catalogue[name]
    fingerprint = catalogue.fingerprints[name]
    applied = [
        (votes.rows, voter)
        for votes in Votes.each(project.store).values()
        for voter in votes.lfs
        if (voter.name, voter.fingerprint) == (name, fingerprint)
    ]
    failures = errors_of(project, name)
    records = [file.partition(".")[0] for file in project.store.files.list(f"{Layout.LFS}/{name}")]
    return LFDetail(
        name=name,
        kind=lf.kind,
        label=None if lf.label is None else classes[lf.label] if lf.label < len(classes) else str(lf.label),
        fields=lf.fields,
        streams=lf.streams,
        version=lf.version,
        owner=lf.owner,
        tags=lf.tags,
        description=lf.description,
        place=catalogue.places.get(name),
        fingerprint=fingerprint,
        source=catalogue.source(name),
        partitions=len(applied),
        rows=sum(rows for rows, _ in applied),
        votes=sum(voter.votes for _, voter in applied),
        errors=sum(voter.errors for _, voter in applied),
        earlier=tuple(record for record in records if not fingerprint.startswith(record)),
        failures=failures[:FAILURES],
        more_failures=len(failures[FAILURES:]),
    )


def lf_stats(project: Project, selection: Selection, name: str | None = None, *, over_time: bool = False) -> LFStats:
    """Analyse what the labeling functions did, from pattern counts.

    Parameters
    ----------
    name
        Name of one labeling function to report alone; it is still compared with all others.
    over_time
        Report every partition, too.

    Raises
    ------
    UsageError
        If there is none of this name.
    ArtefactError
        If no selected partition has votes of today's labeling functions.
    """
    if name is not None:
        name = project.catalogue[name].name
    selected = {p: m for p, m in project.store.partitions(Layout.VOTES).items() if p in selection}
    current = {partition: manifest for partition, manifest in selected.items() if _is_current(project, manifest)}
    if not current:
        raise ArtefactError(
            "no partition has votes of today's labeling functions", where="lf stats", fix="run `beambell apply`"
        )
    counts = {partition: project.pattern_counts(partition.stream, partition.dt) for partition in current}
    total = PatternCounts.sum(counts.values()).analysis()
    return LFStats(
        partitions=len(current),
        behind=len(selected) - len(current),
        rows=total.rows,
        coverage=total.coverage,
        overlaps=total.overlap_rate,
        conflicts=total.conflict_rate,
        lfs=tuple(
            figures
            for figures in _figures(total, _errors(current), project.params.classes)
            if name in (None, figures.name)
        ),
        over_time=tuple(
            _at(partition, counts[partition].analysis(), _errors({partition: manifest}), name)
            for partition, manifest in current.items()
            if over_time
        ),
    )


def _is_current(project: Project, votes: Manifest) -> bool:
    applied = Votes.of(votes)
    return (applied.fingerprints, applied.cardinality) == (project.catalogue.fingerprints, project.params.cardinality)


def _errors(votes: Mapping[Partition, Manifest]) -> dict[str, int]:
    errors: dict[str, int] = {}
    for manifest in votes.values():
        for lf in Votes.of(manifest).lfs:
            errors[lf.name] = errors.get(lf.name, 0) + lf.errors
    return errors


def _figures(analysis: LFAnalysis, errors: Mapping[str, int], classes: tuple[str, ...]) -> list[LFFigures]:
    return [
        LFFigures(
            name=lf.name,
            polarity=tuple(classes[y] for y in lf.polarity),
            votes=lf.votes,
            coverage=lf.coverage,
            overlaps=lf.overlaps,
            conflicts=lf.conflicts,
            errors=errors[lf.name],
        )
        for lf in analysis.lfs
    ]


def _at(partition: Partition, analysis: LFAnalysis, errors: Mapping[str, int], name: str | None) -> PartitionFigures:
    if name is None:
        shares = analysis.coverage, analysis.overlap_rate, analysis.conflict_rate
        return PartitionFigures(str(partition), analysis.rows, *shares, sum(errors.values()))
    lf = next(lf for lf in analysis.lfs if lf.name == name)
    return PartitionFigures(str(partition), lf.rows, lf.coverage, lf.overlaps, lf.conflicts, errors[name])
