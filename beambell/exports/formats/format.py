"""What a format of exports is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import pyarrow as pa

from beambell.errors import UsageError
from beambell.exports.record import ExportManifest, PartRecord
from beambell.store import Partition
from beambell.store.files import HashingSink
from beambell.store.local import LocalFolder


class TableWriter(Protocol):
    """Something that takes one table after the other into a file."""

    def write_table(self, table: pa.Table) -> None:
        """Append rows."""
        ...


@dataclass(frozen=True)
class Draft:
    """An export of which all parts are written, for what a format has besides.

    Attributes
    ----------
    folder
        Folder of the draft.
    schema
        Schema of the tables that were written.
    classes
        Names of the classes, in the order of their numbers.
    parts
        Records of the parts.
    before, out
        Manifest of the export whose place the draft takes, ``None`` if there is none, and its path.
    """

    folder: LocalFolder
    schema: pa.Schema
    classes: tuple[str, ...]
    parts: Sequence[PartRecord]
    before: ExportManifest | None
    out: Path


class Format(ABC):
    """A format of exports: how tables become the bytes of files. The same tables give the same bytes."""

    name: ClassVar[str]
    """Name as ``--format`` has it."""
    suffix: ClassVar[str]
    """Ending of its files' names."""
    is_one_file: ClassVar[bool] = True
    """Whether all of an export may be one file."""

    @abstractmethod
    def writer(self, sink: HashingSink, schema: pa.Schema) -> AbstractContextManager[TableWriter]:
        """Write a file; it is complete when the block ends."""

    def file_name(self, partition: Partition, split: str, sha256: str) -> str:  # noqa: ARG002 - some names hold it
        """Path in the export of a part's file; ``split`` is empty where there are none."""
        return "/".join([*([split] if split else []), partition.stream, partition.dt + self.suffix])

    def finish(self, draft: Draft) -> None:  # noqa: B027 - most formats have nothing besides
        """Write into the draft whatever belongs to no part, and look whether it is readable."""


def needed(package: str, extra: str) -> UsageError:
    """Say that a package is not installed that a format needs."""
    return UsageError(
        f"--format {extra} needs the package {package!r}, which is not installed",
        where="--format",
        fix=f"pip install 'beambell[{extra}]', or export as parquet, which {package} reads, too",
    )
