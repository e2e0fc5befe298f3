"""Predictions: what a served model says of a partition's rows, whether a labeling function votes on them or not."""

from __future__ import annotations

from collections.abc import Mapping

from beambell.artefacts.kind import Artefact, Reference
from beambell.store.layout import Layout


class Predictions(Artefact):
    """Predictions of a served model for one partition's rows."""

    KIND, FOLDER, TITLE = "predictions", Layout.PREDICTIONS, "predictions"
    SENTENCE = "What the champion says of each of a partition's rows, whether a labeling function votes on it or not."
    FILES = ("predictions",)
    REFERENCES = (
        Reference("rows", Layout.PARTITIONS, is_checked=False),  # which a correction replaces
        Reference("version", Layout.REGISTRY),
    )

    @property
    def version(self) -> str:
        """Name of the version, as ``spam@v2``."""
        return str(self.manifest.facts["version"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        return tuple(self.manifest.facts["classes"])

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.manifest.facts["rows"])

    @property
    def label_counts(self) -> Mapping[str, int]:
        """Number of rows by the name of the class that is most probable."""
        counts: Mapping[str, int] = self.manifest.facts["label_counts"]
        return counts
