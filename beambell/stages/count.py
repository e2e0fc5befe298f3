"""Count: what people said, by the vote pattern that reviewed rows have now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from beambell.artefacts.kinds.feedback import Consensus, FeedbackCounts
from beambell.artefacts.kinds.votes import State
from beambell.config.formats import with_format
from beambell.feedback.stored import count_labels
from beambell.project import Project
from beambell.stages.stage import Outcome, Plan, plan_whole
from beambell.stages.votes_index import read_votes
from beambell.state import patterns as packed
from beambell.store import Layout, Manifest, Partition, digest
from beambell.store.tables import read_rows, read_table, write_table

STAGE = "count"
NAMES = {"lfs": "LFs"}


def plan(project: Project) -> Plan[None]:
    """Say whether the answers would be counted again, and why."""
    return plan_whole(STAGE, "counts", project.store.read(Layout.FEEDBACK_COUNTS), _inputs(project), NAMES)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    return project.params.names()


def run(project: Project, plan: Plan[None]) -> Outcome:
    """Count the answers, unless they and the votes are those that were counted."""
    manifest = _publish(project) if plan.tasks else project.store.read(Layout.FEEDBACK_COUNTS)
    figures = dict(FeedbackCounts.of(manifest).figures) if manifest else {}
    waiting = figures.pop("waiting", 0)
    warnings = (f"{waiting} reviewed rows have votes of other LFs, and wait for apply",) if waiting else ()
    return Outcome(STAGE, len(plan.tasks), plan.current, figures, warnings)


@dataclass(frozen=True)
class FoundPatterns:
    """Vote patterns that the reviewed rows of a consensus have.

    Attributes
    ----------
    lfs
        Names of the m labeling functions.
    patterns
        Packed pattern of each row, fixed-size binary [n]; null where there are no votes of these functions.
    """

    lfs: tuple[str, ...]
    patterns: pa.ChunkedArray


def find_patterns(project: Project, consensus: Manifest) -> FoundPatterns:
    """Give the patterns as they were counted; if the consensus changed since, look them up."""
    counts = project.store.read(Layout.FEEDBACK_COUNTS)
    if counts is None or counts.inputs != _inputs(project):
        return _look_up(project, consensus)
    table = read_table(project.store, Layout.FEEDBACK_COUNTS, counts.files["patterns"])
    return FoundPatterns(FeedbackCounts.of(counts).lfs, table["pattern"])


def _inputs(project: Project) -> dict[str, str] | None:
    consensus, state = project.store.read(Layout.FEEDBACK), project.store.read(Layout.STATE)
    if consensus is None:
        return None
    made_from = {
        "feedback": consensus.files["rows"].sha256,
        "votes": digest({name: voted.sha256 for name, voted in read_votes(project).items()}),
        "lfs": state.inputs["lfs"] if state else "",
        "classes": digest(list(project.params.classes)),
    }
    return with_format(STAGE, made_from)


def _publish(project: Project) -> Manifest:
    store, classes = project.store, list(project.params.classes)
    before = store.read(Layout.FEEDBACK_COUNTS)
    consensus = store.require(Layout.FEEDBACK, "run `beambell feedback sync`")
    found = _look_up(project, consensus)
    lfs, patterns = list(found.lfs), found.patterns
    rows = read_table(store, Layout.FEEDBACK, consensus.files["rows"]).append_column("pattern", patterns)
    tables = {"patterns": rows.select(["pattern"])}
    for role, part in (("fit", pc.invert(rows["evaluate"])), ("evaluate", rows["evaluate"])):
        tables[role] = count_labels(rows.filter(part), classes, lfs).to_table()
    files = {role: write_table(store, Layout.FEEDBACK_COUNTS, role, table) for role, table in tables.items()}
    facts = {
        "waiting": patterns.null_count - rows["dt"].null_count,
        "fit": _labels(tables["fit"]),
        "evaluate": _labels(tables["evaluate"]),
        "classes": classes,
        "lfs": lfs,
    }
    manifest = Manifest("feedback_counts", files, _inputs(project) or {}, facts)
    return store.publish(Layout.FEEDBACK_COUNTS, manifest, keep_history=before is None or before.files != files)


def _labels(counts: pa.Table) -> int:
    return sum(
        pc.sum(column).as_py() or 0
        for name, column in zip(counts.column_names, counts, strict=True)
        if name != "pattern"
    )


def _look_up(project: Project, consensus: Manifest) -> FoundPatterns:
    """Look up the vote pattern of each reviewed row; null where there are no votes of the state's functions."""
    votes, ref = project.store.partitions(Layout.VOTES), consensus.files["rows"]
    manifest = project.store.read(Layout.STATE)
    state = State.of(manifest) if manifest else None
    if state and state.cardinality != project.params.cardinality:
        state = None  # its patterns are of other classes: nothing to count until apply and merge have run
    lfs = state.lfs if state else tuple(project.catalogue.names)
    meaning, kind = state.lfs_digest if state else None, packed.arrow_type(len(lfs), project.params.cardinality)

    def look(place: tuple[str, tuple[int, int, str | None]]) -> pa.Array:
        name, (start, stop, _) = place
        partition = Partition(*name.split("/"))
        voted = votes.get(partition)
        if voted is None or voted.inputs["lfs"] != meaning:
            return pa.nulls(stop - start, kind)
        ids = read_rows(project.store, Layout.FEEDBACK, ref, start, stop, ["row_id"])["row_id"].combine_chunks()
        table = read_table(project.store, Layout.of(Layout.VOTES, partition), voted.files["votes"], ["id", "pattern"])
        return (
            table["pattern"].take(pc.index_in(ids, value_set=table["id"].combine_chunks())).combine_chunks().cast(kind)
        )

    by_place = sorted(Consensus.of(consensus).partitions.items(), key=lambda item: item[1][0])
    found = list(project.store.files.each(look, by_place))
    rest = (ref.rows or 0) - sum(map(len, found))
    return FoundPatterns(lfs, pa.chunked_array([*found, pa.nulls(rest, kind)], kind))
