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
    REFERENCES = (
        Reference("state", Layout.STATE),
        Reference("feedback", Layout.FEEDBACK_COUNTS, formerly=Layout.FEEDBACK),
    )
    FIGURES = ("kind", "rows", "patterns", "feedback")
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
    def lfs_digest(self) -> str:
        """Digest of names and fingerprints of the state's labeling functions, 64 hex digits; as votes have it."""
        return self.manifest.inputs["lfs"]

    @property
    def is_fitted_to_feedback(self) -> bool:
        """Whether people's answers were counted beside the votes."""
        return "feedback" in self.manifest.inputs

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
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        return tuple(self.manifest.facts["classes"])

    @property
    def label_model(self) -> str:
        """Id of the label model's manifest, 64 hex digits."""
        return self.manifest.inputs["label_model"]

    @property
    def votes(self) -> str:
        """Digest of the file of votes that the labels come from, 64 hex digits."""
        return self.manifest.inputs["votes"]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.manifest.facts["rows"])

    @property
    def covered(self) -> int:
        """Number of rows with a vote of the label model's labeling functions."""
        return int(self.manifest.facts["covered"])

    @property
    def conflicts(self) -> int:
        """Number of rows with such votes for different classes."""
        return int(self.manifest.facts["conflicts"])

    @property
    def unlabelled(self) -> int:
        """Number of rows without a label."""
        return int(self.manifest.facts["unlabelled"])

    @property
    def label_counts(self) -> Mapping[str, int]:
        """Number of rows by the name of the class that they are labelled with."""
        counts: Mapping[str, int] = self.manifest.facts["label_counts"]
        return counts

    @property
    def class_shares(self) -> tuple[float, ...]:
        """Mean probability of each class over the covered rows, in 0 to 1."""
        return tuple(self.manifest.facts["class_shares"])

    @property
    def mean_entropy(self) -> float:
        """Mean entropy of the covered rows' probabilities, in 0 to 1."""
        entropy: float = self.manifest.facts["mean_entropy"]
        return entropy

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:
        """Keys of its votes, their labeling functions, its label model and what people said."""
        lfs = self.lfs or {}
        yield self._votes(graph, lfs)
        yield from (graph.lf(name, fingerprint) for name, fingerprint in lfs.items())
        yield from super().parents(store, graph)

    def _votes(self, graph: Graph, lfs: Mapping[str, str]) -> str:
        key = graph.made(Votes.TITLE, self.partition, self.votes)
        cast_by = graph.voters.get(key)
        same = cast_by is None or lfs.items() <= cast_by.items()
        return key if same else graph.votes_of_others(self.partition or "", self.votes)


class Verdict(Artefact):
    """What the gate said of one partition's candidate labels."""

    KIND, FOLDER, TITLE = "verdict", Layout.VERDICTS, "verdict"
    SENTENCE = "What the gate said of a partition's candidate labels; each that said something new is kept in history."
    REFERENCES = (Reference("labels", Layout.CANDIDATES), Reference("screening", Layout.SCREENINGS))
    KEEPS_HISTORY = True

    @property
    def findings(self) -> tuple[Mapping[str, Any], ...]:
        """What was found, as `beambell.quality.Finding` has it; older ones have fewer keys."""
        facts = self.manifest.facts
        return tuple(facts["findings"] if "findings" in facts else facts["failures"])

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
