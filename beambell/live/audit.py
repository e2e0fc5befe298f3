"""The audit: what was said live of a partition that is closed, against what batch says of it now."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from beambell.arrays import NO_CLASS
from beambell.artefacts.kinds.votes import Votes
from beambell.live.corrections import read_corrections
from beambell.live.gaps import is_incomplete
from beambell.live.sink import labels_folder
from beambell.project import Project
from beambell.state import patterns as packed
from beambell.store import Layout, Partition
from beambell.store.tables import read_table

SHOWN = 20


@dataclass(frozen=True)
class Audit:
    """Comparison of live labels with those of batch.

    Attributes
    ----------
    partition
        Partition that was compared.
    rows
        Number of rows that batch has, and that came live.
    labelled
        Number of them that have a live label.
    missing
        Ids of rows without one, the first few.
    repeated
        Number of live labels that a later one of the same id replaced.
    gone
        Number of live labels of ids that batch does not have in this partition: corrected, moved, or withdrawn since.
    different
        Rows on which the votes differ, the first few: id, and why.
    reasons
        Number of rows on which the votes differ, by reason.
    moved
        Number of rows whose votes are the same, and whose label is another: by a later label model or by feedback.
    incomplete
        Whether records of its time were lost at the source.
    """

    partition: Partition
    rows: int
    labelled: int
    missing: tuple[str, ...] = ()
    n_missing: int = 0
    repeated: int = 0
    gone: int = 0
    different: tuple[tuple[str, str], ...] = ()
    reasons: dict[str, int] = field(default_factory=dict)
    moved: int = 0
    incomplete: bool = False

    @property
    def differences(self) -> int:
        """Number of rows without a live label, or with other votes."""
        return self.n_missing + sum(self.reasons.values())

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "stream": self.partition.stream,
            "dt": self.partition.dt,
            "rows": self.rows,
            "labelled": self.labelled,
            "differences": self.differences,
            "missing": list(self.missing),
            "repeated": self.repeated,
            "gone": self.gone,
            "different": [{"id": name, "why": why} for name, why in self.different],
            "reasons": self.reasons,
            "moved": self.moved,
            "incomplete": self.incomplete,
        }


def audit(project: Project, partition: Partition) -> Audit:
    """Compare the live labels of a partition with what batch has.

    Raises
    ------
    ArtefactError
        If batch has not labelled the partition yet.
    """
    manifest = project.store.require(
        Layout.of(Layout.VOTES, partition), f"run `beambell run --from {partition.dt} --to {partition.dt}`"
    )
    votes = Votes.of(manifest)
    table = read_table(project.store, Layout.of(Layout.VOTES, partition), manifest.files["votes"])
    codes = packed.from_arrow(table["pattern"])
    came = _came_live(project, partition)
    patterns = {
        name: code.tobytes().hex() for name, code in zip(table["id"].to_pylist(), codes, strict=True) if name in came
    }
    labels = _published(project, partition)
    live, repeated = _live(project, partition)
    found: list[tuple[str, str]] = []
    reasons: Counter[str] = Counter()
    moved, missing = 0, []
    same_lfs = votes.lfs_digest[:16]
    full = _reach(live.values())
    for name, pattern in patterns.items():
        told = live.get(name)
        if told is None:
            missing.append(name)
            continue
        if told["pattern"] != pattern:
            why = _why(told, same_lfs, full)
            reasons[why] += 1
            found.append((name, why))
        elif labels is not None and labels.get(name) != told["label"]:
            moved += 1
    return Audit(
        partition, len(patterns), len(patterns) - len(missing), tuple(missing[:SHOWN]), len(missing), repeated,
        len(live.keys() - patterns.keys()), tuple(found[:SHOWN]), dict(reasons), moved,
        is_incomplete(project.store, partition),
    )  # fmt: skip


def _why(told: dict[str, Any], lfs: str, reach: str | None) -> str:
    if told["lfs"] != lfs:
        return "labeling functions changed since"
    if told["past"] is not None and reach is not None and told["past"] < reach:
        return f"the history reached to {told['past']} only"
    return "the record or the history of its key was corrected since"


def _reach(told: Any) -> str | None:
    return max((one["past"] for one in told if one["past"] is not None), default=None)


def _came_live(project: Project, partition: Partition) -> set[str]:
    """Return the ids of a partition's rows that are of landed files."""
    manifest = project.store.require(Layout.of(Layout.PARTITIONS, partition), "run `beambell ingest`")
    folder = Layout.of(Layout.PARTITIONS, partition)
    rows = read_table(project.store, folder, manifest.files["rows"], ["id", "_file"])
    landed = pc.match_substring(rows["_file"], f"{Layout.LANDED}/{partition.stream}/")
    return set(rows["id"].filter(landed).to_pylist())


def _published(project: Project, partition: Partition) -> dict[str, str | None] | None:
    if project.store.read(Layout.of(Layout.LABELS, partition)) is None:
        return None
    table = project.labels(partition.stream, partition.dt, "arrow")
    classes = project.params.classes
    labels = table["label"].to_pylist()
    names = [None if label == NO_CLASS else classes[label] for label in labels]
    return dict(zip(table["id"].to_pylist(), names, strict=True))


def _live(project: Project, partition: Partition) -> tuple[dict[str, dict[str, Any]], int]:
    """Return the last live label of each id, in the order of the log, and how many were replaced."""
    found: dict[str, dict[str, Any]] = {}
    repeated = 0
    for told in live_labels(project, partition.stream):
        if told["dt"] == partition.dt:
            repeated += told["id"] in found
            found[told["id"]] = told
    for told in read_corrections(project.store, partition.stream):
        before = found.get(told["id"])
        if told["dt"] == partition.dt and before is not None and before["labelled"] <= told["labelled"]:
            found[told["id"]] = {**before, "label": told["label"]}
    return found, repeated


def live_labels(project: Project, stream: str) -> Iterator[dict[str, Any]]:
    """Yield the live labels of a stream in the order of its log; of segments that are complete."""
    folder = labels_folder(project.store, stream)
    for name in folder.names(".jsonl"):
        for line in (folder.read(name) or b"").splitlines():
            yield json.loads(line)
