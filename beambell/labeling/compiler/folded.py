"""What is looked for in folded texts: found with all else, and once more in the few texts that folding changes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from beambell.labeling import folding
from beambell.labeling.charsets import LAST
from beambell.labeling.compiler import folding_kernels as kernels
from beambell.labeling.compiler.alphabet import PAGE, Array
from beambell.labeling.compiler.texts import buffers


@dataclass(frozen=True, eq=False)
class Folded:
    """Outputs that are about the folded values of one column.

    Attributes
    ----------
    outputs
        uint64 [w], their bits.
    """

    outputs: Array

    @cached_property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self.outputs.any())

    def run(self, column: pa.Array, rows: Array, find: Callable[[pa.Array, Array], object], hits: Array) -> None:
        """Find these outputs anew in the texts that folding changes.

        Parameters
        ----------
        column
            n strings, large or not.
        rows
            Numbers of the rows that may be other than ASCII, and are not null; ascending.
        find
            Sets outputs, of these at least, for some strings, large or not.
        hits
            uint64 [n, w], what was found in the texts as they are.
        """
        if not self.any:
            return
        for changed, texts in _folded(column, rows):
            found = np.zeros((len(changed), len(self.outputs)), dtype=np.uint64)
            find(texts, found)
            hits[changed] = hits[changed] & ~self.outputs | found & self.outputs


def _folded(column: pa.Array, rows: Array) -> Iterator[tuple[Array, pa.Array]]:
    """Yield those of some rows whose texts folding may change, and what it makes of them."""
    data, bounds = buffers(column)
    table, starts, ends = _table(), bounds[:-1], bounds[1:]
    suspect = np.empty(len(rows), dtype=bool)
    kernels.suspect(data, starts, ends, rows, table.pairs, suspect)
    rows = rows[suspect]
    kinds = np.empty(len(rows), dtype=np.uint8)
    kernels.check(data, starts, ends, rows, table.page_of, table.classes, kinds)
    if len(replaced := rows[kinds == kernels.REPLACED]):
        new_data = np.empty(int((ends[replaced] - starts[replaced]).sum()) + 1, dtype=np.uint8)
        new_bounds = np.empty(len(replaced) + 1, dtype=np.int64)
        kernels.replace(data, starts, ends, replaced, *table[:3], new_data, new_bounds)
        parts = [None, pa.py_buffer(new_bounds), pa.py_buffer(new_data)]
        yield replaced, pa.Array.from_buffers(pa.large_string(), len(replaced), parts)
    if len(others := rows[kinds == kernels.OTHERWISE]):
        texts = map(folding.fold, column.take(pa.array(others)).to_pylist())
        yield others, pa.array(list(texts), pa.large_string())


class _Table(NamedTuple):
    """What folding does to each character, in pages as an `Alphabet` has them.

    Attributes
    ----------
    page_of
        uint16 [4352].
    classes
        uint8 [p, 256]. See `folding_kernels.check`.
    typed
        uint16 [p, 256]. See `folding_kernels.replace`.
    pairs
        uint8 [65536]. See `folding_kernels.suspect`.
    """

    page_of: Array
    classes: Array
    typed: Array
    pairs: Array


@cache
def _table() -> _Table:
    classes, typed = _classes(), np.zeros(LAST + 1, dtype=np.uint16)
    for first, last in folding.INVISIBLE.ranges:
        classes[first : last + 1] = kernels.GONE
    classes[folding.FIRST_TAG : folding.LAST_TAG + 1] = kernels.COMPOSED
    for character, other in folding.replacements().items():
        typed[ord(character)] = ord(other)
        classes[ord(character)] = kernels.COMPOSED if classes[ord(other)] else kernels.TYPED
    both = np.concatenate([classes.reshape(-1, PAGE), typed.reshape(-1, PAGE)], axis=1)
    pages, page_of = np.unique(both, axis=0, return_inverse=True)
    pairs = np.zeros(1 << 16, dtype=np.uint8)
    for code in np.flatnonzero(classes).tolist():
        first, second = chr(code).encode()[:2]
        pairs[first << 8 | second] = 1
    return _Table(
        page_of.ravel().astype(np.uint16),
        np.ascontiguousarray(pages[:, :PAGE].astype(np.uint8)),
        np.ascontiguousarray(pages[:, PAGE:]),
        pairs,
    )


def _classes() -> Array:
    """Return what NFC does to each character, as the kernels have it: uint8 [1114112]."""
    classes = np.zeros(LAST + 1, dtype=np.uint8)
    for code in chain(range(0xC0, 0x20000), range(0x2F800, 0x2FA20)):
        character = chr(code)
        parts = unicodedata.decomposition(character).split()
        if parts and not parts[0].startswith("<"):
            if unicodedata.normalize("NFC", character) != character:
                classes[code] = kernels.COMPOSED
            else:  # what may be composed with the character before it
                classes[int(parts[1], 16)] = kernels.COMPOSED
        classes[code] = max(classes[code], unicodedata.combining(character))
    for first, last in _JAMO:
        classes[first : last + 1] = kernels.COMPOSED
    return classes


_JAMO: Final = ((0x1161, 0x1175), (0x11A8, 0x11C2))
"""Letters of Hangul that are composed with the one before, by a rule instead of a table."""
