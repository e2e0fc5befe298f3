"""The loops over packed patterns, compiled by numba; none of them holds the GIL. See `beambell.state.patterns`.

Eight votes of b bits are b bytes, so patterns are worked on eight votes at a time, and sorted and compared eight bytes
at a time: as one word, the first byte highest. Sizes and places are unsigned, which spares numba a check for negative
ones in the innermost loops.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from beambell.state.bits import lowest

_compiled: Any = numba.njit(nogil=True, cache=True, boundscheck=False)

_U = np.uint64
_NO_TOP_BITS, _TOP_BITS, _ONES = _U(0x7F7F7F7F7F7F7F7F), _U(0x8080808080808080), _U(0x0101010101010101)
_MIX = _U(0x9E3779B97F4A7C15)  # an odd number whose bits look random: products with it spread over all words
_DIGIT_BITS = 11  # of what patterns are sorted by at a time: the places of 2,048 digits stay in the nearest cache


@_compiled
def _word(row, start, stop):  # type: ignore[no-untyped-def]
    """Read up to eight bytes, the first highest; zeros where there are fewer."""
    n = stop - start
    if n < _U(8) and stop < _U(8):
        word, shift = _U(0), _U(56)
        for j in range(start, stop):
            word |= _U(row[j]) << shift
            shift -= _U(8)
        return word
    # Written out, it is one load. Where fewer are left, those before them are read, too, and pushed out.
    at, shift = (start, _U(0)) if n >= _U(8) else (stop - _U(8), _U(64) - _U(8) * n)
    word = (
        _U(row[at]) << _U(56)
        | _U(row[at + _U(1)]) << _U(48)
        | _U(row[at + _U(2)]) << _U(40)
        | _U(row[at + _U(3)]) << _U(32)
        | _U(row[at + _U(4)]) << _U(24)
        | _U(row[at + _U(5)]) << _U(16)
        | _U(row[at + _U(6)]) << _U(8)
        | _U(row[at + _U(7)])
    )
    return word << shift


@_compiled
def _equal(a, b, width):  # type: ignore[no-untyped-def]
    """Whether two patterns are the same."""
    start = _U(0)
    while start < width:
        if _word(a, start, width) != _word(b, start, width):
            return False
        start += _U(8)
    return True


@_compiled
def _masks(bits):  # type: ignore[no-untyped-def]
    """Return masks of the second of two votes, of the last two of four, and of the last four of eight."""
    return (
        ((_U(1) << bits) - _U(1)) * _U(0x0001000100010001),
        ((_U(1) << (_U(2) * bits)) - _U(1)) * _U(0x0000000100000001),
        (_U(1) << (_U(4) * bits)) - _U(1),
    )


@_compiled
def pack(votes, bits, packed):  # type: ignore[no-untyped-def]
    """Pack votes, int8 [n, m], of ``bits`` each into uint8 [n, width]."""
    bits, m, width = _U(bits), _U(votes.shape[1]), _U(packed.shape[1])
    second, two, four = _masks(bits)
    for i in range(len(votes)):
        row, out = votes[i].view(np.uint8), packed[i]
        vote, place = _U(0), _U(0)
        while vote < m:
            eight = _word(row, vote, m)
            if m - vote < _U(8):  # what is not there abstains
                eight |= ~_U(0) >> (_U(8) * (m - vote))
            # Add one to every byte, none carried into the next.
            eight = ((eight & _NO_TOP_BITS) + _ONES) ^ (eight & _TOP_BITS)
            # From a vote in a byte to two in two bytes, to four in four, to eight next to each other.
            eight = (eight & second) | (eight & ~second) >> (_U(8) - bits)
            eight = (eight & two) | (eight & ~two) >> (_U(16) - _U(2) * bits)
            eight = (eight & four) | (eight & ~four) >> (_U(32) - _U(4) * bits)
            eight <<= _U(64) - _U(8) * bits
            end = min(place + bits, width)
            shift = _U(56)
            while place < end:
                out[place] = np.uint8(eight >> shift)
                place += _U(1)
                shift -= _U(8)
            vote += _U(8)


@_compiled
def _codes(row, place, width, bits, second, two, four):  # type: ignore[no-untyped-def]
    """Return the codes of the eight votes from ``place`` on, a byte each, the first highest."""
    eight = _word(row, place, min(place + bits, width)) >> (_U(64) - _U(8) * bits)
    eight = (eight & four) | (eight & ~four) << (_U(32) - _U(4) * bits)
    eight = (eight & two) | (eight & ~two) << (_U(16) - _U(2) * bits)
    return (eight & second) | (eight & ~second) << (_U(8) - bits)


@_compiled
def unpack(packed, bits, votes):  # type: ignore[no-untyped-def]
    """Unpack patterns, uint8 [n, width], to votes of ``bits`` each, int8 [n, m]."""
    bits, m, width = _U(bits), _U(votes.shape[1]), _U(packed.shape[1])
    second, two, four = _masks(bits)
    for i in range(len(packed)):
        row, out = packed[i], votes[i]
        vote, place = _U(0), _U(0)
        while vote < m:
            eight = _codes(row, place, width, bits, second, two, four)
            end = min(vote + _U(8), m)
            shift = _U(56)
            while vote < end:
                out[vote] = np.int8(eight >> shift & _U(0xFF)) - np.int8(1)
                vote += _U(1)
                shift -= _U(8)
            place += bits


@_compiled
def possible(packed, bits, m, cardinality):  # type: ignore[no-untyped-def]
    """Whether m votes for one of some classes can have packed to each of these patterns."""
    bits, width, m = _U(bits), _U(packed.shape[1]), _U(m)
    second, two, four = _masks(bits)
    beyond = _U(127 - cardinality) * _ONES  # added to a code that is too great, this sets the highest bit of its byte
    for i in range(len(packed)):
        vote, place = _U(0), _U(0)
        while vote < m:
            eight = _codes(packed[i], place, width, bits, second, two, four)
            if (eight + beyond) & _TOP_BITS:
                return False
            if m - vote < _U(8) and eight << (_U(8) * (m - vote)):
                return False
            vote += _U(8)
            place += bits
        if m * bits % _U(8) and packed[i, width - _U(1)] << (m * bits % _U(8)) & _U(0xFF):
            return False
    return True


@_compiled
def distinct(packed, inverse, firsts, counts):  # type: ignore[no-untyped-def]
    """Number the distinct patterns as they first occur; return how many there are.

    Fills for each row the number of its pattern, and for each pattern its first row and its number of rows; all [n].
    """
    n, width = len(packed), _U(packed.shape[1])
    # A pattern of one word is its own key; that of a wider one is a hash, and equal keys are looked into.
    keys = np.empty(n, dtype=np.uint64)
    for i in range(n):
        key, start = _word(packed[i], _U(0), width), _U(8)
        while start < width:
            key = (key ^ key >> _U(32)) * _MIX ^ _word(packed[i], start, width)
            start += _U(8)
        keys[i] = key
    shift = _U(60)
    while n > (1 << (63 - shift)):
        shift -= _U(1)
    last = (_U(1) << (_U(64) - shift)) - _U(1)
    numbers, held = np.zeros(last + _U(1), dtype=np.uint32), np.empty(last + _U(1), dtype=np.uint64)
    found = 0
    for i in range(n):
        key = keys[i]
        slot = (key ^ key >> _U(32)) * _MIX >> shift
        while True:
            number = numbers[slot]
            if number == 0:
                firsts[found], counts[found], inverse[i] = i, 1, found
                found += 1
                held[slot], numbers[slot] = key, found
                break
            if held[slot] == key and (width <= _U(8) or _equal(packed[i], packed[firsts[number - 1]], width)):
                counts[number - 1] += 1
                inverse[i] = number - 1
                break
            slot = (slot + _U(1)) & last
    return found


@_compiled
def _gather_right(words, mask):  # type: ignore[no-untyped-def]
    """Move the bits in the mask of every word to its low end, in their order: "compress" of Hacker's Delight, 7-4."""
    moves = np.empty(6, dtype=np.uint64)
    left, zeros = mask, ~mask << _U(1)
    for step in range(6):
        odd = zeros
        for shift in range(6):
            odd ^= odd << _U(1 << shift)
        moves[step] = odd & left
        left = (left ^ moves[step]) | moves[step] >> _U(1 << step)
        zeros &= ~odd
    m0, m1, m2, m3, m4, m5 = moves[0], moves[1], moves[2], moves[3], moves[4], moves[5]
    for i in range(len(words)):  # several words in one instruction
        x = words[i] & mask
        x = (x & ~m0) | (x & m0) >> _U(1)
        x = (x & ~m1) | (x & m1) >> _U(2)
        x = (x & ~m2) | (x & m2) >> _U(4)
        x = (x & ~m3) | (x & m3) >> _U(8)
        x = (x & ~m4) | (x & m4) >> _U(16)
        words[i] = (x & ~m5) | (x & m5) >> _U(32)


@_compiled
def ascending(packed):  # type: ignore[no-untyped-def]
    """Return the order in which patterns ascend, uint32 [n]; equal ones stay in theirs.

    Sorts by digits of the bits that vary, the last digit first. Most functions vote for one class only, so half the
    bits never vary, and a pattern of a hundred votes has ten digits.
    """
    n, width = len(packed), _U(packed.shape[1])
    order, other_order = np.arange(n).astype(np.uint32), np.empty(n, dtype=np.uint32)
    words, other_words = np.empty(n, dtype=np.uint64), np.empty(n, dtype=np.uint64)
    places = np.empty(1 << _DIGIT_BITS, dtype=np.uint32)
    start = (width + _U(7)) & ~_U(7)
    while start > _U(0) and n:
        start -= _U(8)
        varying, first = _U(0), _word(packed[0], start, width)
        for i in range(n):
            words[i] = _word(packed[_U(order[i])], start, width)
            varying |= words[i] ^ first
        # Words from the last to the first, and digits from the lowest to the highest: as each pass keeps the order of
        # equal digits (a radix sort), the order of later passes decides, and that of earlier ones breaks its ties.
        _gather_right(words, varying)
        n_bits = 0
        while varying:
            varying &= varying - _U(1)
            n_bits += 1
        n_digits = (n_bits + _DIGIT_BITS - 1) // _DIGIT_BITS
        if n_digits == 0:
            continue
        bits = _U((n_bits + n_digits - 1) // n_digits)
        digit = (_U(1) << bits) - _U(1)
        for number in range(n_digits):
            shift = _U(number) * bits
            places[:] = 0
            for i in range(n):
                places[words[i] >> shift & digit] += np.uint32(1)
            place = np.uint32(0)
            for d in range(digit + _U(1)):
                place, places[d] = place + places[d], place
            for i in range(n):
                word = words[i]
                to = places[word >> shift & digit]
                places[word >> shift & digit] = to + np.uint32(1)
                other_words[to], other_order[to] = word, order[i]
            words, other_words = other_words, words
            order, other_order = other_order, order
    return order


@_compiled
def merge(a, of_a, b, of_b, merged, counts):  # type: ignore[no-untyped-def]
    """Merge two tables of ascending patterns and their counts; return how many patterns there are.

    Equal patterns add up, and one that adds up to nothing is left out.
    """
    # Which comes first cannot be guessed, so there is no branch on it: the bytes are chosen by masks.
    width, ends_a, ends_b = _U(a.shape[1]), _U(len(a)), _U(len(b))
    i, j, n = _U(0), _U(0), _U(0)
    while i < ends_a and j < ends_b:
        start, x, y = _U(0), _word(a[i], _U(0), width), _word(b[j], _U(0), width)
        while x == y and start + _U(8) < width:
            start += _U(8)
            x, y = _word(a[i], start, width), _word(b[j], start, width)
        takes_a, takes_b = _U(x <= y), _U(x >= y)
        mask = np.uint8(0) - np.uint8(takes_a)
        for k in range(width):
            merged[n, k] = (a[i, k] & mask) | (b[j, k] & ~mask)
        counts[n] = of_a[i] * np.int64(takes_a) + of_b[j] * np.int64(takes_b)
        n += _U(counts[n] != 0)
        i += takes_a
        j += takes_b
    for rows, of_rows, start in ((a, of_a, i), (b, of_b, j)):
        for row in range(start, len(rows)):
            for k in range(width):
                merged[n, k] = rows[row, k]
            counts[n] = of_rows[row]
            n += _U(of_rows[row] != 0)
    return n


@_compiled
def tally(packed, rows, bits, votes, voted):  # type: ignore[no-untyped-def]
    """Add up the rows of patterns with one vote, of those with several that agree, and of those with others, apart.

    Parameters
    ----------
    packed, rows
        uint8 [p, width], and how many rows have each, int64 [p].
    bits
        Number of bits of a vote.
    votes
        int64 [3, m, K], the rows on which LF j voted y, by kind.
    voted
        int64 [3], the rows of each kind.
    """
    bits, width = _U(bits), _U(packed.shape[1])
    step = bits * (_U(8) // bits)  # bytes that fit into a word and hold whole votes
    one = (_U(1) << bits) - _U(1)
    ends, vote_at = _U(0), np.empty(64, dtype=np.uint64)  # the last bit of each vote, and which vote it is
    for place in range(64):
        vote_at[place] = _U(63 - place) // bits
        ends |= _U(_U(64 - place) % bits == _U(0)) << _U(place)
    lfs, codes = np.empty(votes.shape[1], dtype=np.uint64), np.empty(votes.shape[1], dtype=np.uint64)
    for i in range(len(packed)):
        n, before, start, differ = _U(0), _U(0), _U(0), _U(0)
        while start < width:
            word = _word(packed[i], start, min(start + step, width))
            cast = word
            for shift in range(_U(1), bits):
                cast |= word >> shift
            cast &= ends
            while cast:  # most abstain: only the votes that are there are looked at
                place = lowest(cast)
                cast &= cast - _U(1)
                lfs[n], codes[n] = before + vote_at[place], word >> place & one
                differ |= codes[n] ^ codes[0]
                n += _U(1)
            before += step * _U(8) // bits
            start += step
        kind = _U(2) if differ else _U(n > _U(1))
        for k in range(n):
            votes[kind, lfs[k], codes[k] - _U(1)] += rows[i]
        if n:
            voted[kind] += rows[i]
