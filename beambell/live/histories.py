"""Pasts of open partitions, for stateful labeling functions: what all keys did until the partition began.

The past of a day is constant while the day is open: it is merged once, when its first row comes. Until yesterday is
closed and aggregated, today's past reaches less far than it will: labels say how far, and the audit counts changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from beambell.history.tables import open_aggregates
from beambell.labeling import LabelingFunction, StatefulFunction
from beambell.project import Project
from beambell.store import Partition


@dataclass(frozen=True)
class OpenHistory:
    """Past of one partition.

    Attributes
    ----------
    tables
        Table of the states of all keys, by the name of the labeling function.
    reach
        Last day that is part of it, such as ``2026-01-09``; ``None`` where there is no stateful function or no past.
    """

    tables: dict[str, pa.Table]
    reach: str | None


class OpenHistories:
    """Pasts of the partitions that rows come for, each merged once; a provisional one again when more is aggregated.

    Parameters
    ----------
    project
        Project with or without stateful labeling functions.
    lfs
        Labeling functions that vote.
    """

    def __init__(self, project: Project, lfs: Iterable[LabelingFunction]) -> None:
        self._project = project
        self._lfs = [lf for lf in lfs if isinstance(lf, StatefulFunction)]
        self._known: dict[Partition, OpenHistory] = {}

    def forget(self) -> None:
        """Merge all pasts again when they are next asked for: something was aggregated meanwhile."""
        self._known.clear()

    def of(self, partition: Partition) -> OpenHistory:
        """Return the past of a partition, whether there are rows of it in the data root or not."""
        if not self._lfs:
            return OpenHistory({}, None)
        if partition not in self._known:
            self._known[partition] = self._merge(partition)
        return self._known[partition]

    def with_histories(self, rows: pa.Table, partition: Partition) -> tuple[pa.Table, str | None]:
        """Return rows of a partition with the past of their keys, and how far that reaches."""
        past = self.of(partition)
        for lf in self._lfs:
            if lf.votes_on(partition.stream):
                rows = lf.with_history(rows, past.tables[lf.name], partition.stream)
        return rows, past.reach

    def _merge(self, partition: Partition) -> OpenHistory:
        opened = open_aggregates(self._project.store, self._project.params, self._lfs)
        tables, reach = {}, None
        for lf in self._lfs:
            if lf.votes_on(partition.stream):
                past = opened[lf.spec.id].history_at(partition.dt, lf.window_days)
                tables[lf.name] = pa.concat_tables(opened[lf.spec.id].read_all(past)).combine_chunks()
                reach = past.last_day if reach is None else min(reach, past.last_day or reach)
        return OpenHistory(tables, reach)
