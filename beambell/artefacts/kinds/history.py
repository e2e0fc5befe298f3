"""History: what labeling functions with a memory see of the days before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from beambell.artefacts.kind import Artefact
from beambell.artefacts.kinds.feedback import Located
from beambell.store.layout import Layout

if TYPE_CHECKING:
    from beambell.artefacts.graph import Graph
    from beambell.store.manifest import Store


class Answers(Located):
    """People's answers about rows, located in partitions."""

    KIND, FOLDER, TITLE = "answers", Layout.ANSWERS, "answers"
    SENTENCE = "People's answers about rows, by partition, for labeling functions with a memory of them."
    FILES = ("answers",)


class Aggregate(Artefact):
    """States by key of one aggregate over one partition, or over a span of days."""

    KIND, FOLDER, TITLE = "aggregate", Layout.AGGREGATES, "aggregate"
    BELOW = "SPEC/stream=S/dt=D"
    SENTENCE = "States by key of one aggregate over a partition's rows, or over several days."
    FILES = ("states",)

    @property
    def name(self) -> str:
        """Folder below that of all aggregates."""
        return self.folder.removeprefix(f"{self.FOLDER}/")

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:  # noqa: ARG002
        """Keys of the rows, answers and smaller aggregates that it sums."""
        spec = self.folder.split("/")[1]
        known = {"rows": ("partition", self.partition), "feedback": (Answers.TITLE, None)}
        for name, digest in self.manifest.inputs.items():
            kind, partition = known.get(name, (self.TITLE, f"{spec}/{name}"))
            yield graph.made(kind, partition, digest)
