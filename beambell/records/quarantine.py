"""What is set aside of one file, in bounded memory: a file may hold more bad records than all others have good ones."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from beambell.records.schema import QUARANTINE_SCHEMA

KEPT: Final = 10_000
"""Records of a file that are kept whole."""


class Quarantine:
    """Records of one file that were set aside: the first of them whole, all of them counted by reason.

    Attributes
    ----------
    records
        Number of records.
    codes
        Number of records by reason, and of the remarks on the file.
    """

    def __init__(self) -> None:
        self.records = 0
        self.codes: Counter[str] = Counter()
        self._kept: list[pa.Table] = []
        self._remarks: list[pa.Table] = []

    def add(self, entries: pa.Table) -> None:
        """Take in a batch of `QUARANTINE_SCHEMA`."""
        if not entries.num_rows:
            return
        for counted in pc.value_counts(entries["code"].combine_chunks()).to_pylist():
            self.codes[counted["values"]] += counted["counts"]
        is_record = entries["line"].is_valid()
        records = entries.filter(is_record)
        room = max(0, KEPT - self.records)
        if records.num_rows and room:
            self._kept.append(_copied(records.slice(0, room)))
        self.records += records.num_rows
        if records.num_rows < entries.num_rows:
            self._remarks.append(entries.filter(pc.invert(is_record)))

    @property
    def remarks(self) -> pa.Table:
        """Entries of what concerns the whole file."""
        return pa.concat_tables([QUARANTINE_SCHEMA.empty_table(), *self._remarks])

    @property
    def problems(self) -> list[str]:
        """The remarks in words, and how many records are not kept, if not all are."""
        messages: list[str] = self.remarks["message"].to_pylist()
        if self.records > KEPT:
            messages.append(
                f"of {self.records:,} quarantined records, the first {KEPT:,} are kept, and all are counted"
            )
        return messages

    @property
    def table(self) -> pa.Table:
        """What is kept: records in order of their lines, then the remarks."""
        return pa.concat_tables([QUARANTINE_SCHEMA.empty_table(), *self._kept, *self._remarks])


def _copied(entries: pa.Table) -> pa.Table:
    """Let go of what a slice is a slice of."""
    return entries.take(pa.array(range(entries.num_rows), pa.int64()))
