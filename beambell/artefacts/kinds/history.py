"""History: what labeling functions with a memory see of the days before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from beambell.artefacts.kind import Artefact
from beambell.artefacts.kinds.feedback import Consensus, Located
from beambell.store.layout import Layout

if TYPE_CHECKING:
    from beambell.artefacts.graph import Graph
    from beambell.store.manifest import Store


class Answers(Located):
    """People's answers as earlier versions kept them; the stage `feedback` takes them back."""

    KIND, FOLDER, TITLE = "answers", Layout.ANSWERS, Consensus.TITLE
    SENTENCE = "People's answers as earlier versions kept them; today they are a file of the consensus."
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
        known = {"rows": ("partition", self.partition), "feedback": (Consensus.TITLE, None)}
        for name, digest in self.manifest.inputs.items():
            kind, partition = known.get(name, (self.TITLE, f"{spec}/{name}"))
            yield graph.made(kind, partition, digest)
