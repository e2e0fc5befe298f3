"""The sums that make a state: pattern counts of partitions, weighted by the policy and within the budget."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Literal

from beambell.artefacts.kinds.votes import State
from beambell.artefacts.state_partitions import StatePartition, StatePartitions
from beambell.artefacts.stored import read_counts, roles
from beambell.errors import ArtefactError
from beambell.project import Project
from beambell.state import BudgetedCounts, IncompleteSampleError, PatternCounts, Policy
from beambell.store import Layout, Manifest, Partition, parse_dt
from beambell.store.tables import read_table

NO_DAY = 0
TOGETHER = 64  # partitions whose counts are held at a time


def policy_of(project: Project) -> Policy:
    """Read the project's policy of weights."""
    params = project.params.state
    return Policy(params.policy, params.days, params.half_life_days)


def day_of(partition: Partition) -> int:
    """Day on which a partition begins."""
    return day_number(partition.dt)


def day_number(dt: str) -> int:
    """Day on which the partitions of a date begin."""
    return parse_dt(dt).toordinal()


class Sums:
    """The sums that make a state, from the state before where that is possible, and with the same result.

    Parameters
    ----------
    project
        Project of the state.
    newest
        Day of the newest member, from which ages are counted.
    revisions
        Function that gives all members, if they are to be summed from scratch.
    before, minus, plus
        The state before, if one is to be kept, and the members that make the difference.
    """

    def __init__(
        self,
        project: Project,
        newest: int,
        revisions: Callable[[], StatePartitions],
        *,
        before: Manifest | None = None,
        minus: StatePartitions | None = None,
        plus: StatePartitions | None = None,
    ) -> None:
        self._project, self._newest, self._members = project, newest, revisions
        self._before, self._minus, self._plus = before, minus or {}, plus or {}
        self._policy, self._budget = policy_of(project), project.params.state.max_patterns
        self._parts: dict[tuple[str, str], BudgetedCounts] = {}
        newest_before = State.of(before).newest if before else None
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
        revisions = {"minus": self._minus, "plus": self._plus}[part] if part != "members" else self._members()
        if stream is None:
            return BudgetedCounts.sum([self.zero, *(self._sum(part, s) for s in sorted({p.stream for p in revisions}))])
        if (part, stream) not in self._parts:
            of_stream = {partition: revision for partition, revision in revisions.items() if partition.stream == stream}
            newest = self._newest_before if part == "minus" else self._newest
            self._parts[part, stream] = self._weighted(of_stream, newest)
        return self._parts[part, stream]

    def _weighted(self, revisions: StatePartitions, newest: int) -> BudgetedCounts:
        total, todo = self.zero, list(revisions)
        for first in range(0, len(todo), TOGETHER):
            several = todo[first : first + TOGETHER]
            counts = self._project.store.files.each(lambda p: self._counts(p, revisions[p]), several)
            weighted = (c * self._policy.weight(day_of(p), newest) for p, c in zip(several, counts, strict=True))
            total = BudgetedCounts.sum([total, *weighted])
        return total

    def _counts(self, partition: Partition, revision: StatePartition) -> BudgetedCounts:
        table = read_table(self._project.store, Layout.of(Layout.VOTES, partition), revision.patterns)
        return BudgetedCounts.of(PatternCounts.from_table(table), self._budget)
