"""Subset construction: one table that finds many patterns in one pass over a text, Unicode included.

The automaton reads symbols (see `Alphabet`), one for each character, and looks for all patterns from all positions.
A state stands for a set of places in the patterns, the kind of the character just read (what looks behind have
to know), and the outputs emitted on entering it: most patterns end on their last character, those with a look
ahead on the one that follows, or at the end of the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final

import numpy as np

from beambell.labeling.compiler.alphabet import FILL, MARK, Alphabet, Array, Encoding, Script
from beambell.labeling.compiler.nfa import Nfa, TooBig
from beambell.labeling.compiler.simulation import EDGE, NONE, Nodes, Simulation

MOST_STATES: Final = 32_768
MOST_NUMBERS: Final = 65_536
"""States of a `Machine` are uint16."""


@dataclass(frozen=True, eq=False)
class Dfa:
    """Tables of an automaton; it starts in state 0, and the states that emit anything come last.

    Attributes
    ----------
    alphabet
        Alphabet of the texts.
    table
        uint16 [states << shift], the next state for ``state << shift | symbol``.
    shift
        Binary logarithm of a row's length.
    first_emitting
        The first state that emits.
    emit_from, emits
        int32; state s emits ``emits[emit_from[s]:emit_from[s + 1]]`` when it is entered.
    end_from, ends
        Tables as ``emit_from`` and ``emits``, for when the text ends in a state.
    """

    alphabet: Alphabet
    table: Array
    shift: int
    first_emitting: int
    emit_from: Array
    emits: Array
    end_from: Array
    ends: Array

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.emit_from) - 1

    @cached_property
    def distinct_ends(self) -> dict[tuple[int, ...], list[int]]:
        """The states by what they emit when the text ends, if they emit anything."""
        found: dict[tuple[int, ...], list[int]] = {}
        for state in np.flatnonzero(np.diff(self.end_from)).tolist():
            outputs = self.ends[self.end_from[state] : self.end_from[state + 1]]
            found.setdefault(tuple(outputs.tolist()), []).append(state)
        return found

    @property
    def first_of_machine(self) -> int:
        """See `Machine`."""
        return 1 << (self.first_emitting - 1).bit_length()

    @property
    def states_of_machine(self) -> int:
        """Numbers of states that its `Machine` needs."""
        return self.first_of_machine + self.n_states - self.first_emitting + len(self.distinct_ends)


@dataclass(frozen=True, eq=False)
class Machine:
    """An automaton in the form that `kernels.scan` runs: it reads bytes of a `Script`.

    What a `Dfa` emits at the end of a text is emitted on entering states of its own by the mark that ends the text;
    they go on as the first state does.

    Attributes
    ----------
    script
        Script of the texts.
    table
        uint16 [states << 8], the next state for ``state << 8 | byte``.
    first_emitting
        The first state that emits, a power of two: of some states one does if the union of their bits is that much.
        The numbers below it that are not needed are left out.
    emits
        uint64 [states that emit, w], the outputs of each as bits of w words.
    """

    script: Script
    table: Array
    first_emitting: int
    emits: Array

    @classmethod
    def of(cls, dfa: Dfa, spelling: Encoding, width: int) -> Machine:
        """Make one of an automaton, to set the bits of so many words."""
        first, size = dfa.first_of_machine, dfa.states_of_machine
        quiet, ends = dfa.first_emitting, dfa.distinct_ends
        number = np.arange(dfa.n_states, dtype=np.uint16)
        number[quiet:] += np.uint16(first - quiet)
        table = np.zeros((size, 256), dtype=np.uint16)
        table[number] = number[dfa.table].reshape(dfa.n_states, -1).take(spelling.columns, axis=1)
        table[:, [FILL, MARK]] = 0
        for marked, states in enumerate(ends.values(), size - len(ends)):
            table[number[states], MARK] = marked
        table[size - len(ends) :] = table[0]
        emits = np.zeros((size - first, width), dtype=np.uint64)
        numbers = np.repeat(np.arange(size - first), [*np.diff(dfa.emit_from[quiet:]), *map(len, ends)])
        outputs = np.array([*dfa.emits[: dfa.emit_from[-1]], *chain.from_iterable(ends)], dtype=np.uint64)
        np.bitwise_or.at(emits, (numbers, (outputs >> 6).astype(np.int64)), np.uint64(1) << (outputs & 63))
        return cls(spelling.script, table.ravel(), first, emits)


def determinize(nfa: Nfa, limit: int) -> Dfa:
    """Make an automaton deterministic.

    Parameters
    ----------
    nfa
        Automaton of all patterns.
    limit
        Largest number of states.

    Raises
    ------
    TooBig, TooManySymbols
        If it would grow beyond what the tables can hold.
    """
    construction = _Construction(nfa, Alphabet.of(nfa.charsets()), min(limit, MOST_STATES))
    dfa = _tables(construction, construction.rows())
    if dfa.states_of_machine > MOST_NUMBERS:
        raise TooBig
    return dfa


@dataclass(frozen=True, slots=True)
class _Fresh:
    """Where matches that begin at the next character get to: nodes by symbol, and outputs emitted at once."""

    by_symbol: Mapping[int, Nodes]
    outputs: Nodes


class _Construction:
    def __init__(self, nfa: Nfa, alphabet: Alphabet, limit: int) -> None:
        self.alphabet = alphabet
        self.limit = limit
        self.states: list[tuple[Nodes, int, Nodes]] = []
        self.ends: list[list[int]] = []
        self._ids: dict[tuple[Nodes, int, Nodes], int] = {}
        self._entered: dict[Nodes, tuple[Nodes, Nodes]] = {}
        self._fresh_by_kinds: dict[tuple[int, int], _Fresh] = {}
        self._idle_rows: dict[int, list[int]] = {}
        self._simulation = Simulation(nfa, alphabet, 4 * limit)

    def rows(self) -> list[list[int]]:
        """Return the next states of every state, by symbol, exploring them in the order of their discovery."""
        rows: list[list[int]] = []
        first: dict[tuple[Nodes, int], int] = {}  # what was emitted on entering a state does not matter for its row
        self._id(NONE, EDGE, NONE)
        while len(rows) < len(self.states):
            nodes, before, _ = self.states[len(rows)]
            same = first.setdefault((nodes, before), len(rows))
            if same < len(rows):
                rows.append(rows[same])
                self.ends.append(self.ends[same])
                continue
            rows.append(self._row(nodes, before))
            outputs = self._simulation.closure(nodes, before, EDGE)[1] | self._fresh(before, EDGE).outputs
            self.ends.append(sorted(outputs))
        return rows

    def _row(self, nodes: Nodes, before: int) -> list[int]:
        row = self._idle_row(before).copy()
        if not nodes:
            return row
        looking = self._simulation.looks_ahead(nodes)
        chars, outputs = (NONE, NONE) if looking else self._simulation.closure(nodes, before, EDGE)
        steps = {} if looking else self._simulation.step(chars)
        for after, symbols in self._simulation.symbols_of_kind.items():
            if looking:
                chars, outputs = self._simulation.closure(nodes, before, after)
                steps = self._simulation.step(chars)
            fresh = self._fresh(before, after)
            emitted = fresh.outputs | outputs
            for symbol in symbols if emitted != fresh.outputs else steps.keys() & symbols:
                reached = steps.get(symbol, NONE) | fresh.by_symbol.get(symbol, NONE)
                row[symbol] = self._id(reached, after, emitted)
        return row

    def _idle_row(self, before: int) -> list[int]:
        """Return the row of a state in which no match is under way."""
        row = self._idle_rows.get(before)
        if row is None:
            row = [0] * self.alphabet.size
            for after, symbols in self._simulation.symbols_of_kind.items():
                fresh = self._fresh(before, after)
                for symbol in symbols:
                    row[symbol] = self._id(fresh.by_symbol.get(symbol, NONE), after, fresh.outputs)
            self._idle_rows[before] = row
        return row

    def _fresh(self, before: int, after: int) -> _Fresh:
        key = before, after
        if key not in self._fresh_by_kinds:
            chars, outputs = self._simulation.closure(self._simulation.starts, before, after)
            self._fresh_by_kinds[key] = _Fresh(self._simulation.step(chars), outputs)
        return self._fresh_by_kinds[key]

    def _id(self, reached: Nodes, kind: int, emitted: Nodes) -> int:
        entered = self._entered.get(reached)
        if entered is None:
            entered = self._entered[reached] = self._simulation.enter(reached)
        nodes, outputs = entered
        key = nodes, kind, emitted | outputs
        found = self._ids.get(key)
        if found is None:
            if len(self.states) >= self.limit:
                raise TooBig
            found = self._ids[key] = len(self.states)
            self.states.append(key)
        return found


def _tables(construction: _Construction, rows: list[list[int]]) -> Dfa:
    states = construction.states
    order = sorted(range(len(states)), key=lambda state: bool(states[state][2]))
    number = np.empty(len(states), dtype=np.uint16)
    number[order] = np.arange(len(states), dtype=np.uint16)
    size = construction.alphabet.size
    shift = max(1, (size - 1).bit_length())
    table = np.zeros((len(states), 1 << shift), dtype=np.uint16)
    table[:, :size] = number[np.array(rows, dtype=np.int64)[order]]
    emit_from, emits = _flat([sorted(states[state][2]) for state in order])
    end_from, ends = _flat([construction.ends[state] for state in order])
    return Dfa(
        alphabet=construction.alphabet,
        table=table.ravel(),
        shift=shift,
        first_emitting=sum(not emitted for _, _, emitted in states),
        emit_from=emit_from,
        emits=emits,
        end_from=end_from,
        ends=ends,
    )


def _flat(lists: list[list[int]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    bounds = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    return bounds, np.array([item for items in lists for item in items] or [0], dtype=np.int32)
