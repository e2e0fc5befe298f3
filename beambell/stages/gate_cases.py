"""Cases: partitions as they come before the gate, with all that their verdicts depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from beambell.artefacts.kinds.gate import Screening
from beambell.artefacts.kinds.labels import Candidates
from beambell.artefacts.kinds.records import Rows
from beambell.artefacts.kinds.votes import Votes
from beambell.config.formats import with_format
from beambell.project import Project
from beambell.quality import (
    LFSummary,
    PartitionSummary,
    gate_fingerprint,
)
from beambell.stages.losses import Delivered, find_losses
from beambell.stages.rulings import NOT_RULED, Ruled, Rulings, read_rulings
from beambell.stages.screen import speaks
from beambell.store import Layout, Manifest, Partition, Selection

STAGE = "validate"


@dataclass(frozen=True)
class Case:
    """One partition before the gate.

    Attributes
    ----------
    partition
        Partition that is judged.
    candidate
        Candidate labels of the partition; ``None`` for a delivery of which nothing could be read.
    summary, lfs
        The figures to judge.
    inputs
        Digests of all the verdict depends on.
    screening
        Screening of the partition's rows and votes.
    ruled
        Decisions of people about the partition.
    """

    partition: Partition
    candidate: Manifest | None
    summary: PartitionSummary
    lfs: tuple[LFSummary, ...]
    inputs: dict[str, str]
    screening: Screening | None = None
    ruled: Ruled = NOT_RULED


def find_cases(project: Project, selection: Selection, deliveries: Mapping[str, Manifest]) -> list[Case]:
    """Gather the partitions that have up-to-date candidates, and those of deliveries that gave nothing.

    Of streams that ``params.yaml`` names: nobody labels the others any more, as today's classes may need.
    """

    def wanted(partition: Partition) -> bool:
        return partition in selection and partition.stream in project.params.streams

    votes = project.store.partitions(Layout.VOTES)
    rows = project.store.partitions(Layout.PARTITIONS)
    losses = find_losses(project, deliveries.values())
    screenings, rulings = Screening.each(project.store), read_rulings(project)
    cases = []
    for partition, candidate in project.store.partitions(Layout.CANDIDATES).items():
        vote, row = votes.get(partition), rows.get(partition)
        if not wanted(partition) or not vote or not row:
            continue
        if Candidates.of(candidate).votes == vote.files["votes"].sha256:
            delivered, screening = losses.partitions.get(partition, Delivered()), screenings.get(partition)
            if screening and screening.votes_digest != vote.files["votes"].sha256:
                screening = None
            case = _case(project, partition, candidate, vote, row, delivered)
            cases.append(_with_words(case, row.files["rows"].sha256, screening, rulings))
    cases += [
        _empty_case(project, partition, losses.partitions[partition])
        for partition in sorted(losses.unreadable - rows.keys())
        if wanted(partition)
    ]
    return cases


def _case(
    project: Project,
    partition: Partition,
    candidate: Manifest,
    votes: Manifest,
    rows: Manifest,
    delivered: Delivered,
) -> Case:
    labelled, cast = Candidates.of(candidate), Votes.of(votes)
    summary = PartitionSummary(
        stream=partition.stream,
        dt=partition.dt,
        rows=labelled.rows,
        quarantined=delivered.quarantined,
        duplicates=Rows.of(rows).duplicates,
        covered=labelled.covered,
        conflicts=labelled.conflicts,
        dead_letters=cast.dead_letters,
        class_shares=labelled.class_shares,
        mean_entropy=labelled.mean_entropy,
        bytes=delivered.bytes,
        lost=delivered.lost,
        lost_files=tuple(delivered.lost_files),
    )
    lfs = tuple(
        LFSummary(partition.stream, partition.dt, lf.name, labelled.rows, lf.votes, lf.errors)
        for lf in cast.lfs
        if speaks(project, lf.name, partition.stream)
    )
    records = f"{summary.duplicates} duplicates, {_spoken(delivered)}"
    inputs = {"labels": candidate.id, "votes": votes.id, "records": records}
    inputs["gate"] = _gate(project, partition.stream)
    return Case(partition, candidate, summary, lfs, with_format(STAGE, inputs))


def _with_words(case: Case, rows: str, screening: Screening | None, rulings: Rulings) -> Case:
    """Add what was found of rows and votes, and what people decided."""
    found = {"screening": screening.manifest.id} if screening else {}
    ruled = rulings.of(case.partition, rows)
    return replace(
        case,
        inputs={**case.inputs, **found, **rulings.inputs(case.partition, rows)},
        screening=screening,
        ruled=ruled,
    )


def _gate(project: Project, stream: str) -> str:
    return gate_fingerprint(project.params.gate.of(stream), project.params.classes, project.voteless_classes)


def _empty_case(project: Project, partition: Partition, delivered: Delivered) -> Case:
    summary = PartitionSummary(
        partition.stream,
        partition.dt,
        rows=0,
        quarantined=delivered.quarantined,
        duplicates=0,
        covered=0,
        conflicts=0,
        dead_letters=0,
        class_shares=(),
        mean_entropy=0.0,
        bytes=delivered.bytes,
        lost=delivered.lost,
        lost_files=tuple(delivered.lost_files),
    )
    inputs = with_format(STAGE, {"records": _spoken(delivered), "gate": _gate(project, partition.stream)})
    return Case(partition, None, summary, (), inputs)


def _spoken(delivered: Delivered) -> str:
    lost = f", {delivered.lost} of {delivered.bytes} bytes lost" if delivered.lost else ""
    return f"{delivered.quarantined} quarantined{lost}"
