"""Merge: the state is a weighted sum of the pattern counts of partitions, of each stream and of all.

Counts form a group, so the state follows its partitions by arithmetic: a partition that changed is subtracted as it
was and added as it is. One new partition costs one partition, whatever the history and whatever the policy.

A state is of one set of labeling functions. When that changes, the state moves to the new ones as a whole: as long as
a partition that counts has votes of other LFs, the state stays as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from beambell.artefacts.kinds.votes import State
from beambell.artefacts.state_partitions import ROLE, StatePartitions, list_name, lists_of, read_list, write_list
from beambell.artefacts.stored import record, roles, write_counts
from beambell.config.formats import FORMAT_CHANGED, has_other_format, with_format
from beambell.project import Project
from beambell.stages import apply
from beambell.stages.screen import refused_partitions
from beambell.stages.stage import Outcome, Plan, Task
from beambell.stages.sums import NO_DAY, Sums, day_number, day_of, policy_of
from beambell.stages.votes_index import VotedList, read_votes
from beambell.state import BudgetedCounts, Policy
from beambell.store import FileRef, Layout, Manifest, Partition, Store, digest

STAGE = "merge"


@dataclass(frozen=True)
class Rule:
    """What belongs into the state.

    Attributes
    ----------
    lfs
        Digest of today's LFs.
    policy
        Policy of weights.
    newest
        Day of the newest member, from which ages are counted.
    latest
        Day that ``newest`` would be, if all partitions had votes of today's LFs.
    refused
        Partitions that the gate keeps out, by the name of their list.
    """

    lfs: str
    policy: Policy
    newest: int
    latest: int
    refused: Mapping[str, frozenset[Partition]] = field(default_factory=dict)

    def counts(self, dt: str, newest: int) -> bool:
        """Whether a partition has any weight."""
        return self.policy.weight(day_number(dt), newest) > 0


@dataclass(frozen=True)
class ListWork:
    """One list of members: as the state has it, and as it should be. Neither is read if their digests are the same.

    Attributes
    ----------
    name
        Name of the list.
    store, rule
        Store of the list, and the rule of what belongs into it.
    ref
        File of the list, if the state has such a list.
    voted
        The votes there are.
    """

    name: str
    store: Store
    rule: Rule
    ref: FileRef | None
    voted: VotedList | None

    @cached_property
    def same(self) -> bool:
        """Whether there is nothing to do here, as digests tell."""
        if self.ref is None or self.voted is None or self._refused:
            return False
        whole = self.voted.lfs == self.rule.lfs and self.rule.counts(self.voted.first, self.rule.newest)
        return whole and self.voted.sha256 == self.ref.sha256

    @property
    def count(self) -> int:
        """How many partitions belong into the state."""
        return self.voted.count if self.same and self.voted else len(self.revisions)

    @cached_property
    def known(self) -> StatePartitions:
        """Partitions that are in the state."""
        return read_list(self.store, self.ref) if self.ref else {}

    @cached_property
    def revisions(self) -> StatePartitions:
        """Partitions that belong into it."""
        lfs, newest, voted = self.rule.lfs, self.rule.newest, self.voted
        if self.same:
            return self.known
        if voted is None or not self.rule.counts(voted.last, newest):
            return {}
        joining = (p for p in voted.votes if p not in self._refused and self.rule.counts(p.dt, newest))
        return {p: voted.votes[p].revision for p in joining if voted.votes[p].lfs == lfs}

    @property
    def _refused(self) -> frozenset[Partition]:
        return self.rule.refused.get(self.name, frozenset())

    @cached_property
    def waiting(self) -> tuple[Partition, ...]:
        """Partitions with votes of other LFs, which cannot join before apply has seen them."""
        lfs, latest, voted = self.rule.lfs, self.rule.latest, self.voted
        if voted is None or voted.lfs == lfs or not self.rule.counts(voted.last, latest):
            return ()
        behind = (p for p, of in voted.votes.items() if of.lfs != lfs and self.rule.counts(p.dt, latest))
        return tuple(p for p in behind if p not in self._refused)


@dataclass(frozen=True)
class MergeWork:
    """How the state differs from what it should be.

    Attributes
    ----------
    before
        Manifest of the state as it is.
    lists
        Lists of its members, by name, in order.
    rebuild
        Reason why nothing of it can be kept; ``None`` if something can.
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
    lists: Mapping[str, ListWork]
    rebuild: str | None
    waiting: tuple[Partition, ...]
    held: bool
    inputs: Mapping[str, str]
    newest: int

    @cached_property
    def revisions(self) -> StatePartitions:
        """Partitions that belong into the state: all are read."""
        return {p: revision for listed in self.lists.values() for p, revision in listed.revisions.items()}

    @cached_property
    def minus(self) -> StatePartitions:
        """Members to subtract as they were."""
        return {
            partition: revision
            for listed in self._other_lists
            for partition, revision in listed.known.items()
            if listed.revisions.get(partition) != revision
        }

    @cached_property
    def plus(self) -> StatePartitions:
        """Members to add as they are."""
        if self.rebuild:
            return self.revisions
        return {
            partition: revision
            for listed in self._other_lists
            for partition, revision in listed.revisions.items()
            if listed.known.get(partition) != revision
        }

    @property
    def stale(self) -> bool:
        """Whether there is anything to do."""
        if self.held:
            return False
        return bool(self.count or self.n_known) if self.rebuild else bool(self.minus or self.plus)

    @property
    def n_known(self) -> int:
        """How many partitions are in the state."""
        return State.of(self.before).partitions if self.before else 0

    @cached_property
    def by_stream(self) -> dict[str, int]:
        """How many partitions belong into the state, of each stream that has any."""
        counts: Counter[str] = Counter()
        for name, listed in self.lists.items():
            counts[name.partition("/")[0]] += listed.count
        return {stream: count for stream, count in counts.items() if count}

    @property
    def count(self) -> int:
        """How many partitions belong into the state."""
        return sum(self.by_stream.values())

    @property
    def _other_lists(self) -> Iterator[ListWork]:
        return (listed for listed in self.lists.values() if not self.rebuild and not listed.same)


def plan(project: Project) -> Plan[MergeWork]:
    """Say which partitions would join, leave or change in the state, and which are behind."""
    work = find_work(project)
    waiting = _why_waiting(project, work) if work.waiting else ()
    if not work.stale:
        return Plan(STAGE, (), work.n_known, waiting, work=work)
    if work.rebuild:
        task = Task("state", f"{work.rebuild}: summed over {work.count} partitions")
        return Plan(STAGE, (task,), 0, waiting, work=work)
    minus, plus = work.minus, work.plus
    tasks = tuple(Task(str(p), _change(p, minus, plus)) for p in sorted({**minus, **plus}))
    return Plan(STAGE, tasks, work.count - len(plus), waiting, work=work)


def _change(partition: Partition, minus: StatePartitions, plus: StatePartitions) -> str:
    if partition not in minus:
        return "joins the state"
    return "replaced in the state" if partition in plus else "leaves the state"


def _why_waiting(project: Project, work: MergeWork) -> tuple[Task, ...]:
    found, _ = apply.find_work(project, project.select())
    reasons = {item.partition: f"{item.reason}; waits for apply" for item in found}
    gone = "votes of other LFs, and its rows are gone"
    return tuple(Task(str(partition), reasons.get(partition, gone)) for partition in work.waiting)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    return {**apply.outer_inputs(project), **project.params.in_force("state")}


def run(project: Project, plan: Plan[MergeWork]) -> Outcome:
    """Bring the state up to its partitions."""
    work = plan.work
    manifest = _publish(project, work) if work.stale else work.before
    if manifest:
        record(project.store, manifest)
    figures = State.of(manifest).figures if manifest else {}
    changed = len({**work.minus, **work.plus}) if work.stale else 0
    return Outcome(STAGE, changed, work.count - len(work.plus), figures, _warnings(work))


def _warnings(work: MergeWork) -> tuple[str, ...]:
    if not work.waiting:
        return ()
    some = ", ".join(map(str, work.waiting[:3])) + (" ..." if len(work.waiting) > 3 else "")
    so = "the state stays as it is until then" if work.held else "the state does without them"
    return (f"{len(work.waiting)} partitions have votes of other LFs and wait for apply, and {so}: {some}",)


def find_work(project: Project) -> MergeWork:
    """Compare the state's members with the votes there are."""
    policy, _ = policy_of(project), project.weighing_lfs  # a shadow LF that does not exist is found here
    inputs = with_format(
        STAGE,
        {
            "lfs": apply.lfs_digest(apply.active_lfs(project), project.params.cardinality),
            "policy": digest(project.params.state.model_dump(mode="json")),
        },
    )
    votes = read_votes(project)
    before = project.store.read(Layout.STATE)
    refs = lists_of(before)
    refused = _refused(project)
    latest = max((_newest(voted, None, refused.get(name)) for name, voted in votes.items()), default=NO_DAY)
    newest = max((_newest(voted, inputs["lfs"], refused.get(name)) for name, voted in votes.items()), default=NO_DAY)
    rule = Rule(inputs["lfs"], policy, newest, latest, refused)
    lists = {
        name: ListWork(name, project.store, rule, refs.get(name), votes.get(name)) for name in sorted({*votes, *refs})
    }
    rebuild = _rebuild_reason(before, inputs)
    waiting = tuple(sorted(partition for listed in lists.values() for partition in listed.waiting))
    moves = rebuild is not None or any(p in listed.known for listed in lists.values() for p in listed.waiting)
    held = before is not None and moves and any(_has_rows(project, partition) for partition in waiting)
    return MergeWork(before, lists, rebuild, waiting, held, inputs, newest)


def _refused(project: Project) -> dict[str, frozenset[Partition]]:
    """Partitions that the gate keeps out of the state, by the name of their list."""
    lists: dict[str, frozenset[Partition]] = {}
    for partition in refused_partitions(project):
        name = list_name(partition.stream, partition.dt)
        lists[name] = lists.get(name, frozenset()) | {partition}
    return lists


def _newest(voted: VotedList, lfs: str | None, refused: frozenset[Partition] | None) -> int:
    """Day of the newest partition with votes of these LFs, or of any; without those that the gate keeps out."""
    if not refused and lfs in (None, voted.lfs):
        return day_number(voted.last)
    joining = (p for p, of in voted.votes.items() if lfs in (None, of.lfs) and p not in (refused or ()))
    return max(map(day_of, joining), default=NO_DAY)


def _rebuild_reason(before: Manifest | None, inputs: Mapping[str, str]) -> str | None:
    if before is None:
        return "new"
    if State.of(before).lfs_digest != inputs["lfs"]:
        return "LFs changed"
    if has_other_format(STAGE, before.inputs):
        return FORMAT_CHANGED
    return "state in params.yaml changed" if before.inputs.get("policy") != inputs["policy"] else None


def _has_rows(project: Project, partition: Partition) -> bool:
    """Whether apply can bring its votes up to date."""
    return project.store.files.exists(f"{Layout.of(Layout.PARTITIONS, partition)}/manifest.json")


def _publish(project: Project, work: MergeWork) -> Manifest:
    store, before = project.store, None if work.rebuild else work.before
    sums = Sums(project, work.newest, lambda: work.revisions, before=before, minus=work.minus, plus=work.plus)
    touched = {partition.stream for partition in {**work.minus, **work.plus}}
    files: dict[str, FileRef] = {}
    streams: dict[str, Any] = {}
    for stream, partitions in work.by_stream.items():
        if before and stream not in touched and not sums.ages:
            files |= {role: before.files[role] for role in roles(stream) if role in before.files}
            streams[stream] = State.of(before).of_stream(stream)
        else:
            counts = sums.of(stream)
            files |= write_counts(store, counts, stream)
            streams[stream] = figures(counts, partitions)
    if len(streams) == 1:  # all streams are that one
        files |= {role: files[own] for role, own in zip(roles(), roles(*streams), strict=True) if own in files}
        total = dict(*streams.values())
    else:
        counts = sums.of(None)
        files |= write_counts(store, counts)
        total = figures(counts, work.count)
    lists = {
        f"{ROLE}/{name}": listed.ref if listed.same and listed.ref else write_list(store, listed.revisions, listed.ref)
        for name, listed in work.lists.items()
        if listed.count
    }
    facts = {
        **total,
        "streams": streams,
        "lfs": list(project.catalogue.names),
        "cardinality": project.params.cardinality,
        "policy": {**policy_of(project).to_dict(), "max_patterns": project.params.state.max_patterns},
        "newest": date.fromordinal(work.newest).isoformat() if work.count else None,
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
