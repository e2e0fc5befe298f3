"""The histories that stateful labeling functions vote by: their digests, and staged tables for those that run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from beambell.history.aggregates import content_digest
from beambell.history.tables import Slice, open_aggregates
from beambell.labeling import StatefulFunction
from beambell.project import Project
from beambell.stages import feedback
from beambell.stages.stage import some_of
from beambell.store import Partition, digest
from beambell.store.cache import Cache
from beambell.store.tables import stage_table

UNKNOWN = "unknown"
"""Stands for the digest of a history that is not aggregated yet."""


def input_name(lf: str) -> str:
    """Name of a labeling function's history among the inputs of votes."""
    return f"past of {lf}"


class Histories:
    """Digests and tables of the history of partitions.

    Which tables a history was made from, and its digest, is remembered in the project's volatile folder: as long as
    none of them changes, no table is read.

    Parameters
    ----------
    project
        Project, with or without stateful labeling functions.
    job
        Id of the run to stage tables for; ``None`` for a mere plan.
    """

    def __init__(self, project: Project, job: str | None = None) -> None:
        self._project = project
        self._store = project.store
        self._lfs = [lf for lf in project.catalogue if isinstance(lf, StatefulFunction)]
        self._tables = open_aggregates(project.store, project.params, self._lfs)
        self._job = job
        self._known = Cache(project.volatile, "histories")
        self._staged: dict[str, tuple[str, ...]] = {}

    @cached_property
    def _feedback_changed(self) -> bool:
        """Whether people said something that was not aggregated yet."""
        return feedback.find_work(self._project).may_differ

    def are_known(self, partition: Partition) -> bool:
        """Whether the history of each labeling function that votes on a partition is aggregated."""
        return all(self._source(lf, partition) for lf in self._lfs if lf.votes_on(partition.stream))

    def inputs(self, partition: Partition) -> dict[str, str]:
        """Return the digest of the history of each labeling function that votes on a partition, by `input_name`.

        Raises
        ------
        ArtefactError
            If it is to be staged, and not aggregated.
        """
        return {input_name(lf.name): self._digest(lf, partition) for lf in self._lfs if lf.votes_on(partition.stream)}

    def stage(self, partition: Partition, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Stage the histories of labeling functions that are to run on a partition; return paths of pieces by name."""
        staged = {}
        for lf in self._lfs:
            if lf.name in names and lf.votes_on(partition.stream):
                if _slot(lf, partition) not in self._staged:
                    self._read(lf, partition)
                staged[lf.name] = self._staged[_slot(lf, partition)]
        return staged

    def save(self) -> None:
        """Remember what was learnt."""
        self._known.save()

    def _source(self, lf: StatefulFunction, partition: Partition) -> str | None:
        """Return the digest of the tables that a history is made from; ``None`` while any of them is behind."""
        source = self._tables[lf.spec.id].source_digest(self._slice(lf, partition))
        return None if lf.spec.asks_people and self._feedback_changed else source

    def _slice(self, lf: StatefulFunction, partition: Partition) -> Slice:
        return self._tables[lf.spec.id].history_of(partition, lf.window_days, lf.pane_in(partition.dt))

    def _digest(self, lf: StatefulFunction, partition: Partition) -> str:
        slot, source = _slot(lf, partition), self._source(lf, partition)
        if source is None and self._job is None:
            return UNKNOWN
        known = self._known.get(slot, source)
        if known:
            return str(known)
        found = self._read(lf, partition)
        self._known.put(slot, source, found)
        return found

    def _read(self, lf: StatefulFunction, partition: Partition) -> str:
        """Read a history piece by piece, staging each if this is for a run; return the digest of the whole."""
        tables, slot = self._tables[lf.spec.id], _slot(lf, partition)
        digests, paths = [], []
        for number, piece in enumerate(tables.read(self._slice(lf, partition))):
            digests.append(content_digest(piece))
            if self._job is not None:
                paths.append(f"{self._job}/past/{slot}/{number:06d}.arrow")
                stage_table(self._store, paths[-1], piece)
        if self._job is not None:
            self._staged[slot] = tuple(paths)
        return digests[0] if len(digests) == 1 else digest(digests)


def _slot(lf: StatefulFunction, partition: Partition) -> str:
    """Name what is the same for all labeling functions of one aggregate, window and pane."""
    pane = lf.pane_in(partition.dt)
    return f"{partition}/{lf.spec.id}-{lf.window_days or 'all'}{f'-{pane}' if pane else ''}"


def history_changes(before: Mapping[str, Any], now: Mapping[str, str]) -> str:
    """Say which histories changed, or may have."""
    changes = []
    for verb in ("changed", "may change"):
        names = [
            name.removeprefix(input_name(""))
            for name, digest in now.items()
            if before.get(name, digest) != digest and (digest == UNKNOWN) == (verb == "may change")
        ]
        if names:
            changes.append(f"past of {some_of(sorted(names))} {verb}")
    return "; ".join(changes)
