"""Labeling functions compiled together: the votes of the plain evaluation, at a fraction of its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from beambell.arrays import ABSTAIN
from beambell.labeling.compiler.alphabet import Array
from beambell.labeling.compiler.plan import Build, Plan, Planner
from beambell.labeling.compiler.program import Program, VoteWriter, as_patterns, as_votes
from beambell.labeling.compiler.store import Folder, build
from beambell.labeling.core import MAX_CLASSES, LabelingFunction, check_fields, check_labels, raise_error
from beambell.labeling.evaluate import Evaluate, PackedEvaluation, VoteMatrix, evaluate, prepare
from beambell.labeling.python import adopt
from beambell.labeling.row import Columns
from beambell.state import patterns

BLOCK: Final = 16_384
"""Rows voted on at a time: what is found in them stays in the cache."""


class _Compiled(NamedTuple):
    """What runs on a table for some of the labeling functions, and how.

    Attributes
    ----------
    program
        Program of which the first outputs are those of the labeling functions, by their numbers.
    plans
        Plan of each of these functions, by number.
    labels
        Class that each of all functions votes where its output is set: none, if it is left to the plain evaluation.
    """

    program: Program
    plans: dict[int, Plan]
    labels: tuple[int, ...]

    def run(self, table: pa.Table, stream: str | None, found: VoteWriter) -> Array:
        """Write the votes on a table down, uint8 [n, width]."""
        n, width = table.num_rows, found.width
        written, start = found.room(n), 0
        for hits in _found(table, self.program, stream):
            found.run(hits, written[start * width :])
            start += len(hits)
        return written[: n * width].reshape(n, width)


class CompiledLFs:
    """Labeling functions ready to vote. Made by `compile_lfs`; threads may share it.

    Attributes
    ----------
    lfs
        The m labeling functions, in the order of the columns of their votes.
    """

    def __init__(self, lfs: Iterable[Any], *, cardinality: int | None, build: Build) -> None:
        self.lfs: tuple[LabelingFunction, ...] = tuple(map(adopt, lfs))
        self._cardinality = MAX_CLASSES if cardinality is None else cardinality
        check_labels(self.lfs, self._cardinality)
        self._build = build
        self._programs: dict[tuple[int, ...], _Compiled] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # A worker builds its own programs: faster than sending them.
        return {"lfs": self.lfs, "cardinality": self._cardinality, "build": self._build}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["lfs"], cardinality=state["cardinality"], build=state["build"])  # type: ignore[misc]

    def votes(self, table: pa.Table | pa.RecordBatch, stream: str | None = None) -> VoteMatrix:
        """Vote on a table; the first row that a function in Python fails on raises.

        Parameters
        ----------
        table
            n rows with the columns that the labeling functions read.
        stream
            The stream that they belong to; ``None`` if the column ``stream`` says it, where it matters.

        Returns
        -------
        int8 [n, m]
            -1 for an abstention.

        Raises
        ------
        LabelingFunctionError
            If a column is missing or of a wrong type, or a vote is none.
        """
        table = _as_table(table)
        if stream is None:
            return self._votes_by_row(table)
        check_fields(self.lfs, table.schema, stream)
        votes = self._compiled_votes(table, stream)
        columns = Columns(table, stream=stream)
        for number in self._others(stream):
            lf = self.lfs[number]
            if lf.votes_on(stream):
                votes[:, number] = lf.apply(columns, cardinality=self._cardinality, on_error=raise_error)
        return votes

    def evaluate(
        self,
        table: pa.Table | pa.RecordBatch,
        *,
        cardinality: int,
        stream: str,
        fingerprints: Mapping[str, str] | None = None,
        time_limit_s: float | None = None,
        evaluate_plainly: Evaluate = evaluate,
    ) -> PackedEvaluation:
        """Vote on rows of one stream exactly as `beambell.labeling.evaluate` does, failures recorded, votes packed.

        Parameters
        ----------
        table
            n rows: ``id``, ``ts`` and the stream's own columns.
        cardinality
            Number of classes, K.
        stream
            The stream's name.
        fingerprints
            Fingerprints by name, where known; computed otherwise when first needed.
        time_limit_s
            Seconds that one of those left to the plain evaluation may take; see there.
        evaluate_plainly
            The plain evaluation, or one that does the same elsewhere: see `beambell.labeling.apart`.

        Raises
        ------
        LabelingFunctionError
            Before anything runs: a column is missing or of a wrong type, a label is not a class.
        StateError
            If there is no labeling function, or there are fewer than two classes: such votes cannot be packed.
        """
        table = _as_table(table)
        prepare(self.lfs, table, cardinality=cardinality, stream=stream)
        compiled, others = self._compiled(stream), self._others(stream)
        start = time.perf_counter()
        packed = compiled.run(table, stream, as_patterns(compiled.labels, cardinality))
        share = (time.perf_counter() - start) / max(1, len(self.lfs) - len(others))
        plain = evaluate_plainly(
            [self.lfs[number] for number in others],
            table,
            cardinality=cardinality,
            stream=stream,
            fingerprints=fingerprints,
            time_limit_s=time_limit_s,
        )
        if others:
            packed = patterns.replace(packed, others, plain.votes, len(self.lfs), cardinality)
        n_errors = {lf.name: plain.n_errors.get(lf.name, 0) for lf in self.lfs}
        seconds = {lf.name: plain.seconds.get(lf.name, share) for lf in self.lfs}
        return PackedEvaluation(packed, plain.dead_letters, n_errors, seconds)

    def explain(self, stream: str | None = None) -> list[Plan]:
        """Tell how each labeling function (of a stream) is computed, and why not faster; in their order."""
        return list(self._compiled(stream).plans.values())

    def _votes_by_row(self, table: pa.Table) -> VoteMatrix:
        for lf in self.lfs:
            lf.check(Columns(table).types)
        votes = self._compiled_votes(table, None)
        for number in self._others(None):
            votes[:, number] = self.lfs[number].votes(table)
        limited = [lf.streams for lf in self.lfs if lf.streams is not None]
        stream_of = table.column("stream").to_pylist() if limited else []
        for number, lf in enumerate(self.lfs):
            if lf.streams is not None:
                votes[[stream not in lf.streams for stream in stream_of], number] = ABSTAIN
        return votes

    def _compiled_votes(self, table: pa.Table, stream: str | None) -> VoteMatrix:
        """Return all votes but those left to the plain evaluation."""
        compiled = self._compiled(stream)
        return compiled.run(table, stream, as_votes(compiled.labels)).view(np.int8)

    def _others(self, stream: str | None) -> list[int]:
        """Return the numbers of those that are left to the plain evaluation."""
        plans = self._compiled(stream).plans
        return [number for number in range(len(self.lfs)) if number not in plans or plans[number].plain]

    def _compiled(self, stream: str | None) -> _Compiled:
        key = tuple(number for number, lf in enumerate(self.lfs) if stream is None or lf.votes_on(stream))
        with self._lock:
            if key not in self._programs:
                self._programs[key] = _compile({number: self.lfs[number] for number in key}, len(self.lfs), self._build)
            return self._programs[key]


def compile_lfs(
    lfs: Iterable[Any], *, cardinality: int | None = None, cache_dir: Path | str | None = None
) -> CompiledLFs:
    """Compile labeling functions together, so that each text is read once for all of them.

    Parameters
    ----------
    lfs
        m labeling functions of any kind, snorkel's too.
    cardinality
        Number of classes, K, where known: labels are checked against it.
    cache_dir
        A folder to keep automata in, for the next process with the same functions.

    Raises
    ------
    LabelingFunctionError
        If one is not a labeling function, or a label is not a class.

    Examples
    --------
    >>> from beambell.labeling import keyword, length
    >>> compiled = compile_lfs([keyword("free", any_of=["free"], label=1), length("short", max=9, label=0)])
    >>> compiled.votes(pa.table({"text": ["Free money here", "nice"]})).tolist()
    [[1, -1], [-1, 0]]
    """
    return CompiledLFs(
        lfs, cardinality=cardinality, build=build if cache_dir is None else Folder(Path(cache_dir)).build
    )


def _compile(lfs: Mapping[int, LabelingFunction], n_lfs: int, build: Build) -> _Compiled:
    planner = Planner(build, n_lfs)
    for number, lf in lfs.items():
        planner.add(lf, number)
    program, planned = planner.finish()
    plans = {number: replace(planned[number], lf=lf.name) for number, lf in lfs.items()}
    labels = [ABSTAIN] * n_lfs
    for number, lf in lfs.items():
        if not plans[number].plain and lf.label is not None:
            labels[number] = lf.label
    return _Compiled(program, plans, tuple(labels))


def _found(table: pa.Table, program: Program, stream: str | None) -> Iterator[Array]:
    """Yield the outputs of some rows at a time, every one of the stream, if one is given; uint64 [n, w]."""
    read = dict.fromkeys(name for name, _ in program.columns)
    if not read:
        yield np.zeros((table.num_rows, program.width), dtype=np.uint64)
        return
    given = {} if stream is None else {"stream": pa.repeat(stream, table.num_rows)}
    columns = {name: given[name] if name in given else table.column(name) for name in read}
    yield from map(program.run, pa.table(columns).to_batches(max_chunksize=BLOCK))


def _as_table(table: pa.Table | pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
