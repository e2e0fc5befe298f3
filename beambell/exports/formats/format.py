"""What a format of exports is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

import pyarrow as pa

from beambell.store.files import HashingSink


class TableWriter(Protocol):
    """Something that takes one table after the other into a file."""

    def write_table(self, table: pa.Table) -> None:
        """Append rows."""
        ...


class Format(ABC):
    """A format of exports: how tables become the bytes of a file. The same tables give the same bytes."""

    name: ClassVar[str]
    """Name as ``--format`` has it."""
    suffix: ClassVar[str]
    """Ending of its files' names."""
    is_one_file: ClassVar[bool] = True
    """Whether all of an export may be one file."""

    @abstractmethod
    def writer(self, sink: HashingSink, schema: pa.Schema) -> AbstractContextManager[TableWriter]:
        """Write a file; it is complete when the block ends."""
