"""The loops over bytes, compiled by numba; none of them holds the GIL, and patterns are only data to them.

Texts come as runs: ``data[starts[i]:ends[i]]`` is the text of row ``rows[i]``. All indices are unsigned, which
spares numba a check for negative ones in the innermost loops.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_compiled: Any = numba.njit(nogil=True, cache=True, boundscheck=False)

NULL, ASCII, OTHER = 0, 1, 2
"""Kinds of text."""

# Multiplied by a power of two, its six highest bits tell which power.
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_POSITION = np.zeros(64, dtype=np.uint8)
_POSITION[[(1 << bit) * 0x03F79D71B4CB0A89 % 2**64 >> 58 for bit in range(64)]] = np.arange(64)


@_compiled
def classify(data, starts, ends, kinds):  # type: ignore[no-untyped-def]
    """Tell texts that are ASCII from others; those marked null on entry are left alone."""
    for i in range(len(starts)):
        if kinds[i] != NULL:
            text = data[np.uint64(starts[i]) : np.uint64(ends[i])]
            every = np.uint8(0)
            for j in range(len(text)):
                every |= text[j]
            kinds[i] = OTHER if every & np.uint8(128) else ASCII


# What a byte adds to the code point, and what it keeps of it: nothing where it begins a character.
_ADDS, _KEEPS = np.full(256, 0x07, dtype=np.uint32), np.zeros(256, dtype=np.uint32)
_ADDS[:0x80], _ADDS[0x80:0xC0], _ADDS[0xC0:0xE0], _ADDS[0xE0:0xF0] = 0x7F, 0x3F, 0x1F, 0x0F
_ADDS &= np.arange(256, dtype=np.uint32)
_KEEPS[0x80:0xC0] = 0x1FFFFF


@_compiled
def to_symbols(data, starts, ends, rows, of_ascii, page_of, pages, symbols, new_starts, new_ends):  # type: ignore[no-untyped-def]
    """Write each character of UTF-8 texts as one symbol, texts one after the other, a free byte before each.

    Scripts mix, and a branch for each length of a character would often be guessed wrong. There is none: every byte
    writes the symbol of what is known of the character so far, and the last one is right. What is no UTF-8, and
    begins with the rest of a character, gets into the free byte.
    """
    last, one, six = np.uint64(0), np.uint64(1), np.uint32(6)
    for i in range(len(rows)):
        p, stop, row = np.uint64(starts[i]), np.uint64(ends[i]), np.uint64(rows[i])
        new_starts[row] = last + one
        code = np.uint32(0)
        while p < stop:
            end = min(stop, p + np.uint64(16))
            every = np.uint8(0)
            for j in range(p, end):
                every |= data[j]
            if every < np.uint8(128):
                for j in range(p, end):
                    symbols[last + one + (j - p)] = of_ascii[data[j]]
                last += end - p
            else:
                for j in range(p, end):
                    byte = data[j]
                    code = (code << six) & _KEEPS[byte] | _ADDS[byte]
                    last += np.uint64(_KEEPS[byte] == 0)
                    known = min(code, np.uint32(0x10FFFF))
                    page = np.uint64(page_of[known >> np.uint32(8)])
                    symbols[last] = pages[page, np.uint64(known & np.uint32(0xFF))]
            p = end
        last += one
        new_ends[row] = last


@_compiled
def _emit(state, bounds, outputs, row, hits):  # type: ignore[no-untyped-def]
    for k in range(np.uint64(bounds[state]), np.uint64(bounds[state + np.uint64(1)])):
        output = np.uint64(outputs[k])
        hits[row, output >> np.uint64(6)] |= np.uint64(1) << (output & np.uint64(63))


@_compiled
def _finish(  # type: ignore[no-untyped-def]
    data, p, stop, row, state, columns, table, shift, first, emit_from, emits, end_from, ends_with, hits
):
    """Read one text to its end."""
    for j in range(p, stop):
        state = np.uint64(table[state << shift | np.uint64(columns[data[j]])])
        if state >= first:
            _emit(state, emit_from, emits, row, hits)
    _emit(state, end_from, ends_with, row, hits)


@_compiled
def scan(  # type: ignore[no-untyped-def]  # noqa: PLR0912, PLR0915  # the lanes are written out
    data, starts, ends, rows, columns, table, shift, start, first, emit_from, emits, end_from, ends_with, hits
):
    """Run an automaton over texts, and set the bit ``hits[row, output]`` for all it emits.

    Each step waits for the table, so four texts are read at once; who is done takes the next one.
    """
    n = np.uint64(len(rows))
    shift, start, first = np.uint64(shift), np.uint64(start), np.uint64(first)
    one = np.uint64(1)
    if n < np.uint64(4):
        for i in range(n):
            p, stop, row = np.uint64(starts[i]), np.uint64(ends[i]), np.uint64(rows[i])
            _finish(
                data, p, stop, row, start, columns, table, shift, first, emit_from, emits, end_from, ends_with, hits
            )
        return
    i0, i1, i2, i3, waiting = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    p0, p1, p2, p3 = np.uint64(starts[i0]), np.uint64(starts[i1]), np.uint64(starts[i2]), np.uint64(starts[i3])
    e0, e1, e2, e3 = np.uint64(ends[i0]), np.uint64(ends[i1]), np.uint64(ends[i2]), np.uint64(ends[i3])
    s0, s1, s2, s3 = start, start, start, start
    while True:
        steps = min(e0 - p0, e1 - p1, e2 - p2, e3 - p3)
        for j in range(steps):
            s0 = np.uint64(table[s0 << shift | np.uint64(columns[data[p0 + j]])])
            s1 = np.uint64(table[s1 << shift | np.uint64(columns[data[p1 + j]])])
            s2 = np.uint64(table[s2 << shift | np.uint64(columns[data[p2 + j]])])
            s3 = np.uint64(table[s3 << shift | np.uint64(columns[data[p3 + j]])])
            if max(s0, s1, s2, s3) >= first:
                if s0 >= first:
                    _emit(s0, emit_from, emits, np.uint64(rows[i0]), hits)
                if s1 >= first:
                    _emit(s1, emit_from, emits, np.uint64(rows[i1]), hits)
                if s2 >= first:
                    _emit(s2, emit_from, emits, np.uint64(rows[i2]), hits)
                if s3 >= first:
                    _emit(s3, emit_from, emits, np.uint64(rows[i3]), hits)
        p0 += steps
        p1 += steps
        p2 += steps
        p3 += steps
        if p0 == e0:
            if waiting == n:
                break
            _emit(s0, end_from, ends_with, np.uint64(rows[i0]), hits)
            i0, s0, p0, e0 = waiting, start, np.uint64(starts[waiting]), np.uint64(ends[waiting])
            waiting += one
        if p1 == e1:
            if waiting == n:
                break
            _emit(s1, end_from, ends_with, np.uint64(rows[i1]), hits)
            i1, s1, p1, e1 = waiting, start, np.uint64(starts[waiting]), np.uint64(ends[waiting])
            waiting += one
        if p2 == e2:
            if waiting == n:
                break
            _emit(s2, end_from, ends_with, np.uint64(rows[i2]), hits)
            i2, s2, p2, e2 = waiting, start, np.uint64(starts[waiting]), np.uint64(ends[waiting])
            waiting += one
        if p3 == e3:
            if waiting == n:
                break
            _emit(s3, end_from, ends_with, np.uint64(rows[i3]), hits)
            i3, s3, p3, e3 = waiting, start, np.uint64(starts[waiting]), np.uint64(ends[waiting])
            waiting += one
    _finish(
        data, p0, e0, np.uint64(rows[i0]), s0, columns, table, shift, first, emit_from, emits, end_from, ends_with, hits
    )
    _finish(
        data, p1, e1, np.uint64(rows[i1]), s1, columns, table, shift, first, emit_from, emits, end_from, ends_with, hits
    )
    _finish(
        data, p2, e2, np.uint64(rows[i2]), s2, columns, table, shift, first, emit_from, emits, end_from, ends_with, hits
    )
    _finish(
        data, p3, e3, np.uint64(rows[i3]), s3, columns, table, shift, first, emit_from, emits, end_from, ends_with, hits
    )


@_compiled
def find_equal(data, starts, ends, rows, kinds, length, inside, output, hits):  # type: ignore[no-untyped-def]
    """Set an output where a text may contain so many equal characters in a row, at least three.

    ASCII characters must be ``inside``, uint8 [256]. For texts in ASCII there is no doubt.
    """
    word, bit = output >> 6, np.uint64(1) << np.uint64(output & 63)
    for i in range(len(rows)):
        text = data[np.uint64(starts[i]) : np.uint64(ends[i])]
        n = len(text)
        widest = 1 if kinds[i] == ASCII else 4 if kinds[i] == OTHER else 0
        # Equal characters of so many bytes are bytes that equal those so many before.
        for width in range(1, widest + 1):
            m = n - 2 * width
            if m <= 0:
                continue
            # Three at least: a short loop without branches, many positions in one instruction.
            first, second, third = text[:m], text[width : width + m], text[2 * width :]
            least = np.uint8(255)
            for j in range(m):
                least = min(least, (first[j] ^ second[j]) | (second[j] ^ third[j]))
            if least == 0:
                run, longest = 0, 0
                for j in range(n - width):
                    run = run + 1 if text[j] == text[j + width] and inside[text[j]] else 0
                    longest = max(longest, run)
                if longest >= width * (length - 1):
                    hits[rows[i], word] |= bit


@_compiled
def tally(data, starts, ends, rows, packed, runs, counts):  # type: ignore[no-untyped-def]
    """Count up to eight sets of characters at once: one in each byte of a word.

    ``packed[byte]`` has a one in the bytes of the sets that it is in; ``runs`` has ones in the bytes of those whose
    unbroken runs are counted instead of their characters. Adds to ``counts``, int64 [sets, n].
    """
    for i in range(len(rows)):
        p, stop, row = np.uint64(starts[i]), np.uint64(ends[i]), np.uint64(rows[i])
        before = np.uint64(0)
        while p < stop:
            end = min(stop, p + np.uint64(255))  # a byte holds no more
            sums = np.uint64(0)
            for j in range(p, end):
                now = packed[data[j]]
                sums += now & ~(before & runs)
                before = now
            for k in range(counts.shape[0]):
                counts[k, row] += np.int64(sums >> np.uint64(8 * k) & np.uint64(255))
            p = end


@_compiled
def mark(holds, output, hits):  # type: ignore[no-untyped-def]
    """Set an output in the rows where something holds, bool [n]."""
    word, bit = np.uint64(output >> 6), np.uint64(output & 63)
    for row in range(len(holds)):
        hits[row, word] |= np.uint64(holds[row]) << bit


@_compiled
def within(values, known, lows, highs, outputs, hits):  # type: ignore[no-untyped-def]
    """Set ``outputs[k]`` where a value is known, at least ``lows[k]`` and at most ``highs[k]``."""
    for k in range(len(outputs)):
        word, bit, low, high = np.uint64(outputs[k] >> 6), np.uint64(outputs[k] & 63), lows[k], highs[k]
        for row in range(len(values)):
            value = values[row]
            hits[row, word] |= np.uint64(known[row] & (low <= value) & (value <= high)) << bit


@_compiled
def add_words(places, words, hits):  # type: ignore[no-untyped-def]
    """Add a row of ``words``, uint64 [k, w], to each row of ``hits``: that at its place, none where it is negative."""
    for row in range(len(places)):
        if places[row] >= 0:
            for word in range(hits.shape[1]):
                hits[row, word] |= words[places[row], word]


@_compiled
def _lowest(word):  # type: ignore[no-untyped-def]
    """Return the position of the lowest bit that is set."""
    return np.uint64(_POSITION[((word & (~word + np.uint64(1))) * _DE_BRUIJN) >> np.uint64(58)])


@_compiled
def weigh(hits, mask, words, weights, scores):  # type: ignore[no-untyped-def]
    """Add up ``weights[output]`` of the outputs that are set and in the mask, uint64 [w]; float64 [n].

    Only some ``words`` of the mask have any, int64.
    """
    for row in range(hits.shape[0]):
        for word in words:
            left = hits[row, word] & mask[word]
            while left:
                scores[row] += weights[np.uint64(word) << np.uint64(6) | _lowest(left)]
                left &= left - np.uint64(1)


@_compiled
def spread(hits, mask, labels, columns, votes):  # type: ignore[no-untyped-def]
    """Vote ``labels[output]`` in column ``columns[output]`` for the outputs that are set and in the mask."""
    for row in range(hits.shape[0]):
        for word in range(hits.shape[1]):
            left = hits[row, word] & mask[word]
            while left:
                output = np.uint64(word) << np.uint64(6) | _lowest(left)
                votes[row, columns[output]] = labels[output]
                left &= left - np.uint64(1)
