"""Counts by vote pattern as an Arrow table: a column of packed patterns, columns of counts, and what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from beambell.arrays import Counts, Packed
from beambell.errors import StateError
from beambell.state import patterns as packing

METADATA_KEY: Final = b"beambell"


def write_table(
    packed: Packed, lfs: tuple[str, ...], cardinality: int, counts: Mapping[str, Counts], facts: Mapping[str, Any]
) -> pa.Table:
    """Lay counts out as a table of ``pattern`` (fixed-size binary) and a column of int64 for each kind of count.

    Parameters
    ----------
    packed
        Distinct patterns, ascending, uint8 [p, width].
    lfs
        Names of the m labeling functions, in the order of the votes.
    cardinality
        Number of classes K.
    counts
        Rows per pattern, int64 [p], by name of the column.
    facts
        Further facts for the metadata of the schema, where names and number of classes are.
    """
    metadata = {"cardinality": cardinality, "lfs": list(lfs), **facts}
    fields = [pa.field("pattern", packing.arrow_type(len(lfs), cardinality), nullable=False)]
    fields += [pa.field(name, pa.int64(), nullable=False) for name in counts]
    schema = pa.schema(fields, metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()})
    # From their buffers: pa.array() would import pandas first.
    buffers = [pa.py_buffer(np.ascontiguousarray(rows)) for rows in counts.values()]
    columns = [pa.Array.from_buffers(pa.int64(), len(packed), [None, buffer]) for buffer in buffers]
    return pa.Table.from_arrays([packing.to_arrow(packed), *columns], schema=schema)


def read_facts(table: pa.Table, columns: set[str]) -> dict[str, Any]:
    """Read the metadata of a table of pattern counts.

    Raises
    ------
    StateError
        If it has none, or lacks a column.
    """
    try:
        facts = json.loads(table.schema.metadata[METADATA_KEY])
        if {"cardinality", "lfs"} <= set(facts) and columns <= set(table.column_names):
            return dict(facts)
    except (TypeError, KeyError, ValueError):
        pass
    raise StateError(
        "not a table of pattern counts: a column, or the metadata with the labeling functions, is missing",
        fix="it is written by PatternCounts.to_table()",
    )
