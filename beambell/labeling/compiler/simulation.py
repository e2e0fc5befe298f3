"""How an automaton that may be in many places at once moves from one character to the next.

A place in a pattern is a node, or a node on conditions: that lookaheads passed on the way there hold. What they ask
for runs along with the match. A match that is complete waits until its conditions are settled, at the latest at the
end of the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from beambell.labeling.charsets import CharSet
from beambell.labeling.compiler.alphabet import Alphabet
from beambell.labeling.compiler.nfa import Entry, Nfa, TooBig
from beambell.labeling.compiler.syntax import Look

EDGE: Final = -1
"""The kind of what is before and after a text."""

Nodes = frozenset[int]
NONE: Final[Nodes] = frozenset()


class Conditions(NamedTuple):
    """What must not be found from here, and what must: nodes in the bodies of lookaheads.

    Attributes
    ----------
    forbidden
        Nodes from none of which the end of its body may be reached.
    demanded
        Sets of nodes; from each set the end of a body must be reached.
    """

    forbidden: Nodes = NONE
    demanded: frozenset[Nodes] = frozenset()

    def imply(self, other: Conditions) -> bool:
        """Whether they are no weaker than others."""
        return other.forbidden <= self.forbidden and all(
            any(nodes <= others for nodes in self.demanded) for others in other.demanded
        )


_FREE: Final = Conditions()


class Simulation:
    """Moves between the places of an automaton, which are numbers: of nodes, and of nodes on conditions.

    Parameters
    ----------
    nfa
        The automaton.
    alphabet
        Alphabet that is made for its sets.
    limit
        Largest number of places on conditions.
    """

    def __init__(self, nfa: Nfa, alphabet: Alphabet, limit: int) -> None:
        self._nfa = nfa
        self._size = alphabet.size
        self._limit = limit
        self._n_nodes = len(nfa.members)
        self._reading = frozenset(node for node, members in enumerate(nfa.members) if members is not None)
        self._final = frozenset(node for node, output in enumerate(nfa.outputs) if output is not None)
        self._conditional: list[tuple[int, Conditions]] = []
        self._numbers: dict[tuple[int, Conditions], int] = {}
        self._reached: dict[int, Nodes] = {}
        self._settled: dict[tuple[Conditions, int, int], Conditions | None] = {}
        self._later: dict[Conditions, list[Conditions | None]] = {}
        self._symbols: dict[CharSet, list[int]] = {s: alphabet.symbols(s) for s in nfa.charsets()}
        self._bit: dict[CharSet, int] = {}
        for look in nfa.looks:
            if look is not None:
                self._bit.setdefault(look.members, 1 << len(self._bit))
        kinds = [0] * alphabet.size
        for members, bit in self._bit.items():
            for symbol in self._symbols[members]:
                kinds[symbol] |= bit
        self.symbols_of_kind: dict[int, list[int]] = {}
        """The kind of a character says which looks it satisfies."""
        for symbol, kind in enumerate(kinds):
            self.symbols_of_kind.setdefault(kind, []).append(symbol)
        self.starts: Nodes = NONE.union(*map(self._reach, nfa.starts))
        """Where all matches begin."""

    def looks_ahead(self, places: Nodes) -> bool:
        """Whether it matters for any of them what comes next."""
        return not places <= self._reading

    def closure(self, places: Nodes, before: int, after: int) -> tuple[Nodes, Nodes]:
        """Follow the looks that hold between two characters; return the places that go on, and outputs."""
        nfa = self._nfa
        going_on: set[int] = set(places & self._reading)
        done: set[int] = set()
        seen: set[int] = set(places)
        to_do = list(places - going_on)
        while to_do:
            place = to_do.pop()
            node, conditions = self._parts(place)
            look, ahead = nfa.looks[node], nfa.aheads[node]
            if look is None and ahead is None:
                left = self._settle(conditions, before, after)
                if node in self._final and (
                    left == _FREE or (after == EDGE and left is not None and not left.demanded)
                ):
                    done.add(node)
                else:
                    going_on |= self._on_conditions(frozenset((node,)), left)
            elif look is None or self._holds(look, before if look.behind else after):
                passed = conditions if ahead is None else self._with_one_more(conditions, ahead)
                further = self._on_conditions(self._reach(nfa.successors[node][0]), passed) - seen
                seen |= further
                to_do += further
        return frozenset(going_on), frozenset(self._outputs(done))

    def step(self, places: Nodes) -> dict[int, Nodes]:
        """Return the places that these get to by each symbol that any of them can read."""
        steps: dict[int, Nodes] = {}
        for place in places:
            node, conditions = self._parts(place)
            members = self._nfa.members[node]
            if members is None:  # a match waits for its conditions
                symbols: Iterable[int] = range(self._size)
                reached: Nodes = frozenset((node,))
            else:
                symbols = self._symbols[members]
                reached = self._reach(self._nfa.successors[node][0])
            later = None if conditions == _FREE else self._after_each_symbol(conditions)
            for symbol in symbols:
                further = reached if later is None else self._on_conditions(reached, later[symbol])
                if further:
                    steps[symbol] = steps[symbol] | further if symbol in steps else further
        return steps

    def enter(self, places: Nodes) -> tuple[Nodes, Nodes]:
        """Return those of the places just reached that matter, and the outputs of matches that are complete."""
        places = self._without_implied(places)
        done = places & self._final
        return places - done, frozenset(self._outputs(done))

    def _holds(self, look: Look, kind: int) -> bool:
        return (kind != EDGE and bool(kind & self._bit[look.members])) != look.negated

    def _outputs(self, nodes: Iterable[int]) -> Iterable[int]:
        return (output for node in nodes if (output := self._nfa.outputs[node]) is not None)

    def _ends(self, nodes: Nodes) -> bool:
        """Whether the end of a body is among them."""
        return not self._final.isdisjoint(nodes)

    def _reach(self, start: int) -> Nodes:
        """Return the nodes that are no empty steps and that empty steps lead to."""
        reached = self._reached.get(start)
        if reached is None:
            found, seen, to_do = set(), {start}, [start]
            while to_do:
                node = to_do.pop()
                if self._nfa.steps_over(node):
                    further = [s for s in self._nfa.successors[node] if s not in seen]
                    seen.update(further)
                    to_do += further
                else:
                    found.add(node)
            reached = self._reached[start] = frozenset(found)
        return reached

    def _parts(self, place: int) -> tuple[int, Conditions]:
        return (place, _FREE) if place < self._n_nodes else self._conditional[place - self._n_nodes]

    def _on_conditions(self, nodes: Nodes, conditions: Conditions | None) -> Nodes:
        """Return the places that are these nodes on conditions; ``None`` cannot be met."""
        if conditions is None:
            return NONE
        if conditions == _FREE:
            return nodes
        places = []
        for node in nodes:
            key = node, conditions
            if key not in self._numbers:
                if len(self._conditional) >= self._limit:
                    raise TooBig
                self._numbers[key] = self._n_nodes + len(self._conditional)
                self._conditional.append(key)
            places.append(self._numbers[key])
        return frozenset(places)

    def _with_one_more(self, conditions: Conditions, ahead: Entry) -> Conditions:
        forbidden, demanded = conditions
        body = self._reach(ahead.node)
        return Conditions(forbidden | body, demanded) if ahead.negated else Conditions(forbidden, demanded | {body})

    def _settle(self, conditions: Conditions, before: int, after: int) -> Conditions | None:
        """Return what is left of conditions once their own looks are followed between two characters."""
        if conditions == _FREE:
            return conditions
        key = conditions, before, after
        if key not in self._settled:
            forbidden, found = self.closure(conditions.forbidden, before, after)
            demanded = [self.closure(nodes, before, after) for nodes in conditions.demanded]
            pending = frozenset(nodes for nodes, met in demanded if not met)
            self._settled[key] = None if found or NONE in pending else Conditions(forbidden, pending)
        return self._settled[key]

    def _after_each_symbol(self, conditions: Conditions) -> list[Conditions | None]:
        """Return what is left of conditions by the next symbol."""
        if conditions not in self._later:
            forbidden, demanded = self.step(conditions.forbidden), [self.step(nodes) for nodes in conditions.demanded]
            self._later[conditions] = [
                self._left(forbidden.get(symbol, NONE), [steps.get(symbol, NONE) for steps in demanded])
                for symbol in range(self._size)
            ]
        return self._later[conditions]

    def _left(self, forbidden: Nodes, demanded: Iterable[Nodes]) -> Conditions | None:
        """Return conditions without those that are met; ``None`` if one cannot be."""
        pending = frozenset(nodes for nodes in demanded if not self._ends(nodes))
        return None if self._ends(forbidden) or NONE in pending else Conditions(forbidden, pending)

    def _without_implied(self, places: Nodes) -> Nodes:
        """Leave out the nodes that are also reached on weaker conditions."""
        if max(places, default=0) < self._n_nodes:
            return places
        weakest: dict[int, list[tuple[Conditions, int]]] = {}
        for place in sorted(places):
            node, conditions = self._parts(place)
            others = weakest.setdefault(node, [])
            if not any(conditions.imply(other) for other, _ in others):
                others[:] = [(other, number) for other, number in others if not other.imply(conditions)]
                others.append((conditions, place))
        return frozenset(place for some in weakest.values() for _, place in some)
