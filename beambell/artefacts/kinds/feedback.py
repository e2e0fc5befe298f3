"""Feedback: what people said of rows, and what they were asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from beambell.artefacts.kind import Artefact, Reference
from beambell.store.layout import Layout

if TYPE_CHECKING:
    from beambell.artefacts.graph import Graph
    from beambell.store.manifest import Store


class Batch(Artefact):
    """The events of one delivered file, or of one answer given here."""

    KIND, FOLDER, TITLE = "feedback_batch", Layout.FEEDBACK_BATCHES, "feedback batch"
    BELOW = "ID"
    SENTENCE = "What people said, as it was delivered in one file or given by one command; never changed."
    FILES = ("events", "quarantine")
    MEND = "restore {where} from a backup; or remove {folder}, and take its answers in again"

    @property
    def file(self) -> str | None:
        """Name of the file; ``None`` for an answer that a command gave."""
        file: str | None = self.manifest.facts["file"]
        return file

    @property
    def events(self) -> int:
        """Number of events."""
        return int(self.manifest.facts["events"])

    @property
    def quarantined(self) -> int:
        """Number of records that were not understood."""
        return int(self.manifest.facts["quarantined"])

    @property
    def records(self) -> int:
        """Number of records in the file."""
        return int(self.manifest.facts.get("records", self.answers + self.quarantined))

    @property
    def answers(self) -> int:
        """Number of records that give an answer."""
        return int(self.manifest.facts.get("answers", self.events))

    @property
    def skipped(self) -> Mapping[str, int]:
        """Number of records in which nobody gave an answer, by the reason."""
        skipped: Mapping[str, int] = self.manifest.facts.get("skipped", {})
        return skipped

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the file as a whole, a sentence each."""
        return tuple(self.manifest.facts["problems"])

    @property
    def counted_by(self) -> str:
        """What numbers of records count: ``line``, or ``record`` of an array."""
        return str(self.manifest.facts.get("counted_by", "line"))

    @property
    def asked(self) -> str:
        """Digest of the file that a person asked to take in; empty if nobody did."""
        return str(self.manifest.facts.get("asked", ""))

    @property
    def turn(self) -> int | None:
        """Number of times that this file was asked for until this batch; the last counts. ``None`` if nobody asked."""
        return self.manifest.facts.get("turn")

    @property
    def name(self) -> str:
        """Id of the batch, 32 hex digits."""
        return self.folder.rpartition("/")[2]

    @property
    def home(self) -> str | None:
        """Folder that its inputs give."""
        return Layout.batch(self.manifest.inputs)

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:  # noqa: ARG002
        """Key of its file."""
        if "file" in self.manifest.inputs:
            yield graph.raw(str(self.file), self.manifest.inputs["file"])


class Located(Artefact):
    """Something that people said of rows, kept in order of the rows' partitions."""

    BELOW = ""

    @property
    def batches(self) -> tuple[str, ...]:
        """Ids of the batches that it is made from."""
        return tuple(self.manifest.facts["batches"])

    @property
    def partitions(self) -> Mapping[str, tuple[int, int, str]]:
        """Span of rows (first, the one after the last) and digest of what is said of them, by partition."""
        partitions: Mapping[str, tuple[int, int, str]] = self.manifest.facts["partitions"]
        return partitions

    @property
    def digests(self) -> Iterator[str]:
        """Digests, also those of what is said of each partition: labels and aggregates name these."""
        yield from super().digests
        yield from (digest or "" for _, _, digest in self.partitions.values())

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:  # noqa: ARG002
        """Keys of its batches."""
        yield from (key for key in map(f"{Batch.TITLE} {{}}".format, self.batches) if key in graph.nodes)


class Consensus(Located):
    """One answer per reviewed row."""

    KIND, FOLDER, TITLE = "feedback", Layout.FEEDBACK, "feedback"
    SENTENCE = "One answer per reviewed row, with the row's partition; and what functions with a memory may know of it."
    FILES = ("rows", "answers", "lf_verdicts", "reviewers")
    KEEPS_HISTORY = True

    @property
    def digests(self) -> Iterator[str]:
        """Digests, also those of the answers of each partition that functions with a memory may know."""
        yield from super().digests
        yield from (digest for _, _, digest in self.answers.values())

    @property
    def answers(self) -> Mapping[str, tuple[int, int, str]]:
        """Span and digest of the answers that functions with a memory may know, by partition; none in older ones."""
        answers: Mapping[str, tuple[int, int, str]] = self.manifest.facts.get("answers", {})
        return answers

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.manifest.facts["classes"])

    @property
    def figures(self) -> dict[str, Any]:
        """Numbers of rows by what became of their answers."""
        return dict(self.manifest.facts)


class FeedbackCounts(Artefact):
    """Answers counted by vote pattern."""

    KIND, FOLDER, TITLE = "feedback_counts", Layout.FEEDBACK_COUNTS, "feedback counts"
    BELOW = ""
    SENTENCE = "How often each pattern of votes was given which answer, and the pattern of each reviewed row."
    FILES = ("patterns", "fit", "evaluate")
    REFERENCES = (Reference("feedback", Layout.FEEDBACK),)
    FIGURES = ("fit", "evaluate", "waiting")
    KEEPS_HISTORY = True

    @property
    def lfs(self) -> tuple[str, ...]:
        """Names of the labeling functions whose patterns are counted."""
        return tuple(self.manifest.facts["lfs"])

    @property
    def consensus(self) -> str:
        """Digest of the file of reviewed rows that were counted, 64 hex digits."""
        return self.manifest.inputs["feedback"]


class Queue(Artefact):
    """Rows that people were asked about."""

    KIND, FOLDER, TITLE = "feedback_queue", Layout.FEEDBACK_QUEUES, "review queue"
    BELOW = "ID"
    SENTENCE = "Rows that were put before people, so that they are not asked about again."
    FILES = ("rows",)
    REFERENCES = (Reference("label_model", Layout.LABEL_MODEL, is_checked=False),)
    MEND = "restore {where} from a backup; or remove {folder}: its rows may then be asked about again"

    @property
    def name(self) -> str:
        """Id of the queue, 32 hex digits."""
        return self.folder.rpartition("/")[2]
