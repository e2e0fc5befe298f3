"""Labels: the label model, what it says of rows, and what the gate says of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from beambell.artefacts.kind import Artefact, Reference
from beambell.artefacts.kinds.votes import Votes
from beambell.store.layout import Layout

if TYPE_CHECKING:
    from beambell.artefacts.graph import Graph
    from beambell.store.manifest import Store


class LabelModel(Artefact):
    """The label model that was fitted last."""

    KIND, FOLDER, TITLE = "label_model", Layout.LABEL_MODEL, "label model"
    BELOW = ""
    SENTENCE = "The label model: its settings, its parameters, and the posterior of every pattern."
    FILES = ("config", "params", "posterior")
    REFERENCES = (Reference("state", Layout.STATE), Reference("feedback", Layout.FEEDBACK))
    KEEPS_HISTORY = True

    @property
    def kind(self) -> str:
        """Name by which the label model is registered."""
        return str(self.manifest.facts["kind"])

    @property
    def lfs(self) -> tuple[str, ...]:
        """Names of the labeling functions in its patterns."""
        return tuple(self.manifest.facts["lfs"])

    @property
    def voting(self) -> tuple[str, ...]:
        """Names of those whose votes it weighs."""
        return tuple(self.manifest.facts["voting"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.manifest.facts["classes"])


class Candidates(Artefact):
    """Labels of one partition's rows before the gate."""

    KIND, FOLDER, TITLE = "labels", Layout.CANDIDATES, "candidate labels"
    SENTENCE = "Labels of a partition's rows, before the gate."
    FILES = ("labels",)
    REFERENCES = (
        Reference("votes", Layout.VOTES, is_parent=False),  # found below: equal votes may be of other functions
        Reference("label_model", Layout.LABEL_MODEL),
        Reference("feedback", Layout.FEEDBACK, is_checked=False),
    )

    @property
    def lfs(self) -> Mapping[str, str] | None:
        """Fingerprints by name of the labeling functions that the labels come from; ``None`` in older ones."""
        return self.manifest.facts.get("lfs")

    @property
    def label_model(self) -> str:
        """Id of the label model's manifest, 64 hex digits."""
        return self.manifest.inputs["label_model"]

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:
        """Keys of its votes, their labeling functions, its label model and what people said."""
        lfs = self.lfs or {}
        yield self._votes(graph, lfs)
        yield from (graph.lf(name, fingerprint) for name, fingerprint in lfs.items())
        yield from super().parents(store, graph)

    def _votes(self, graph: Graph, lfs: Mapping[str, str]) -> str:
        digest = self.manifest.inputs["votes"]
        key = graph.made(Votes.TITLE, self.partition, digest)
        cast_by = graph.voters.get(key)
        same = cast_by is None or lfs.items() <= cast_by.items()
        return key if same else graph.votes_of_others(self.partition or "", digest)


class Verdict(Artefact):
    """What the gate said of one partition's candidate labels."""

    KIND, FOLDER, TITLE = "verdict", Layout.VERDICTS, "verdict"
    SENTENCE = "What the gate said of a partition's candidate labels."
    REFERENCES = (Reference("labels", Layout.CANDIDATES),)

    @property
    def failures(self) -> tuple[Mapping[str, Any], ...]:
        """Figures beyond their bounds, each with its name, severity, value and bound."""
        return tuple(self.manifest.facts["failures"])

    @property
    def passed(self) -> bool:
        """Whether the labels may be published."""
        return bool(self.manifest.facts["passed"])


class Labels(Candidates):
    """Labels of one partition's rows that passed the gate."""

    KIND, FOLDER, TITLE = "labels", Layout.LABELS, "labels"
    SENTENCE = "Labels of a partition's rows that passed the gate."

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:
        """Keys of what candidate labels are made from, and of the verdict."""
        yield from super().parents(store, graph)
        if (verdict := f"{Verdict.TITLE} {self.partition}") in graph.nodes:
            yield verdict
