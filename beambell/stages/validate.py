"""Validate: the gate judges candidate labels; what passes is published, what fails leaves the last good labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from beambell.artefacts.kinds.labels import Verdict as Kind
from beambell.errors import GateError
from beambell.project import Project
from beambell.quality import (
    FIND_FILES,
    Finding,
    Verdict,
)
from beambell.stages.churn import KIND as CHURN
from beambell.stages.churn import find_turned, judge_churn
from beambell.stages.expected import find_missing
from beambell.stages.gate_cases import Case, find_cases
from beambell.stages.judging import judge_cases
from beambell.stages.losses import doubtful_streams, find_losses, refused_streams
from beambell.stages.public_labels import PublicLabels
from beambell.stages.stage import Outcome, Plan, Refusal, Task, plan_units, staleness
from beambell.store import Layout, Manifest, Partition, Selection
from beambell.store.manifest import FILE_NAME

STAGE = "validate"
PUBLISHED = "published"
"""Input of a verdict that refuses labels because too many published ones turn."""


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
    verdicts = judge_cases(project, cases, churn)

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


def _publish_labels(project: Project, partition: Partition, candidate: Manifest, public: PublicLabels) -> None:
    source, target = Layout.of(Layout.CANDIDATES, partition), Layout.of(Layout.LABELS, partition)
    project.store.copy(source, target, candidate.files.values())
    public.publish(partition, project.store.publish(target, candidate))


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
