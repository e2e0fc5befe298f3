"""The loops over bytes, compiled by numba; none of them holds the GIL, and patterns are only data to them.

Texts come as Arrow has them, ``data[starts[i]:ends[i]]``, and are read as `write` writes them. All indices are
unsigned, which spares numba a check for negative ones in the innermost loops.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from beambell.state.bits import lowest

_compiled: Any = numba.njit(nogil=True, cache=True, boundscheck=False)
_part: Any = numba.njit(nogil=True, boundscheck=False, inline="always")  # a call would count references to each array

NULL, ASCII, OTHER = 0, 1, 2
"""Kinds of text."""

# What a byte adds to the code point, and what it keeps of it: nothing where it begins a character.
_ADDS, _KEEPS = np.full(256, 0x07, dtype=np.uint32), np.zeros(256, dtype=np.uint32)
_ADDS[:0x80], _ADDS[0x80:0xC0], _ADDS[0xC0:0xE0], _ADDS[0xE0:0xF0] = 0x7F, 0x3F, 0x1F, 0x0F
_ADDS &= np.arange(256, dtype=np.uint32)
_KEEPS[0x80:0xC0] = 0x1FFFFF

_HIGH_BITS = np.uint64(0x8080808080808080)
_END = np.uint64(0xFEFEFEFEFEFEFEFF)  # the mark comes first: words are little-endian


@_part
def _word(data, p):  # type: ignore[no-untyped-def]
    """Return eight bytes in a word; one instruction, in the end."""
    return (
        np.uint64(data[p])
        | np.uint64(data[p + np.uint64(1)]) << np.uint64(8)
        | np.uint64(data[p + np.uint64(2)]) << np.uint64(16)
        | np.uint64(data[p + np.uint64(3)]) << np.uint64(24)
        | np.uint64(data[p + np.uint64(4)]) << np.uint64(32)
        | np.uint64(data[p + np.uint64(5)]) << np.uint64(40)
        | np.uint64(data[p + np.uint64(6)]) << np.uint64(48)
        | np.uint64(data[p + np.uint64(7)]) << np.uint64(56)
    )


@_compiled
def write(data, starts, ends, kinds, page_of, pages, words, row_of, new_starts, sizes):  # type: ignore[no-untyped-def]
    """Write UTF-8 texts in a `Script`, one after the other, each in words of its own; nulls as nothing at all.

    Tells for each text of which kind it is, but for those marked as null on entry; the word where it starts; and how
    many characters it has. ``row_of`` tells for each word in which row it is.
    """
    n, i, at = len(starts), 0, np.uint64(0)
    while i < n:
        # As if all were ASCII, until one is not: the loop is the faster the less else is in it.
        while i < n and kinds[i] != NULL:
            new_starts[i], p, stop = at, np.uint64(starts[i]), np.uint64(ends[i])
            every = np.uint64(0)
            while p + np.uint64(8) <= stop:
                word = _word(data, p)
                every |= word
                words[at], row_of[at] = word, i
                p += np.uint64(8)
                at += np.uint64(1)
            rest = _rest(data, p, stop)
            words[at], row_of[at] = rest | _END << (stop - p << np.uint64(3)), i
            if (every | rest) & _HIGH_BITS:
                break
            kinds[i], sizes[i] = ASCII, ends[i] - starts[i]
            at += np.uint64(1)
            i += 1
        if i < n and kinds[i] == NULL:
            new_starts[i], sizes[i] = at, 0
            i += 1
        elif i < n:
            at, symbols = np.uint64(new_starts[i]), words.view(np.uint8)
            first = at << np.uint64(3)
            end = _translate(data, np.uint64(starts[i]), np.uint64(ends[i]), page_of, pages, symbols, first)
            kinds[i], sizes[i] = OTHER, end - first
            after = (end >> np.uint64(3)) + np.uint64(1)
            symbols[end], symbols[end + np.uint64(1) : after << np.uint64(3)] = 255, 254
            row_of[at:after] = i
            at = after
            i += 1
    new_starts[n] = at


@_part
def _rest(data, p, stop):  # type: ignore[no-untyped-def]
    """Return the less than eight bytes up to a place, in a word; there may be no more to read."""
    if p + np.uint64(8) <= np.uint64(len(data)):
        return _word(data, p) & ((np.uint64(1) << (stop - p << np.uint64(3))) - np.uint64(1))
    word = np.uint64(0)
    for k in range(stop - p):
        word |= np.uint64(data[p + k]) << (k << np.uint64(3))
    return word


@_compiled
def _translate(data, p, stop, page_of, pages, symbols, q):  # type: ignore[no-untyped-def]
    """Write each character of a text as one symbol, from ``q`` on; return where it ends.

    Scripts mix, and a branch for each length of a character would often be guessed wrong. There is none: every byte
    writes the symbol of what is known of the character so far, and the last one is right. What is no UTF-8 gives
    nonsense, but no more symbols than bytes.
    """
    code, first = np.uint32(0), np.uint64(_KEEPS[data[p]] == 0)
    q -= first  # where the character was written that is under way
    while p < stop:
        end = min(stop, p + np.uint64(8))
        if end - p == np.uint64(8):
            word = _word(data, p)
            if not word & _HIGH_BITS:
                for k in range(8):
                    symbols[q + np.uint64(1 + k)] = np.uint8(word >> np.uint64(8 * k))
                q += np.uint64(8)
                p = end
        for j in range(p, end):
            byte = data[j]
            code = (code << np.uint32(6)) & _KEEPS[byte] | _ADDS[byte]
            q += np.uint64(_KEEPS[byte] == 0)
            known = min(code, np.uint32(0x10FFFF))
            page = np.uint64(page_of[known >> np.uint32(8)])
            symbols[q] = pages[page, np.uint64(known & np.uint32(0xFF))]
        p = end
    return q + np.uint64(1)


@_compiled
def select(words, row_of, starts, rows, new_words, new_row_of, new_starts):  # type: ignore[no-untyped-def]
    """Copy the texts of some rows, as `write` wrote them, to have them one after the other."""
    at = np.uint64(0)
    for i in range(len(rows)):
        new_starts[i] = at
        for word in range(np.uint64(starts[rows[i]]), np.uint64(starts[rows[i] + 1])):
            new_words[at], new_row_of[at] = words[word], row_of[word]
            at += np.uint64(1)
    new_starts[len(rows)] = at


_STEPS = 256


@_compiled
def scan(words, row_of, starts, table, first, emits, hits):  # type: ignore[no-untyped-def]
    """Run an automaton over texts, and set in ``hits[row]`` all bits that it emits: those of ``emits[state - first]``.

    Each step waits for the table, so eight parts of the texts are read at once. What is emitted is not looked at in
    between: a branch that is seldom taken, but now and then, is guessed wrong each time, and the steps under way are
    lost. All states are written down instead, and those that emit picked out afterwards, without a branch as well.
    """
    symbols, cuts = words.view(np.uint8), np.empty(9, dtype=np.uint64)
    for k in range(9):
        cuts[k] = starts[np.searchsorted(starts, starts[-1] * k // 8)] << 3
    first = np.uint64(first)  # a power of two: of states that emit, and only of these, one of the highest bits is set
    high_bits = (np.uint64(0x10000) - first) * np.uint64(0x0001000100010001)
    states = np.empty(8 * _STEPS, dtype=np.uint16)
    fours = states.view(np.uint64)
    when = np.empty(_STEPS + 1, dtype=np.uint64)
    which = np.empty(8 * _STEPS + 1, dtype=np.uint64)
    p0, p1, p2, p3, p4, p5, p6, p7 = cuts[0], cuts[1], cuts[2], cuts[3], cuts[4], cuts[5], cuts[6], cuts[7]
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.uint64(0)
    left = np.min(cuts[1:] - cuts[:-1])
    one, three, eight, done = np.uint64(1), np.uint64(3), np.uint64(8), np.uint64(0)
    while done < left:
        steps = min(left - done, np.uint64(_STEPS))
        for j in range(steps):
            s0 = np.uint64(table[s0 << eight | np.uint64(symbols[p0 + done + j])])
            s1 = np.uint64(table[s1 << eight | np.uint64(symbols[p1 + done + j])])
            s2 = np.uint64(table[s2 << eight | np.uint64(symbols[p2 + done + j])])
            s3 = np.uint64(table[s3 << eight | np.uint64(symbols[p3 + done + j])])
            s4 = np.uint64(table[s4 << eight | np.uint64(symbols[p4 + done + j])])
            s5 = np.uint64(table[s5 << eight | np.uint64(symbols[p5 + done + j])])
            s6 = np.uint64(table[s6 << eight | np.uint64(symbols[p6 + done + j])])
            s7 = np.uint64(table[s7 << eight | np.uint64(symbols[p7 + done + j])])
            here = j << three
            states[here] = s0
            states[here | np.uint64(1)] = s1
            states[here | np.uint64(2)] = s2
            states[here | np.uint64(3)] = s3
            states[here | np.uint64(4)] = s4
            states[here | np.uint64(5)] = s5
            states[here | np.uint64(6)] = s6
            states[here | np.uint64(7)] = s7
        noted = emitting = np.uint64(0)
        for j in range(steps):
            when[noted] = j
            noted += np.uint64(((fours[j << one] | fours[j << one | one]) & high_bits) != 0)
        for i in range(noted):
            for k in range(when[i] << three, (when[i] + one) << three):
                which[emitting] = k
                emitting += np.uint64(states[k] >= first)
        for i in range(emitting):
            k = which[i]
            _emit(emits, np.uint64(states[k]) - first, row_of, cuts[k & np.uint64(7)] + done + (k >> three), hits)
        done += steps
    # What the longer parts have left.
    for k in range(8):
        state = (s0, s1, s2, s3, s4, s5, s6, s7)[k]
        for place in range(cuts[k] + left, cuts[k + 1]):
            state = np.uint64(table[state << eight | np.uint64(symbols[place])])
            if state >= first:
                _emit(emits, state - first, row_of, place, hits)


@_part
def _emit(emits, number, row_of, place, hits):  # type: ignore[no-untyped-def]
    row = np.uint64(row_of[place >> np.uint64(3)])
    for word in range(np.uint64(hits.shape[1])):
        hits[row, word] |= emits[number, word]


@_compiled
def find_equal(data, starts, ends, kinds, length, inside, output, hits):  # type: ignore[no-untyped-def]
    """Set an output where a text may contain so many equal characters in a row, at least three.

    ASCII characters must be ``inside``, uint8 [256]. For texts in ASCII there is no doubt.
    """
    word, bit = output >> 6, np.uint64(1) << np.uint64(output & 63)
    for row in range(len(kinds)):
        text = data[np.uint64(starts[row]) : np.uint64(ends[row])]
        n = len(text)
        widest = 1 if kinds[row] == ASCII else 4 if kinds[row] == OTHER else 0
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
                    hits[row, word] |= bit


# Of a word, a byte is in a range if its highest bit is that of the range, and those below are at least the first and
# not beyond the last: in sums that do not carry, their highest bits tell.
_BYTES, _LOW_BITS = np.uint64(0x0101010101010101), np.uint64(0x7F7F7F7F7F7F7F7F)


@_part
def _inside(word, at_least, beyond, high, outside):  # type: ignore[no-untyped-def]
    """Return a word with the highest bits of the bytes that are in one of four ranges; or in none, if so wished."""
    low = word & _LOW_BITS
    inside = (
        ((low + at_least[0]) & ~(low + beyond[0]) & (word ^ high[0]))
        | ((low + at_least[1]) & ~(low + beyond[1]) & (word ^ high[1]))
        | ((low + at_least[2]) & ~(low + beyond[2]) & (word ^ high[2]))
        | ((low + at_least[3]) & ~(low + beyond[3]) & (word ^ high[3]))
    )
    return (inside ^ outside) & _HIGH_BITS


@_compiled
def count(words, starts, at_least, beyond, high, outside, run, counts):  # type: ignore[no-untyped-def]
    """Count the characters of a set that is a few ranges, or its unbroken runs. Writes ``counts``, int64 [n]."""
    at_least = at_least[0], at_least[1], at_least[2], at_least[3]
    beyond = beyond[0], beyond[1], beyond[2], beyond[3]
    high = high[0], high[1], high[2], high[3]
    for row in range(len(counts)):
        counts[row], at, stop = 0, np.uint64(starts[row]), np.uint64(starts[row + 1])
        while at < stop:
            end = min(stop, at + np.uint64(255))  # a byte holds no more
            sums = np.uint64(0)
            if run:
                for k in range(at, end):
                    now = _inside(words[k], at_least, beyond, high, outside)
                    before = _inside(words[k - np.uint64(1)], at_least, beyond, high, outside) if k else np.uint64(0)
                    sums += (now & ~(now << np.uint64(8) | before >> np.uint64(56))) >> np.uint64(7)
            else:
                for k in range(at, end):
                    sums += _inside(words[k], at_least, beyond, high, outside) >> np.uint64(7)
            pairs = (sums & np.uint64(0x00FF00FF00FF00FF)) + (sums >> np.uint64(8) & np.uint64(0x00FF00FF00FF00FF))
            counts[row] += np.int64(pairs * np.uint64(0x0001000100010001) >> np.uint64(48))
            at = end


@_compiled
def tally(words, starts, sizes, packed, runs, counts):  # type: ignore[no-untyped-def]
    """Count up to eight sets of characters at once: one in each byte of a word.

    ``packed[symbol]`` has a one in the bytes of the sets that it is in; ``runs`` has ones in the bytes of those whose
    unbroken runs are counted instead of their characters. Writes ``counts``, int64 [sets, n].
    """
    symbols = words.view(np.uint8)
    counts[:] = 0
    for row in range(len(sizes)):
        p = np.uint64(starts[row]) << np.uint64(3)
        stop, before = p + np.uint64(sizes[row]), np.uint64(0)
        while p < stop:
            end = min(stop, p + np.uint64(255))  # a byte holds no more
            sums = np.uint64(0)
            for j in range(p, end):
                now = packed[symbols[j]]
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


@_part
def _hash(data, p, stop):  # type: ignore[no-untyped-def]
    hashed = (stop - p) * _ODD
    while p + np.uint64(8) <= stop:
        hashed = (hashed ^ _word(data, p)) * _ODD
        hashed ^= hashed >> np.uint64(32)
        p += np.uint64(8)
    hashed = (hashed ^ _rest(data, p, stop)) * _ODD
    return hashed ^ hashed >> np.uint64(32)


_ODD = np.uint64(0x9E3779B97F4A7C15)


@_compiled
def enter(listed, bounds, slots):  # type: ignore[no-untyped-def]
    """Enter distinct texts, by number, in a hash table whose size is a power of two and whose free slots are -1."""
    last = np.uint64(len(slots) - 1)
    for number in range(len(bounds) - 1):
        slot = _hash(listed, np.uint64(bounds[number]), np.uint64(bounds[number + 1])) & last
        while slots[slot] >= 0:
            slot = slot + np.uint64(1) & last
        slots[slot] = number


@_compiled
def look_up(data, bounds, known, listed, listed_bounds, slots, words, hits):  # type: ignore[no-untyped-def]
    """Add a row of ``words``, uint64 [k, w], to each row of ``hits`` whose text is listed: that of its number."""
    last = np.uint64(len(slots) - 1)
    for row in range(len(known)):
        p, stop = np.uint64(bounds[row]), np.uint64(bounds[row + 1])
        slot = _hash(data, p, stop) & last
        while known[row] and slots[slot] >= 0:
            number = np.uint64(slots[slot])
            q = np.uint64(listed_bounds[number])
            size = np.uint64(listed_bounds[number + np.uint64(1)]) - q
            k = np.uint64(0)
            while size == stop - p and k < size and data[p + k] == listed[q + k]:
                k += np.uint64(1)
            if size == stop - p and k == size:
                for word in range(hits.shape[1]):
                    hits[row, word] |= words[number, word]
                break
            slot = slot + np.uint64(1) & last


@_compiled
def add_words(places, words, hits):  # type: ignore[no-untyped-def]
    """Add a row of ``words``, uint64 [k, w], to each row of ``hits``: that at its place, none where it is negative."""
    for row in range(len(places)):
        if places[row] >= 0:
            for word in range(hits.shape[1]):
                hits[row, word] |= words[places[row], word]


@_compiled
def weigh(hits, mask, words, weights, scores):  # type: ignore[no-untyped-def]
    """Add up ``weights[output]`` of the outputs that are set and in the mask, uint64 [w]; float64 [n].

    Only some ``words`` of the mask have any, int64.
    """
    for row in range(hits.shape[0]):
        for word in words:
            left = hits[row, word] & mask[word]
            while left:
                scores[row] += weights[np.uint64(word) << np.uint64(6) | lowest(left)]
                left &= left - np.uint64(1)


@_compiled
def spread(hits, codes, size, width, written):  # type: ignore[no-untyped-def]
    """Write a row of ``width`` bytes for each row of ``hits``: those that stand for its first outputs, eight by eight.

    ``codes``, uint64 [groups of eight, 256], has the ``size`` bytes for each byte of outputs, the first one lowest.
    Always eight are written, and those that are too many written over by what follows: there must be room for them.
    """
    size, width = np.uint64(size), np.uint64(width)
    for row in range(len(hits)):
        at = np.uint64(row) * width
        for group in range(np.uint64(len(codes))):
            found = hits[row, group >> np.uint64(3)] >> ((group & np.uint64(7)) << np.uint64(3)) & np.uint64(255)
            _put(written, at, codes[group, found])
            at += size


@_part
def _put(data, p, word):  # type: ignore[no-untyped-def]
    """Write a word as eight bytes, as `_word` reads them."""
    for k in range(8):
        data[p + np.uint64(k)] = np.uint8(word >> np.uint64(8 * k))
