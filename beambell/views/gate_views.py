"""The gate's verdicts, present and past, as people and machines read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from beambell.artefacts.kinds.gate import Screening
from beambell.errors import UsageError
from beambell.project import Project
from beambell.quality.finding import Finding
from beambell.quality.verdict import Verdict
from beambell.stages.deciding import partition_named
from beambell.stages.rulings import Rulings, read_rulings
from beambell.store import Layout, Manifest, Partition, Selection
from beambell.store.manifest import FILE_NAME

SHORT = 12


@dataclass(frozen=True)
class JudgedView:
    """One verdict.

    Attributes
    ----------
    partition
        Partition, as ``comments/2026-01-03``.
    passed
        Whether its labels may be published.
    judged
        Time of the verdict, as ``2026-01-03T07:15:00Z``, by the clock of where it lies.
    verdict
        First digits of the verdict's id, to accept exactly this one.
    reference
        Number of earlier partitions that it was compared with.
    findings
        Findings, the gravest first.
    in_state
        Whether the partition counts in the state; ``None`` for a verdict of the past.
    rulings
        Decisions of people about it, oldest first.
    """

    partition: str
    passed: bool
    judged: str
    verdict: str
    reference: int
    findings: tuple[Finding, ...]
    in_state: bool | None = None
    rulings: tuple[dict[str, Any], ...] = ()

    @property
    def told(self) -> tuple[Finding, ...]:
        """Findings that a person should read."""
        return Verdict(self.passed, self.findings).told


@dataclass(frozen=True)
class CaseView:
    """A partition before the gate, with its past.

    Attributes
    ----------
    now
        The present verdict.
    past
        Earlier verdicts that said something else, the newest first.
    """

    now: JudgedView
    past: tuple[JudgedView, ...]


def list_verdicts(
    project: Project, selection: Selection | None = None, *, everything: bool = False
) -> list[JudgedView]:
    """List the verdicts, the newest partitions first: those that a person should read, or all."""
    selected = selection or Selection()
    times = {name: entry.modified for name, entry in project.store.files.walk(Layout.VERDICTS).items()}
    screenings, rulings = Screening.each(project.store), read_rulings(project)
    views = [
        _view(partition, verdict, screenings.get(partition), times, rulings)
        for partition, verdict in project.store.partitions(Layout.VERDICTS).items()
        if partition in selected
    ]
    views.sort(key=lambda view: (view.partition.partition("/")[2], view.partition), reverse=True)
    return [view for view in views if everything or view.told or not view.passed]


def show_case(project: Project, where: str) -> CaseView:
    """Show one partition's verdict, and those before it.

    Raises
    ------
    UsageError
        If the gate has not judged it.
    """
    partition = partition_named(project, where)
    folder = Layout.of(Layout.VERDICTS, partition)
    verdict = project.store.read(folder)
    if verdict is None:
        raise UsageError("the gate has not judged this partition", where=where, fix="run `beambell run`")
    times = {name: entry.modified for name, entry in project.store.files.walk(folder).items()}
    rulings = read_rulings(project)
    now = _view(partition, verdict, Screening.read(project.store, partition), times, rulings)
    past = []
    for name in project.store.files.list(f"{folder}/{Layout.HISTORY}"):
        revision = project.store.revision(folder, name.removesuffix(".json"))
        if revision and revision.id != verdict.id:
            place = {f"{folder}/{FILE_NAME}": times[f"{folder}/{Layout.HISTORY}/{name}"]}
            past.append(_view(partition, revision, None, place, None))
    return CaseView(now, tuple(sorted(past, key=lambda view: view.judged, reverse=True)))


def _view(
    partition: Partition,
    verdict: Manifest,
    screening: Screening | None,
    times: dict[str, float],
    rulings: Rulings | None,
) -> JudgedView:
    said = Verdict.from_dict(verdict.facts)
    made = rulings.made.get(partition, ()) if rulings else ()
    moment = times[f"{Layout.of(Layout.VERDICTS, partition)}/{FILE_NAME}"]
    inputs = screening.manifest.inputs if screening else {}
    return JudgedView(
        partition=str(partition),
        passed=said.passed,
        judged=datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        verdict=verdict.id[:SHORT],
        reference=sum(name.startswith("reference ") for name in inputs),
        findings=said.findings,
        in_state=screening.passed if screening else None,
        rulings=tuple(ruling.decided for ruling in made),
    )
