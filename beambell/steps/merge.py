"""Merge: the state is a weighted sum of the pattern counts of partitions, of each stream and of all.

Counts form a group, so the state follows its partitions by arithmetic: a partition that changed is subtracted as it
was and added as it is. One new partition costs one partition, whatever the history and whatever the policy.

A state is of one set of labeling functions. When that changes, the state moves to the new ones as a whole: as long as
a partition that counts has votes of other LFs, the state stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from beambell.errors import ArtefactError
from beambell.project import Project
from beambell.state import BudgetedCounts, IncompleteSampleError, Member, PatternCounts, Policy
from beambell.state.members import Members, read_members, write_members
from beambell.state.stored import read_counts, record, roles, write_counts
from beambell.steps import apply
from beambell.steps.stage import Outcome, Plan, Task
from beambell.steps.votes_index import Voted, read_votes
from beambell.store import FileRef, Layout, Manifest, Partition, Selection, digest, parse_dt
from beambell.store.tables import read_table

STAGE = "merge"
NO_DAY = 0


@dataclass(frozen=True)
class MergeWork:
    """How the state differs from what it should be.

    Attributes
    ----------
    before
        Manifest of the state as it is.
    known, members
        Partitions that are in it, and that belong into it.
    anew
        Why nothing of it can be kept, if so.
    waiting
        Partitions with votes of other LFs, which cannot join before apply has seen them.
    held
        Whether the state stays as it is until they have joined.
    inputs
        Digests of today's LFs and policy.
    newest
        Day of the newest member, from which ages are counted.
    """

    before: Manifest | None
    known: Members
    members: Members
    anew: str | None
    waiting: tuple[Partition, ...]
    held: bool
    inputs: Mapping[str, str]
    newest: int

    @cached_property
    def minus(self) -> Members:
        """Members to subtract as they were."""
        return {} if self.anew else {p: m for p, m in self.known.items() if self.members.get(p) != m}

    @cached_property
    def plus(self) -> Members:
        """Members to add as they are."""
        return {p: m for p, m in self.members.items() if self.anew or self.known.get(p) != m}

    @property
    def stale(self) -> bool:
        """Whether there is anything to do."""
        if self.held:
            return False
        return bool(self.members or self.known) if self.anew else bool(self.minus or self.plus)


def policy_of(project: Project) -> Policy:
    """Read the project's policy of weights."""
    params = project.params.state
    return Policy(params.policy, params.days, params.half_life_days)


def day_of(partition: Partition) -> int:
    """Day on which a partition begins."""
    return parse_dt(partition.dt).toordinal()


def plan(project: Project, selection: Selection) -> Plan:  # noqa: ARG001 - the state is one, over all partitions
    """Say which partitions would join, leave or change in the state, and which are behind."""
    work = find_work(project)
    waiting = _why_waiting(project, work) if work.waiting else ()
    if not work.stale:
        return Plan(STAGE, (), len(work.known), waiting)
    if work.anew:
        task = Task("state", f"{work.anew}: summed over {len(work.members)} partitions")
        return Plan(STAGE, (task,), 0, waiting)
    minus, plus = work.minus, work.plus
    tasks = tuple(Task(str(p), _change(p, minus, plus)) for p in sorted({**minus, **plus}))
    return Plan(STAGE, tasks, len(work.members) - len(plus), waiting)


def _change(partition: Partition, minus: Members, plus: Members) -> str:
    if partition not in minus:
        return "joins the state"
    return "replaced in the state" if partition in plus else "leaves the state"


def _why_waiting(project: Project, work: MergeWork) -> tuple[Task, ...]:
    found, _ = apply.find_work(project, project.select())
    reasons = {item.partition: f"{item.reason}; waits for apply" for item in found}
    gone = "votes of other LFs, and its rows are gone"
    return tuple(Task(str(partition), reasons.get(partition, gone)) for partition in work.waiting)


def run(project: Project, selection: Selection) -> Outcome:  # noqa: ARG001
    """Bring the state up to its partitions."""
    with project.writing():
        work = find_work(project)
        manifest = _publish(project, work) if work.stale else work.before
        if manifest:
            record(project.store, manifest)
    figures = {name: manifest.facts[name] for name in ("partitions", "rows", "patterns")} if manifest else {}
    changed = len({**work.minus, **work.plus}) if work.stale else 0
    return Outcome(STAGE, changed, len(work.members) - len(work.plus), figures, _warnings(work))


def _warnings(work: MergeWork) -> tuple[str, ...]:
    if not work.waiting:
        return ()
    some = ", ".join(map(str, work.waiting[:3])) + (" ..." if len(work.waiting) > 3 else "")
    so = "the state stays as it is until then" if work.held else "the state does without them"
    return (f"{len(work.waiting)} partitions have votes of other LFs and wait for apply, and {so}: {some}",)


def find_work(project: Project) -> MergeWork:
    """Compare the state's members with the votes there are."""
    policy, _ = policy_of(project), project.weighing_lfs  # a shadow LF that does not exist is found here
    inputs = {
        "lfs": apply.lfs_digest(apply.active_lfs(project), project.params.cardinality),
        "policy": digest(project.params.state.model_dump(mode="json")),
    }
    votes = {p: voted for p, voted in read_votes(project).items() if p.stream in project.params.streams}
    before = project.store.read(Layout.STATE)
    known = read_members(project.store, before) if before else {}
    ready = {p: voted.member for p, voted in votes.items() if voted.lfs == inputs["lfs"]}
    newest = max(map(day_of, ready), default=NO_DAY)
    members = {p: member for p, member in ready.items() if policy.weight(day_of(p), newest)}
    anew = _why_anew(before, inputs)
    waiting = _waiting(policy, votes, inputs["lfs"])
    moves = anew is not None or any(partition in known for partition in waiting)
    held = before is not None and moves and any(_has_rows(project, partition) for partition in waiting)
    return MergeWork(before, known, members, anew, waiting, held, inputs, newest)


def _why_anew(before: Manifest | None, inputs: Mapping[str, str]) -> str | None:
    if before is None:
        return "new"
    if before.inputs["lfs"] != inputs["lfs"]:
        return "LFs changed"
    return "state in params.yaml changed" if before.inputs.get("policy") != inputs["policy"] else None


def _waiting(policy: Policy, votes: Mapping[Partition, Voted], lfs: str) -> tuple[Partition, ...]:
    newest = max(map(day_of, votes), default=NO_DAY)
    return tuple(p for p, voted in votes.items() if voted.lfs != lfs and policy.weight(day_of(p), newest))


def _has_rows(project: Project, partition: Partition) -> bool:
    """Whether apply can bring its votes up to date."""
    return project.store.files.exists(f"{Layout.of(Layout.PARTITIONS, partition)}/manifest.json")


# -- arithmetic --------------------------------------------------------------------------------------------------


class Sums:
    """The sums that make a state, from the state before where that is possible, and with the same result.

    Parameters
    ----------
    project, work
        Whose state, and how it differs from what it should be.
    """

    def __init__(self, project: Project, work: MergeWork) -> None:
        self._project, self._work = project, work
        self._policy, self._budget = policy_of(project), project.params.state.max_patterns
        self._read: dict[tuple[Partition, str], BudgetedCounts] = {}
        before = work.before.facts.get("newest") if work.before else None
        self._day_before = date.fromisoformat(before).toordinal() if before else NO_DAY
        self.unit = self._policy.unit(work.newest)

    @property
    def ages(self) -> bool:
        """Whether the weights of partitions that stay have changed."""
        policy = self._policy
        return policy.unit(self._day_before) != self.unit or bool(policy.halvings(self._day_before, self._work.newest))

    def of(self, stream: str | None) -> BudgetedCounts:
        """Sum of one stream, or of all."""
        work = self._work
        if not work.anew and work.before and roles(stream)[0] in work.before.files:
            try:
                return self._incrementally(stream, work.before)
            except (ArtefactError, IncompleteSampleError):
                pass  # what is to be subtracted was removed by hand, or the sample lacks patterns
        return self._weighted(work.members, work.newest, stream, self.zero).in_units(self.unit)

    @property
    def zero(self) -> BudgetedCounts:
        """The sum of nothing."""
        zero = PatternCounts.zero(self._project.params.cardinality, tuple(self._project.catalogue.names))
        return BudgetedCounts.of(zero, self._budget)

    def _incrementally(self, stream: str | None, before: Manifest) -> BudgetedCounts:
        work = self._work
        total = read_counts(self._project.store, before, stream).in_units(1)
        left = self._weighted(work.minus, self._day_before, stream, total, sign=-1)
        aged = left.halved(self._policy.halvings(self._day_before, work.newest)) if work.members else self.zero
        return self._weighted(work.plus, work.newest, stream, aged).in_units(self.unit)

    def _weighted(
        self, members: Members, newest: int, stream: str | None, start: BudgetedCounts, sign: int = 1
    ) -> BudgetedCounts:
        parts = [
            self._counts(partition, member) * (sign * self._policy.weight(day_of(partition), newest))
            for partition, member in members.items()
            if stream in {None, partition.stream}
        ]
        return BudgetedCounts.sum([start, *parts]) if parts else start

    def _counts(self, partition: Partition, member: Member) -> BudgetedCounts:
        key = partition, member.patterns.sha256
        if key not in self._read:
            table = read_table(self._project.store, Layout.of(Layout.VOTES, partition), member.patterns)
            self._read[key] = BudgetedCounts.of(PatternCounts.from_table(table), self._budget)
        return self._read[key]


def _publish(project: Project, work: MergeWork) -> Manifest:
    store, sums = project.store, Sums(project, work)
    touched = {partition.stream for partition in {**work.minus, **work.plus}}
    files: dict[str, FileRef] = {}
    streams: dict[str, Any] = {}
    for stream in sorted({partition.stream for partition in work.members}):
        if work.before and not work.anew and stream not in touched and not sums.ages:
            files |= {role: work.before.files[role] for role in roles(stream) if role in work.before.files}
            streams[stream] = work.before.facts["streams"][stream]
        else:
            counts = sums.of(stream)
            files |= write_counts(store, counts, stream)
            streams[stream] = figures(counts, sum(partition.stream == stream for partition in work.members))
    if len(streams) == 1:  # all streams are that one
        files |= {role: files[own] for role, own in zip(roles(), roles(*streams), strict=True) if own in files}
        total = dict(*streams.values())
    else:
        counts = sums.of(None)
        files |= write_counts(store, counts)
        total = figures(counts, len(work.members))
    lists = write_members(store, work.members, work.before, work.known)
    facts = {
        **total,
        "streams": streams,
        "lfs": list(project.catalogue.names),
        "cardinality": project.params.cardinality,
        "policy": {**policy_of(project).to_dict(), "max_patterns": project.params.state.max_patterns},
        "newest": date.fromordinal(work.newest).isoformat() if work.members else None,
        "unit": sums.unit,
    }
    inputs = {**work.inputs, "members": digest({role: ref.sha256 for role, ref in lists.items()})}
    return store.publish(Layout.STATE, Manifest("state", files | lists, inputs, facts), keep_history=True)


def figures(counts: BudgetedCounts, partitions: int) -> dict[str, Any]:
    """What a manifest says of a sum: partitions, rows as weighted, patterns, and the level of the sample."""
    return {
        "partitions": partitions,
        "rows": counts.counts().n_rows,
        "patterns": counts.sample.n_patterns,
        "level": counts.level,
    }
