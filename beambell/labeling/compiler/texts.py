"""A block of texts as Arrow holds them, in the shape that the kernels read."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from beambell.labeling.compiler import kernels
from beambell.labeling.compiler.alphabet import Alphabet, Array, Spelling
from beambell.labeling.compiler.dfa import Dfa


class Runs(NamedTuple):
    """Some rows' texts, as bytes or as symbols.

    Attributes
    ----------
    data
        uint8, read-only.
    starts, ends
        int64 [k], where each text is.
    rows
        int64 [k], the row of each.
    """

    data: Array
    starts: Array
    ends: Array
    rows: Array

    def select(self, rows: Array) -> Runs:
        """Return the texts at these positions."""
        return Runs(self.data, self.starts[rows], self.ends[rows], self.rows[rows])


class Texts:
    """The texts of a column of n rows.

    ASCII is read as it lies in Arrow's buffer: a byte is a character. Other texts are first written in symbols, one
    byte for each character, so that the same loop reads both, and both exactly. They are written once for all that
    read the same alphabet.

    Parameters
    ----------
    column
        Strings of any Arrow type.
    """

    def __init__(self, column: pa.Array) -> None:
        self._column = _plain(column)
        self.n_rows = len(column)
        self.kinds = np.array(self._column.is_valid(), dtype=np.uint8)
        self._every = _runs(self._column)
        kernels.classify(self._every.data, self._every.starts, self._every.ends, self.kinds)
        self.valid: np.ndarray[Any, np.dtype[np.bool_]] = self.kinds != kernels.NULL
        self._written: dict[Alphabet, Runs] = {}

    def scan(self, dfa: Dfa, spelling: Spelling, hits: Array, rows: Array | None = None) -> None:
        """Run an automaton over all texts, or over those of some rows.

        Parameters
        ----------
        dfa
            An automaton, whose outputs are bits of a row of ``hits``.
        spelling
            How to read the texts in its alphabet.
        hits
            uint64 [n, w], where the bits are set.
        rows
            Ascending; none of them null.
        """
        for runs, columns in self._in(spelling, rows):
            kernels.scan(
                *runs,
                columns,
                dfa.table,
                dfa.shift,
                dfa.start,
                dfa.first_emitting,
                dfa.emit_from,
                dfa.emits,
                dfa.end_from,
                dfa.ends,
                hits,
            )

    def find_equal(self, length: int, inside: Array, output: int, hits: Array) -> None:
        """Set an output for the texts that may contain so many equal characters in a row; sure if ASCII.

        Parameters
        ----------
        length
            At least 3.
        inside
            uint8 [256], which bytes they may be.
        """
        kernels.find_equal(*self._every, self.kinds, length, inside, output, hits)

    def tally(self, spelling: Spelling, packed: Array, counted_runs: int, sets: int) -> Array:
        """Count characters of up to eight sets; int64 [sets, n]. See `kernels.tally`."""
        counts = np.zeros((sets, self.n_rows), dtype=np.int64)
        for runs, columns in self._in(spelling, None):
            kernels.tally(*runs, packed[columns], np.uint64(counted_runs), counts)
        return counts

    def strings(self, rows: Array) -> list[str]:
        """Return the texts of some rows as Python has them."""
        strings: list[str] = self._column.take(pa.array(rows)).to_pylist()
        return strings

    def _in(self, spelling: Spelling, rows: Array | None) -> list[tuple[Runs, Array]]:
        """Return texts in ASCII and others, each with the symbols of what they are written in."""
        parts = []
        for kind, symbols in ((kernels.ASCII, spelling.ascii), (kernels.OTHER, spelling.own)):
            chosen = self._of_kind[kind] if rows is None else rows[self.kinds[rows] == kind]
            if len(chosen):
                runs = self._every if kind == kernels.ASCII else self._in_symbols(spelling.written)
                parts.append((runs if len(chosen) == self.n_rows else runs.select(chosen), symbols))
        return parts

    @cached_property
    def _of_kind(self) -> dict[int, Array]:
        return {kind: np.flatnonzero(self.kinds == kind) for kind in (kernels.ASCII, kernels.OTHER)}

    def _in_symbols(self, alphabet: Alphabet) -> Runs:
        """Return all texts that are not ASCII, written in symbols; those that are, as nothing."""
        if alphabet not in self._written:
            others = self._every.select(self._of_kind[kernels.OTHER])
            symbols = np.empty(int((others.ends - others.starts).sum()) + len(others.rows), dtype=np.uint8)
            starts, ends = np.zeros((2, self.n_rows), dtype=np.int64)
            kernels.to_symbols(*others, alphabet.ascii, alphabet.page_of, alphabet.pages, symbols, starts, ends)
            self._written[alphabet] = Runs(read_only(symbols), starts, ends, self._every.rows)
        return self._written[alphabet]


def _plain(column: pa.Array) -> pa.Array:
    """Return the strings with offsets into one buffer."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column
    return column.cast(pa.large_string())


def _runs(column: pa.Array) -> Runs:
    n = len(column)
    _, offsets, data = column.buffers()
    if n == 0 or offsets is None:
        empty = np.zeros(n, dtype=np.int64)
        return Runs(read_only(np.zeros(1, dtype=np.uint8)), empty, empty, np.arange(n))
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    bounds = np.frombuffer(offsets, dtype=width)[column.offset : column.offset + n + 1].astype(np.int64)
    content = np.zeros(1, dtype=np.uint8) if data is None or data.size == 0 else np.frombuffer(data, dtype=np.uint8)
    return Runs(read_only(content), bounds[:-1], bounds[1:], np.arange(n))


def read_only(array: Array) -> Array:
    """Return the array, never to be written again."""
    # numba would compile every kernel twice, for arrays that may be written and for those that may not.
    array.flags.writeable = False
    return array
