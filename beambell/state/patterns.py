"""Packed vote patterns: the votes on a row as a few bytes that sort as the votes do.

A vote is stored as ``vote + 1`` in ``ceil(log2(K + 1))`` bits, labeling function after labeling function, the highest
bit first, padded with zero bits to whole bytes. The order of the bytes is the lexicographic order of the votes.

What is written here with numpy is what it means. Where there is much to do, `beambell.state.pattern_kernels` does
the same in machine code.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import Integers, Packed, Votes
from beambell.errors import LabelingFunctionError, StateError

MAX_CARDINALITY: Final = 127
"""Votes are int8."""

_CHUNK_ROWS = 16_384  # the unpacked bits of a chunk stay in the processor's cache
_WORTH_LOADING, _WORTH_IMPORTING = (
    4_096,
    262_144,
)  # patterns that machine code saves milliseconds on, or tenths of a second


def kernels(n: int) -> ModuleType | None:
    """Return the loops in machine code, if it pays to work on ``n`` patterns with them: numba takes long to import."""
    if n < (_WORTH_LOADING if "numba" in sys.modules else _WORTH_IMPORTING):
        return None
    from beambell.state import pattern_kernels

    return pattern_kernels


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """View an array as the loops read it: numba compiles each for one layout, and for what may not be written."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def bits_per_vote(cardinality: int) -> int:
    """Bits that tell ``cardinality`` classes and the abstention apart: ``ceil(log2(cardinality + 1))``.

    Raises
    ------
    StateError
        If there are fewer than 2 or more than 127 classes.
    """
    if not 2 <= cardinality <= MAX_CARDINALITY:
        raise StateError(
            f"{cardinality} classes are impossible", where="cardinality", fix=f"use 2 to {MAX_CARDINALITY} classes"
        )
    return int(cardinality).bit_length()


def packed_width(n_lfs: int, cardinality: int) -> int:
    """Bytes of one packed pattern.

    Raises
    ------
    StateError
        If there is no labeling function, or no such number of classes.
    """
    if n_lfs < 1:
        raise StateError("a pattern needs at least one labeling function", where="lfs")
    return -(-n_lfs * bits_per_vote(cardinality) // 8)


def default_names(n_lfs: int) -> tuple[str, ...]:
    """Names for labeling functions that have none: ``lf_0``, ``lf_1`` and so on."""
    return tuple(f"lf_{j}" for j in range(n_lfs))


def check_votes(L: npt.ArrayLike, cardinality: int, lfs: Sequence[str] | None = None) -> Votes:
    """Check a matrix of votes.

    Parameters
    ----------
    L
        Votes, [n, m], of any integer type.
    cardinality
        Number of classes K.
    lfs
        Names of the m labeling functions, for messages.

    Returns
    -------
    Votes
        Votes as int8, not copied where they were int8.

    Raises
    ------
    LabelingFunctionError
        If a vote is neither -1 nor one of 0..K-1; it names the labeling function, the row and the value.
    StateError
        If it is not a matrix of integers with a column for every labeling function.
    """
    bits_per_vote(cardinality)
    votes = np.asarray(L)
    if votes.ndim != 2 or not np.issubdtype(votes.dtype, np.integer):
        raise StateError(
            f"votes are a matrix of integers, [rows, labeling functions], not {votes.ndim}-d {votes.dtype}", where="L"
        )
    names = default_names(votes.shape[1]) if lfs is None else tuple(lfs)
    if len(names) != votes.shape[1]:
        raise StateError(f"{votes.shape[1]} columns of votes for {len(names)} labeling functions", where="L")
    if votes.size and not (votes.min() >= -1 and votes.max() < cardinality):
        row, j = np.argwhere((votes < -1) | (votes >= cardinality))[0]
        raise LabelingFunctionError(
            f"{votes[row, j]} is not a vote (row {row})",
            where=names[j],
            fix=f"vote 0 to {cardinality - 1}, or -1 to abstain",
        )
    return votes.astype(np.int8, copy=False)


def check_packed(packed: Packed, n_lfs: int, cardinality: int) -> Packed:
    """Return packed patterns that have the type and width of ``n_lfs`` votes for ``cardinality`` classes.

    Raises
    ------
    StateError
        If they do not.
    """
    width = packed_width(n_lfs, cardinality)
    if packed.ndim != 2 or packed.dtype != np.uint8 or packed.shape[1] != width:
        raise StateError(
            f"patterns of {n_lfs} labeling functions and {cardinality} classes are uint8 [n, {width}], "
            f"not {packed.dtype} {list(packed.shape)}",
            where="pattern",
        )
    return packed


def pack(L: npt.ArrayLike, cardinality: int, lfs: Sequence[str] | None = None) -> Packed:
    """Pack votes, one pattern a row.

    Parameters
    ----------
    L
        Votes, [n, m], -1 where a labeling function abstained.
    cardinality
        Number of classes K.
    lfs
        Names of the m labeling functions, for messages.

    Returns
    -------
    Packed
        uint8 [n, width].

    Raises
    ------
    LabelingFunctionError, StateError
        As `check_votes` does.
    """
    votes = check_votes(L, cardinality, lfs)
    n, m = votes.shape
    bits = bits_per_vote(cardinality)
    packed = np.empty((n, packed_width(m, cardinality)), np.uint8)
    if loops := kernels(n):
        loops.pack(frozen(votes), bits, packed)
        return packed
    for start in range(0, n, _CHUNK_ROWS):
        codes = (votes[start : start + _CHUNK_ROWS] + np.int8(1)).view(np.uint8)
        spread = np.empty((*codes.shape, bits), np.uint8)
        for b in range(bits):
            spread[:, :, b] = codes >> (bits - 1 - b) & 1
        packed[start : start + _CHUNK_ROWS] = np.packbits(spread.reshape(len(codes), -1), axis=1)
    return packed


def unpack(packed: Packed, n_lfs: int, cardinality: int) -> Votes:
    """Unpack patterns to votes.

    Parameters
    ----------
    packed
        uint8 [n, width].
    n_lfs
        Number of labeling functions m.
    cardinality
        Number of classes K.

    Returns
    -------
    Votes
        int8 [n, m].

    Raises
    ------
    StateError
        If these bytes are not patterns of m labeling functions and K classes.
    """
    bits = bits_per_vote(cardinality)
    votes = np.empty((len(check_packed(packed, n_lfs, cardinality)), n_lfs), np.int8)
    if loops := kernels(len(packed)):
        if not loops.possible(frozen(packed), bits, n_lfs, cardinality):
            raise _impossible(n_lfs, cardinality)
        loops.unpack(frozen(packed), bits, votes)
        return votes
    for start in range(0, len(packed), _CHUNK_ROWS):
        chunk = packed[start : start + _CHUNK_ROWS]
        spread = np.unpackbits(chunk, axis=1, count=n_lfs * bits).reshape(len(chunk), n_lfs, bits)
        codes = spread[:, :, 0]
        for b in range(1, bits):
            codes = codes << np.uint8(1) | spread[:, :, b]
        votes[start : start + _CHUNK_ROWS] = codes.view(np.int8) - np.int8(1)
    padding = (1 << (8 * packed.shape[1] - n_lfs * bits)) - 1
    if (votes.size and votes.max() >= cardinality) or np.any(packed[:, -1] & padding):
        raise _impossible(n_lfs, cardinality)
    return votes


def replace(packed: Packed, lfs: Sequence[int], L: npt.ArrayLike, n_lfs: int, cardinality: int) -> Packed:
    """Replace the votes of some labeling functions in patterns.

    Parameters
    ----------
    packed
        uint8 [n, width]; not changed.
    lfs
        Places of the r labeling functions.
    L
        Votes that replace them, [n, r].
    n_lfs
        Number of all labeling functions m.
    cardinality
        Number of classes K.

    Returns
    -------
    Packed
        uint8 [n, width].

    Raises
    ------
    LabelingFunctionError, StateError
        As `check_votes` and `check_packed` do.
    """
    votes, bits = check_votes(L, cardinality), bits_per_vote(cardinality)
    replaced = check_packed(packed, n_lfs, cardinality).copy()
    for j, column in zip(lfs, votes.T, strict=True):
        code, field = (column + np.int8(1)).view(np.uint8), (1 << bits) - 1
        for byte in range(j * bits // 8, -(-(j + 1) * bits // 8)):
            left, right = max(0, 8 * byte + 8 - (j + 1) * bits), max(0, (j + 1) * bits - 8 * byte - 8)
            others = np.uint8(~(field << left >> right) & 0xFF)
            replaced[:, byte] = replaced[:, byte] & others | code << np.uint8(left) >> np.uint8(right)
    return replaced


def check_possible(packed: Packed, n_lfs: int, cardinality: int) -> None:
    """Check that votes of m labeling functions for K classes can have packed to these patterns, as `unpack` does.

    Raises
    ------
    StateError
        If not.
    """
    loops = kernels(len(check_packed(packed, n_lfs, cardinality)))
    if loops is None:
        unpack(packed, n_lfs, cardinality)
    elif not loops.possible(frozen(packed), bits_per_vote(cardinality), n_lfs, cardinality):
        raise _impossible(n_lfs, cardinality)


def _impossible(n_lfs: int, cardinality: int) -> StateError:
    return StateError(
        f"a pattern that {n_lfs} labeling functions with {cardinality} classes cannot have cast",
        where="pattern",
        fix="read it with the labeling functions and classes it was written with",
    )


def unique(packed: Packed) -> tuple[Packed, Integers, Integers]:
    """Find the distinct patterns.

    Parameters
    ----------
    packed
        uint8 [n, width].

    Returns
    -------
    patterns
        The p distinct patterns in ascending order, uint8 [p, width].
    inverse
        Number of each row's pattern in ``patterns``, int64 [n].
    counts
        Rows per pattern, int64 [p].
    """
    first_seen, inverse, counts = _numbered(packed)
    order = _ascending(first_seen)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first_seen.take(order, axis=0), rank[inverse], counts[order]


def count(packed: Packed) -> tuple[Packed, Integers]:
    """Find the distinct patterns and how often each is there, as `unique` does."""
    first_seen, _, counts = _numbered(packed)
    order = _ascending(first_seen)
    return first_seen.take(order, axis=0), counts[order]


def _numbered(packed: Packed) -> tuple[Packed, Integers, Integers]:
    """Return the distinct patterns as they first occur; for each row, which it has; the rows of each."""
    n = len(packed)
    if loops := kernels(n):
        inverse, firsts, counts = np.empty((3, n), np.int64)
        p = loops.distinct(frozen(packed), inverse, firsts, counts)
        return packed.take(firsts[:p], axis=0), inverse, counts[:p]
    encoded = to_arrow(packed).dictionary_encode()
    first_seen = from_arrow(encoded.dictionary)
    of_row = np.from_dlpack(encoded.indices)  # its to_numpy() would import pandas first
    of_each = np.bincount(of_row, minlength=len(first_seen))
    return first_seen, of_row.astype(np.int64), of_each.astype(np.int64, copy=False)


def _ascending(packed: Packed) -> npt.NDArray[Any]:
    """Return the order in which patterns ascend."""
    loops = kernels(len(packed))
    return np.argsort(keys(packed), kind="stable") if loops is None else loops.ascending(frozen(packed))


def merge(a: Packed, of_a: Integers, b: Packed, of_b: Integers) -> tuple[Packed, Integers]:
    """Add two tables of ascending patterns and their counts, in machine code; sums of zero are left out.

    No sum may be beyond int64.
    """
    from beambell.state import pattern_kernels

    n = len(a) + len(b)
    packed, counts = np.empty((n, a.shape[1]), np.uint8), np.empty(n, np.int64)
    p = pattern_kernels.merge(frozen(a), frozen(of_a), frozen(b), frozen(of_b), packed, counts)
    return packed[:p], counts[:p]


def keys(packed: Packed) -> npt.NDArray[Any]:
    """Return one scalar per pattern that sorts and compares as the pattern does.

    Returns
    -------
    ndarray
        [n]: uint64 where a pattern fits into eight bytes, else byte strings of fixed length.
    """
    n, width = packed.shape
    if width > 8:
        return np.ascontiguousarray(packed).view(f"S{width}").reshape(n)
    padded = np.zeros((n, 8), np.uint8)
    padded[:, :width] = packed
    return padded.view(">u8").astype(np.uint64).reshape(n)


def arrow_type(n_lfs: int, cardinality: int) -> pa.DataType:
    """Arrow type of packed patterns: fixed-size binary."""
    return pa.binary(packed_width(n_lfs, cardinality))


def to_arrow(packed: Packed) -> pa.FixedSizeBinaryArray:
    """View packed patterns as an Arrow column, without copying them where they are contiguous."""
    n, width = packed.shape
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), n, [None, pa.py_buffer(np.ascontiguousarray(packed))])


def from_arrow(column: pa.FixedSizeBinaryArray | pa.ChunkedArray) -> Packed:
    """View an Arrow column of fixed-size binary as packed patterns, uint8 [n, width], read-only.

    Raises
    ------
    StateError
        If the column has another type, or nulls.
    """
    kind: Any = column.type
    if not pa.types.is_fixed_size_binary(kind) or column.null_count:
        raise StateError(f"patterns are fixed-size binary without nulls, not {kind}", where="pattern")
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    width = kind.byte_width
    if not len(array):
        return np.empty((0, width), np.uint8)
    data = np.frombuffer(array.buffers()[1], np.uint8)
    return data[array.offset * width : (array.offset + len(array)) * width].reshape(-1, width)
