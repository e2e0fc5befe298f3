"""The loops that fold texts as far as one character after the other will do, compiled by numba as `kernels` are.

What must be composed, or put in order, is found here, and folded in Python.
"""

from __future__ import annotations

import numpy as np

from beambell.labeling.compiler.kernels import _HIGH_BITS, _compiled, _part, _put, _rest, _word

GONE, TYPED, COMPOSED = 253, 254, 255
"""What folding does to a character: take it out, replace it by one, or what `fold` alone knows."""

AS_IT_IS, REPLACED, OTHERWISE = 0, 1, 2
"""What folding does to a text: nothing; what `replace` does; what `fold` alone knows."""


@_compiled
def suspect(data, starts, ends, rows, pairs, found):  # type: ignore[no-untyped-def]
    """Tell which rows' texts have one of some ``pairs`` of bytes, uint8 [65536]: the first two of a character."""
    for k in range(len(rows)):
        p, stop = np.uint64(starts[rows[k]]), np.uint64(ends[rows[k]])
        some = np.uint8(0)
        while p < stop:
            end = min(stop, p + np.uint64(8))
            word = _word(data, p) if end - p == np.uint64(8) else _rest(data, p, stop)
            if word & _HIGH_BITS:
                for j in range(p, min(end, stop - np.uint64(1))):
                    some |= pairs[np.uint64(data[j]) << np.uint64(8) | np.uint64(data[j + np.uint64(1)])]
            p = end
        found[k] = some != 0


@_part
def _character(data, p, stop):  # type: ignore[no-untyped-def]
    """Return the code point of a character, and how many bytes it takes; of what is no UTF-8, nonsense."""
    first = np.uint32(data[p])
    size = np.uint64(1) + np.uint64(first >= 0x80) + np.uint64(first >= 0xE0) + np.uint64(first >= 0xF0)
    size = min(size, stop - p)
    code = first if first < 0x80 else first & np.uint32(0x7F) >> np.uint32(size)
    for k in range(np.uint64(1), size):
        code = code << np.uint32(6) | np.uint32(data[p + k]) & np.uint32(0x3F)
    return min(code, np.uint32(0x10FFFF)), size


@_compiled
def check(data, starts, ends, rows, page_of, classes, kinds):  # type: ignore[no-untyped-def]
    """Tell what folding does to the texts of some rows, by the quick check of Unicode's annex 15.

    ``classes`` has for each character what folding does to it, else its combining class: those of marks that follow one
    another must ascend.
    """
    for k in range(len(rows)):
        p, stop = np.uint64(starts[rows[k]]), np.uint64(ends[rows[k]])
        kind, before = AS_IT_IS, np.uint8(0)
        while p < stop and kind != OTHERWISE:
            if p + np.uint64(8) <= stop and not _word(data, p) & _HIGH_BITS:
                before = np.uint8(0)
                p += np.uint64(8)
                continue
            code, size = _character(data, p, stop)
            now = classes[np.uint64(page_of[code >> np.uint32(8)]), np.uint64(code & np.uint32(0xFF))]
            if now == COMPOSED or (now < GONE and np.uint8(0) < now < before):
                kind = OTHERWISE
            elif now >= GONE:
                kind = REPLACED
            if now != GONE:
                before = now if now < GONE else np.uint8(0)
            p += size
        kinds[k] = kind


@_compiled
def replace(data, starts, ends, rows, page_of, classes, typed, new_data, new_bounds):  # type: ignore[no-untyped-def]
    """Write the texts of some rows without what is gone, and with what else is typed; they become no longer.

    ``typed`` has for each character that is replaced another one's code point, of at most three bytes.
    """
    at = np.uint64(0)
    for k in range(len(rows)):
        p, stop = np.uint64(starts[rows[k]]), np.uint64(ends[rows[k]])
        new_bounds[k] = at
        while p < stop:
            word = _word(data, p) if p + np.uint64(8) <= stop else _HIGH_BITS
            if not word & _HIGH_BITS:
                _put(new_data, at, word)
                at += np.uint64(8)
                p += np.uint64(8)
                continue
            code, size = _character(data, p, stop)
            page, place = np.uint64(page_of[code >> np.uint32(8)]), np.uint64(code & np.uint32(0xFF))
            now = classes[page, place]
            if now == TYPED:
                new = np.uint32(typed[page, place])
                if new < 0x80:
                    new_data[at] = np.uint8(new)
                    at += np.uint64(1)
                elif new < 0x800:
                    new_data[at] = np.uint8(0xC0 | new >> np.uint32(6))
                    new_data[at + np.uint64(1)] = np.uint8(0x80 | new & np.uint32(0x3F))
                    at += np.uint64(2)
                else:
                    new_data[at] = np.uint8(0xE0 | new >> np.uint32(12))
                    new_data[at + np.uint64(1)] = np.uint8(0x80 | new >> np.uint32(6) & np.uint32(0x3F))
                    new_data[at + np.uint64(2)] = np.uint8(0x80 | new & np.uint32(0x3F))
                    at += np.uint64(3)
            elif now != GONE:
                for j in range(p, p + size):
                    new_data[at] = data[j]
                    at += np.uint64(1)
            p += size
    new_bounds[len(rows)] = at
