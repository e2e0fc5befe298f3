"""Labeling functions compiled together: the votes of the plain evaluation, at a fraction of its time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from beambell.labeling.compiler.plan import Build, Plan, TextPlanner
from beambell.labeling.compiler.program import Listed, LookupProgram, TextProgram, Vote
from beambell.labeling.compiler.store import Folder, build
from beambell.labeling.core import ABSTAIN, MAX_CLASSES, LabelingFunction, check_fields, check_labels, raise_error
from beambell.labeling.evaluate import Evaluation, VoteMatrix, evaluate
from beambell.labeling.kinds import Count, Declarative, Keyword, Length, Lexicon, Lookup, Numeric, Regex, Textual
from beambell.labeling.python import Scripted, adopt
from beambell.labeling.row import Columns

BLOCK: Final = 32_768
"""Rows voted on at a time: what is found in them stays in the cache."""

_TEXTUAL = (Keyword, Regex, Count, Length, Lexicon)


@dataclass(frozen=True, eq=False)
class _Program:
    """What runs on a table: programs by column, and the labeling functions that vectorise themselves."""

    columns: tuple[tuple[str, TextProgram | LookupProgram], ...]
    vectors: tuple[tuple[int, Declarative], ...]
    plans: dict[int, Plan]

    @property
    def compiled(self) -> list[int]:
        """Numbers of the labeling functions that it votes for."""
        return [number for number, plan in self.plans.items() if not plan.plain]

    def run(self, batch: pa.RecordBatch, votes: np.ndarray[Any, Any]) -> None:
        for name, program in self.columns:
            column = batch.column(name)
            if not pa.types.is_null(column.type):
                program.run(column, votes)
        if self.vectors:
            columns = Columns(pa.Table.from_batches([batch]))
            for number, lf in self.vectors:
                votes[:, number] = lf.apply(columns, cardinality=MAX_CLASSES, on_error=raise_error)


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
        self._programs: dict[tuple[int, ...], _Program] = {}
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
        votes, others = self._compiled_votes(table, stream)
        columns = Columns(table, stream=stream)
        for number in others:
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
    ) -> Evaluation:
        """Vote on rows of one stream exactly as `beambell.labeling.evaluate` does, failures recorded.

        Parameters
        ----------
        table
            n rows: ``id``, ``ts`` and the stream's own columns.
        cardinality
            Number of classes, K.
        stream
            The stream's name.
        fingerprints
            By name, where known; computed otherwise when first needed.
        time_limit_s
            Seconds that one of those left to the plain evaluation may take; see there.

        Raises
        ------
        LabelingFunctionError
            Before anything runs: a column is missing or of a wrong type, a label is not a class.
        """
        table = _as_table(table)
        if not 1 <= cardinality <= MAX_CLASSES:
            raise ValueError(f"cardinality must be 1..{MAX_CLASSES}, not {cardinality}")
        check_fields(self.lfs, table.schema, stream)
        check_labels(self.lfs, cardinality)
        votes, others = self._compiled_votes(table, stream)
        plain = evaluate(
            [self.lfs[number] for number in others],
            table,
            cardinality=cardinality,
            stream=stream,
            fingerprints=fingerprints,
            time_limit_s=time_limit_s,
        )
        votes[:, others] = plain.votes
        n_errors = {lf.name: plain.n_errors.get(lf.name, 0) for lf in self.lfs}
        return Evaluation(votes, plain.dead_letters, n_errors)

    def explain(self, stream: str | None = None) -> list[Plan]:
        """Tell how each labeling function (of a stream) is computed, and why not faster; in their order."""
        return list(self._program(stream).plans.values())

    def _votes_by_row(self, table: pa.Table) -> VoteMatrix:
        for lf in self.lfs:
            lf.check(Columns(table).types)
        votes, others = self._compiled_votes(table, None)
        for number in others:
            votes[:, number] = self.lfs[number].votes(table)
        limited = [lf.streams for lf in self.lfs if lf.streams is not None]
        stream_of = table.column("stream").to_pylist() if limited else []
        for number, lf in enumerate(self.lfs):
            if lf.streams is not None:
                votes[[stream not in lf.streams for stream in stream_of], number] = ABSTAIN
        return votes

    def _compiled_votes(self, table: pa.Table, stream: str | None) -> tuple[VoteMatrix, list[int]]:
        """Return all votes but those left to the plain evaluation, and the numbers of these."""
        program = self._program(stream)
        votes = np.full((table.num_rows, len(self.lfs)), ABSTAIN, dtype=np.int8)
        start = 0
        for batch in _blocks(table, program, stream):
            program.run(batch, votes[start : start + batch.num_rows])
            start += batch.num_rows
        compiled = set(program.compiled)
        return votes, [number for number in range(len(self.lfs)) if number not in compiled]

    def _program(self, stream: str | None) -> _Program:
        key = tuple(number for number, lf in enumerate(self.lfs) if stream is None or lf.votes_on(stream))
        with self._lock:
            if key not in self._programs:
                self._programs[key] = _compile([(number, self.lfs[number]) for number in key], self._build)
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


def _compile(lfs: Sequence[tuple[int, LabelingFunction]], build: Build) -> _Program:
    texts: dict[str, TextPlanner] = {}
    lookups: dict[str, list[Listed]] = {}
    vectors: list[tuple[int, Declarative]] = []
    plans: dict[int, Plan] = {}
    for number, lf in lfs:
        # A subclass may mean something else.
        if type(lf) is Lookup:
            lookups.setdefault(lf.field, []).append(Listed.of(Vote(number, lf.label), lf))
            plans[number] = Plan(lf.name, "hash")
        elif type(lf) is Numeric:
            vectors.append((number, lf))
            plans[number] = Plan(lf.name, "vector")
        elif isinstance(lf, Textual) and type(lf) in _TEXTUAL:
            texts.setdefault(lf.field, TextPlanner(build)).add(Vote(number, lf.label), lf)
        elif isinstance(lf, Scripted):
            plans[number] = Plan(lf.name, "python", "it is Python code, run row by row")
        else:
            plans[number] = Plan(lf.name, "plain", f"the compiler does not know the kind {lf.kind!r}")
    columns: list[tuple[str, TextProgram | LookupProgram]] = []
    for field, planner in texts.items():
        program, decided = planner.finish()
        columns.append((field, program))
        plans |= decided
    columns += [(field, LookupProgram(tuple(several))) for field, several in lookups.items()]
    return _Program(tuple(columns), tuple(vectors), dict(sorted(plans.items())))


def _blocks(table: pa.Table, program: _Program, stream: str | None) -> Iterator[pa.RecordBatch]:
    """Yield the columns that are read, some rows at a time; every row is of the stream, if one is given."""
    read = dict.fromkeys([*(name for name, _ in program.columns), *(lf.field for _, lf in program.vectors)])
    if read:
        given = {} if stream is None else {"stream": pa.repeat(stream, table.num_rows)}
        columns = {name: given[name] if name in given else table.column(name) for name in read}
        yield from pa.table(columns).to_batches(max_chunksize=BLOCK)


def _as_table(table: pa.Table | pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
