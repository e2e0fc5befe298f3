"""Histories of open partitions, for stateful labeling functions: what all keys did until the partition began.

The history of a day is constant while the day is open: it is merged once, when its first row comes. Until yesterday is
closed and aggregated, today's history reaches less far than it will: labels say how far, and the audit counts changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from beambell.history.panes import OpenPanes
from beambell.history.tables import open_aggregates
from beambell.labeling import LabelingFunction, StatefulFunction
from beambell.project import Project
from beambell.store import Partition

_DAYS_OPEN = 7
"""Days of which the panes are kept: rows that come later than that do not see their day, and the audit says so."""


@dataclass(frozen=True)
class OpenHistory:
    """History of one partition.

    Attributes
    ----------
    tables
        Table of the states of all keys, by the name of the labeling function.
    reach
        Last day that is part of it, such as ``2026-01-09``; ``None`` where there is no stateful function or no history.
    """

    tables: dict[str, pa.Table]
    reach: str | None


class OpenHistories:
    """Histories of the partitions that rows come for. Each is merged once; a provisional one again when more is there.

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
        self._panes: dict[tuple[str, str], OpenPanes] = {}

    def forget(self) -> None:
        """Merge all histories again when they are next asked for: something was aggregated meanwhile."""
        self._known.clear()

    def of(self, partition: Partition) -> OpenHistory:
        """Return the history of a partition, whether there are rows of it in the data root or not."""
        if not self._lfs:
            return OpenHistory({}, None)
        if partition not in self._known:
            self._known[partition] = self._merge(partition)
        return self._known[partition]

    def with_histories(self, rows: pa.Table, partition: Partition, source: str = "") -> tuple[pa.Table, str | None]:
        """Return rows of a partition with the history of their keys, and how far that reaches.

        Parameters
        ----------
        rows
            Rows of the partition, each given once, unless `begin_anew` is told of their source.
        partition
            Partition that they belong to, whether there are other rows of it or not.
        source
            Name of the part that they come from.
        """
        history, stream = self.of(partition), partition.stream
        arrived = rows
        for lf in self._lfs:
            panes = self._panes_of(lf, partition)
            if panes is not None and self._counts(lf, arrived, stream):
                panes.add(arrived, stream, source)
            if not lf.votes_on(stream):
                continue
            if panes is None:
                rows = lf.with_history(rows, history.tables[lf.name], stream)
            else:
                rows = panes.with_history(rows, stream, history.tables[lf.name])
        return rows, history.reach

    def begin_anew(self, source: str) -> None:
        """Forget the rows of open days that came from a part: it is read again."""
        for panes in self._panes.values():
            panes.forget(source)

    def _panes_of(self, lf: StatefulFunction, partition: Partition) -> OpenPanes | None:
        if lf.pane_in(partition.dt) is None:
            return None
        key = (partition.dt[: len("2026-01-03")], lf.name)
        if key not in self._panes:
            self._panes[key] = OpenPanes(lf)
            days = sorted({day for day, _ in self._panes})
            for one in [one for one in self._panes if one[0] in days[:-_DAYS_OPEN]]:
                del self._panes[one]
        return self._panes[key]

    @staticmethod
    def _counts(lf: StatefulFunction, rows: pa.Table, stream: str) -> bool:
        return not lf.spec.asks_people and lf.spec.counts(stream, rows.column_names)

    def _merge(self, partition: Partition) -> OpenHistory:
        opened = open_aggregates(self._project.store, self._project.params, self._lfs)
        tables, reach = {}, None
        for lf in self._lfs:
            if lf.votes_on(partition.stream):
                history = opened[lf.spec.id].history_at(partition.dt, lf.window_days)
                tables[lf.name] = pa.concat_tables(opened[lf.spec.id].read_all(history)).combine_chunks()
                reach = history.last_day if reach is None else min(reach, history.last_day or reach)
        return OpenHistory(tables, reach)
