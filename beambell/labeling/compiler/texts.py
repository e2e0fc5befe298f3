"""A block of texts as Arrow holds them, and as the kernels read them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from beambell.labeling.compiler import kernels
from beambell.labeling.compiler.alphabet import Array, Script
from beambell.labeling.compiler.dfa import Machine

Mask = np.ndarray[Any, np.dtype[np.bool_]]


class EncodedTexts(NamedTuple):
    """Some rows' texts, written in a `Script`, each in words of its own.

    Attributes
    ----------
    words
        uint64, eight symbols in each.
    row_of
        uint16, the row of each word.
    starts
        int64 [k + 1], the word that each text begins with.
    """

    words: Array
    row_of: Array
    starts: Array

    @classmethod
    def room(cls, n_words: int, n_texts: int) -> EncodedTexts:
        """Return room for some texts."""
        return cls(
            np.empty(n_words, dtype=np.uint64),
            np.empty(n_words, dtype=np.uint16),
            np.empty(n_texts + 1, dtype=np.int64),
        )

    def select(self, rows: Array) -> EncodedTexts:
        """Return the texts of some rows, of all that were written."""
        selected = EncodedTexts.room(int((self.starts[rows + 1] - self.starts[rows]).sum()), len(rows))
        kernels.select(*self, rows, *selected)
        return selected


class Texts:
    """The texts of a block of n rows.

    They are written once for all that read the same script, a byte for each character, so that one loop reads all of
    them, and exactly.

    Parameters
    ----------
    column
        Strings of any Arrow type; at most 65,536 of them.
    script
        The script to begin with.

    Attributes
    ----------
    column
        Strings, large or not.
    kinds
        uint8 [n]: null, ASCII, or other. See `kernels`.
    sizes
        int64 [n], the number of characters.
    """

    def __init__(self, column: pa.Array, script: Script) -> None:
        self.column = _plain(column)
        self.n_rows = len(column)
        self.kinds: Array = is_known(self.column).astype(np.uint8)
        self.sizes = np.empty(self.n_rows, dtype=np.int64)
        self._data, self._bounds = buffers(self.column)
        self._written: dict[Script, EncodedTexts] = {}
        self.written(script)
        self.valid: Mask = self.kinds != kernels.NULL

    def scan(self, machine: Machine, hits: Array, rows: Array | None = None) -> None:
        """Run an automaton over all texts, or over those of some rows.

        Parameters
        ----------
        machine
            An automaton, whose outputs are bits of w words.
        hits
            uint64 [n, w], where the bits are set.
        rows
            Numbers of rows, ascending; none of them null.
        """
        written = self.written(machine.script)
        if rows is not None:
            written = written.select(rows)
        kernels.scan(*written, machine.table, machine.first_emitting, machine.emits, hits)

    def find_equal(self, length: int, inside: Array, output: int, hits: Array) -> None:
        """Set an output for the texts that may contain so many equal characters in a row; sure if ASCII.

        Parameters
        ----------
        length
            Number of equal characters in a row, at least 3.
        inside
            uint8 [256], which bytes they may be.
        """
        kernels.find_equal(self._data, self._bounds[:-1], self._bounds[1:], self.kinds, length, inside, output, hits)

    def strings(self, rows: Array) -> list[str]:
        """Return the texts of some rows as Python has them."""
        strings: list[str] = self.column.take(pa.array(rows)).to_pylist()
        return strings

    def written(self, script: Script) -> EncodedTexts:
        """Return all texts, written in a script."""
        if script not in self._written:
            n_words = (int(self._bounds[-1] - self._bounds[0]) >> 3) + self.n_rows
            written = EncodedTexts.room(n_words, self.n_rows)
            kernels.write(
                self._data,
                self._bounds[:-1],
                self._bounds[1:],
                self.kinds,
                script.page_of,
                script.pages,
                *written,
                self.sizes,
            )
            self._written[script] = written
        return self._written[script]


def _plain(column: pa.Array) -> pa.Array:
    """Return the strings with offsets into one buffer."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column
    return column.cast(pa.large_string())


def buffers(column: pa.Array) -> tuple[Array, Array]:
    """Return the bytes of all texts, and where each begins and the last one ends, int64 [n + 1]."""
    n = len(column)
    _, offsets, data = column.buffers()
    if n == 0 or offsets is None:
        return read_only(np.zeros(1, dtype=np.uint8)), np.zeros(n + 1, dtype=np.int64)
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    bounds = np.frombuffer(offsets, dtype=width)[column.offset : column.offset + n + 1].astype(np.int64)
    content = np.zeros(1, dtype=np.uint8) if data is None or data.size == 0 else np.frombuffer(data, dtype=np.uint8)
    return read_only(content), bounds


def is_known(column: pa.Array) -> Mask:
    """Return where there is a value, not null: bool [n]."""
    if column.null_count == 0 and not pa.types.is_dictionary(column.type):  # asking for each is slow
        return np.ones(len(column), dtype=bool)
    return np.array(column.is_valid(), dtype=bool)


def is_ascii(column: pa.Array) -> bool:
    """Whether all strings are ASCII."""
    data, bounds = buffers(column)
    return bool(data[bounds[0] : bounds[-1]].max(initial=0) < 128)


def read_only(array: Array) -> Array:
    """Return the array, never to be written again."""
    # numba would compile every kernel twice, for arrays that may be written and for those that may not.
    array.flags.writeable = False
    return array
