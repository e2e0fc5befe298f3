"""Verify the state: make it again from the votes, and say what differs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from beambell.artefacts.kinds.votes import State
from beambell.artefacts.state_partitions import StatePartition, StatePartitions, read_partitions
from beambell.artefacts.stored import roles
from beambell.errors import ArtefactError, BeamBellError
from beambell.project import Project
from beambell.stages.merge import find_work
from beambell.stages.sums import NO_DAY, Sums
from beambell.state import BudgetedCounts, PatternCounts
from beambell.state import patterns as packed
from beambell.store import FileRef, Layout, Manifest, Partition
from beambell.store.arrays import pack_arrays
from beambell.store.files import HashingSink
from beambell.store.manifest import Sealed
from beambell.store.tables import read_table, write_tables

Cause = Literal["wrong", "damaged", "behind"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes
    ----------
    what
        A partition, or a file of the state.
    problem
        Problem in words for people.
    cause
        ``wrong``: it is whole, and not what it should be. ``damaged``: it cannot be read, or its bytes were changed.
        ``behind``: the state is only not up to date.
    """

    what: str
    problem: str
    cause: Cause = "wrong"


@dataclass(frozen=True)
class Verification:
    """What verifying a state found.

    Attributes
    ----------
    state
        Id of its manifest.
    partitions, rows
        Numbers of partitions and rows that were counted again.
    findings
        Differences; empty if the state is exactly what its partitions make.
    """

    state: str
    partitions: int
    rows: int
    findings: tuple[Finding, ...]


def verify_state(project: Project) -> Verification:
    """Count the votes of every member again, sum from scratch, and compare bytes.

    Raises
    ------
    ArtefactError
        If there is no state, or the list of its members is damaged.
    """
    state = project.store.require(Layout.STATE, "run `beambell merge`")
    revisions = read_partitions(project.store, state)
    checked = project.store.files.each(lambda p: list(_of_partition(project, p, revisions[p])), revisions)
    findings = [finding for found in checked for finding in found]
    if not findings:
        findings = list(_of_sums(project, state, revisions))
    return Verification(
        state.id, len(revisions), sum(revision.rows for revision in revisions.values()), tuple(findings)
    )


def _of_partition(project: Project, partition: Partition, revision: StatePartition) -> Iterator[Finding]:
    store, folder, name = project.store, Layout.of(Layout.VOTES, partition), str(partition)
    try:
        manifest = store.read(folder)
        if manifest is None:
            yield Finding(name, "its votes are gone; `beambell merge` takes it out of the state", cause="behind")
            return
        if manifest.files["votes"].sha256 != revision.votes or manifest.files["patterns"] != revision.patterns:
            problem = "its votes were replaced after the state was made; `beambell merge` replaces it in the state"
            yield Finding(name, problem, cause="behind")
            return
        counts = PatternCounts.from_table(read_table(store, folder, revision.patterns))
        codes = packed.from_arrow(read_table(store, folder, manifest.files["votes"], ["pattern"])["pattern"])
        if PatternCounts.from_packed(codes, counts.cardinality, counts.lfs) != counts:
            yield Finding(name, "its pattern counts are not those of its votes")
    except BeamBellError as error:
        yield Finding(name, error.message, cause="damaged")


def _of_sums(project: Project, state: Manifest, revisions: StatePartitions) -> Iterator[Finding]:
    """Compare the files of counts with sums made from scratch under the policy and the LFs of the state."""
    work = find_work(project)
    if work.rebuild or work.held:
        why = work.rebuild or "partitions wait for apply"
        yield Finding(Layout.STATE, f"not compared: {why}; run `beambell merge` first", cause="behind")
        return
    of_all = State.of(state)
    newest = date.fromisoformat(of_all.newest).toordinal() if of_all.newest else NO_DAY
    sums = Sums(project, newest, lambda: revisions)
    for stream in [None, *of_all.streams]:
        counts = sums.of(stream)
        expected = _digests(counts, stream)
        for role in roles(stream):
            if role in state.files:
                yield from _of_sum(project, state.files[role], expected.get(role), counts)


def _of_sum(project: Project, ref: FileRef, expected: str | None, counts: BudgetedCounts) -> Iterator[Finding]:
    """Compare one file; what is equal may have been written in other bytes, by an earlier version."""
    store, name = project.store, f"{Layout.STATE}/{ref.name}"
    try:
        store.get(Layout.STATE, ref)
        is_table = ref.rows > 0
        if expected != ref.sha256 and not (is_table and read_table(store, Layout.STATE, ref).equals(counts.to_table())):
            yield Finding(name, "not the sum of its partitions, though each of these is right")
    except ArtefactError as error:
        yield Finding(name, error.message, cause="damaged")


def _digests(counts: BudgetedCounts, stream: str | None) -> dict[str, str]:
    patterns, marginals = roles(stream)
    table, sealed, found = counts.to_table(), Sealed(), {}
    sealed.sink, sealed.rows = HashingSink(io.BytesIO()), 0
    write_tables(sealed, table.schema, [table])
    found[patterns] = sealed.sink.sha256
    if counts.marginals is not None:
        sink = HashingSink(io.BytesIO())
        sink.write(pack_arrays({"values": counts.marginals.values}))
        found[marginals] = sink.sha256
    return found
