"""Churn: how many published labels the candidates turn, and by which cause.

Labels may turn because somebody edited labeling functions or parameters: that is what edits are for. Where nobody did
and many turn all the same, something happened that nobody decided: answers of one reviewer, a flood of data. Then the
new labels are refused until somebody accepts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from beambell.artefacts.kinds.labels import Candidates
from beambell.project import Project
from beambell.quality.finding import Finding, rounded
from beambell.store import Layout, Manifest, Partition

KIND = "churn"
ENOUGH = 2000  # rows, below which a share of them says little
NOTABLE = 0.02

Cause = Literal["edited labeling functions", "other labeling functions or parameters", "feedback", "new data"]
DECIDED: frozenset[Cause] = frozenset({"edited labeling functions", "other labeling functions or parameters"})
"""Causes that somebody decided on."""


@dataclass(frozen=True)
class Turned:
    """What becomes of the published labels of one partition.

    Attributes
    ----------
    partition
        Partition of the labels.
    published, candidate
        Manifests of the published labels and of those in their place.
    rows, turned
        Number of rows with a published label, and of those that get another one, or none.
    cause
        Cause by which they turn.
    """

    partition: Partition
    published: Manifest
    candidate: Manifest
    rows: int
    turned: int
    cause: Cause


def find_turned(
    project: Project, candidates: Mapping[Partition, Manifest], published: Mapping[Partition, Manifest]
) -> list[Turned]:
    """Compare candidates with the published labels of the same rows.

    Parameters
    ----------
    candidates
        Candidate labels by partition.
    published
        Published labels by partition.
    """
    pairs = [
        (partition, published[partition], candidate)
        for partition, candidate in candidates.items()
        if partition in published and published[partition].files["labels"] != candidate.files["labels"]
    ]
    causes: dict[tuple[str, ...], Cause] = {}

    def compare(pair: tuple[Partition, Manifest, Manifest]) -> Turned | None:
        return _compare(project, *pair, causes)

    return [one for one in project.store.files.each(compare, pairs) if one is not None]


def judge_churn(turned: Iterable[Turned], most: float) -> tuple[dict[Partition, Finding], str | None]:
    """Judge what turns, all partitions together.

    Parameters
    ----------
    turned
        Comparisons of partitions.
    most
        Largest share of labels that may turn though nobody decided anything.

    Returns
    -------
    dict
        Finding of each partition whose new labels are refused.
    str or None
        Sentence about what turns, if it is worth one.
    """
    known = list(turned)
    rows, n = sum(one.rows for one in known), sum(one.turned for one in known)
    if rows < ENOUGH or n < NOTABLE * rows:
        return {}, None
    by_cause: Counter[Cause] = Counter()
    for one in known:
        by_cause[one.cause] += one.turned
    share, undecided = n / rows, sum(count for cause, count in by_cause.items() if cause not in DECIDED) / rows
    causes = ", ".join(f"{cause} {count:,}" for cause, count in by_cause.most_common() if count)
    sentence = f"{share:.1%} of {rows:,} published labels turn ({causes})"
    if undecided <= most:
        return {}, sentence
    return {one.partition: _finding(one, undecided, most, sentence) for one in known if one.turned}, None


def _finding(one: Turned, share: float, most: float, sentence: str) -> Finding:
    own = one.turned / max(one.rows, 1)
    return Finding(
        KIND, "critical", KIND, rounded(share), most, None,
        f"{sentence}, here {own:.1%}, though nobody edited anything; at most {most:.0%} may",
        "see who said what (`beambell feedback status`) and what was delivered; if the new labels are right: "
        "`beambell gate accept STREAM --reason ...`, else take back what made them",
        Candidates.of(one.candidate).label_model[:12], 0.0, most,
    )  # fmt: skip


def _compare(
    project: Project,
    partition: Partition,
    published: Manifest,
    candidate: Manifest,
    causes: dict[tuple[str, ...], Cause],
) -> Turned | None:
    from beambell.store.tables import read_table

    before, after = (
        read_table(project.store, Layout.of(folder, partition), manifest.files["labels"], ["id", "label"])
        for folder, manifest in ((Layout.LABELS, published), (Layout.CANDIDATES, candidate))
    )
    if not before["id"].equals(after["id"]):
        return None  # other rows: there is nothing to compare
    old, new = before["label"].to_numpy(), after["label"].to_numpy()
    had = old >= 0
    cause = _cause(project, Candidates.of(published), Candidates.of(candidate), causes)
    return Turned(partition, published, candidate, int(had.sum()), int((had & (old != new)).sum()), cause)


def _cause(project: Project, before: Candidates, after: Candidates, known: dict[tuple[str, ...], Cause]) -> Cause:
    old, new = before.lfs or {}, after.lfs or {}
    if any(old[name] != new[name] for name in old.keys() & new.keys()):
        return "edited labeling functions"
    key = (before.label_model, after.label_model)
    if key not in known:
        known[key] = _cause_of_models(project, *key)
    if known[key] == "new data" and before.manifest.inputs.get("feedback") != after.manifest.inputs.get("feedback"):
        return "feedback"
    return known[key]


def _cause_of_models(project: Project, before: str, after: str) -> Cause:
    old, new = (project.store.revision(Layout.LABEL_MODEL, one) for one in (before, after))
    if old is None or new is None:
        return "other labeling functions or parameters"  # an older version of BeamBell kept no history
    if any(old.inputs.get(name) != new.inputs.get(name) for name in ("params", "weighing", "lfs")):
        return "other labeling functions or parameters"
    return "feedback" if old.inputs.get("feedback") != new.inputs.get("feedback") else "new data"
