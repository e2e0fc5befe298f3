"""Apply, what is told of a run: who voted on how many rows, and what is worth a warning."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from beambell.artefacts.kinds.votes import Votes
from beambell.labeling.compiler import compile_lfs
from beambell.project import Project
from beambell.stages.apply import STAGE, VotesWork
from beambell.stages.stage import Outcome, some_of
from beambell.store import Layout

VOTES, ERRORS, MICROSECONDS = "lf_votes", "lf_errors", "lf_microseconds"
"""Namespaces of the job's counters; each has one for every labeling function that ran, by its name."""

SEARCHED = "lf_rows_searched_by_re"
"""Namespace of those of the functions that no automaton can hold."""

SLOW_S = 10.0
"""Seconds of the workers' time from which on one labeling function that takes most of a job is worth a warning."""


def outcome(
    project: Project,
    work: Sequence[VotesWork],
    current: int,
    metrics: Mapping[str, Mapping[str, int]],
    opened: Mapping[str, Collection[str]],
) -> Outcome:
    """Sum up a run.

    Parameters
    ----------
    project, work
        The project, and the votes that were published.
    current
        Number of partitions that needed none.
    metrics
        Counters of the job by namespace (`VOTES`, `ERRORS`, `MICROSECONDS`, `SEARCHED`) and labeling function.
    opened
        Files and sockets that labeling functions opened while they voted, by the function's name.
    """
    folders = [Layout.of(Layout.VOTES, item.partition) for item in work]
    cast = [Votes.of(manifest) for manifest in project.store.require_each(folders, "run apply again")]
    figures: dict[str, Any] = {
        "rows": sum(votes.rows for votes in cast),
        "covered": sum(votes.covered for votes in cast),
        "conflicts": sum(votes.conflicts for votes in cast),
        "dead_letters": sum(votes.dead_letters for votes in cast),
    }
    if work:
        figures["voted"] = _who_voted(work)
    warnings = [*project.remarks, *_opened(project, opened), *_edited(project)]
    warnings += [
        f"{item.partition}: {lf.name} failed on {lf.errors} rows (see `beambell lf show {lf.name}`)"
        for item, votes in zip(work, cast, strict=True)
        for lf in votes.lfs
        if lf.errors
    ]
    warnings += _searched_by_re(project, work) if SEARCHED in metrics else []
    warnings += _slow(metrics.get(MICROSECONDS, {}))
    kinds = {"votes": VOTES, "errors": ERRORS, "microseconds": MICROSECONDS}
    lfs = {
        name: {kind: metrics[space].get(name, 0) for kind, space in kinds.items()} for name in metrics.get(VOTES, {})
    }
    return Outcome(STAGE, len(work), current, figures, tuple(warnings), {"lfs": lfs})


def _opened(project: Project, opened: Mapping[str, Collection[str]]) -> list[str]:
    """Say what labeling functions opened while they voted, where their source did not tell."""
    return [
        f"{name} opened {some_of(sorted(what))} while it voted: that is no part of its fingerprint, so a change of it "
        "is not noticed; hand a file over: resources={...: Resource(file)}"
        for name, what in sorted(opened.items())
        if not any(f"{name} vote" in remark for remark in project.remarks)
    ]


def _edited(project: Project) -> list[str]:
    """Say which files of labeling functions were changed while these votes were cast."""
    return [
        f"{name} was changed while this ran: these votes are those of what it said before; run again"
        for name in project.catalogue.changed_files()
    ]


def _who_voted(work: Iterable[VotesWork]) -> str:
    """Name the LFs that ran: after an edit one, after a removal none."""
    there = {lf.name for item in work for lf in item.lfs}
    ran = sorted({name for item in work for name in item.to_run})
    if len(ran) == len(there):
        return f"all {len(there)} LFs"
    return f"{some_of(ran) or 'none'} of {len(there)} LFs"


def _searched_by_re(project: Project, work: Iterable[VotesWork]) -> list[str]:
    """Name the LFs that ran and that no automaton can hold: their regex is searched in every row by Python."""
    # The very sets that the workers compiled: their automata are in the cache.
    sets = {(item.partition.stream, item.to_run) for item in work}
    why: dict[str, str] = {}
    for stream, names in sorted(sets):
        lfs = [project.catalogue[name] for name in names]
        plans = compile_lfs(lfs, cache_dir=project.volatile / "compiled").explain(stream)
        why |= {plan.lf: plan.why for plan in plans if plan.how == "re"}
    return [f"{name} is searched by `re` in every row: {reason}" for name, reason in sorted(why.items())]


def _slow(microseconds: Mapping[str, int]) -> list[str]:
    total = sum(microseconds.values())
    return [
        f"{name} takes {share / total:.0%} of the time of all labeling functions (see `beambell lf list`)"
        for name, share in microseconds.items()
        if share > SLOW_S * 1e6 and share > total / 2
    ]
