"""Merge: the state is the sum of the pattern counts of all partitions of all streams.

Counts form a group, so the state follows its partitions by arithmetic: a partition that changed is subtracted as it
was and added as it is. One new partition costs one partition, whatever the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from beambell.errors import ArtefactError
from beambell.project import Project
from beambell.state import PatternCounts
from beambell.steps.apply import active_lfs, lfs_digest
from beambell.steps.stage import Outcome, Plan, Task
from beambell.store import FileRef, Layout, Manifest, Partition, Selection, digest
from beambell.store.tables import read_table, write_table

STAGE = "merge"

Members = dict[Partition, FileRef]


@dataclass(frozen=True)
class MergeWork:
    """How the state differs from what it should be.

    Attributes
    ----------
    members
        Partitions that belong into it, with their files of pattern counts.
    minus, plus
        Members to subtract as they were, and to add as they are.
    anew
        Whether the LFs are others than the state's, so that nothing of it can be kept.
    behind
        Partitions with votes of other LFs, which cannot join before apply has seen them.
    lfs
        Digest of today's LFs.
    """

    members: Members
    minus: Members
    plus: Members
    anew: bool
    behind: tuple[Partition, ...]
    lfs: str

    @property
    def stale(self) -> bool:
        """Whether there is anything to do."""
        return self.anew or bool(self.minus or self.plus)


def plan(project: Project, selection: Selection) -> Plan:  # noqa: ARG001 - the state is one, over all partitions
    """Say which partitions would join, leave or change in the state."""
    work = find_work(project)
    if work.anew:
        return Plan(STAGE, (Task("state", f"LFs changed: summed anew over {len(work.members)} partitions"),))
    tasks = tuple(Task(str(partition), _change(partition, work)) for partition in sorted({**work.minus, **work.plus}))
    return Plan(STAGE, tasks, len(work.members) - len(work.plus))


def _change(partition: Partition, work: MergeWork) -> str:
    if partition not in work.minus:
        return "joins the state"
    return "replaced in the state" if partition in work.plus else "leaves the state"


def run(project: Project, selection: Selection) -> Outcome:  # noqa: ARG001
    """Bring the state up to its partitions."""
    with project.writing():
        work = find_work(project)
        manifest = _publish(project, work) if work.stale else project.store.read(Layout.STATE)
    warnings = []
    if work.behind:
        some = ", ".join(str(partition) for partition in work.behind[:3])
        warnings.append(f"{len(work.behind)} partitions have votes of other LFs and wait for apply: {some} ...")
    figures = {name: manifest.facts[name] for name in ("partitions", "rows", "patterns")} if manifest else {}
    changed = len({**work.minus, **work.plus})
    return Outcome(STAGE, changed, len(work.members) - len(work.plus), figures, tuple(warnings))


def find_work(project: Project) -> MergeWork:
    """Compare the state's members with the votes there are."""
    lfs = lfs_digest(active_lfs(project), project.params.cardinality)
    votes = project.store.partitions(Layout.VOTES)
    mine = {partition: manifest for partition, manifest in votes.items() if partition.stream in project.params.streams}
    members = {p: manifest.files["patterns"] for p, manifest in mine.items() if manifest.inputs["lfs"] == lfs}
    behind = tuple(partition for partition in mine if partition not in members)
    before = project.store.read(Layout.STATE)
    if before is None or before.inputs["lfs"] != lfs:
        return MergeWork(members, {}, members, bool(members), behind, lfs)
    known = _members_of(before)
    minus = {p: ref for p, ref in known.items() if members.get(p) != ref}
    plus = {p: ref for p, ref in members.items() if known.get(p) != ref}
    return MergeWork(members, minus, plus, False, behind, lfs)


def _members_of(state: Manifest) -> Members:
    tree: Mapping[str, Any] = state.facts["members"]
    return {Partition(*key.split("/")): FileRef(**ref) for key, ref in tree.items()}


def _publish(project: Project, work: MergeWork) -> Manifest:
    total = _from_scratch(project, work) if work.anew else _incrementally(project, work)
    members = {str(partition): asdict(ref) for partition, ref in sorted(work.members.items())}
    facts = {
        "members": members,
        "partitions": len(members),
        "rows": total.n_rows,
        "patterns": total.n_patterns,
        "lfs": list(total.lfs),
        "cardinality": total.cardinality,
    }
    files = {"patterns": write_table(project.store, Layout.STATE, "patterns", total.to_table())}
    inputs = {"lfs": work.lfs, "members": digest(members)}
    return project.store.publish(Layout.STATE, Manifest("state", files, inputs, facts), keep_history=True)


def _incrementally(project: Project, work: MergeWork) -> PatternCounts:
    before = project.store.require(Layout.STATE, "run `beambell merge`")
    total = PatternCounts.from_table(read_table(project.store, Layout.STATE, before.files["patterns"]))
    try:
        gone = _read(project, work.minus)
    except ArtefactError:  # the counts to subtract were removed by hand: add up what there is
        return _from_scratch(project, work)
    return PatternCounts.sum([total, *(-counts for counts in gone), *_read(project, work.plus)])


def _from_scratch(project: Project, work: MergeWork) -> PatternCounts:
    zero = PatternCounts.zero(project.params.cardinality, tuple(project.catalogue.names))
    return PatternCounts.sum([zero, *_read(project, work.members)])


def _read(project: Project, members: Members) -> list[PatternCounts]:
    return [
        PatternCounts.from_table(read_table(project.store, Layout.of(Layout.VOTES, partition), ref))
        for partition, ref in members.items()
    ]
