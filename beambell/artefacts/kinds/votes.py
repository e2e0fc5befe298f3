"""Votes: what labeling functions said of rows, and the sum of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beambell.artefacts.kind import Artefact, Reference
from beambell.store.layout import Layout

if TYPE_CHECKING:
    from beambell.artefacts.graph import Graph
    from beambell.store.manifest import Store


@dataclass(frozen=True)
class Voter:
    """A labeling function among those that voted on a partition.

    Attributes
    ----------
    name, fingerprint
        Name of the labeling function, and the identity of what it computes, 64 hex digits.
    votes, errors
        Number of rows on which it did not abstain, and on which it failed.
    """

    name: str
    fingerprint: str
    votes: int
    errors: int


class Votes(Artefact):
    """The votes on one partition's rows."""

    KIND, FOLDER, TITLE = "votes", Layout.VOTES, "votes"
    SENTENCE = "The votes of every labeling function on a partition's rows, and how often each pattern of votes occurs."
    FILES = ("votes", "patterns", "dead_letters")
    REFERENCES = (Reference("rows", Layout.PARTITIONS),)

    @property
    def lfs(self) -> tuple[Voter, ...]:
        """Labeling functions that voted, in the order of the votes' codes."""
        return tuple(Voter(**lf) for lf in self.manifest.facts["lfs"])

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprints of the labeling functions by name, in the order of the votes' codes."""
        return {lf["name"]: lf["fingerprint"] for lf in self.manifest.facts["lfs"]}

    @property
    def lfs_digest(self) -> str:
        """Digest of names and fingerprints, 64 hex digits: votes of the same functions have the same."""
        return self.manifest.inputs["lfs"]

    @property
    def rows_digest(self) -> str:
        """Digest of the file of rows that they are votes on, 64 hex digits."""
        return self.manifest.inputs["rows"]

    @property
    def cardinality(self) -> int:
        """Number of classes."""
        return int(self.manifest.facts["cardinality"])

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.manifest.facts["rows"])

    @property
    def covered(self) -> int:
        """Number of rows with at least one vote."""
        return int(self.manifest.facts["covered"])

    @property
    def conflicts(self) -> int:
        """Number of rows with votes for different classes."""
        return int(self.manifest.facts["conflicts"])

    @property
    def dead_letters(self) -> int:
        """Number of pairs of row and labeling function that failed."""
        return int(self.manifest.facts["dead_letters"])

    def history_seen_by(self, lf: str) -> str | None:
        """Digest of the history that a labeling function with a memory saw; ``None`` if it has none."""
        return self.manifest.inputs.get(f"past of {lf}")

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:
        """Keys of its rows and its labeling functions."""
        yield from super().parents(store, graph)
        yield from (graph.lf(name, fingerprint) for name, fingerprint in self.fingerprints.items())


class State(Artefact):
    """The sum of the partitions' pattern counts."""

    KIND, FOLDER, TITLE = "state", Layout.STATE, "state"
    BELOW = ""
    SENTENCE = "The weighted sum of the pattern counts of partitions, of each stream and of all."
    FILES = ("patterns", "marginals", "members")
    FIGURES = ("partitions", "rows", "patterns")
    KEEPS_HISTORY = True
    NEVER_GARBAGE = f"{Layout.STATE_PARTITIONS}/"

    @property
    def lfs(self) -> tuple[str, ...]:
        """Names of the labeling functions, in the order of the patterns' codes."""
        return tuple(self.manifest.facts["lfs"])

    @property
    def lfs_digest(self) -> str:
        """Digest of names and fingerprints of the labeling functions, 64 hex digits; votes of the same have it, too."""
        return self.manifest.inputs["lfs"]

    @property
    def cardinality(self) -> int:
        """Number of classes."""
        return int(self.manifest.facts["cardinality"])

    @property
    def rows(self) -> int:
        """Number of rows, as weighted."""
        return int(self.manifest.facts["rows"])

    @property
    def patterns(self) -> int:
        """Number of patterns that are kept."""
        return int(self.manifest.facts["patterns"])

    @property
    def partitions(self) -> int:
        """Number of partitions that count."""
        return int(self.manifest.facts["partitions"])

    @property
    def newest(self) -> str | None:
        """Day of the newest partition, as ``2026-01-03``; ``None`` if there is none."""
        return self.manifest.facts.get("newest")

    @property
    def policy(self) -> Mapping[str, Any]:
        """Policy by which partitions are weighted, and the bound on patterns, as in params.yaml."""
        policy: Mapping[str, Any] = self.manifest.facts["policy"]
        return policy

    @property
    def streams(self) -> Mapping[str, Mapping[str, Any]]:
        """Figures of each stream's own sum, by its name: partitions, rows, patterns, level of the sample."""
        streams: Mapping[str, Mapping[str, Any]] = self.manifest.facts["streams"]
        return streams

    def of_stream(self, stream: str | None) -> Mapping[str, Any]:
        """Figures of the sum of one stream, or of all: partitions, rows, patterns, level of the sample."""
        return self.manifest.facts if stream is None else self.streams[stream]

    @property
    def level(self) -> int:
        """How often the sample of patterns was halved."""
        return int(self.manifest.facts["level"])

    def parents(self, store: Store, graph: Graph) -> Iterator[str]:
        """Keys of the votes of the partitions that count."""
        from beambell.artefacts.state_partitions import read_partitions

        for partition, revision in read_partitions(store, self.manifest).items():
            key = graph.made(Votes.TITLE, str(partition), revision.votes)
            same = graph.meanings.get(key) in (None, self.manifest.inputs["lfs"])
            yield key if same else graph.votes_of_others(str(partition), revision.votes)
