"""Voting as a function of a table: rows of a stream in, packed votes out, whoever holds the rows."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from beambell.arrays import Packed
from beambell.labeling import LabelingFunction
from beambell.labeling.apart import Voters
from beambell.labeling.compiler import CompiledLFs, compile_lfs
from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA
from beambell.project import Project

_shared: WeakKeyDictionary[Project, Voting] = WeakKeyDictionary()
_sharing = threading.Lock()


@dataclass(frozen=True)
class CastVotes:
    """What r labeling functions said about n rows.

    Attributes
    ----------
    patterns
        Packed votes, one pattern of r digits for each row.
    letters
        Dead letters, with the schema ``DEAD_LETTERS_SCHEMA``.
    errors
        Number of rows on which each labeling function failed, by its name.
    seconds
        Time that each labeling function took, by its name.
    searched
        Names of those that no automaton can hold: ``re`` searched every row.
    """

    patterns: Packed
    letters: pa.Table
    errors: dict[str, int]
    seconds: dict[str, float]
    searched: tuple[str, ...]


class Columns(NamedTuple):
    """Columns of a stream's rows, by the names that labeling functions know them by.

    Attributes
    ----------
    read
        Names of the columns to read; ``None`` for all.
    looked_up
        Names of those that lookups read: they may come as dictionaries where nothing else reads them.
    searched
        Names of those that other functions read.
    """

    read: list[str] | None
    looked_up: set[str]
    searched: set[str]


class Voting:
    """A project's labeling functions, ready to vote in any thread; each set of them is compiled once.

    Parameters
    ----------
    project
        Project whose catalogue is loaded. It is not kept: who holds projects weakly may hold this beside them.
    time_limit_s
        Seconds that one function may take; by default what ``lfs.time_limit_s`` says.
    """

    def __init__(self, project: Project, time_limit_s: float | None = None) -> None:
        self.voters: Voters = project.voters()
        self._fingerprints = project.catalogue.fingerprints
        self._cardinality = project.params.cardinality
        self._time_limit_s = time_limit_s or project.params.lfs.time_limit_s
        self._cache_dir = project.volatile / "compiled"
        self._compilations: dict[tuple[str, ...], CompiledLFs] = {}
        self._compiling = threading.Lock()

    @classmethod
    def shared(cls, project: Project) -> Voting:
        """Return the one that all threads of this process share, for a project that they have in common."""
        with _sharing:
            if project not in _shared:
                _shared[project] = cls(project)
            return _shared[project]

    @classmethod
    @contextmanager
    def begun(cls, project: Project, processes: int) -> Iterator[Voters]:
        """Have some processes ready in which what is written in Python votes, and end them afterwards.

        They are for `shared` in this process; a worker elsewhere starts its own, which end with it.
        """
        voters = cls.shared(project).voters
        voters.start(processes)
        try:
            yield voters
        finally:
            voters.close()
            del _shared[project]

    def columns(self, lfs: Collection[LabelingFunction], stream: str) -> Columns:
        """Say what some labeling functions read of a stream's rows."""
        plans = self._compiled(lfs).explain(stream) if lfs else []
        how = {plan.lf: plan.how for plan in plans}
        looked_up = {field for lf in lfs if how.get(lf.name) == "hash" for field in lf.fields or ()}
        others = {field for lf in lfs if how.get(lf.name) != "hash" for field in lf.fields or ()}
        whole_rows = any(plan.plain for plan in plans)  # what every row in Python has
        read = dict.fromkeys(["id", "ts"] if whole_rows else [])
        for lf in lfs:
            if lf.fields is None:
                return Columns(None, looked_up, others)
            read |= dict.fromkeys(field for field in lf.fields if field != "stream")
        return Columns(list(read), looked_up, others)

    def vote(self, rows: pa.Table, lfs: Collection[LabelingFunction], stream: str) -> CastVotes:
        """Let some labeling functions vote on rows of a stream.

        Parameters
        ----------
        rows
            Table with the columns that they read, as `columns` names them; with the history of its keys if stateful.
        lfs
            Labeling functions of the project, in the order of a pattern's digits.
        stream
            Name of the rows' stream.
        """
        if not lfs:
            nothing = DEAD_LETTERS_SCHEMA.empty_table()
            return CastVotes(np.empty((rows.num_rows, 0), np.uint8), nothing, {}, {}, ())
        compiled = self._compiled(lfs)
        result = compiled.evaluate(
            rows,
            cardinality=self._cardinality,
            stream=stream,
            fingerprints=self._fingerprints,
            time_limit_s=self._time_limit_s,
            evaluate_plainly=self.voters.evaluate,
        )
        letters = [dict(zip(DEAD_LETTERS_SCHEMA.names, astuple(letter), strict=True)) for letter in result.dead_letters]
        return CastVotes(
            result.patterns,
            pa.Table.from_pylist(letters, schema=DEAD_LETTERS_SCHEMA),
            {lf.name: result.n_errors[lf.name] for lf in lfs},
            {lf.name: result.seconds[lf.name] for lf in lfs},
            tuple(plan.lf for plan in compiled.explain(stream) if plan.how == "re"),
        )

    def _compiled(self, lfs: Collection[LabelingFunction]) -> CompiledLFs:
        key = tuple(self._fingerprints[lf.name] for lf in lfs)
        with self._compiling:
            if key not in self._compilations:
                self._compilations[key] = compile_lfs(list(lfs), cache_dir=self._cache_dir)
            return self._compilations[key]
