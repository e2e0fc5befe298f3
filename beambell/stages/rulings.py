"""Rulings: what people decided about partitions that the gate judged. They are numbered, and never change.

A ruling is about the rows that the person saw: when a delivery makes them others, it holds no more. An acceptance is
about the findings that the person saw: another critical finding of the same rows blocks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from beambell.artefacts.kinds.gate import Ruling
from beambell.project import Project
from beambell.quality.finding import Finding
from beambell.store import Layout, Partition
from beambell.store.numbered import read_numbered

Action = Literal["accept", "reject"]
REJECTED = "rejected"
"""Check of the finding that says that a person rejected a partition."""


@dataclass(frozen=True)
class Ruled:
    """What holds of one partition by people's word.

    Attributes
    ----------
    accepted
        Words on who accepted what, by check and subject.
    findings
        The finding that a person's rejection is.
    """

    accepted: Mapping[tuple[str, str], str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


NOT_RULED = Ruled()
"""Nobody has said anything."""


@dataclass(frozen=True)
class Rulings:
    """All rulings.

    Attributes
    ----------
    made
        Rulings by partition, oldest first.
    """

    made: Mapping[Partition, tuple[Ruling, ...]]

    def inputs(self, partition: Partition, rows: str) -> dict[str, str]:
        """Name the rulings about these rows as inputs of what they change."""
        return {f"ruling {i}": ruling.manifest.id for i, ruling in enumerate(self._about(partition, rows), 1)}

    def of(self, partition: Partition, rows: str) -> Ruled:
        """Return what holds of a partition with these rows: the last word is the one that counts."""
        accepted: dict[tuple[str, str], str] = {}
        rejected: tuple[Finding, ...] = ()
        for ruling in self._about(partition, rows):
            said = ruling.decided
            if ruling.action == "accept":
                words = f"accepted by {said['by']}: {said['reason']}"
                accepted |= dict.fromkeys(ruling.findings, words)
                rejected = ()
            else:
                accepted, rejected = {}, (_rejection(said["by"], said["reason"]),)
        return Ruled(accepted, rejected)

    def _about(self, partition: Partition, rows: str) -> tuple[Ruling, ...]:
        return tuple(ruling for ruling in self.made.get(partition, ()) if ruling.rows_digest == rows)


def read_rulings(project: Project) -> Rulings:
    """Read all rulings.

    Raises
    ------
    ArtefactError
        If one is missing or damaged.
    """
    made: dict[Partition, list[Ruling]] = {}
    for one in read_numbered(project.store, Layout.RULINGS, "r"):
        made.setdefault(Partition.from_folder(one.series), []).append(Ruling(one.manifest, one.folder))
    return Rulings({partition: tuple(rulings) for partition, rulings in made.items()})


def _rejection(by: str, reason: str) -> Finding:
    return Finding(
        REJECTED, "critical", REJECTED, None, 0.0, None, f"rejected by {by}: {reason}",
        "have the partition delivered again; or take it back: `beambell gate accept PARTITION --reason ...`",
    )  # fmt: skip
