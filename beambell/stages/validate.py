"""Validate: the gate judges candidate labels; what passes is published, what fails leaves the last good labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from beambell.artefacts.kinds.gate import Screening
from beambell.artefacts.kinds.labels import Candidates
from beambell.artefacts.kinds.labels import Verdict as Kind
from beambell.artefacts.kinds.records import Rows
from beambell.artefacts.kinds.votes import Votes
from beambell.config.formats import with_format
from beambell.config.gate import GateParams
from beambell.errors import GateError
from beambell.project import Project
from beambell.quality import (
    FIND_FILES,
    Finding,
    Judgement,
    LFSummary,
    PartitionSummary,
    Verdict,
    gate_fingerprint,
    judge,
)
from beambell.quality.collapse import find_collapse
from beambell.quality.memory import excuse
from beambell.stages.churn import KIND as CHURN
from beambell.stages.churn import find_turned, judge_churn
from beambell.stages.expected import find_missing
from beambell.stages.losses import Delivered, doubtful_streams, find_losses, refused_streams
from beambell.stages.public_labels import PublicLabels
from beambell.stages.rulings import NOT_RULED, Ruled, Rulings, read_rulings
from beambell.stages.screen import speaks
from beambell.stages.stage import Outcome, Plan, Refusal, Task, plan_units, staleness
from beambell.store import Layout, Manifest, Partition, Selection, canonical_json
from beambell.store.manifest import FILE_NAME

STAGE = "validate"
PUBLISHED = "published"
"""Input of a verdict that refuses labels because too many published ones turn."""
MAJORITIES = "class_votes_share"
"""Check that keeps the majorities of a partition's votes by class."""


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


@dataclass(frozen=True)
class GateWork:
    """What comes before the gate.

    Attributes
    ----------
    cases, stale
        All selected partitions, and those of them that are to be judged.
    streams
        Reason why a stream is refused as a whole, by the stream's name.
    doubts
        Sentences about what is doubtful of other streams.
    """

    cases: list[Case]
    stale: list[Case]
    streams: dict[str, str]
    doubts: tuple[str, ...]


def plan(project: Project, selection: Selection) -> Plan[GateWork]:
    """Say which partitions would be judged, and why."""
    deliveries = project.store.under(Layout.DELIVERIES)
    cases, labels = find_cases(project, selection, deliveries), project.store.partitions(Layout.LABELS)
    verdicts = project.store.partitions(Layout.VERDICTS)
    judging = plan_units(STAGE, cases, lambda case: _reason(case, verdicts.get(case.partition), labels))
    wrong = PublicLabels(project).wrong(labels)
    tasks = (*judging.tasks, *(Task(Layout.public(partition), why) for partition, why in wrong.items()))
    known = {case.partition for case in cases} - {case.partition for case in judging.work}
    streams, doubts = _look_at_streams(project, selection, deliveries)
    warnings = (*(f"stream {name} is refused: {why}" for name, why in streams.items()), *doubts)
    work = GateWork(cases, judging.work, streams, doubts)
    return Plan(STAGE, tasks, judging.current, refused=_refusals(project, known), warnings=warnings, work=work)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    voteless = list(project.voteless_classes)
    return {**project.params.in_force("gate"), "voteless": voteless, **project.params.names()}


def run(project: Project, plan: Plan[GateWork]) -> Outcome:
    """Judge what is new, publish what passes.

    Raises
    ------
    GateError
        If a selected partition fails, now or still; everything that passed is published by then.
    """
    cases, stale, streams, doubts = plan.work.cases, plan.work.stale, plan.work.streams, plan.work.doubts
    public = PublicLabels(project)
    before = {case.partition: _keys(project, case.partition) for case in stale}
    remark = _judge(project, stale, public) if stale else None
    put_right = public.put_right()
    judged = project.store.partitions(Layout.VERDICTS)
    verdicts = {case.partition: Verdict.from_dict(judged[case.partition].facts) for case in cases}
    failed = {partition: verdict for partition, verdict in verdicts.items() if not verdict.passed}
    new = {
        partition: tuple(finding for finding in verdicts[partition].told if finding.key not in known)
        for partition, known in before.items()
    }
    details: dict[str, Any] = {
        "new": {str(partition): [one.to_dict() for one in found] for partition, found in new.items() if found},
        "judged": [str(case.partition) for case in stale],
        "published": [str(c.partition) for c in stale if c.candidate and verdicts[c.partition].passed],
        "newest": max((p.dt for p, verdict in verdicts.items() if verdict.passed), default=None),
    }
    remarks = (remark,) if remark else ()
    if failed or streams:
        part = {
            "warnings": (*remarks, *doubts),
            "done": len(stale),
            "current": len(cases) - len(stale),
            "figures": {"passed": len(verdicts) - len(failed), "refused": len(failed)},
        }
        refusals = {str(partition): verdict.to_dict()["findings"] for partition, verdict in failed.items()}
        details |= {**part, "refused": [*refusals, *streams], "failures": refusals, "streams": streams}
        raise _refusal(failed, streams, details)
    findings = told(verdicts, new)
    figures = {"passed": len(verdicts), "warnings": sum(len(verdict.told) for verdict in verdicts.values())}
    if put_right:
        figures["put_right"] = len(put_right)
    return Outcome(STAGE, len(stale), len(cases) - len(stale), figures, (*remarks, *findings, *doubts), details)


def told(verdicts: Mapping[Partition, Verdict], new: Mapping[Partition, tuple[Finding, ...]]) -> tuple[str, ...]:
    """Say what was found: what is new, of the newest partitions first; all that was said before in one line."""
    where: dict[tuple[str, str], list[Partition]] = {}
    words: dict[tuple[str, str], str] = {}
    for partition in sorted(new, key=lambda one: (one.dt, one.stream), reverse=True):
        for finding in new[partition]:
            where.setdefault(finding.key, []).append(partition)
            words.setdefault(finding.key, finding.message)
    lines = [
        f"{some[0]}: {words[key]}" + (f" (and so in {len(some) - 1} more partitions)" if some[1:] else "")
        for key, some in where.items()
    ]
    old = sum(len(verdict.told) for verdict in verdicts.values()) - sum(map(len, new.values()))
    return (*lines, *((f"{old} findings of before still hold: `beambell gate list` has them",) if old else ()))


def _keys(project: Project, partition: Partition) -> frozenset[tuple[str, str]]:
    """What the last verdict complained of."""
    before = project.store.read(Layout.of(Layout.VERDICTS, partition))
    return frozenset(finding.key for finding in Verdict.from_dict(before.facts).told) if before else frozenset()


def _look_at_streams(
    project: Project, selection: Selection, deliveries: Mapping[str, Manifest]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Judge what belongs to no partition: why a stream is refused, and what is doubtful of others."""
    losses = find_losses(project, deliveries.values())
    refused, doubts = (
        refused_streams(project, losses, selection),
        doubtful_streams(project, deliveries.values(), selection),
    )
    missing = find_missing(project, selection)
    blocks = {one.stream: one.sentence for one in missing if project.params.gate.of(one.stream).expected == "block"}
    warned = tuple(f"stream {one.stream}: {one.sentence}" for one in missing if one.stream not in blocks)
    return {**blocks, **refused}, (*warned, *doubts)


def _refusals(project: Project, known: set[Partition]) -> tuple[Refusal, ...]:
    """Which of some partitions are refused, by which figures, and since when."""
    judged = project.store.partitions(Layout.VERDICTS)
    failed = {partition: Verdict.from_dict(judged[partition].facts) for partition in sorted(known)}
    failed = {partition: verdict for partition, verdict in failed.items() if not verdict.passed}
    if not failed:
        return ()
    entries = project.store.files.walk(Layout.VERDICTS)
    return tuple(
        Refusal(
            str(partition),
            "; ".join(finding.message for finding in verdict.critical),
            _moment(entries[f"{Layout.of(Layout.VERDICTS, partition)}/{FILE_NAME}"].modified),
        )
        for partition, verdict in failed.items()
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


def _reason(case: Case, verdict: Manifest | None, labels: Mapping[Partition, Manifest]) -> str | None:
    """Say why a case is to be judged, if it is."""
    inputs = case.inputs
    if verdict and PUBLISHED in verdict.inputs and case.partition in labels:
        inputs = {**inputs, PUBLISHED: labels[case.partition].id}
    reason = staleness(verdict, inputs)
    if not reason and verdict and Kind.of(verdict).passed and case.candidate and case.partition not in labels:
        return "its published labels were removed"
    return reason


def _judge(project: Project, cases: list[Case], public: PublicLabels) -> str | None:
    """Judge cases, and publish what passes; return what is to be said of all labels together."""
    candidates = {case.partition: case.candidate for case in cases if case.candidate}
    turned = find_turned(project, candidates, project.store.partitions(Layout.LABELS))
    churn, remark = judge_churn(turned, project.params.gate.max_churn)
    before = {one.partition: one.published.id for one in turned}
    verdicts = _verdicts(project, cases, churn)

    def publish(case: Case) -> Manifest:
        verdict, folder = verdicts[case.partition], Layout.of(Layout.VERDICTS, case.partition)
        # Labels before verdict: killed in between, the verdict is missing and the case is judged again.
        if verdict.passed and case.candidate:
            _publish_labels(project, case.partition, case.candidate, public)
        # What was compared with published labels depends on them; what passed does not, whatever the way to it.
        compared = any(finding.check == CHURN and finding.blocks for finding in verdict.findings)
        inputs = {**case.inputs, PUBLISHED: before[case.partition]} if compared else case.inputs
        record, last = Manifest("verdict", {}, inputs, verdict.to_dict()), project.store.read(folder)
        says_more = last is None or Verdict.from_dict(last.facts).keys != verdict.keys
        return project.store.publish(folder, record, keep_history=says_more)

    list(project.store.files.each(publish, cases))
    return remark


def _verdicts(project: Project, cases: list[Case], churn: Mapping[Partition, Finding]) -> dict[Partition, Verdict]:
    """Judge by absolute bounds, each stream by its own, and add what was found and decided before."""
    found: dict[Partition, tuple[Finding, ...]] = {}
    for bounds, some in _by_bounds(project, cases):
        judgement = judge(
            [case.summary for case in some],
            [lf for case in some for lf in case.lfs],
            bounds,
            classes=project.params.classes,
            voteless=project.voteless_classes,
        )
        _leave_report(project, judgement)
        found |= {Partition(*key): verdict.findings for key, verdict in judgement.verdicts.items()}
    return {case.partition: _with_screening(case, found[case.partition], churn.get(case.partition)) for case in cases}


def _by_bounds(project: Project, cases: list[Case]) -> list[tuple[GateParams, list[Case]]]:
    """Part cases by the bounds that hold for them: mostly all have the same."""
    parts: dict[str, tuple[GateParams, list[Case]]] = {}
    for case in cases:
        bounds = project.params.gate.of(case.partition.stream)
        parts.setdefault(bounds.model_dump_json(), (bounds, []))[1].append(case)
    return list(parts.values())


def _with_screening(case: Case, found: tuple[Finding, ...], churn: Finding | None) -> Verdict:
    """Add what was found of rows and votes, and of the labels beside the votes and beside the published ones."""
    before = tuple(map(Finding.from_dict, case.screening.findings)) if case.screening else case.ruled.findings
    of_labels = (*found, *_collapse(case), *((churn,) if churn else ()))
    return Verdict.of((*before, *excuse(of_labels, case.ruled.accepted)))


def _collapse(case: Case) -> tuple[Finding, ...]:
    if case.screening is None or case.candidate is None:
        return ()
    return find_collapse(Candidates.of(case.candidate).label_counts, case.screening.measures.get(MAJORITIES, {}))


def _publish_labels(project: Project, partition: Partition, candidate: Manifest, public: PublicLabels) -> None:
    source, target = Layout.of(Layout.CANDIDATES, partition), Layout.of(Layout.LABELS, partition)
    project.store.copy(source, target, candidate.files.values())
    public.publish(partition, project.store.publish(target, candidate))


def _leave_report(project: Project, judgement: Judgement) -> None:
    """Leave what Great Expectations said of this run for people; it is a log, not an artefact."""
    from beambell.quality import render_html

    folder = project.volatile / "gate"
    folder.mkdir(parents=True, exist_ok=True)
    for name, result in judgement.results.items():
        (folder / f"{name}.json").write_bytes(canonical_json(result))
        (folder / f"{name}.html").write_text(render_html(result), encoding="utf-8")


def _refusal(failed: Mapping[Partition, Verdict], streams: Mapping[str, str], details: Mapping[str, Any]) -> GateError:
    lines = [f"  stream {stream}: {why}" for stream, why in streams.items()]
    lines += [
        f"  {partition}: {failure.message}" for partition, verdict in failed.items() for failure in verdict.critical
    ]
    more = f"\n  and {len(lines) - 10} more" if len(lines) > 10 else ""
    fixes = dict.fromkeys(finding.fix for verdict in failed.values() for finding in verdict.critical)
    fixes |= dict.fromkeys([FIND_FILES] if streams else [])
    problems = (
        [f"the gate refuses {len(failed)} of the partitions; their last good labels stay published"] if failed else []
    )
    problems += [f"the gate misses what was delivered to {len(streams)} of the streams"] if streams else []
    return GateError(
        "; ".join(problems) + "\n" + "\n".join(lines[:10]) + more,
        fix="; or: ".join(fixes),
        details=details,
    )
