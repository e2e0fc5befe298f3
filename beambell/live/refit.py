"""Refits: the label model, fitted to what batch has counted and to the open partitions, every few seconds."""

from __future__ import annotations

import time

import pyarrow.compute as pc

from beambell import label_model
from beambell.artefacts.kinds.votes import State, Votes
from beambell.artefacts.state_partitions import read_partitions
from beambell.feedback.consensus import find_consensus
from beambell.feedback.stored import count_labels
from beambell.live.keeper import Keeper
from beambell.live.models import Version, current, publish
from beambell.project import Project
from beambell.stages.fit import read_feedback
from beambell.state import FeedbackCounts, PatternCounts
from beambell.store import Layout, Manifest, Partition
from beambell.store.tables import read_table


class Refitter:
    """Fits of a running job.

    Parameters
    ----------
    project
        Project whose state is the base.
    lfs
        Digest of the labeling functions that vote, 64 hex digits.

    Attributes
    ----------
    trouble
        Sentence on why nothing is fitted; empty if something is.
    """

    def __init__(self, project: Project, lfs: str) -> None:
        self._project, self._lfs = project, lfs
        self._state: Manifest | None = None
        self._base: PatternCounts | None = None
        self._members: dict[Partition, str] = {}
        self._fitted_to: tuple[object, ...] | None = None
        before = current(project.store)
        self._number = before.number if before else 0
        self.trouble = ""

    def fit(self, keeper: Keeper) -> Version | None:
        """Fit and publish, if there is anything new; return the version.

        Partitions that batch counts by now leave the keeper; of one that is still open, the rows are counted once.
        """
        started = time.perf_counter()
        project, store = self._project, self._project.store
        batch = store.read(Layout.LABEL_MODEL)
        self._look(keeper)
        if self._base is None or batch is None:
            return None
        counted = keeper.open_counts()
        feedback = self._feedback(keeper)
        key = (batch.id, self._state.id if self._state else "", tuple(counted.items()), feedback)
        if key == self._fitted_to:
            return None
        base = self._base
        twice = [project.pattern_counts(one.stream, one.dt) for one in counted if one in self._members]
        parts = [*counted.values(), *(-counts for counts in twice)]
        total = base if not parts else base + (PatternCounts.sum(parts) * base.unit).in_units(base.unit)
        voting = [name for name in total.lfs if name not in project.params.lfs.shadow]
        params = project.params.label_model
        project.register_label_models(params.kind)
        counts = total.restrict(voting)
        model = label_model.create(params.kind, **params.options).fit(
            counts, None if feedback is None else feedback.restrict(voting)
        )
        self._number += 1
        version = Version(
            self._number, batch.id, params.kind, tuple(voting), counts.n_rows, counts.n_patterns,
            feedback.n_rows if feedback else 0, time.time(), time.perf_counter() - started,
        )  # fmt: skip
        publish(store, version, model)
        self._fitted_to = key
        return version

    def _look(self, keeper: Keeper) -> None:
        """Read the state that batch has counted, if it is another one than before."""
        store = self._project.store
        state = store.read(Layout.STATE)
        if state is None:
            self.trouble, self._base = "there is no state yet: run `beambell run` on some partitions", None
            return
        if self._state is not None and state.id == self._state.id:
            return
        if State.of(state).lfs_digest != self._lfs:
            self.trouble, self._base = (
                "the state is of other labeling functions than this job runs: `beambell live restart` loads today's",
                None,
            )
            self._state = state
            return
        base = self._project.state()
        self._state, self._members = state, {one: member.votes for one, member in read_partitions(store, state).items()}
        if base.sampled:
            self.trouble, self._base = "the state is a sample of its patterns: only batch can fit to that", None
            return
        self.trouble, self._base = "", base
        keeper.forget(one for one in keeper.closing if self._counts_all(one))

    def _counts_all(self, partition: Partition) -> bool:
        """Whether the state counts the votes on a partition as they are now."""
        voted = self._project.store.read(Layout.of(Layout.VOTES, partition))
        return voted is not None and self._members.get(partition) == Votes.of(voted).manifest.files["votes"].sha256

    def _feedback(self, keeper: Keeper) -> FeedbackCounts | None:
        """Count what people said: what batch has counted, and of recent rows what it has not."""
        project, classes = self._project, list(self._project.params.classes)
        lfs = list(keeper.lfs)
        known = read_feedback(project, lfs) if self._base is not None else None
        if not keeper.events.num_rows:
            return known
        rows = find_consensus(keeper.events, classes, project.params.feedback).rows
        rows = rows.append_column("pattern", keeper.reviewed_patterns(rows))
        consensus = project.store.read(Layout.FEEDBACK)
        if consensus is not None:
            table = read_table(project.store, Layout.FEEDBACK, consensus.files["rows"])
            mine = pc.binary_join_element_wise(rows["stream"], rows["row_id"], "\x1f")
            theirs = pc.binary_join_element_wise(table["stream"], table["row_id"], "\x1f")
            rows = rows.filter(pc.invert(pc.is_in(mine, value_set=theirs.combine_chunks())))
        counted = count_labels(rows.filter(pc.invert(rows["evaluate"])), classes, lfs)
        if not counted.n_rows:
            return known
        return counted if known is None else known + counted
