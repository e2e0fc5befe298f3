"""The roll-up: sums of daily tables over aligned stretches of 1, 2, 4, 8, ... days.

Days have the calendar's own numbers (``date.toordinal``). A node is the stretch of ``2 ** level`` days that begins at a
multiple of its length, and its table is the merge of its two halves' tables; the table of one day is the merge of the
partitions that close on it. So the table of any range of days is a merge of O(log N) nodes, a new day completes O(1)
nodes on average, a late partition changes the O(log N) nodes above it, and nothing is ever subtracted: maxima work as
well as sums.

A half without partitions contributes nothing, so only nodes with partitions in both halves have a table of their own:
any other stretch is the smaller one that holds all its partitions. Which tables there are, and what is in them, depends
on the partitions alone and not on the order in which they came.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from beambell.labeling.stateful import Pane
from beambell.store import Partition, parse_dt

ROLL_UP = "ladder"


def first_day(dt: str) -> int:
    """Return the number of the day on which a partition begins."""
    return parse_dt(dt).toordinal()


def closing_day(dt: str) -> int:
    """Return the number of a partition's last day: of an hour its day."""
    if len(dt) > len("2026-01"):
        return first_day(dt)
    return (parse_dt(dt) + timedelta(days=32)).replace(day=1).toordinal() - 1


@dataclass(frozen=True, order=True)
class Node:
    """A stretch of days with a table of its own.

    Attributes
    ----------
    level, index
        Numbers of the level and of the node in it, which covers the days from ``index << level`` to before ``(index +
        1) << level``.
    """

    level: int
    index: int

    @property
    def first(self) -> int:
        """Its first day."""
        return self.index << self.level

    @property
    def end(self) -> int:
        """The day after its last."""
        return (self.index + 1) << self.level

    @property
    def folder(self) -> str:
        """Path below the folder of an aggregate, naming length and first day."""
        return f"{ROLL_UP}/days={1 << self.level}/from={date.fromordinal(self.first)}"


@dataclass(frozen=True, order=True)
class Paned:
    """A partition of an hour or a day, by key and pane.

    Attributes
    ----------
    partition, pane
        Partition, and the length of the panes.
    """

    partition: Partition
    pane: Pane

    @property
    def folder(self) -> str:
        """Path below the folder of an aggregate."""
        return f"panes={self.pane}/{self.partition.folder}"


Part = Node | Partition
"""What adds up to days: a node, or a partition that is alone on its day."""


class RollUp:
    """Which tables make up which range of days.

    Parameters
    ----------
    partitions
        All that are counted.
    """

    def __init__(self, partitions: Iterable[Partition]) -> None:
        days: dict[int, list[Partition]] = {}
        for partition in sorted(partitions):
            days.setdefault(closing_day(partition.dt), []).append(partition)
        self._partitions: Mapping[int, list[Partition]] = days
        self._days = sorted(days)

    def cover(self, first: int | None, end: int) -> list[Part]:
        """Return the parts that add up to the days from ``first`` (``None``: from the beginning) to before ``end``."""
        start = 0 if first is None else max(first, 0)
        parts = []
        while start < end:
            # The longest stretch that begins here and does not go beyond the end.
            aligned = (start & -start).bit_length() - 1 if start else end.bit_length()
            level = min(aligned, (end - start).bit_length() - 1)
            part = self._part(start, start + (1 << level))
            if part is not None:
                parts.append(part)
            start += 1 << level
        return parts

    def partitions(self, first: int | None, end: int) -> Iterator[Partition]:
        """Yield the partitions that close from ``first`` (``None``: from the beginning) to before ``end``."""
        start = 0 if first is None else first
        for day in self._days[bisect_left(self._days, start) : bisect_left(self._days, end)]:
            yield from self._partitions[day]

    def last_day(self, end: int) -> int | None:
        """Return the last day before ``end`` on which a partition closes; ``None`` if there is none."""
        place = bisect_left(self._days, end)
        return self._days[place - 1] if place else None

    def children(self, node: Node) -> list[Part]:
        """Return the parts whose tables merge into a node's."""
        if node.level == 0:
            return list(self._partitions[node.first])
        middle = (node.first + node.end) // 2
        return [part for part in (self._part(node.first, middle), self._part(middle, node.end)) if part is not None]

    def nodes(self, end: int) -> Iterator[Node]:
        """Yield all nodes that are over before a day, children before their parents."""
        for part in self.cover(None, end):
            yield from self._below(part)

    def all_nodes(self) -> Iterator[Node]:
        """Yield all nodes there can be, children before their parents."""
        return self.nodes(1 << (self._days[-1] + 1).bit_length()) if self._days else iter(())

    def _below(self, part: Part) -> Iterator[Node]:
        if isinstance(part, Node):
            for child in self.children(part):
                yield from self._below(child)
            yield part

    def _part(self, first: int, end: int) -> Part | None:
        """Return the smallest stretch that holds all partitions closing from ``first`` to before ``end``."""
        low, high = bisect_left(self._days, first), bisect_left(self._days, end)
        if low == high:
            return None
        one, other = self._days[low], self._days[high - 1]
        if one == other and len(self._partitions[one]) == 1:
            return self._partitions[one][0]
        level = (one ^ other).bit_length()
        return Node(level, one >> level)
