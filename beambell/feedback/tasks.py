"""Tasks: rows that people are asked about, with what they are shown and how each row came to be asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

#: How a row came to be asked. It travels with the task and comes back with the answer, unchanged.
HOW_PICKED: Final = ("picked_by", "probability", "random_share", "votes_shown")

#: One row per task. ``suggestion`` and what follows it is null where the reviewer is to look without being told.
TASKS_SCHEMA: Final = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        pa.field("text", pa.string()),
        pa.field("suggestion", pa.string()),
        pa.field("confidence", pa.float64()),
        pa.field("votes", pa.string()),
        pa.field("label_model", pa.string()),
        pa.field("picked_by", pa.string(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("random_share", pa.float64(), nullable=False),
        pa.field("votes_shown", pa.bool_(), nullable=False),
    ]
)


def iter_tasks(tasks: pa.Table) -> Iterator[dict[str, Any]]:
    """Give the rows of a table one by one, a few of them at a time in Python's form."""
    for batch in tasks.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()
