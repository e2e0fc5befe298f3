"""A block of texts as Arrow holds them, in the shape that the kernels read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from beambell.labeling.compiler import kernels
from beambell.labeling.compiler.alphabet import Alphabet, Array
from beambell.labeling.compiler.dfa import Dfa

_IDENTITY = np.arange(256, dtype=np.uint8)


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

    def in_symbols(self, alphabet: Alphabet) -> Runs:
        """Return the texts written in symbols."""
        symbols = np.empty(int((self.ends - self.starts).sum()), dtype=np.uint8)
        starts, ends = np.empty_like(self.starts), np.empty_like(self.ends)
        kernels.to_symbols(self.data, self.starts, self.ends, alphabet.page_of, alphabet.pages, symbols, starts, ends)
        return Runs(_read_only(symbols), starts, ends, self.rows)


class Texts:
    """The texts of a column of n rows.

    ASCII is read as it lies in Arrow's buffer: a byte is a character. Other texts are first written in the symbols
    of an automaton, one byte for each character, so that the same loop reads both, and both exactly.

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

    def scan(self, dfa: Dfa, hits: Array, rows: Array | None = None) -> None:
        """Run an automaton over all texts, or over those of some rows.

        Parameters
        ----------
        dfa
            An automaton, whose outputs are bits of a row of ``hits``.
        hits
            uint64 [n, w], where the bits are set.
        rows
            Ascending; none of them null.
        """
        for runs, columns in self._in(dfa.alphabet, rows):
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

    def tally(self, alphabet: Alphabet, packed: Array, counted_runs: int) -> Array:
        """Count characters of up to eight sets; int32 [n, 8]. See `kernels.tally`."""
        counts = np.zeros((self.n_rows, 8), dtype=np.int32)
        for runs, columns in self._in(alphabet, None):
            kernels.tally(*runs, packed[columns], np.uint64(counted_runs), counts)
        return counts

    def strings(self, rows: Array) -> list[str]:
        """Return the texts of some rows as Python has them."""
        strings: list[str] = self._column.take(pa.array(rows)).to_pylist()
        return strings

    def _in(self, alphabet: Alphabet, rows: Array | None) -> list[tuple[Runs, Array]]:
        kinds = self.kinds if rows is None else self.kinds[rows]
        parts = []
        for kind in (kernels.ASCII, kernels.OTHER):
            chosen = np.flatnonzero(kinds == kind)
            if len(chosen):
                runs = self._every.select(chosen if rows is None else rows[chosen])
                if kind == kernels.ASCII:
                    parts.append((runs, alphabet.ascii))
                else:
                    parts.append((runs.in_symbols(alphabet), _IDENTITY))
        return parts


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
        return Runs(_read_only(np.zeros(1, dtype=np.uint8)), empty, empty, np.arange(n))
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    bounds = np.frombuffer(offsets, dtype=width)[column.offset : column.offset + n + 1].astype(np.int64)
    content = np.zeros(1, dtype=np.uint8) if data is None or data.size == 0 else np.frombuffer(data, dtype=np.uint8)
    return Runs(_read_only(content), bounds[:-1], bounds[1:], np.arange(n))


def _read_only(array: Array) -> Array:
    # numba would compile every kernel twice, for arrays that may be written and for those that may not.
    array.flags.writeable = False
    return array
