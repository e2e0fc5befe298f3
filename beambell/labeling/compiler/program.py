"""What runs: the steps by which the labeling functions of one column vote on a block of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.labeling.compiler import kernels
from beambell.labeling.compiler.alphabet import Alphabet, Array
from beambell.labeling.compiler.dfa import Dfa
from beambell.labeling.compiler.texts import Texts
from beambell.labeling.core import ABSTAIN
from beambell.labeling.kinds import Lookup

Mask = np.ndarray[Any, np.dtype[np.bool_]]


class Vote(NamedTuple):
    """Which vote goes where.

    Attributes
    ----------
    column
        Of the vote matrix.
    label
        The class voted for.
    """

    column: int
    label: int

    def put(self, votes: Array, holds: Mask) -> None:
        """Vote where something holds, and abstain elsewhere."""
        votes[:, self.column] = np.where(holds, np.int8(self.label), np.int8(ABSTAIN))


class Confirm(NamedTuple):
    """Runs an automaton over the candidates: the rows where an output was emitted before."""

    candidate: int
    dfa: Dfa


class Check(NamedTuple):
    """Asks Python about the candidates, or only those not in ASCII; all other texts get the same answer."""

    vote: Vote
    candidate: int
    sure_of_ascii: bool
    predicate: Callable[[str], object]
    otherwise: bool


class EqualRun(NamedTuple):
    """Looks for a run of equal characters. See `kernels.find_equal`."""

    length: int
    inside: Array
    output: int


@dataclass(frozen=True, eq=False)
class Found:
    """Votes that are outputs themselves, each a bit of ``mask``, uint64 [w].

    ``labels`` (int8) and ``columns`` (int64) are indexed by output.
    """

    mask: Array
    labels: Array
    columns: Array

    def run(self, hits: Array, votes: Array) -> None:
        """Vote where the outputs are set."""
        kernels.spread(hits, self.mask, self.labels, self.columns, votes)


@dataclass(frozen=True, eq=False)
class Score:
    """Votes where the weights of the outputs that are set add up to a threshold, as ``math.fsum`` adds.

    Attributes
    ----------
    vote
        Of the lexicon.
    weights
        By output, for those in ``mask``.
    threshold
        Inclusive.
    doubt
        How far a sum of floats can be from the exact one; 0 if all sums are exact.
    """

    vote: Vote
    mask: Array
    weights: Array
    threshold: float
    doubt: float

    @classmethod
    def of(cls, vote: Vote, outputs: dict[int, float], threshold: float, width: int) -> Score:
        """Make one from the weight of each output."""
        mask, weights = np.zeros(width, dtype=np.uint64), np.zeros(64 * width)
        for output, weight in outputs.items():
            mask[output // 64] |= np.uint64(1 << output % 64)
            weights[output] = weight
        # Multiples of 2^-20 that stay below 2^32 need 52 bits: their sums are exact in any order.
        total = math.fsum(map(abs, outputs.values()))
        exact = total < 2**32 and all(float(weight * 2**20).is_integer() for weight in outputs.values())
        doubt = 0.0 if exact else 4 * (len(outputs) + 1) * np.finfo(np.float64).eps * (total + abs(threshold))
        return cls(vote, mask, weights, threshold, doubt)

    def run(self, hits: Array, valid: Mask, votes: Array) -> None:
        """Add up, and vote."""
        scores = np.zeros(len(hits))
        kernels.weigh(hits, self.mask, self.weights, scores)
        holds = scores >= self.threshold
        if self.doubt:
            for row in np.flatnonzero(np.abs(scores - self.threshold) <= self.doubt):
                holds[row] = self._exact(hits[row]) >= self.threshold
        self.vote.put(votes, holds & valid)

    def _exact(self, hits: Array) -> float:
        present = np.unpackbits((hits & self.mask).view(np.uint8), bitorder="little")
        return math.fsum(self.weights[np.flatnonzero(present)].tolist())


class Range(NamedTuple):
    """Votes where a count is within bounds."""

    vote: Vote
    lane: int
    low: int | None
    high: int | None


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts up to eight sets of characters, or their runs, in one pass. See `kernels.tally`."""

    alphabet: Alphabet
    packed: Array
    runs: int
    ranges: tuple[Range, ...]

    def run(self, texts: Texts, votes: Array) -> None:
        """Count, and vote."""
        counts = texts.tally(self.alphabet, self.packed, self.runs)
        for vote, lane, low, high in self.ranges:
            holds = texts.valid.copy()
            # Bounds are Python's integers, of any size, and so must the comparison be.
            if low is not None:
                holds &= counts[:, lane] >= low
            if high is not None:
                holds &= counts[:, lane] <= high
            vote.put(votes, holds)


@dataclass(frozen=True, eq=False)
class TextProgram:
    """All that is done with the texts of one column.

    Attributes
    ----------
    width
        Words of 64 outputs.
    automata
        Each reads every text.
    equal_runs
        These, too.
    confirms, found, scores, tallies, checks
        Read what was found, in this order.
    """

    width: int
    automata: tuple[Dfa, ...]
    equal_runs: tuple[EqualRun, ...]
    confirms: tuple[Confirm, ...]
    found: Found
    scores: tuple[Score, ...]
    tallies: tuple[Tally, ...]
    checks: tuple[Check, ...]

    def run(self, column: pa.Array, votes: Array) -> None:
        """Vote on a block of texts, into int8 [n, m] that holds abstentions."""
        texts = Texts(column)
        hits = np.zeros((texts.n_rows, self.width), dtype=np.uint64)
        for dfa in self.automata:
            texts.scan(dfa, hits)
        for equal in self.equal_runs:
            texts.find_equal(*equal, hits)
        for candidate, dfa in self.confirms:
            texts.scan(dfa, hits, _rows(hits, candidate))
        self.found.run(hits, votes)
        for score in self.scores:
            score.run(hits, texts.valid, votes)
        for tally in self.tallies:
            tally.run(texts, votes)
        self._check(texts, hits, votes)

    def _check(self, texts: Texts, hits: Array, votes: Array) -> None:
        for vote, candidate, sure_of_ascii, predicate, otherwise in self.checks:
            rows = _rows(hits, candidate)
            holds = texts.valid & otherwise
            if sure_of_ascii:
                holds[rows] = True
                rows = rows[texts.kinds[rows] != kernels.ASCII]
            holds[rows] = [bool(predicate(text)) for text in texts.strings(rows)]
            vote.put(votes, holds)


@dataclass(frozen=True, eq=False)
class Listed:
    """Votes where a value is on a list.

    Attributes
    ----------
    vote
        Of the look-up.
    lookup
        Answers for any single value.
    values
        What is on the list, as Arrow has it; ``None`` if equality is not what decides.
    """

    vote: Vote
    lookup: Lookup
    values: pa.Array | None

    @classmethod
    def of(cls, vote: Vote, lookup: Lookup) -> Listed:
        """Make one of a labeling function."""
        if lookup.ignore_case:
            return cls(vote, lookup, None)
        return cls(vote, lookup, pa.array(sorted(filter(_is_text, lookup.values)), pa.string()))

    def among(self, distinct: pa.Array) -> Mask:
        """Tell which of some distinct values are on the list."""
        if self.values is not None and (pa.types.is_string(distinct.type) or pa.types.is_large_string(distinct.type)):
            return np.asarray(pc.is_in(distinct, value_set=self.values.cast(distinct.type)), dtype=bool)
        holds = self.lookup.predicate
        answers = (value is not None and bool(holds(value)) for value in distinct.to_pylist())
        return np.fromiter(answers, dtype=bool, count=len(distinct))


@dataclass(frozen=True, eq=False)
class LookupProgram:
    """All look-ups in one column: each is asked about the distinct values only."""

    lists: tuple[Listed, ...]

    def run(self, column: pa.Array, votes: Array) -> None:
        """Vote on a block of values, into int8 [n, m]."""
        if pa.types.is_string_view(column.type):
            column = column.cast(pa.large_string())
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        indices = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        valid = np.asarray(encoded.is_valid(), dtype=bool)
        for listed in self.lists:
            among = np.append(listed.among(encoded.dictionary), False)  # there may be no value at all
            listed.vote.put(votes, among[indices] & valid)


def _is_text(value: str) -> bool:
    """Whether Arrow can hold it: half of a surrogate pair is in no text."""
    return not any("\ud800" <= c <= "\udfff" for c in value)


def _rows(hits: Array, output: int) -> Array:
    return np.flatnonzero(hits[:, output // 64] & np.uint64(1 << output % 64))
