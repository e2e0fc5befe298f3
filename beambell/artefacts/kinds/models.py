"""Models: the end model, how good it is, its registered versions, and what was decided about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from beambell.artefacts.kind import Artefact, Reference
from beambell.store.layout import Layout

if TYPE_CHECKING:
    from beambell.artefacts.graph import Graph
    from beambell.store.manifest import Store


def _lfs(graph: Graph, facts: Mapping[str, Any]) -> Iterator[str]:
    """Labeling functions, of whatever versions, that the labels of a model were made from."""
    yield from (graph.lf(name, fingerprint) for name, fingerprint in facts.get("lfs", {}).items())
    for name, fingerprints in facts.get("earlier_lfs", {}).items():
        yield from (graph.lf(name, fingerprint) for fingerprint in fingerprints)


class EndModel(Artefact):
    """The end model that was trained last."""

    KIND, FOLDER, TITLE = "end_model", Layout.END_MODEL, "end model"
    BELOW = ""
    SENTENCE = "The end model that was trained last."
    FILES = ("model.json", "weights.npz", "estimator.skops")
    FIGURES = ("rows", "partitions")
    KEEPS_HISTORY = True

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.manifest.facts["name"])

    @property
    def labels(self) -> Mapping[str, str]:
        """Ids of the labels that it learnt, by partition."""
        labels: Mapping[str, str] = self.manifest.facts["labels"]
        return labels

    @property
    def sources(self) -> Mapping[str, str]:
        """Digests of the rows that it learnt, by partition."""
        sources: Mapping[str, str] = self.manifest.facts["sources"]
        return sources

    @property
    def label_models(self) -> tuple[str, ...]:
        """Ids of the label models that these labels come from."""
        return tuple(self.manifest.facts["label_models"])

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:  # noqa: ARG002
        """Keys of the labels and rows that it learnt, and of the labeling functions behind them."""
        yield from (graph.made("labels", partition, digest) for partition, digest in self.labels.items())
        yield from (graph.made("partition", partition, digest) for partition, digest in self.sources.items())
        yield from _lfs(graph, self.manifest.facts)


class Evaluation(Artefact):
    """How good labels and end model are."""

    KIND, FOLDER, TITLE = "evaluation", Layout.EVALUATION, "evaluation"
    BELOW = ""
    SENTENCE = "How good labels and end model are, measured on gold rows."
    FILES = ("metrics", "confusion", "calibration", "predictions")
    REFERENCES = (Reference("end model", Layout.END_MODEL),)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Metrics of labels and end model, as in metrics.json."""
        metrics: Mapping[str, Any] = self.manifest.facts["metrics"]
        return metrics

    @property
    def end_model(self) -> str:
        """Id of the end model that was measured, 64 hex digits."""
        return self.manifest.inputs["end model"]

    @property
    def gold(self) -> Mapping[str, Any]:
        """Numbers of gold labels that fit a row, and of those that do not; empty in older ones."""
        gold: Mapping[str, Any] = self.manifest.facts.get("gold", {})
        return gold


class Version(Artefact):
    """A registered version of an end model."""

    KIND, FOLDER, TITLE = "model_version", Layout.REGISTRY, "model version"
    BELOW = "NAME/v0001"
    SENTENCE = "A registered version of an end model, with what it was made from; never changed."
    FILES = ("model.json", "weights.npz", "estimator.skops", "predictions")
    REFERENCES = (
        Reference("end_model", Layout.END_MODEL),
        Reference("evaluation", Layout.EVALUATION, is_checked=False),  # which the next evaluation replaces
    )
    KEEPS_HISTORY = True
    MEND = "a registered version is never made again: restore {where} from a backup or from DVC"

    @property
    def name(self) -> str:
        """Name and number, as ``spam@v2``."""
        return f"{self.manifest.facts['name']}@v{self.manifest.facts['version']}"

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Metrics that it was registered with; empty if there was no gold."""
        metrics: Mapping[str, Any] = self.manifest.facts["metrics"]
        return metrics

    @property
    def lineage(self) -> Mapping[str, Any]:
        """All that it was made from, by kind."""
        lineage: Mapping[str, Any] = self.manifest.facts["lineage"]
        return lineage

    @property
    def home(self) -> str | None:
        """Folder of its name and number."""
        facts = self.manifest.facts
        return Layout.version(facts["name"], facts["version"]) if {"name", "version"} <= facts.keys() else None

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:
        """Keys of its end model and evaluation; what replaced labels have forgotten, it has on record itself."""
        yield from super().parents(store, graph)
        yield from _lfs(graph, self.lineage)
        yield from (graph.made("label model", None, digest) for digest in self.lineage["label_models"])


class Decision(Artefact):
    """A decision about a model's versions."""

    KIND, FOLDER, TITLE = "decision", Layout.DECISIONS, "decision"
    BELOW = "NAME/d0001"
    SENTENCE = "A promotion, rollback or refusal: who, why, on what evidence; never changed."
    REFERENCES = (
        Reference("version", Layout.REGISTRY),
        Reference("champion", Layout.REGISTRY, is_parent=False),
    )
    KEEPS_HISTORY = True
    MEND = "a decision is never made again by itself: restore {where} from a backup"

    @property
    def name(self) -> str:
        """Action, version and number of the decision."""
        facts = self.manifest.facts
        return f"{facts['action']} {facts['version']} ({self.folder.rpartition('/')[2]})"

    @property
    def version(self) -> str:
        """Name of the version that it is about, as ``spam@v2``."""
        return str(self.manifest.facts["version"])

    @property
    def by(self) -> str | None:
        """Person who decided; ``None`` if the policy did."""
        by: str | None = self.manifest.facts["by"]
        return by

    @property
    def decided(self) -> dict[str, Any]:
        """All that was decided: action, version, the one before, who and when, reason and evidence."""
        names = ("action", "version", "before", "by", "at", "reason", "evidence")
        return {name: self.manifest.facts[name] for name in names}

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.version.rpartition("@v")[0]

    @property
    def newest(self) -> int:
        """Number of the newest version when it was decided; 0 in older ones."""
        return int(self.manifest.facts.get("newest", 0))

    @property
    def home(self) -> str | None:
        """Folder of its model and number; decisions did not say their number at first."""
        facts = self.manifest.facts
        if not {"version", "number"} <= facts.keys():
            return None
        return Layout.decision(self.model, facts["number"])
