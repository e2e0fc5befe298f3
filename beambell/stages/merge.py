"""Merge: the state is a weighted sum of the pattern counts of partitions, of each stream and of all.

Counts form a group, so the state follows its partitions by arithmetic: a partition that changed is subtracted as it
was and added as it is. One new partition costs one partition, whatever the history and whatever the policy.

A state is of one set of labeling functions. When that changes, the state moves to the new ones as a whole: as long as
a partition that counts has votes of other LFs, the state stays as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal

from beambell.artefacts.members import ROLE, Member, Members, lists_of, read_list, write_list
from beambell.artefacts.stored import read_counts, record, roles, write_counts
from beambell.config.formats import FORMAT_CHANGED, has_other_format, with_format
from beambell.errors import ArtefactError
from beambell.project import Project
from beambell.stages import apply
from beambell.stages.stage import Outcome, Plan, Task
from beambell.stages.votes_index import VotedList, read_votes
from beambell.state import BudgetedCounts, IncompleteSampleError, PatternCounts, Policy
from beambell.store import FileRef, Layout, Manifest, Partition, Store, digest, parse_dt
from beambell.store.tables import read_table

STAGE = "merge"
NO_DAY = 0
TOGETHER = 64  # partitions whose counts are held at a time


@dataclass(frozen=True)
class Rule:
    """What belongs into the state.

    Attributes
    ----------
    lfs
        Digest of today's LFs.
    policy
        Of weights.
    newest
        Day of the newest member, from which ages are counted.
    latest
        The same, were all partitions of today's LFs.
    """

    lfs: str
    policy: Policy
    newest: int
    latest: int

    def counts(self, dt: str, newest: int) -> bool:
        """Whether a partition has any weight."""
        return self.policy.weight(_day(dt), newest) > 0


@dataclass(frozen=True)
class ListWork:
    """One list of members: as the state has it, and as it should be. Neither is read if their digests are the same.

    Attributes
    ----------
    store, rule
        Where the list is, and what belongs into it.
    ref
        Its file, if the state has such a list.
    voted
        The votes there are.
    """

    store: Store
    rule: Rule
    ref: FileRef | None
    voted: VotedList | None

    @cached_property
    def same(self) -> bool:
        """Whether there is nothing to do here, as digests tell."""
        if self.ref is None or self.voted is None:
            return False
        whole = self.voted.lfs == self.rule.lfs and self.rule.counts(self.voted.first, self.rule.newest)
        return whole and self.voted.sha256 == self.ref.sha256

    @property
    def count(self) -> int:
        """How many partitions belong into the state."""
        return self.voted.count if self.same and self.voted else len(self.members)

    @cached_property
    def known(self) -> Members:
        """Partitions that are in the state."""
        return read_list(self.store, self.ref) if self.ref else {}

    @cached_property
    def members(self) -> Members:
        """Partitions that belong into it."""
        lfs, newest, voted = self.rule.lfs, self.rule.newest, self.voted
        if self.same:
            return self.known
        if voted is None or not self.rule.counts(voted.last, newest):
            return {}
        return {p: of.member for p, of in voted.votes.items() if of.lfs == lfs and self.rule.counts(p.dt, newest)}

    @cached_property
    def waiting(self) -> tuple[Partition, ...]:
        """Partitions with votes of other LFs, which cannot join before apply has seen them."""
        lfs, latest, voted = self.rule.lfs, self.rule.latest, self.voted
        if voted is None or voted.lfs == lfs or not self.rule.counts(voted.last, latest):
            return ()
        return tuple(p for p, of in voted.votes.items() if of.lfs != lfs and self.rule.counts(p.dt, latest))


@dataclass(frozen=True)
class MergeWork:
    """How the state differs from what it should be.

    Attributes
    ----------
    before
        Manifest of the state as it is.
    lists
        Of its members, by name, in order.
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
    lists: Mapping[str, ListWork]
    anew: str | None
    waiting: tuple[Partition, ...]
    held: bool
    inputs: Mapping[str, str]
    newest: int

    @cached_property
    def members(self) -> Members:
        """Partitions that belong into the state: all are read."""
        return {p: member for listed in self.lists.values() for p, member in listed.members.items()}

    @cached_property
    def minus(self) -> Members:
        """Members to subtract as they were."""
        return {
            partition: member
            for listed in self._other_lists
            for partition, member in listed.known.items()
            if listed.members.get(partition) != member
        }

    @cached_property
    def plus(self) -> Members:
        """Members to add as they are."""
        if self.anew:
            return self.members
        return {
            partition: member
            for listed in self._other_lists
            for partition, member in listed.members.items()
            if listed.known.get(partition) != member
        }

    @property
    def stale(self) -> bool:
        """Whether there is anything to do."""
        if self.held:
            return False
        return bool(self.count or self.n_known) if self.anew else bool(self.minus or self.plus)

    @property
    def n_known(self) -> int:
        """How many partitions are in the state."""
        return int(self.before.facts["partitions"]) if self.before else 0

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
        return (listed for listed in self.lists.values() if not self.anew and not listed.same)


def policy_of(project: Project) -> Policy:
    """Read the project's policy of weights."""
    params = project.params.state
    return Policy(params.policy, params.days, params.half_life_days)


def day_of(partition: Partition) -> int:
    """Day on which a partition begins."""
    return _day(partition.dt)


def _day(dt: str) -> int:
    return parse_dt(dt).toordinal()


def plan(project: Project) -> Plan[MergeWork]:
    """Say which partitions would join, leave or change in the state, and which are behind."""
    work = find_work(project)
    waiting = _why_waiting(project, work) if work.waiting else ()
    if not work.stale:
        return Plan(STAGE, (), work.n_known, waiting, work=work)
    if work.anew:
        task = Task("state", f"{work.anew}: summed over {work.count} partitions")
        return Plan(STAGE, (task,), 0, waiting, work=work)
    minus, plus = work.minus, work.plus
    tasks = tuple(Task(str(p), _change(p, minus, plus)) for p in sorted({**minus, **plus}))
    return Plan(STAGE, tasks, work.count - len(plus), waiting, work=work)


def _change(partition: Partition, minus: Members, plus: Members) -> str:
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
    figures = {name: manifest.facts[name] for name in ("partitions", "rows", "patterns")} if manifest else {}
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
    latest = max((_day(voted.last) for voted in votes.values()), default=NO_DAY)
    newest = max((_newest(voted, inputs["lfs"]) for voted in votes.values()), default=NO_DAY)
    rule = Rule(inputs["lfs"], policy, newest, latest)
    lists = {name: ListWork(project.store, rule, refs.get(name), votes.get(name)) for name in sorted({*votes, *refs})}
    anew = _why_anew(before, inputs)
    waiting = tuple(sorted(partition for listed in lists.values() for partition in listed.waiting))
    moves = anew is not None or any(p in listed.known for listed in lists.values() for p in listed.waiting)
    held = before is not None and moves and any(_has_rows(project, partition) for partition in waiting)
    return MergeWork(before, lists, anew, waiting, held, inputs, newest)


def _newest(voted: VotedList, lfs: str) -> int:
    """Day of the newest partition with votes of these LFs."""
    if voted.lfs == lfs:
        return _day(voted.last)
    return max((day_of(p) for p, of in voted.votes.items() if of.lfs == lfs), default=NO_DAY)


def _why_anew(before: Manifest | None, inputs: Mapping[str, str]) -> str | None:
    if before is None:
        return "new"
    if before.inputs["lfs"] != inputs["lfs"]:
        return "LFs changed"
    if has_other_format(STAGE, before.inputs):
        return FORMAT_CHANGED
    return "state in params.yaml changed" if before.inputs.get("policy") != inputs["policy"] else None


def _has_rows(project: Project, partition: Partition) -> bool:
    """Whether apply can bring its votes up to date."""
    return project.store.files.exists(f"{Layout.of(Layout.PARTITIONS, partition)}/manifest.json")


# -- arithmetic --------------------------------------------------------------------------------------------------


class Sums:
    """The sums that make a state, from the state before where that is possible, and with the same result.

    Parameters
    ----------
    project
        Whose state.
    newest
        Day of the newest member, from which ages are counted.
    members
        Gives all members, if they are to be summed from scratch.
    before, minus, plus
        The state before, if one is to be kept, and the members that make the difference.
    """

    def __init__(
        self,
        project: Project,
        newest: int,
        members: Callable[[], Members],
        *,
        before: Manifest | None = None,
        minus: Members | None = None,
        plus: Members | None = None,
    ) -> None:
        self._project, self._newest, self._members = project, newest, members
        self._before, self._minus, self._plus = before, minus or {}, plus or {}
        self._policy, self._budget = policy_of(project), project.params.state.max_patterns
        self._parts: dict[tuple[str, str], BudgetedCounts] = {}
        newest_before = before.facts.get("newest") if before else None
        self._newest_before = date.fromisoformat(newest_before).toordinal() if newest_before else NO_DAY
        self.unit = self._policy.unit(newest)

    @property
    def ages(self) -> bool:
        """Whether the weights of partitions that stay have changed."""
        policy = self._policy
        return policy.unit(self._newest_before) != self.unit or bool(policy.halvings(self._newest_before, self._newest))

    def of(self, stream: str | None) -> BudgetedCounts:
        """Sum of one stream, or of all."""
        if self._before and roles(stream)[0] in self._before.files:
            try:
                return self._incrementally(stream, self._before)
            except (ArtefactError, IncompleteSampleError):
                pass  # what is to be subtracted was removed by hand, or the sample lacks patterns
        return self._sum("members", stream).in_units(self.unit)

    @property
    def zero(self) -> BudgetedCounts:
        """The sum of nothing."""
        zero = PatternCounts.zero(self._project.params.cardinality, tuple(self._project.catalogue.names))
        return BudgetedCounts.of(zero, self._budget)

    def _incrementally(self, stream: str | None, before: Manifest) -> BudgetedCounts:
        left = read_counts(self._project.store, before, stream).in_units(1) - self._sum("minus", stream)
        if self._newest == NO_DAY:  # nothing is left, and nothing has an age
            return self.zero.in_units(self.unit)
        aged = left.halved(self._policy.halvings(self._newest_before, self._newest))
        return (aged + self._sum("plus", stream)).in_units(self.unit)

    def _sum(self, part: Literal["members", "minus", "plus"], stream: str | None) -> BudgetedCounts:
        """Sum what is in one part, of one stream or of all; of each stream it is read once."""
        members = {"minus": self._minus, "plus": self._plus}[part] if part != "members" else self._members()
        if stream is None:
            return BudgetedCounts.sum([self.zero, *(self._sum(part, s) for s in sorted({p.stream for p in members}))])
        if (part, stream) not in self._parts:
            of_stream = {partition: member for partition, member in members.items() if partition.stream == stream}
            newest = self._newest_before if part == "minus" else self._newest
            self._parts[part, stream] = self._weighted(of_stream, newest)
        return self._parts[part, stream]

    def _weighted(self, members: Members, newest: int) -> BudgetedCounts:
        total, todo = self.zero, list(members)
        for first in range(0, len(todo), TOGETHER):
            several = todo[first : first + TOGETHER]
            counts = self._project.store.files.each(lambda p: self._counts(p, members[p]), several)
            weighted = (c * self._policy.weight(day_of(p), newest) for p, c in zip(several, counts, strict=True))
            total = BudgetedCounts.sum([total, *weighted])
        return total

    def _counts(self, partition: Partition, member: Member) -> BudgetedCounts:
        table = read_table(self._project.store, Layout.of(Layout.VOTES, partition), member.patterns)
        return BudgetedCounts.of(PatternCounts.from_table(table), self._budget)


def _publish(project: Project, work: MergeWork) -> Manifest:
    store, before = project.store, None if work.anew else work.before
    sums = Sums(project, work.newest, lambda: work.members, before=before, minus=work.minus, plus=work.plus)
    touched = {partition.stream for partition in {**work.minus, **work.plus}}
    files: dict[str, FileRef] = {}
    streams: dict[str, Any] = {}
    for stream, partitions in work.by_stream.items():
        if before and stream not in touched and not sums.ages:
            files |= {role: before.files[role] for role in roles(stream) if role in before.files}
            streams[stream] = before.facts["streams"][stream]
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
        f"{ROLE}/{name}": listed.ref if listed.same and listed.ref else write_list(store, listed.members, listed.ref)
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
