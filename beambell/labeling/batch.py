"""Labeling functions of many rows at once: for models, and for whatever Arrow or pandas does faster than a loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack, overload

import numpy as np
import pyarrow as pa

from beambell.arrays import ABSTAIN, Votes
from beambell.labeling.core import MAX_CLASSES, About, OnError, about
from beambell.labeling.python import HALTS, Decorated, Function, decoration, ordinary
from beambell.labeling.row import ROW_COLUMNS, Columns, Row
from beambell.labeling.time_limit import Stopped

Form = Literal["arrow", "pandas"]
BATCH_SIZE = 8_192


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchFunction(Decorated):
    """Any function of the columns of a batch of rows. See `batch_labeling_function`."""

    kind = "batch"

    form: Form = "arrow"
    batch_size: int = about(BATCH_SIZE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.form not in ("arrow", "pandas"):
            self.fail(f'form must be "arrow" or "pandas", not {self.form!r}')
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            self.fail(f"batch_size must be a whole number of rows, not {self.batch_size!r}")

    def _vote(self, row: Row) -> int:
        names = dict.fromkeys([*self.reads, *(name for name in ROW_COLUMNS if name in row)])
        returned = self._returned(pa.table({name: pa.array([row[name]]) for name in names}), 1)
        return self._checked(returned[0].item(), MAX_CLASSES)

    def apply(self, columns: Columns, *, cardinality: int, on_error: OnError) -> Votes:
        """Vote batch by batch, int8 [n]; an exception fails all rows of its batch, a wrong vote only its own."""
        table = columns.table(self.reads)
        votes = np.full(columns.n_rows, ABSTAIN, dtype=np.int8)
        start = 0
        try:
            for start in range(0, columns.n_rows, self.batch_size):
                batch = table.slice(start, self.batch_size)
                votes[start : start + batch.num_rows] = self._batch(batch, start, cardinality, on_error)
        except Stopped as stop:
            return self._given_up(votes, start, stop, on_error)
        return votes

    def _batch(self, batch: pa.Table, start: int, cardinality: int, on_error: OnError) -> Votes | int:
        try:
            returned = self._returned(batch, batch.num_rows)
        except HALTS:
            raise
        except BaseException as error:  # noqa: BLE001  # any failure of a user's code is that batch's alone
            failure = ordinary(error)
            for position in range(start, start + batch.num_rows):
                on_error(position, failure)
            return ABSTAIN
        return self._accepted(returned, start, cardinality, on_error)

    def _returned(self, table: pa.Table, n_rows: int) -> np.ndarray[Any, Any]:
        """Call the function; return its votes as integers [n], checked in all but their range."""
        result = self.call(table.to_pandas() if self.form == "pandas" else table)
        if isinstance(result, pa.Array | pa.ChunkedArray) and result.null_count:
            result = result.fill_null(False if pa.types.is_boolean(result.type) else ABSTAIN)
        votes = np.asarray(result)
        if votes.shape != (n_rows,):
            self.fail(f"returned {list(votes.shape)} votes for {n_rows} rows", fix="return one vote per row, in order")
        if votes.dtype == np.bool_ and self.label is not None:
            return np.where(votes, self.label, ABSTAIN)
        if not np.issubdtype(votes.dtype, np.integer):
            fix = "return integers, -1 to abstain" + (", or give it a label=" if votes.dtype == np.bool_ else "")
            self.fail(f"returned {votes.dtype}, which are not numbers of classes", fix=fix)
        return votes

    def _accepted(self, votes: np.ndarray[Any, Any], start: int, cardinality: int, on_error: OnError) -> Votes:
        """Return the votes with those that are none replaced by abstentions."""
        fine = (votes >= ABSTAIN) & (votes < cardinality)
        if self.label is not None:
            fine &= (votes == ABSTAIN) | (votes == self.label)
        for position in np.flatnonzero(~fine).tolist():
            try:
                self._checked(int(votes[position]), cardinality)
            except Exception as error:  # noqa: BLE001  # to be recorded, as if raised there
                on_error(start + position, error)
        return np.where(fine, votes, ABSTAIN).astype(np.int8)


@overload
def batch_labeling_function(name: Function, /) -> BatchFunction: ...
@overload
def batch_labeling_function(
    name: str | None = None,
    *,
    fields: Sequence[str] = ...,
    label: int | None = None,
    resources: Mapping[str, Any] | None = None,
    form: Form = ...,
    batch_size: int = ...,
    **more: Unpack[About],
) -> Callable[[Function], BatchFunction]: ...
def batch_labeling_function(
    name: str | Function | None = None,
    *,
    fields: Sequence[str] = ("text",),
    label: int | None = None,
    resources: Mapping[str, Any] | None = None,
    form: Form = "arrow",
    batch_size: int = BATCH_SIZE,
    **more: Unpack[About],
) -> BatchFunction | Callable[[Function], BatchFunction]:
    """Make a labeling function of any function of a table, one vote per row.

    The function must judge every row by itself: which rows share a batch is not fixed.

    Parameters
    ----------
    name
        Name of the labeling function; by default the function's own.
    fields
        Columns of the table; ``id``, ``ts`` and ``stream`` are always there.
    label
        Class that it votes for, if there is only one. The function may then return truth values.
    resources
        Keyword arguments for the function. A `Resource` is loaded once per process.
    form
        Form of the rows that it receives: a ``pyarrow.Table``, or a ``pandas.DataFrame``.
    batch_size
        Largest number of rows that it receives at once.
    **more
        Keywords of every labeling function, as ``beambell.labeling.core.About`` has them. ``description`` is the first
        line of the function's docstring by default.

    Examples
    --------
    >>> import pyarrow.compute as pc
    >>> @batch_labeling_function(fields=("text",), label=1)
    ... def shouts(table):
    ...     return pc.equal(table["text"], pc.utf8_upper(table["text"]))
    >>> shouts.votes(pa.table({"text": ["HELLO", "hello", None]}))
    array([ 1, -1, -1], dtype=int8)
    """

    def decorate(function: Function) -> BatchFunction:
        parameters = decoration(function, name, fields, label, resources, more)
        return BatchFunction(form=form, batch_size=batch_size, **parameters)

    return decorate(name) if callable(name) else decorate
