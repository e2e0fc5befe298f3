"""Ids of records that bring none: the hash of what a record says, whatever format it came in."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc


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
    said = pc.binary_join_element_wise(*parts, b"", null_handling="replace", null_replacement=b"")
    return pa.array([sha256(record).hexdigest()[:32] for record in said.to_pylist()], pa.string())


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
