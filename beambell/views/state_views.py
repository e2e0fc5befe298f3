"""What the state is, was, and how two of them differ. Reads manifests, lists of members and counts; never rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from beambell.arrays import ABSTAIN
from beambell.artefacts.kinds.votes import State
from beambell.artefacts.state_partitions import read_partitions
from beambell.artefacts.stored import find_state, log_of, read_counts, sampled_share
from beambell.project import Project
from beambell.state import PatternCounts, Policy
from beambell.store import Manifest

PATTERNS_SHOWN = 10


@dataclass(frozen=True)
class LFShare:
    """One labeling function in a state.

    Attributes
    ----------
    name, shadow
        Name, and whether label models leave its votes out now.
    coverage, overlap, conflict
        Shares of the rows, as the policy weighs them.
    """

    name: str
    shadow: bool
    coverage: float
    overlap: float
    conflict: float


@dataclass(frozen=True)
class StateView:
    """A state at a glance, of all streams or of one.

    Attributes
    ----------
    id, stream, current
        Id of its manifest; name of the stream (``None`` for all); whether it is the state of today.
    policy
        Policy of weights, in words.
    newest
        The day from which ages are counted.
    partitions, rows, patterns
        Numbers of partitions, of rows (as weighted) and of patterns that it sums up.
    kept
        Share of the distinct patterns that is kept: 1, or less where they are a sample.
    covered, overlapping, conflicting
        Shares of the rows with a vote, with several, and with votes for different classes.
    lfs
        Figures per labeling function.
    streams
        Partitions, rows and patterns of every stream in it.
    """

    id: str
    stream: str | None
    current: bool
    policy: str
    newest: str | None
    partitions: int
    rows: int
    patterns: int
    kept: float
    covered: float
    overlapping: float
    conflicting: float
    lfs: tuple[LFShare, ...]
    streams: dict[str, Any]


@dataclass(frozen=True)
class LogEntry:
    """One state of the past: number in the log, id, and what it summed up."""

    number: int
    id: str
    newest: str | None
    partitions: int
    rows: int
    patterns: int
    lfs: int
    policy: str


@dataclass(frozen=True)
class Shift:
    """How a figure changed: from ``before`` to ``after``; ``None`` where there was, or is, none."""

    name: str
    before: tuple[float, float] | None
    after: tuple[float, float] | None


@dataclass(frozen=True)
class Growth:
    """A pattern, as the votes that are in it, and by how many rows it grew."""

    pattern: dict[str, str]
    rows: int


@dataclass(frozen=True)
class StateDiff:
    """How two states differ.

    Attributes
    ----------
    before, after
        Ids of both.
    joined, left, replaced
        Names of partitions.
    rows
        Numbers of rows in both, as weighted.
    lfs
        Coverage and conflict of each labeling function that changed them, joined or left.
    grew
        The patterns whose rows changed most, by votes of the LFs that both have.
    sampled
        Whether these are estimates.
    """

    before: str
    after: str
    joined: tuple[str, ...]
    left: tuple[str, ...]
    replaced: tuple[str, ...]
    rows: tuple[int, int]
    lfs: tuple[Shift, ...]
    grew: tuple[Growth, ...]
    sampled: bool


def show_state(project: Project, stream: str | None = None, at: str | None = None) -> StateView:
    """Show a state."""
    manifest, current = find_state(project.store, at), find_state(project.store)
    counts = read_counts(project.store, manifest, stream).counts()
    state = State.of(manifest)
    facts = state.of_stream(stream)
    analysis = counts.analysis()
    shadow = project.params.lfs.shadow
    return StateView(
        id=manifest.id,
        stream=stream,
        current=manifest.id == current.id,
        policy=_policy(manifest),
        newest=state.newest,
        partitions=facts["partitions"],
        rows=facts["rows"],
        patterns=facts["patterns"],
        kept=sampled_share(facts),
        covered=analysis.coverage,
        overlapping=analysis.overlap_rate,
        conflicting=analysis.conflict_rate,
        lfs=tuple(LFShare(lf.name, lf.name in shadow, lf.coverage, lf.overlaps, lf.conflicts) for lf in analysis.lfs),
        streams={} if stream else dict(state.streams),
    )


def log_states(project: Project, last: int | None = None) -> list[LogEntry]:
    """List states, newest first."""
    entries = []
    for logged in reversed(log_of(project.store)[-last if last else 0 :]):
        manifest = find_state(project.store, logged.id)
        state = State.of(manifest)
        entries.append(
            LogEntry(
                number=logged.number,
                id=logged.id,
                newest=state.newest,
                partitions=state.partitions,
                rows=state.rows,
                patterns=state.patterns,
                lfs=len(state.lfs),
                policy=_policy(manifest),
            )
        )
    return entries


def diff_states(project: Project, before: str, after: str | None = None) -> StateDiff:
    """Compare two states; the later one is the current state by default."""
    old, new = find_state(project.store, before), find_state(project.store, after)
    was, now = (read_partitions(project.store, manifest) for manifest in (old, new))
    old_counts, new_counts = (read_counts(project.store, manifest).counts() for manifest in (old, new))
    return StateDiff(
        before=old.id,
        after=new.id,
        joined=tuple(str(partition) for partition in now if partition not in was),
        left=tuple(str(partition) for partition in was if partition not in now),
        replaced=tuple(str(partition) for partition in now if partition in was and was[partition] != now[partition]),
        rows=(State.of(old).rows, State.of(new).rows),
        lfs=_shifts(old_counts, new_counts),
        grew=_growth(old_counts, new_counts, project.params.classes),
        sampled=old_counts.sampled or new_counts.sampled,
    )


def _policy(manifest: Manifest) -> str:
    policy = State.of(manifest).policy
    return str(Policy(policy["kind"], policy["days"], policy["half_life_days"]))


def _shifts(old: PatternCounts, new: PatternCounts) -> tuple[Shift, ...]:
    was, now = ({lf.name: (lf.coverage, lf.conflicts) for lf in counts.analysis().lfs} for counts in (old, new))
    return tuple(
        Shift(name, was.get(name), now.get(name))
        for name in dict.fromkeys([*now, *was])
        if was.get(name) != now.get(name)
    )


def _growth(old: PatternCounts, new: PatternCounts, classes: tuple[str, ...]) -> tuple[Growth, ...]:
    common = [name for name in new.lfs if name in old.lfs]
    if not common or old.cardinality != new.cardinality:
        return ()
    rows: dict[tuple[int, ...], float] = {}
    for counts, sign in ((old, -1), (new, 1)):
        marginal = counts.restrict(common)
        for pattern, parts in zip(marginal.patterns.tolist(), marginal.counts.tolist(), strict=True):
            rows[tuple(pattern)] = rows.get(tuple(pattern), 0.0) + sign * parts / counts.unit
    most = sorted(rows.items(), key=lambda item: (-abs(item[1]), item[0]))[:PATTERNS_SHOWN]
    return tuple(Growth(_spoken(pattern, common, classes), round(grew)) for pattern, grew in most if round(grew))


def _spoken(pattern: Iterable[int], lfs: list[str], classes: tuple[str, ...]) -> dict[str, str]:
    named = zip(lfs, np.asarray(pattern).tolist(), strict=True)
    return {name: classes[vote] if vote < len(classes) else str(vote) for name, vote in named if vote != ABSTAIN}
