"""Ids: those that records bring, spelled one way whatever they came as, and of those that bring none a hash.

The same id is text in one file, a whole number in the next, and a float in a third, where a missing one made pandas
write floats. All are the text of the whole number. What is not certain to be the id that was meant is refused: floats
from 2**53 on, whose last digits are lost; truth values; ``1.2E+17``, as spreadsheets write long numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from beambell.records.exact import EXACT, Narrow, exact_until, is_exact

_WHOLE: Final = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")
_ROUNDED: Final = re.compile(r"[+-]?[0-9](?:\.[0-9]+)?[eE]\+[0-9]+")
_MAY_CHANGE: Final = (
    r"^$|^[\s\p{Z}\x0b\x1c-\x1f\x85]|[\s\p{Z}\x0b\x1c-\x1f\x85]$"
    r"|^-?[0-9]+\.0+$|^[+-]?[0-9](\.[0-9]+)?[eE]\+[0-9]+$"
)
_LOST: Final = "an id with all its digits: floats lose the last ones; write ids as whole numbers or as text"
_SINGLE: Final = "a single value, as an id must be: a text or a whole number"


def canonical_id(value: Any) -> str | None:
    """Spell an id.

    Space around it is no part of it; zeros in front are; letters, case and Unicode forms stay as they are.

    Parameters
    ----------
    value
        A cell of any format.

    Returns
    -------
    str or None
        None when it is absent: empty, or nothing but space.

    Raises
    ------
    ValueError
        Saying what it is not.
    """
    match value:
        case str():
            text = _of_text(value)
        case bytes():
            text = _of_text(value.decode())
        case bool():
            raise ValueError("an id, but true or false; name the column that holds ids")
        case int() | UUID():
            text = str(value)
        case float():
            text = _of_float(value)
        case Decimal():
            if value != value.to_integral_value():
                raise ValueError("a whole number, as an id must be that is no text")
            text = str(int(value))
        case date() | time():
            text = value.isoformat()
        case _:
            raise ValueError(_SINGLE)
    text.encode()  # half a surrogate pair is a str to Python, and text to nobody else
    return text or None


def _of_text(value: str) -> str:
    text = value.strip()
    if whole := _WHOLE.fullmatch(text):
        if len(whole[1]) > 17 or abs(number := int(whole[1])) >= EXACT:
            raise ValueError(_LOST)
        return str(number)
    if _ROUNDED.fullmatch(text):
        raise ValueError(_LOST)
    return text


def _of_float(value: float) -> str:
    if is_exact(value):
        return str(int(value))
    text = repr(float(value))
    if value.is_integer() or isinstance(value, Narrow) or not set(text) <= set("-.0123456789"):
        raise ValueError(_LOST)
    return text


def fast_ids(array: pa.Array) -> pa.Array:
    """Spell the ids of a column that are sure to be spelled so by `canonical_id`, too; string [n], else null."""
    kind = array.type
    if pa.types.is_string(kind):
        return pc.if_else(pc.match_substring_regex(array, _MAY_CHANGE), pa.scalar(None, kind), array)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return fast_ids(array.cast(pa.string()))
    if pa.types.is_integer(kind):
        return array.cast(pa.string())
    if pa.types.is_floating(kind):
        wide = array.cast(pa.float64())
        exact = pc.and_(pc.equal(pc.floor(wide), wide), pc.less(pc.abs(wide), float(exact_until(kind))))
        return pc.if_else(exact, wide, pa.scalar(None, wide.type)).cast(pa.int64()).cast(pa.string())
    return pa.nulls(len(array), pa.string())


def content_ids(text: pa.Array, ts: pa.Array, fields: Mapping[str, pa.Array]) -> pa.Array:
    """Hash records to ids.

    What is hashed is the sequence of netstrings (``length:bytes,``) of key and value: the text, the time in
    microseconds, then the fields by name. Null is left out, and an empty string counts as null, since CSV cannot
    tell them apart; so a field added later does not change the ids of records that lack it.

    Parameters
    ----------
    text
        string [n].
    ts
        timestamp('us', tz='UTC') [n].
    fields
        Name -> string, int64, float64 or bool [n].

    Returns
    -------
    pa.Array
        string [n]: 32 hexadecimal digits of SHA-256.
    """
    parts = [_pair("text", text), _pair("ts", ts.cast(pa.int64()))]
    parts += [_pair(f".{name}", fields[name]) for name in sorted(fields)]
    joined = pc.binary_join_element_wise(*parts, b"", null_handling="replace", null_replacement=b"")
    return pa.array([sha256(record).hexdigest()[:32] for record in joined.to_pylist()], pa.string())


def _pair(key: str, values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type):
        # The bits, not a rendering of them; adding zero makes -0.0 and 0.0 one number, as they are.
        values = pc.add(values, 0.0).view(pa.int64())
    value = values.cast(pa.string()).cast(pa.binary())
    size = pc.binary_length(value)
    value = pc.if_else(pc.greater(size, 0), value, pa.scalar(None, pa.binary()))
    prefix = f"{len(key.encode())}:{key},".encode()
    head = size.cast(pa.string()).cast(pa.binary())
    return pc.binary_join_element_wise(prefix, head, b":", value, b",", b"")
