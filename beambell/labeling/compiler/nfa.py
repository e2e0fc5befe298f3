"""Thompson's automaton of many patterns at once, each with an output of its own."""

from __future__ import annotations

from typing import NamedTuple

from beambell.labeling.charsets import CharSet
from beambell.labeling.compiler.syntax import Ahead, Chars, Choice, Concat, Look, Tree


class TooBig(Exception):  # noqa: N818  # an outcome for the planner, not a failure
    """An automaton would have more states than it may."""


class Entry(NamedTuple):
    """Where the body of an `Ahead` begins; it ends in a node whose output means nothing else."""

    node: int
    negated: bool


class Nfa:
    """Nodes, by number, in columns; one without charset, look, body and output is an empty step to its successors.

    Parameters
    ----------
    limit
        Largest number of nodes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.members: list[CharSet | None] = []
        self.looks: list[Look | None] = []
        self.aheads: list[Entry | None] = []
        self.outputs: list[int | None] = []
        self.successors: list[list[int]] = []
        self.starts: list[int] = []

    def add(self, tree: Tree, output: int) -> None:
        """Add a pattern.

        Raises
        ------
        TooBig
            If there are too many nodes.
        """
        self.starts.append(self._build(tree, self._node(output=output)))

    def charsets(self) -> list[CharSet]:
        """Return all sets that occur, each once."""
        looks = [look.members for look in self.looks if look is not None]
        return list(dict.fromkeys([*(members for members in self.members if members is not None), *looks]))

    def steps_over(self, node: int) -> bool:
        """Whether a node is an empty step."""
        conditions = self.members[node], self.looks[node], self.aheads[node], self.outputs[node]
        return all(part is None for part in conditions)

    def _node(
        self,
        *successors: int,
        members: CharSet | None = None,
        look: Look | None = None,
        ahead: Entry | None = None,
        output: int | None = None,
    ) -> int:
        if len(self.members) >= self._limit:
            raise TooBig
        self.members.append(members)
        self.looks.append(look)
        self.aheads.append(ahead)
        self.outputs.append(output)
        self.successors.append(list(successors))
        return len(self.members) - 1

    def _build(self, tree: Tree, then: int) -> int:
        """Add the nodes of a tree that goes on at a node; return where it is entered."""
        if isinstance(tree, Chars):
            return self._node(then, members=tree.members)
        if isinstance(tree, Look):
            return self._node(then, look=tree)
        if isinstance(tree, Ahead):
            return self._node(then, ahead=Entry(self._build(tree.body, self._node(output=0)), tree.negated))
        if isinstance(tree, Concat):
            for part in reversed(tree.parts):
                then = self._build(part, then)
            return then
        if isinstance(tree, Choice):
            return self._node(*[self._build(option, then) for option in tree.options])
        if tree.high is None:
            end = then
            then = self._node(end)
            self.successors[then].append(self._build(tree.body, then))
        else:
            end = then
            for _ in range(tree.high - tree.low):
                then = self._node(self._build(tree.body, then), end)
        for _ in range(tree.low):
            then = self._build(tree.body, then)
        return then
