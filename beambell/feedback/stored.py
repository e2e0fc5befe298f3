"""The consensus as it is stored: rows by partition, and what is counted of them by vote pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.artefacts.kinds.feedback import Consensus
from beambell.feedback.events import Verdict
from beambell.state import FeedbackCounts
from beambell.state import patterns as packing
from beambell.store import Layout, Manifest, Partition, Store
from beambell.store.tables import hash_columns, read_rows, read_table, spans

Role = Literal["fit", "evaluate"]

#: Verdicts that set a row's published label, or take it away.
SETTING: Final = (Verdict.LABEL.value, Verdict.NOT_A_CLASS.value)
#: The verdict that takes classes from a row's published label, and leaves it to the votes which of the others it is.
LIMITING: Final = Verdict.NOT_LABEL.value
#: What a file of labels needs to know of the reviewed rows of its partition.
OF_LABELS: Final = ("row_id", "verdict", "label", "excluded", "evaluate")


@dataclass(frozen=True)
class Reviewed:
    """The rows of one partition in the file of all reviewed rows.

    Attributes
    ----------
    start, stop
        First row of the partition in the file, and the row after its last.
    sha256
        Digest of the answers that labels depend on; ``None`` if there are none.
    """

    start: int
    stop: int
    sha256: str | None


def reviewed_in(manifest: Manifest | None, partition: Partition) -> Reviewed | None:
    """Find the reviewed rows of a partition, if it has any."""
    entry = Consensus.of(manifest).partitions.get(str(partition)) if manifest else None
    return Reviewed(*entry) if entry else None


def read_reviewed(store: Store, manifest: Manifest, rows: Reviewed, columns: Sequence[str]) -> pa.Table:
    """Read the reviewed rows of one partition."""
    table = read_rows(store, Layout.FEEDBACK, manifest.files["rows"], rows.start, rows.stop, list(columns))
    return with_excluded(table).select(list(columns))


def with_excluded(rows: pa.Table) -> pa.Table:
    """Give reviewed rows with what they are not, also those of before anybody could say that."""
    if "excluded" in rows.column_names:
        return rows
    return rows.append_column("excluded", pa.nulls(rows.num_rows, pa.list_(pa.string())))


def read_counts(store: Store, manifest: Manifest | None, role: Role) -> FeedbackCounts | None:
    """Read the labels of one part of the rows by vote pattern; ``None`` if there are none."""
    if manifest is None or role not in manifest.files:
        return None
    counts = FeedbackCounts.from_table(read_table(store, Layout.FEEDBACK_COUNTS, manifest.files[role]))
    return counts if counts.n_rows else None


def count_labels(rows: pa.Table, classes: list[str], lfs: list[str]) -> FeedbackCounts:
    """Count the labels of reviewed rows by their vote pattern; rows without either do not count."""
    known = rows.filter(pc.and_(rows["label"].is_valid(), rows["pattern"].is_valid()))
    y = pc.index_in(known["label"].combine_chunks(), value_set=pa.array(classes, pa.string()))
    votes = packing.unpack(packing.from_arrow(known["pattern"]), len(lfs), len(classes))
    return FeedbackCounts.from_labels(votes, pc.fill_null(y, -1).to_numpy().astype(np.int64), len(classes), lfs)


def find_partitions(rows: pa.Table) -> dict[str, tuple[int, int, str | None]]:
    """Say where the rows of each partition are, in rows sorted by stream and ``dt``, those without ``dt`` last."""
    located = rows.slice(0, rows.num_rows - rows["dt"].null_count)
    return {name: (start, stop, _digest(located.slice(start, stop - start))) for name, start, stop in spans(located)}


def _digest(rows: pa.Table) -> str | None:
    """Hash what labels depend on: which rows have which label, or none, and which of them only measure."""
    setting = rows.filter(pc.is_in(rows["verdict"], pa.array([*SETTING, LIMITING])))
    if not setting.num_rows:
        return None
    limited = pc.any(pc.equal(setting["verdict"], LIMITING)).as_py()
    return hash_columns(setting, ("row_id", "label", "evaluate", *(("excluded",) if limited else ())))
