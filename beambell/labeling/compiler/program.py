"""What runs: the steps by which everything that labeling functions ask about a block of rows is found out.

Each answer is an output, one bit in the words of a row. Steps set the bits of columns, further steps combine them, and
in the end some of them become votes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from beambell.arrays import ABSTAIN, Mask, Votes
from beambell.labeling.compiler import kernels
from beambell.labeling.compiler.alphabet import Array, Script
from beambell.labeling.compiler.counting import Counter, Range, Within
from beambell.labeling.compiler.dfa import Machine
from beambell.labeling.compiler.folded import Folded
from beambell.labeling.compiler.texts import Texts, buffers, is_ascii, is_known, read_only
from beambell.labeling.conditions import Condition, Truths, truths
from beambell.labeling.core import MAX_CLASSES, LabelingFunction, raise_error
from beambell.labeling.kinds import Lookup, Numeric
from beambell.labeling.row import Columns
from beambell.state import patterns


class ColumnProgram(Protocol):
    """Finds out all that is asked about one column."""

    def run(self, column: pa.Array, hits: Array) -> Mask:
        """Set outputs for a block of values; return where there is a value at all, neither null nor NaN.

        Parameters
        ----------
        column
            n values.
        hits
            uint64 [n, w].

        Returns
        -------
        bool [n]
        """


class Confirm(NamedTuple):
    """Runs an automaton over the candidates: the rows where an output was emitted before."""

    candidate: int
    machine: Machine


class Check(NamedTuple):
    """Asks Python about the candidates, or only those not in ASCII; all other texts get the same answer."""

    output: int
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
class VoteWriter:
    """Writes down the votes of m labeling functions, whose outputs are the first m.

    Attributes
    ----------
    codes
        uint64 [m / 8, 256], the bytes to be written for each byte of outputs. See `kernels.spread`.
    size
        Number of bytes that eight votes take.
    width
        Number of bytes that the votes on one row take.
    """

    codes: Array
    size: int
    width: int

    @classmethod
    def of(cls, written: Array, size: int) -> VoteWriter:
        """Make one from what is written of rows whose outputs are one byte, again and again: uint8 [256, width]."""
        width = written.shape[1]
        groups = -(-width // size)
        codes = np.zeros((groups, 256, 8), dtype=np.uint8)
        for group in range(groups):
            code = written[:, group * size : (group + 1) * size]
            codes[group, :, : code.shape[1]] = code
        return cls(codes.view("<u8")[:, :, 0], size, width)

    def room(self, n_rows: int) -> Array:
        """Return room for the votes on some rows, and for what is written beyond."""
        return np.empty(n_rows * self.width + 8, dtype=np.uint8)

    def run(self, hits: Array, written: Array) -> None:
        """Write the votes on some rows down."""
        kernels.spread(hits, self.codes, self.size, self.width, written)


@lru_cache(maxsize=64)
def as_votes(labels: tuple[int, ...]) -> VoteWriter:
    """Return what writes votes as int8, by the label of each labeling function."""
    return VoteWriter.of(_ballots(labels).view(np.uint8), 8)


@lru_cache(maxsize=64)
def as_patterns(labels: tuple[int, ...], cardinality: int) -> VoteWriter:
    """Return what writes votes as `beambell.state.patterns` packs them."""
    return VoteWriter.of(patterns.pack(_ballots(labels), cardinality), patterns.bits_per_vote(cardinality))


def _ballots(labels: tuple[int, ...]) -> Votes:
    """Return the votes on 256 rows, in which each group of eight outputs is one byte, from 0 to 255: int8 [256, m]."""
    found = np.arange(256)[:, None] >> np.arange(len(labels)) % 8 & 1
    return np.where(found, labels, ABSTAIN).astype(np.int8)


@dataclass(frozen=True, eq=False)
class Score:
    """Finds where the weights of the outputs that are set add up to a threshold, as ``math.fsum`` adds.

    Attributes
    ----------
    output
        Number of the lexicon's output.
    weights
        Weights by output, for those in ``mask``.
    threshold
        Smallest sum that sets the output.
    doubt
        Largest distance of a sum of floats from the exact one; 0 if all sums are exact.
    """

    output: int
    mask: Array
    weights: Array
    threshold: float
    doubt: float

    @classmethod
    def of(cls, output: int, weighted: dict[int, float], threshold: float, width: int) -> Score:
        """Make one from the weight of each output."""
        weights = np.zeros(64 * width)
        weights[list(weighted)] = list(weighted.values())
        # Multiples of 2^-20 that stay below 2^32 need 52 bits: their sums are exact in any order.
        total = math.fsum(map(abs, weighted.values()))
        exact = total < 2**32 and all(float(weight * 2**20).is_integer() for weight in weighted.values())
        doubt = 0.0 if exact else 4 * (len(weighted) + 1) * np.finfo(np.float64).eps * (total + abs(threshold))
        return cls(output, bits(weighted, width), weights, threshold, doubt)

    def run(self, hits: Array, valid: Mask) -> None:
        """Add up, and compare."""
        scores = np.zeros(len(hits))
        kernels.weigh(hits, self.mask, np.flatnonzero(self.mask), self.weights, scores)
        holds = scores >= self.threshold
        if self.doubt:
            for row in np.flatnonzero(np.abs(scores - self.threshold) <= self.doubt):
                holds[row] = self._exact(hits[row]) >= self.threshold
        kernels.mark(holds & valid, self.output, hits)

    def _exact(self, hits: Array) -> float:
        present = np.unpackbits((hits & self.mask).view(np.uint8), bitorder="little")
        return math.fsum(self.weights[np.flatnonzero(present)].tolist())


@dataclass(frozen=True, eq=False)
class TextProgram:
    """All that is asked about the texts of one column.

    Attributes
    ----------
    script
        Script of the texts, most of the time.
    automata
        Automata, each of which reads every text.
    folded
        Searches in folded texts.
    equal_runs
        Searches for runs of equal characters.
    confirms, scores, counters, checks
        Steps that read what was found, in this order.
    """

    script: Script
    automata: tuple[Machine, ...]
    folded: Folded
    equal_runs: tuple[EqualRun, ...]
    confirms: tuple[Confirm, ...]
    scores: tuple[Score, ...]
    counters: tuple[Counter, ...]
    checks: tuple[Check, ...]

    def run(self, column: pa.Array, hits: Array) -> Mask:
        """See `ColumnProgram`."""
        texts = self._scan(column, hits)
        self.folded.run(texts.column, np.flatnonzero(texts.kinds == kernels.OTHER), self._scan, hits)
        for equal in self.equal_runs:
            texts.find_equal(*equal, hits)
        for candidate, machine in self.confirms:
            texts.scan(machine, hits, np.flatnonzero(_holds(hits, candidate)))
        for score in self.scores:
            score.run(hits, texts.valid)
        for counter in self.counters:
            counter.run(texts, hits)
        self._check(texts, hits)
        return texts.valid

    def _scan(self, column: pa.Array, hits: Array) -> Texts:
        texts = Texts(column, self.script)
        for machine in self.automata:
            texts.scan(machine, hits)
        return texts

    def _check(self, texts: Texts, hits: Array) -> None:
        for output, candidate, sure_of_ascii, predicate, otherwise in self.checks:
            rows = np.flatnonzero(_holds(hits, candidate))
            holds = texts.valid & otherwise
            if sure_of_ascii:
                holds[rows] = True
                rows = rows[texts.kinds[rows] != kernels.ASCII]
            holds[rows] = [bool(predicate(text)) for text in texts.strings(rows)]
            kernels.mark(holds, output, hits)


@dataclass(frozen=True, eq=False)
class NumericProgram:
    """All ranges of one column of numbers.

    Attributes
    ----------
    lfs
        Labeling functions by output.
    whole, real
        Ranges for integers, and for floats.
    """

    lfs: Mapping[int, Numeric]
    whole: Within
    real: Within

    @classmethod
    def of(cls, lfs: Mapping[int, Numeric]) -> NumericProgram:
        """Make one from the labeling function of each output."""
        ranges = [Range(output, lf.min, lf.max) for output, lf in lfs.items()]
        return cls(lfs, Within.whole(ranges), Within.real(ranges))

    def run(self, column: pa.Array, hits: Array) -> Mask:
        """See `ColumnProgram`."""
        valid = is_known(column)
        if pa.types.is_floating(column.type):
            values = read_only(column.cast(pa.float64()).fill_null(math.nan).to_numpy(zero_copy_only=False))
            valid &= ~np.isnan(values)
            self.real.run(values, valid, hits)
        elif pa.types.is_integer(column.type) and not pa.types.is_uint64(column.type):
            values = read_only(column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False))
            self.whole.run(values, valid, hits)
        else:
            columns = Columns(pa.table({lf.field: column for lf in self.lfs.values()}))
            for output, lf in self.lfs.items():
                votes = lf.apply(columns, cardinality=MAX_CLASSES, on_error=raise_error)
                kernels.mark(votes != ABSTAIN, output, hits)
        return valid


@dataclass(frozen=True, eq=False)
class LookupProgram:
    """All look-ups in one column, answered by one probe of a hash table for each value.

    Attributes
    ----------
    width
        Words of a row.
    listed
        All values of the lists that equality decides about, string [k].
    slots
        int32, a hash table of them: see `kernels.enter`.
    words
        uint64 [k + 1, w], the outputs of each of these, and none for all other values.
    folded
        Look-ups that are decided by equality once a value is folded.
    lfs
        Labeling functions by output, all look-ups.
    """

    width: int
    listed: pa.Array
    slots: Array
    words: Array
    folded: Folded
    lfs: Mapping[int, Lookup]

    @classmethod
    def of(cls, lfs: Mapping[int, Lookup], width: int) -> LookupProgram:
        """Make one from the labeling function of each output."""
        outputs: dict[str, list[int]] = {}
        for output, lf in lfs.items():
            for value in () if lf.ignore_case else filter(_is_text, lf.values):
                outputs.setdefault(value, []).append(output)
        values = sorted(outputs)
        words = np.stack([*(bits(outputs[value], width) for value in values), bits((), width)])
        listed = pa.array(values, pa.string())
        slots = np.full(4 << len(values).bit_length(), -1, dtype=np.int32)
        kernels.enter(*buffers(listed), slots)
        folded = Folded(bits((output for output, lf in lfs.items() if lf.fold), width))
        return cls(width, listed, slots, words, folded, lfs)

    def run(self, column: pa.Array, hits: Array) -> Mask:
        """See `ColumnProgram`."""
        if pa.types.is_string_view(column.type):
            column = column.cast(pa.large_string())
        valid = is_known(column)
        if self._decides(column.type):
            self._look_up(column, hits)
            if not is_ascii(column):
                self.folded.run(column, np.flatnonzero(valid), self._look_up, hits)
        else:
            encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
            kernels.add_words(_places(encoded.indices), self._of_each(encoded.dictionary), hits)
        return valid

    def _look_up(self, column: pa.Array, hits: Array) -> None:
        kernels.look_up(*buffers(column), is_known(column), *buffers(self.listed), self.slots, self.words, hits)

    def _decides(self, type_: pa.DataType) -> bool:
        """Whether values of this type are on a list if they, or what they fold to, are equal to one there."""
        string = pa.types.is_string(type_) or pa.types.is_large_string(type_)
        return string and not any(lf.ignore_case for lf in self.lfs.values())

    def _of_each(self, distinct: pa.Array) -> Array:
        """Return the outputs of distinct values, uint64 [d, w]."""
        words = np.zeros((len(distinct), self.width), dtype=np.uint64)
        if self._decides(distinct.type):
            self.run(distinct, words)
            return words
        for row, value in enumerate(distinct.to_pylist()):
            if value is not None:
                words[row] = bits((output for output, lf in self.lfs.items() if lf.predicate(value)), self.width)
        return words


def _places(indices: pa.Array) -> Array:
    return read_only(indices.cast(pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False))


def _is_text(value: str) -> bool:
    """Whether Arrow can hold it: half of a surrogate pair is in no text."""
    return not any("\ud800" <= c <= "\udfff" for c in value)


@dataclass(frozen=True, eq=False)
class Combined:
    """Finds where a combination of conditions holds, from the outputs of its operands.

    Attributes
    ----------
    output
        Number of the combination's output.
    condition
        Condition that is looked for.
    operands
        The output of each of its leaves, and the column that this one reads.
    """

    output: int
    condition: Condition
    operands: tuple[tuple[int, str], ...]

    def run(self, hits: Array, known: Mapping[str, Mask]) -> None:
        """Combine; ``known`` tells for each column where there is a value."""
        operands = iter(self.operands)

        def next_operand(_leaf: LabelingFunction) -> Truths:
            output, field = next(operands)
            holds = _holds(hits, output)
            return holds, known[field] & ~holds

        kernels.mark(truths(self.condition, next_operand)[0], self.output, hits)


@dataclass(frozen=True, eq=False)
class Program:
    """All that is asked about a block of rows.

    Attributes
    ----------
    width
        Words of 64 outputs.
    columns
        Names of columns, each with what reads it.
    combined
        Combinations that read what was found in the columns.
    """

    width: int
    columns: tuple[tuple[str, ColumnProgram], ...]
    combined: tuple[Combined, ...]

    def run(self, batch: pa.RecordBatch) -> Array:
        """Return the outputs of a block of rows, uint64 [n, w]."""
        hits = np.zeros((batch.num_rows, self.width), dtype=np.uint64)
        known: dict[str, Mask] = {}
        for name, program in self.columns:
            column = batch.column(name)
            nothing = pa.types.is_null(column.type)
            known[name] = np.zeros(batch.num_rows, dtype=bool) if nothing else program.run(column, hits)
        for combined in self.combined:
            combined.run(hits, known)
        return hits


def bits(outputs: Iterable[int], width: int) -> Array:
    """Return words with the bits of some outputs set, uint64 [w]."""
    words = np.zeros(width, dtype=np.uint64)
    for output in outputs:
        words[output >> 6] |= np.uint64(1 << (output & 63))
    return words


def _holds(hits: Array, output: int) -> Mask:
    holds: Mask = (hits[:, output >> 6] & np.uint64(1 << (output & 63))) != 0
    return holds
