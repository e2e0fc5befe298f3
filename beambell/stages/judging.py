"""Judging: absolute bounds by Great Expectations, and all else that was found of a partition, in one verdict."""

from __future__ import annotations

from collections.abc import Mapping

from beambell.artefacts.kinds.labels import Candidates
from beambell.config.gate import GateParams
from beambell.project import Project
from beambell.quality import Finding, Judgement, Verdict, judge
from beambell.quality.collapse import find_collapse, is_suspicious
from beambell.quality.memory import excuse
from beambell.stages.gate_cases import Case
from beambell.store import Layout, Partition, canonical_json


def judge_cases(project: Project, cases: list[Case], churn: Mapping[Partition, Finding]) -> dict[Partition, Verdict]:
    """Judge by absolute bounds, each stream by its own, and add what was found and decided before.

    Parameters
    ----------
    cases
        Cases to judge.
    churn
        Finding of each partition whose new labels turn too many published ones.
    """
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
    return {case.partition: _in_one(project, case, found[case.partition], churn.get(case.partition)) for case in cases}


def _by_bounds(project: Project, cases: list[Case]) -> list[tuple[GateParams, list[Case]]]:
    """Part cases by the bounds that hold for them: mostly all have the same."""
    parts: dict[str, tuple[GateParams, list[Case]]] = {}
    for case in cases:
        bounds = project.params.gate.of(case.partition.stream)
        parts.setdefault(bounds.model_dump_json(), (bounds, []))[1].append(case)
    return list(parts.values())


def _in_one(project: Project, case: Case, found: tuple[Finding, ...], churn: Finding | None) -> Verdict:
    """Add what was found of rows and votes, and of the labels beside the votes and beside the published ones."""
    before = tuple(map(Finding.from_dict, case.screening.findings)) if case.screening else case.ruled.findings
    of_labels = (*found, *_collapse(project, case), *((churn,) if churn else ()))
    return Verdict.of((*before, *excuse(of_labels, case.ruled.accepted)))


def _collapse(project: Project, case: Case) -> tuple[Finding, ...]:
    """Look whether the label model gives one class to all, though the votes that it listens to do not."""
    if case.candidate is None:
        return ()
    labelled, votes = Candidates.of(case.candidate), project.store.read(Layout.of(Layout.VOTES, case.partition))
    if votes is None or labelled.lfs is None or not is_suspicious(labelled.label_counts):
        return ()
    from beambell.quality.checks.votes import majorities_of
    from beambell.state import PatternCounts
    from beambell.store.tables import read_table

    folder = Layout.of(Layout.VOTES, case.partition)
    counts = PatternCounts.from_table(read_table(project.store, folder, votes.files["patterns"]))
    heard = counts.restrict([name for name in counts.lfs if name in labelled.lfs])
    return find_collapse(labelled.label_counts, majorities_of(heard, project.params.classes))


def _leave_report(project: Project, judgement: Judgement) -> None:
    """Leave what Great Expectations said of this run for people; it is a log, not an artefact."""
    from beambell.quality import render_html

    folder = project.volatile / "gate"
    folder.mkdir(parents=True, exist_ok=True)
    for name, result in judgement.results.items():
        (folder / f"{name}.json").write_bytes(canonical_json(result))
        (folder / f"{name}.html").write_text(render_html(result), encoding="utf-8")
