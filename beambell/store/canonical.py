"""One spelling for every JSON artefact, so that equal content has equal bytes and equal digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """Spell a JSON value in its only way: sorted keys, two spaces, UTF-8, one newline at the end.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON does not have.
    """
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def digest(value: Any) -> str:
    """Hash a JSON value by its canonical spelling: 64 hex digits of SHA-256."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
