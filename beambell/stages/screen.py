"""Screen: rows and votes of a partition beside those of the last good ones of its stream, before the state counts them.

What is kept of a partition is a few kilobytes, in its own screening. The reference of a partition are the last good
ones before it, by date, each named with a digest among the inputs: whatever the order in which partitions come, the
screenings are those of a project that had them all from the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from beambell.artefacts.kinds.gate import Screening
from beambell.artefacts.kinds.records import Rows
from beambell.artefacts.kinds.votes import Votes
from beambell.config.formats import with_format
from beambell.config.gate import GateParams
from beambell.project import Project
from beambell.quality.check import Law, Measures
from beambell.quality.memory import (
    Memory,
    Remembered,
    broken_lfs,
    compare,
    digest_of,
    excuse,
    quarantine,
    reference_inputs,
)
from beambell.quality.sight import CastVotes, Sight
from beambell.quality.verdict import Verdict
from beambell.stages.rulings import Rulings, read_rulings
from beambell.stages.stage import Outcome, Plan, Task, staleness
from beambell.store import Layout, Manifest, Partition, Selection, digest

if TYPE_CHECKING:
    import pyarrow as pa

    from beambell.state import PatternCounts

STAGE = "screen"


@dataclass(frozen=True)
class Screened:
    """One partition that has votes of its rows.

    Attributes
    ----------
    partition
        Partition that is screened.
    rows, votes
        Manifests of its rows and of its votes.
    before
        Screening as it is, if there is one.
    """

    partition: Partition
    rows: Manifest
    votes: Manifest
    before: Manifest | None

    def inputs(self, bounds: GateParams, rulings: Rulings, reference: tuple[Remembered, ...]) -> dict[str, str]:
        """Digests of all that the screening depends on."""
        rows = self.rows.files["rows"].sha256
        law = {name: getattr(bounds, name) for name in ("warn_z", "block_z", "memory", "broken_lfs")}
        own = {
            "rows": rows,
            "votes": self.votes.files["votes"].sha256,
            "lfs": Votes.of(self.votes).lfs_digest,
            "gate": digest(law),
            **rulings.inputs(self.partition, rows),
        }
        return with_format(STAGE, {**own, **reference_inputs(reference)})


@dataclass(frozen=True)
class ScreenWork:
    """What there is to screen.

    Attributes
    ----------
    cases
        All partitions of the selected streams, by stream and date; later ones may depend on earlier ones.
    selection
        Selection of those that are screened now.
    rulings
        Decisions of people.
    """

    cases: tuple[Screened, ...]
    selection: Selection
    rulings: Rulings


def plan(project: Project, selection: Selection) -> Plan[ScreenWork]:
    """Say which partitions would be screened, and why."""
    work = ScreenWork(tuple(_cases(project, selection)), selection, read_rulings(project))
    memory = _Memories(project)
    tasks, current = [], 0
    for case in work.cases:
        inputs = case.inputs(*_terms(project, work, memory, case))
        reason = staleness(case.before, inputs) if case.partition in selection else None
        if reason:
            tasks.append(Task(str(case.partition), reason))
        elif case.partition in selection:
            current += 1
        if case.before:
            memory.put(case.partition, case.before)
    return Plan(STAGE, tuple(tasks), current, work=work)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    fields = {name: [stream.text, stream.fields] for name, stream in project.params.streams.items()}
    return {**project.params.in_force("gate"), "fields": fields, **project.params.names()}


def run(project: Project, plan: Plan[ScreenWork]) -> Outcome:
    """Screen what is stale, in the order of dates; what changes the reference of later ones makes these stale, too."""
    work, memory, done = plan.work, _Memories(project), 0
    verdicts: dict[Partition, Verdict] = {}
    for case in work.cases:
        bounds, rulings, reference = _terms(project, work, memory, case)
        inputs, screening = case.inputs(bounds, rulings, reference), case.before
        if plan.tasks and case.partition in work.selection and staleness(case.before, inputs):
            screening = _screen(project, case, inputs, reference, bounds, rulings)
            done += 1
        if screening:
            memory.put(case.partition, screening)
            if case.partition in work.selection:
                verdicts[case.partition] = Verdict.from_dict(screening.facts)
    refused = [str(partition) for partition, verdict in verdicts.items() if not verdict.passed]
    figures = {"passed": len(verdicts) - len(refused), "refused": len(refused)}
    return Outcome(STAGE, done, len(verdicts) - done, figures, details={"refused": refused}, stands=bool(refused))


def refused_partitions(project: Project) -> frozenset[Partition]:
    """Return the partitions that are kept out of the state, until they change or a person accepts them."""
    return frozenset(partition for partition, one in Screening.each(project.store).items() if not one.passed)


def quarantined_lfs(project: Project) -> frozenset[str]:
    """Return the labeling functions that, as they are today, weigh nothing until somebody decides."""
    today = project.catalogue.fingerprints
    found = {item for one in Screening.each(project.store).values() for item in one.quarantined.items()}
    return frozenset(name for name, fingerprint in found if today.get(name) == fingerprint)


class _Memories:
    """Memories of all streams."""

    def __init__(self, project: Project) -> None:
        gate = project.params.gate
        self._of = {name: Memory(gate.of(name).memory) for name in project.params.streams}

    def put(self, partition: Partition, screening: Manifest) -> None:
        """Remember a screening."""
        one = Screening.of(screening)
        self._of[partition.stream].put(Remembered(partition.dt, one.passed, one.measures, one.digest))

    def before(self, partition: Partition) -> tuple[Remembered, ...]:
        """Return the reference of a partition."""
        return self._of[partition.stream].before(partition.dt)


def _terms(
    project: Project, work: ScreenWork, memory: _Memories, case: Screened
) -> tuple[GateParams, Rulings, tuple[Remembered, ...]]:
    return project.params.gate.of(case.partition.stream), work.rulings, memory.before(case.partition)


def _cases(project: Project, selection: Selection) -> Iterator[Screened]:
    """Gather the partitions whose votes are of their rows, of selected streams that params.yaml names."""
    store = project.store
    rows, before = store.partitions(Layout.PARTITIONS), store.partitions(Layout.SCREENINGS)
    for partition, votes in store.partitions(Layout.VOTES).items():
        made = rows.get(partition)
        if made is None or partition.stream not in project.params.streams or not selection.has_stream(partition.stream):
            continue
        if Votes.of(votes).rows_digest == made.files["rows"].sha256:
            yield Screened(partition, made, votes, before.get(partition))


def _screen(
    project: Project,
    case: Screened,
    inputs: dict[str, str],
    reference: tuple[Remembered, ...],
    bounds: GateParams,
    rulings: Rulings,
) -> Manifest:
    from beambell.quality.checks import checks_of

    measures = _measures(project, case)
    found = compare((*checks_of("rows"), *checks_of("votes")), measures, reference, Law(bounds.warn_z, bounds.block_z))
    ruled = rulings.of(case.partition, inputs["rows"])
    excused = excuse(found, ruled.accepted)
    broken = broken_lfs(excused) if bounds.broken_lfs == "quarantine" else ()
    verdict = Verdict.of((*quarantine(excused, broken), *ruled.findings))
    prints = Votes.of(case.votes).fingerprints
    facts = {
        "stream": case.partition.stream,
        "dt": case.partition.dt,
        **verdict.to_dict(),
        "measures": measures,
        "digest": digest_of(_plain(measures)),
        "quarantined": {name: prints[name] for name in broken},
    }
    return project.store.publish(
        Layout.of(Layout.SCREENINGS, case.partition), Manifest("screening", {}, inputs, _plain(facts))
    )


def _measures(project: Project, case: Screened) -> Measures:
    """Measure what changed: rows are read again only if they are others."""
    from beambell.quality.checks import checks_of

    sight = _sight(project, case)
    before = Screening.of(case.before) if case.before else None
    known = before.measures if before and before.rows_digest == case.rows.files["rows"].sha256 else {}
    of_rows = {check.kind: known.get(check.kind) or check.measure(sight) for check in checks_of("rows")}
    return {**of_rows, **{check.kind: check.measure(sight) for check in checks_of("votes")}}


def _sight(project: Project, case: Screened) -> Sight:
    stream = project.params.streams[case.partition.stream]
    cast = Votes.of(case.votes)
    return Sight(
        stream=case.partition.stream,
        dt=case.partition.dt,
        rows=Rows.of(case.rows).rows,
        text=stream.text,
        classes=project.params.classes,
        fields=stream.fields,
        read_rows=partial(_read_rows, project, case),
        lfs=tuple(
            CastVotes(lf.name, lf.fingerprint, lf.votes, lf.errors, speaks(project, lf.name, case.partition.stream))
            for lf in cast.lfs
        ),
        read_counts=partial(_read_counts, project, case),
    )


def speaks(project: Project, lf: str, stream: str) -> bool:
    """Whether an LF is meant for a stream: one that is not cannot be blamed for silence there."""
    streams = project.catalogue[lf].streams if lf in project.catalogue.names else None
    return streams is None or stream in streams


def _read_rows(project: Project, case: Screened, columns: list[str]) -> pa.Table:
    import pyarrow as pa

    from beambell.store.tables import read_table

    folder, ref = Layout.of(Layout.PARTITIONS, case.partition), case.rows.files["rows"]
    table = read_table(project.store, folder, ref)
    nothing = pa.nulls(table.num_rows, pa.string())
    return pa.table({name: table[name] if name in table.column_names else nothing for name in columns})


def _read_counts(project: Project, case: Screened) -> PatternCounts:
    from beambell.state import PatternCounts
    from beambell.store.tables import read_table

    folder = Layout.of(Layout.VOTES, case.partition)
    return PatternCounts.from_table(read_table(project.store, folder, case.votes.files["patterns"]))


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Bring facts to what JSON gives back: fresh ones are digested like those that were read."""
    import json

    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return plain
