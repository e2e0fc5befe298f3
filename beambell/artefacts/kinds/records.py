"""Raw records: what was delivered, and the rows that came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from beambell.artefacts.kind import Artefact
from beambell.store.layout import Layout

if TYPE_CHECKING:
    from beambell.artefacts.graph import Graph
    from beambell.store.manifest import Store


class Rows(Artefact):
    """The rows of one partition."""

    KIND, FOLDER, TITLE = "partition", Layout.PARTITIONS, "partition"
    SENTENCE = "The rows of a stream whose event time lies in one partition."
    FILES = ("rows",)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.manifest.facts["rows"])

    @property
    def records(self) -> int:
        """Number of records that were read into it, duplicates included."""
        return int(self.manifest.facts["records"])

    @property
    def duplicates(self) -> int:
        """Number of records left out because a row of their id was there."""
        return int(self.manifest.facts["duplicates"])

    @property
    def schema(self) -> str | None:
        """Digest of the columns' names and types, 64 hex digits; ``None`` in older ones."""
        return self.manifest.facts.get("schema")

    @property
    def sources(self) -> Mapping[str, int]:
        """Number of records by the name of the raw file; empty in older ones."""
        sources: Mapping[str, int] = self.manifest.facts.get("sources", {})
        return sources

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:  # noqa: ARG002
        """Keys of its raw files."""
        return (graph.raw(name, digest) for name, digest in self.manifest.inputs.items())


class Delivery(Artefact):
    """What reading one raw file gave."""

    KIND, FOLDER, TITLE = "delivery", Layout.DELIVERIES, "delivery"
    BELOW = "stream=S/file=F"
    SENTENCE = "What reading one raw file gave: records by partition, and what was refused and why."
    FILES = ("quarantine", "archive", "archived_quarantine")

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return str(self.manifest.facts["stream"])

    @property
    def file(self) -> str:
        """Name of the raw file, as its glob found it."""
        return str(self.manifest.facts["file"])

    @property
    def sha256(self) -> str:
        """Digest of the raw file, 64 hex digits."""
        return self.manifest.inputs["file"]

    @property
    def delivery(self) -> str | None:
        """Day or hour that the file's name gives, as ``2026-01-03``; ``None`` if it gives none."""
        delivery: str | None = self.manifest.facts["delivery"]
        return delivery

    @property
    def records(self) -> int:
        """Number of records in the file."""
        return int(self.manifest.facts["records"])

    @property
    def rows(self) -> int:
        """Number of records that became rows."""
        return int(self.manifest.facts["rows"])

    @property
    def quarantined(self) -> int:
        """Number of records that could not be read."""
        return int(self.manifest.facts["quarantined"])

    @property
    def bytes(self) -> int | None:
        """Size of the file, bytes; ``None`` in older ones."""
        return self.manifest.facts.get("bytes")

    @property
    def delivered(self) -> str | None:
        """Time of the delivery where the file's name gives none, as ``2026-01-03T07:15:00Z``; ``None`` if it does."""
        return self.manifest.facts.get("delivered")

    @property
    def archive(self) -> Mapping[str, Any] | None:
        """What is kept of a file that is gone, as `beambell.stages.deliveries.Archive` has it; or ``None``."""
        return self.manifest.facts.get("archive")

    @property
    def lost(self) -> int:
        """Bytes of the file that gave no record."""
        return int(self.manifest.facts.get("lost", 0))

    @property
    def codes(self) -> Mapping[str, int]:
        """Number of refused records by the code of the reason."""
        codes: Mapping[str, int] = self.manifest.facts["codes"]
        return codes

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the file as a whole, a sentence each."""
        return tuple(self.manifest.facts["problems"])

    @property
    def partitions(self) -> Mapping[str, int]:
        """Number of records by the partition's ``dt``."""
        partitions: Mapping[str, int] = self.manifest.facts["partitions"]
        return partitions

    @property
    def is_withdrawn(self) -> bool:
        """Whether a person took the file's rows back."""
        return bool(self.manifest.facts.get("withdrawn"))

    @property
    def name(self) -> str:
        """Name of the raw file."""
        return self.file

    @property
    def home(self) -> str | None:
        """Folder of its stream and file."""
        facts = self.manifest.facts
        return Layout.delivery(facts["stream"], facts["file"]) if {"stream", "file"} <= facts.keys() else None

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:  # noqa: ARG002
        """Key of its raw file."""
        yield graph.raw(self.file, self.sha256)
