"""What checks see of a partition: its rows, its votes and its labels, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from beambell.state import PatternCounts


@dataclass(frozen=True, slots=True)
class CastVotes:
    """What one labeling function did in a partition.

    Attributes
    ----------
    name, fingerprint
        Name of the labeling function, and the identity of what it computes, 64 hex digits.
    votes, errors
        Rows on which it did not abstain, and on which it failed.
    speaks
        Whether it is meant for the partition's stream.
    """

    name: str
    fingerprint: str
    votes: int
    errors: int
    speaks: bool = True

    @property
    def key(self) -> str:
        """Name and version: an edited labeling function is not held against what it did before."""
        return f"{self.name}@{self.fingerprint[:12]}"


@dataclass(frozen=True)
class Sight:
    """One partition.

    Attributes
    ----------
    stream, dt
        Name of the stream, and of the partition in it.
    rows
        Number of rows.
    text
        Name of the column of the text.
    classes
        Names of the classes.
    fields
        Types of the stream's further columns, by name, as ``params.yaml`` has them.
    read_rows
        Function that reads the rows.
    lfs
        Deeds of each labeling function.
    read_counts
        Function that reads how many rows have which votes.
    """

    stream: str
    dt: str
    rows: int
    text: str
    classes: tuple[str, ...]
    fields: Mapping[str, str]
    read_rows: Callable[[Sequence[str]], pa.Table]
    lfs: tuple[CastVotes, ...]
    read_counts: Callable[[], PatternCounts]

    @cached_property
    def table(self) -> pa.Table:
        """Text, id and fields of the rows."""
        return self.read_rows([self.text, *self.fields])

    @cached_property
    def texts(self) -> pa.StructArray:
        """Distinct texts that are not empty, and how many rows have each: ``values`` and ``counts``."""
        import pyarrow.compute as pc

        texts = self.table[self.text]
        return pc.value_counts(texts.filter(pc.greater(pc.utf8_length(texts), 0)))

    @cached_property
    def counts(self) -> PatternCounts:
        """How many rows have which votes."""
        return self.read_counts()
