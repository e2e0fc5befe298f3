"""The gate's own: what it keeps of a partition and says of its rows and votes, and what people decided about that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beambell.artefacts.kind import Artefact, Reference
from beambell.store.layout import Layout


class Screening(Artefact):
    """What the gate keeps of one partition's rows and votes, and what it says of them."""

    KIND, FOLDER, TITLE = "screening", Layout.SCREENINGS, "screening"
    SENTENCE = "What the gate keeps of a partition's rows and votes, and what it says of them beside earlier ones."
    REFERENCES = (
        Reference("rows", Layout.PARTITIONS),
        Reference("votes", Layout.VOTES, is_parent=False, is_checked=False),  # behind them until the next run
    )

    @property
    def passed(self) -> bool:
        """Whether the partition may join the state."""
        return bool(self.manifest.facts["passed"])

    @property
    def findings(self) -> tuple[Mapping[str, Any], ...]:
        """What was found, as `beambell.quality.Finding` has it."""
        return tuple(self.manifest.facts["findings"])

    @property
    def measures(self) -> Mapping[str, Any]:
        """What each check keeps of the partition, by the check's name."""
        measures: Mapping[str, Any] = self.manifest.facts["measures"]
        return measures

    @property
    def digest(self) -> str:
        """Digest of the measures, 16 hex digits."""
        return str(self.manifest.facts.get("digest", ""))

    @property
    def quarantined(self) -> Mapping[str, str]:
        """Fingerprints, by name, of labeling functions that vote against all others."""
        quarantined: Mapping[str, str] = self.manifest.facts.get("quarantined", {})
        return quarantined

    @property
    def rows_digest(self) -> str:
        """Digest of the file of rows, 64 hex digits."""
        return self.manifest.inputs["rows"]

    @property
    def votes_digest(self) -> str:
        """Digest of the file of votes, 64 hex digits."""
        return self.manifest.inputs["votes"]


class Ruling(Artefact):
    """What a person decided about a partition that the gate had judged."""

    KIND, FOLDER, TITLE = "ruling", Layout.RULINGS, "ruling"
    BELOW = "stream=S/dt=D/r0001"
    SENTENCE = "What a person decided about a partition: to accept or to reject it, who, when and why; never changed."
    REFERENCES = (Reference("rows", Layout.PARTITIONS, is_checked=False),)  # which a later delivery may replace
    MEND = "a ruling is never made again by itself: restore {where} from a backup"

    @property
    def name(self) -> str:
        """Action, partition and number."""
        facts = self.manifest.facts
        return f"{facts['action']} {facts['stream']}/{facts['dt']} ({self.folder.rpartition('/')[2]})"

    @property
    def action(self) -> str:
        """Whether it was accepted or rejected."""
        return str(self.manifest.facts["action"])

    @property
    def rows_digest(self) -> str:
        """Digest of the file of rows that it is about, 64 hex digits; other rows are another case."""
        return self.manifest.inputs["rows"]

    @property
    def findings(self) -> tuple[tuple[str, str], ...]:
        """Findings that it is about: check and subject."""
        return tuple((check, subject) for check, subject in self.manifest.facts["findings"])

    @property
    def decided(self) -> dict[str, Any]:
        """Who decided, when, and why."""
        return {name: self.manifest.facts[name] for name in ("action", "by", "at", "reason")}

    @property
    def home(self) -> str | None:
        """Folder of its partition and number."""
        facts = self.manifest.facts
        return f"{self.FOLDER}/stream={facts['stream']}/dt={facts['dt']}/r{facts['number']:04d}"
