"""What an export says of itself: its manifest, and the record of each part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from beambell.store import canonical_json

KIND: Final = "beambell-labels"
MANIFEST: Final = "_manifest.json"
"""Name of the manifest; readers of folders pass over names that begin so."""


@dataclass(frozen=True)
class ExportedFile:
    """A file of an export.

    Attributes
    ----------
    name
        Path relative to the export's folder.
    sha256, bytes, rows
        Digest of its content, its size in bytes, and the number of its rows.
    split
        Name of its split; empty where there are none.
    """

    name: str
    sha256: str
    bytes: int
    rows: int
    split: str = ""


@dataclass(frozen=True)
class PartRecord:
    """What is known of a part that was written.

    Attributes
    ----------
    partition, key
        Name of the partition, and digest of what its files were made from.
    labels, label_model
        Ids of the published labels' manifest and of the label model's.
    files
        Files of the part.
    counts
        Counts of rows by split, or of ``all``: ``rows``, ``unlabelled``, and ``classes`` by name.
    left_out, without_row
        Numbers of rows below the least probability, and of labels whose row is gone.
    """

    partition: str
    key: str
    labels: str
    label_model: str
    files: tuple[ExportedFile, ...] = ()
    counts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    left_out: int = 0
    without_row: int = 0

    @property
    def rows(self) -> int:
        """Number of rows in its files."""
        return sum(file.rows for file in self.files)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Self:
        """Read it back from JSON values."""
        return cls(**{**tree, "files": tuple(ExportedFile(**file) for file in tree["files"])})


@dataclass(frozen=True)
class ExportManifest:
    """The manifest of an export.

    Attributes
    ----------
    facts
        Project, format, parameters, columns, classes, label models, labeling functions and counts, as JSON values.
    parts
        Records of the parts, in the order of their partitions.
    others
        Files that belong to no part.
    """

    facts: Mapping[str, Any]
    parts: tuple[PartRecord, ...]
    others: tuple[ExportedFile, ...] = ()

    @property
    def files(self) -> dict[str, ExportedFile]:
        """Files of the export by name; without the manifest itself."""
        return {**self.part_files, **{file.name: file for file in self.others}}

    @property
    def part_files(self) -> dict[str, ExportedFile]:
        """Files of the parts by name."""
        return {file.name: file for part in self.parts for file in part.files}

    def to_bytes(self) -> bytes:
        """As it is written."""
        others = [asdict(file) for file in self.others]
        tree = {"kind": KIND, **self.facts, "partitions": [asdict(part) for part in self.parts], "other_files": others}
        return canonical_json(tree)

    @classmethod
    def from_bytes(cls, data: bytes) -> ExportManifest | None:
        """Read it back; ``None`` if it is not the manifest of an export."""
        try:
            tree = json.loads(data)
            if tree.pop("kind") != KIND:
                return None
            parts = tuple(PartRecord.from_tree(part) for part in tree.pop("partitions"))
            others = tuple(ExportedFile(**file) for file in tree.pop("other_files"))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return cls(tree, parts, others)
