"""Answers: what people said of rows, as aggregates by key may know it.

They are a file of the consensus, with the rows of all partitions. Rows whose answer is kept for measuring are not in
it: no vote can depend on them. A row that is in several partitions is in the file once, with the last of them: as the
history of a partition ends before it begins, no answer is ever part of the history of its own row.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from beambell.artefacts.kinds.feedback import Consensus
from beambell.store import Layout, Partition, Store
from beambell.store.tables import hash_columns, read_rows, spans

ROLE: Final = "answers"
SCHEMA: Final = pa.schema(
    [
        pa.field("stream", pa.string(), nullable=False),
        pa.field("dt", pa.string(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("answer", pa.int8(), nullable=False),
    ]
)
"""Sorted by the first three; ``answer`` is as `beambell.labeling.aggregates.ANSWER` has it."""


class Answers:
    """The answers of the consensus that was published last.

    Parameters
    ----------
    store
        Store of the consensus; there need not be one yet.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._manifest = store.read(Layout.FEEDBACK)

    def digest(self, partition: Partition) -> str | None:
        """Return the hash of what was said of a partition's rows; ``None`` if that is nothing."""
        place = self._place(partition)
        return place[2] if place else None

    def of(self, partition: Partition, ids: pa.ChunkedArray) -> pa.Array:
        """Return the answer on each row of a partition, by their ids: int8 [n], null for most."""
        place = self._place(partition)
        if self._manifest is None or place is None:
            return pa.nulls(len(ids), pa.int8())
        file = self._manifest.files[ROLE]
        answers = read_rows(
            self._store, Layout.FEEDBACK, file, place[0], place[1], ["row_id", "answer"]
        ).combine_chunks()
        at = pc.index_in(ids, value_set=answers["row_id"].combine_chunks())
        return answers["answer"].take(at).combine_chunks()

    def _place(self, partition: Partition) -> tuple[int, int, str] | None:
        place = Consensus.of(self._manifest).answers.get(str(partition)) if self._manifest else None
        return (place[0], place[1], place[2]) if place else None


def places(answers: pa.Table) -> dict[str, tuple[int, int, str]]:
    """Say where the answers of each partition begin and end in a table of `SCHEMA`, and hash them."""
    return {
        name: (start, stop, hash_columns(answers.slice(start, stop - start), ("row_id", "answer")))
        for name, start, stop in spans(answers)
    }
