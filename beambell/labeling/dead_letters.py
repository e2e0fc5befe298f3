"""The table of votes that failed, as it is stored: a row for each row and labeling function."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

DEAD_LETTERS_SCHEMA: Final = pa.schema(
    [("id", pa.string()), ("lf", pa.string()), ("fingerprint", pa.string()), ("error", pa.string()),
     ("message", pa.string()), ("traceback", pa.string())]
)  # fmt: skip
"""Columns as `beambell.labeling.evaluate.DeadLetter` has them."""
