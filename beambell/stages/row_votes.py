"""Votes on a range of a partition's stored rows: those that are lacking, beside those that are carried over."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from beambell.arrays import Packed
from beambell.errors import CatalogueError
from beambell.labeling import LabelingFunction, StatefulFunction
from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA
from beambell.project import Project
from beambell.records import as_seen, stored_names
from beambell.stages.apply import REUSE_NONE, VotesWork
from beambell.stages.voting import CastVotes, Voting
from beambell.state import PatternCounts
from beambell.state import patterns as packed
from beambell.store import Layout
from beambell.store.tables import read_rows, read_staged


class RowVotes:
    """The votes of a project's labeling functions on stored rows, in any thread.

    Parameters
    ----------
    project
        Project with the rows.
    voting
        Labeling functions of the project, ready to vote.
    """

    def __init__(self, project: Project, voting: Voting) -> None:
        self._project, self._voting = project, voting
        self._store, self._catalogue = project.store, project.catalogue
        self._cardinality = project.params.cardinality

    def cast(self, work: VotesWork, start: int, stop: int) -> CastVotes:
        """Let those vote that have to run; the patterns are those of all LFs.

        Parameters
        ----------
        work
            Votes that the partition lacks.
        start, stop
            Number of the first row, and of the row after the last.

        Raises
        ------
        CatalogueError
            If the code here has another version of a labeling function than the one that is to run.
        """
        cast = self._vote(work, [self._lf(work, name) for name in work.to_run], start, stop)
        return replace(cast, patterns=self._carry_over(work, start, stop, cast.patterns)) if work.previous else cast

    def count(self, work: VotesWork, patterns: Packed) -> PatternCounts:
        """Count patterns of a partition's votes."""
        count = PatternCounts.from_packed if work.previous else PatternCounts.of_packed  # a file may hold anything
        return count(patterns, self._cardinality, [lf.name for lf in work.lfs])

    def _carry_over(self, work: VotesWork, start: int, stop: int, cast: Packed) -> Packed:
        """Put the new votes of r LFs together with those of the LFs that are unchanged."""
        cardinality, m = self._cardinality, len(work.lfs)
        new = [j for j, column in enumerate(work.reuse) if column == REUSE_NONE]
        if work.previous is None or len(new) == m:
            return cast
        L = packed.unpack(cast, len(new), cardinality) if new else np.empty((stop - start, 0), np.int8)
        folder = Layout.of(Layout.VOTES, work.partition)
        before = read_rows(self._store, folder, work.previous, start, stop, ["pattern"])
        codes = packed.from_arrow(before["pattern"])
        if all(column in (j, REUSE_NONE) for j, column in enumerate(work.reuse)) and work.previous_lfs == m:
            return packed.replace(codes, new, L, m, cardinality)
        votes = np.take(packed.unpack(codes, work.previous_lfs, cardinality), work.reuse, axis=1)
        votes[:, new] = L
        return packed.pack(votes, cardinality)

    def _vote(self, work: VotesWork, lfs: Collection[LabelingFunction], start: int, stop: int) -> CastVotes:
        if not lfs:
            return CastVotes(np.empty((stop - start, 0), np.uint8), DEAD_LETTERS_SCHEMA.empty_table(), {}, {}, ())
        rows = self._with_past(work, lfs, self._read(work, lfs, start, stop))
        return self._voting.vote(rows, lfs, work.partition.stream)

    def _with_past(self, work: VotesWork, lfs: Iterable[LabelingFunction], rows: pa.Table) -> pa.Table:
        """Add the history of each row's key, for each stateful LF. Of its pieces, one is held at a time."""
        for lf in lfs:
            if isinstance(lf, StatefulFunction) and lf.name in work.staged:
                history = (read_staged(self._store, path) for path in work.staged[lf.name])
                rows = lf.with_history(rows, history, work.partition.stream, lf.pane_in(work.partition.dt))
        return rows

    def _read(self, work: VotesWork, lfs: Collection[LabelingFunction], start: int, stop: int) -> pa.Table:
        """Read the columns that some LFs ask for, as they see them."""
        columns = self._voting.columns(lfs, work.partition.stream)
        stream = self._project.params.streams[work.partition.stream]
        rows = read_rows(
            self._store,
            Layout.of(Layout.PARTITIONS, work.partition),
            work.rows,
            start,
            stop,
            None if columns.read is None else stored_names(columns.read, stream),
            as_dictionaries={*stored_names(columns.looked_up, stream)} - {*stored_names(columns.searched, stream)},
        )
        return as_seen(rows, stream)

    def _lf(self, work: VotesWork, name: str) -> LabelingFunction:
        wanted = next(lf for lf in work.lfs if lf.name == name)
        if self._catalogue.fingerprints.get(name) != wanted.fingerprint:
            raise CatalogueError(
                "this worker has another version of the labeling function than the driver",
                where=name,
                fix="deploy the same code to every worker, then run again",
            )
        return self._catalogue[name]
