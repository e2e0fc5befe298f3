"""Apply labeling functions to a table, one by one: the plain evaluation that every faster one must equal."""

from __future__ import annotations

import linecache
import re
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from beambell.arrays import ABSTAIN, Packed, Votes
from beambell.labeling.core import MAX_CLASSES, LabelingFunction, check_fields, check_labels
from beambell.labeling.fingerprint import fingerprint
from beambell.labeling.python import adopt
from beambell.labeling.row import Columns
from beambell.labeling.time_limit import Stopped, time_limit, too_slow

VoteMatrix = np.ndarray[tuple[int, int], np.dtype[np.int8]]

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_MACHINERY = ("beambell.", "snorkel.")
_LONGEST_MESSAGE = 500
_MOST_FRAMES = 8


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One row on which one labeling function failed; its vote there is an abstention.

    Attributes
    ----------
    row_id
        The row's ``id``; its position in the table where there is no such column.
    lf, fingerprint
        Name and meaning of the labeling function.
    error, message
        Name of the exception's type, and its text.
    traceback
        File, line, function and code of every frame of the user's code. Given once for each distinct error of
        a labeling function, and empty where it would be repeated.
    """

    row_id: str
    lf: str
    fingerprint: str
    error: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Evaluation:
    """What became of n rows under m labeling functions.

    Attributes
    ----------
    votes
        int8 [n, m], -1 for an abstention, columns in the order given.
    dead_letters
        Failures, by labeling function in the order given, then by row.
    n_errors
        Number of failed rows for every labeling function, by name.
    seconds
        Time that every labeling function took, by name; those compiled together have equal shares of theirs.
    """

    votes: VoteMatrix
    dead_letters: tuple[DeadLetter, ...]
    n_errors: dict[str, int]
    seconds: dict[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class PackedEvaluation:
    """The same, with the votes as `beambell.state.patterns` packs them: ``patterns``, uint8 [n, width]."""

    patterns: Packed
    dead_letters: tuple[DeadLetter, ...]
    n_errors: dict[str, int]
    seconds: dict[str, float]


def evaluate(
    lfs: Iterable[LabelingFunction],
    table: pa.Table,
    *,
    cardinality: int,
    stream: str,
    fingerprints: Mapping[str, str] | None = None,
    time_limit_s: float | None = None,
) -> Evaluation:
    """Apply labeling functions to rows of one stream; a row that one of them fails on loses only that vote.

    Parameters
    ----------
    lfs
        m labeling functions (snorkel's too).
    table
        n rows: ``id``, ``ts`` and the stream's own columns.
    cardinality
        Number of classes, K.
    stream
        The stream's name.
    fingerprints
        Fingerprints by name, where known; computed otherwise when first needed.
    time_limit_s
        Seconds that one labeling function may take for these rows; then it is stopped, and the rows that it has not
        voted on are failures. See `beambell.labeling.time_limit` for what cannot be stopped.

    Raises
    ------
    LabelingFunctionError
        Before anything runs: a column is missing or of a wrong type, a label is not a class.
    """
    lfs = prepare(lfs, table, cardinality=cardinality, stream=stream)
    columns = Columns(table, stream=stream)
    known = fingerprints or {}
    limits: Any = {"cardinality": cardinality, "time_limit_s": time_limit_s}
    cast = [cast_votes(lf, columns, stream, fingerprint=known.get(lf.name), **limits) for lf in lfs]
    for lf in lfs:
        lf.release()
    return gather(lfs, table.num_rows, cast)


@dataclass(frozen=True)
class Cast:
    """What became of n rows under one labeling function: int8 [n] votes, failures in order of rows, and its time."""

    votes: Votes
    dead_letters: tuple[DeadLetter, ...]
    seconds: float


def cast_votes(
    lf: LabelingFunction,
    columns: Columns,
    stream: str,
    *,
    cardinality: int,
    fingerprint: str | None,
    time_limit_s: float | None,
) -> Cast:
    """Apply one labeling function, which was checked, to rows of one stream. See `evaluate`."""
    start = time.perf_counter()
    failures = _Failures(lf, columns, fingerprint)
    votes = np.full(columns.n_rows, ABSTAIN, dtype=np.int8)
    if lf.votes_on(stream):
        try:
            with time_limit(time_limit_s):
                votes = lf.apply(columns, cardinality=cardinality, on_error=failures.record)
        except Stopped as stop:  # in what does not count rows, such as one slow pattern
            votes, error = np.full(columns.n_rows, ABSTAIN, dtype=np.int8), too_slow(stop)
            for position in range(columns.n_rows):
                failures.record(position, error)
    return Cast(votes, tuple(failures.letters.values()), time.perf_counter() - start)


def gather(lfs: Sequence[LabelingFunction], n_rows: int, cast: Sequence[Cast]) -> Evaluation:
    """Put together what became of n rows under each of m labeling functions."""
    votes = np.full((n_rows, len(lfs)), ABSTAIN, dtype=np.int8)
    for column, one in enumerate(cast):
        votes[:, column] = one.votes
    named = {lf.name: one for lf, one in zip(lfs, cast, strict=True)}
    return Evaluation(
        votes,
        tuple(letter for one in cast for letter in one.dead_letters),
        {name: len(one.dead_letters) for name, one in named.items()},
        {name: one.seconds for name, one in named.items()},
    )


Evaluate = Callable[..., Evaluation]
"""`evaluate`, or what does the same elsewhere."""


def prepare(lfs: Iterable[Any], table: pa.Table, *, cardinality: int, stream: str) -> tuple[LabelingFunction, ...]:
    """Check before anything runs that labeling functions (snorkel's too) can vote on rows of a stream; return them.

    Parameters
    ----------
    lfs, table, cardinality, stream
        Labeling functions, rows, number of classes and name of the stream: see `evaluate`.

    Raises
    ------
    LabelingFunctionError
        If a column is missing or of a wrong type, or a label is not a class.
    ValueError
        If the cardinality is below 1 or above 127.
    """
    adopted = tuple(map(adopt, lfs))
    if not 1 <= cardinality <= MAX_CLASSES:
        raise ValueError(f"cardinality must be 1..{MAX_CLASSES}, not {cardinality}")
    check_fields(adopted, table.schema, stream)
    check_labels(adopted, cardinality)
    return adopted


class _Failures:
    """Collects the dead letters of one labeling function."""

    def __init__(self, lf: LabelingFunction, columns: Columns, known: str | None) -> None:
        self._lf = lf
        self._columns = columns
        self._fingerprint = known
        self._seen: set[tuple[str, str]] = set()
        self.letters: dict[int, DeadLetter] = {}  # by row, for a row can fail only once

    def record(self, position: int, error: Exception) -> None:
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self._lf)
        kind, trace = type(error).__name__, _short_traceback(error.__traceback__)
        # The message may quote the row, so it does not tell errors apart.
        repeated = (kind, trace) in self._seen
        self._seen.add((kind, trace))
        self.letters[position] = DeadLetter(
            row_id=self._row_id(position),
            lf=self._lf.name,
            fingerprint=self._fingerprint,
            error=kind,
            message=_message(error),
            traceback="" if repeated else trace,
        )

    def _row_id(self, position: int) -> str:
        return str(self._columns.values("id")[position] if "id" in self._columns.types else position)


def _message(error: Exception) -> str:
    """Return the text of an exception, the same in every process."""
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001  # the user's exception class may itself be broken
        text = f"<its text cannot be had: {type(second).__name__}>"
    text = _ADDRESS.sub("", text)
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "..."


def _short_traceback(trace: TracebackType | None) -> str:
    """Describe the frames that are not machinery, without any path or address of this machine."""
    frames = [_frame(frame, line) for frame, line in traceback.walk_tb(trace) if not _is_machinery(frame)]
    if len(frames) > _MOST_FRAMES:
        half = _MOST_FRAMES // 2
        frames = [*frames[:half], f"... {len(frames) - _MOST_FRAMES} more frames", *frames[-half:]]
    return "\n".join(frames)


def _is_machinery(frame: FrameType) -> bool:
    return _module(frame).startswith(_MACHINERY)


def _frame(frame: FrameType, line: int) -> str:
    code = frame.f_code
    text = linecache.getline(code.co_filename, line, frame.f_globals).strip()
    place = f"{_relative_file(_module(frame), code.co_filename)}:{line} in {code.co_name}"
    return f"{place}\n    {text}" if text else place


def _module(frame: FrameType) -> str:
    name: Any = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else "?"


def _relative_file(module: str, file: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if file.endswith("__init__.py") else f"{path}.py"
