"""What the parsers of the formats hand over: raw cells by column, and what is already known to be wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.config import StreamParams
from beambell.records.schema import Code, Reject

Cells: TypeAlias = "list[Any] | pa.Array"


class Faults:
    """The first fault of each faulty row of a chunk."""

    def __init__(self) -> None:
        self.by_row: dict[int, tuple[Code, str]] = {}

    def add(self, row: int, code: Code, message: str) -> None:
        """Note a fault, unless the row has one."""
        self.by_row.setdefault(row, (code, message))

    def add_where(self, mask: pa.Array, code: Code, message: str) -> None:
        """Note the same fault for every row of a boolean mask; null counts as false."""
        for row in np.flatnonzero(pc.fill_null(mask, False)):
            self.add(int(row), code, message)

    def good_rows(self, n_rows: int) -> pa.Array:
        """Give the mask, bool [n_rows], of rows without a fault."""
        good = np.ones(n_rows, dtype=bool)
        good[list(self.by_row)] = False
        return pa.array(good)


def _no_excerpt(_row: int) -> str:
    return ""


@dataclass(slots=True)
class Chunk:
    """A stretch of parsed records.

    Attributes
    ----------
    cells
        Raw values [n] of every column the stream wants.
    lines
        1-based physical line (row number in Parquet) where each record starts, [n].
    excerpt
        Row number in the chunk -> its raw form, for the quarantine.
    faults
        Faults of rows in the chunk.
    rejects
        Records that could not be parsed into rows at all, and remarks on the file.
    empty_is_null
        Whether the format writes an absent string as an empty cell.
    """

    cells: Mapping[str, Cells] = field(default_factory=dict)
    lines: Sequence[int] = ()
    excerpt: Callable[[int], str] = _no_excerpt
    faults: Faults = field(default_factory=Faults)
    rejects: list[Reject] = field(default_factory=list)
    empty_is_null: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """The columns that are read: those a record must have, those it may lack, and those nobody misses.

    Attributes
    ----------
    required, optional, unmissed
        Names of columns. A file that lacks an optional one gets a remark.
    time
        Name of the column that holds times, if one does: a line with a time in its place is a record.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    unmissed: tuple[str, ...] = ()
    time: str | None = None

    @classmethod
    def of(cls, stream: StreamParams) -> Wanted:
        """Ask for the time only where its absence is a fault."""
        required = [stream.text]
        if stream.id is not None:
            required.append(stream.id)
        if stream.undated == "quarantine":
            required.append(stream.time)
        optional = [name for name in (stream.time, *stream.fields) if name not in required]
        return cls(tuple(dict.fromkeys(required)), tuple(dict.fromkeys(optional)), time=stream.time)

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return self.required + self.optional + self.unmissed


def missing_column(name: str, present: Sequence[str]) -> str:
    """Word the commonest misconfiguration."""
    return (
        f"no column {name!r}; there are: {', '.join(map(repr, present)) or 'none'}; "
        "name the right column in params.yaml, or repair the file"
    )


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a file that has a header: which are wanted, where they are, what is wrong with them.

    Attributes
    ----------
    names
        Names of all columns.
    wanted
        Columns that are read.
    hint
        Guess at what is wrong, if wanted columns are not there.
    """

    names: tuple[str, ...]
    wanted: Wanted
    hint: str = ""

    @property
    def positions(self) -> dict[str, int]:
        """Wanted column -> its place among the file's, for those that occur exactly once."""
        return {name: self.names.index(name) for name in self.wanted.columns if self.names.count(name) == 1}

    def fault(self) -> tuple[Code, str] | None:
        """Say what keeps every row of the file from being read."""
        for name in self.wanted.columns:
            if self.names.count(name) > 1:
                return Code.DUPLICATE_COLUMN, (
                    f"{self.names.count(name)} columns are called {name!r}; rename all but one of them"
                )
        for name in self.wanted.required:
            if name not in self.names:
                return Code.MISSING_COLUMN, self._missing(name)
        return None

    def remarks(self) -> list[Reject]:
        """Say which further columns are null throughout, because the file lacks them."""
        remarks = [
            Reject(None, Code.MISSING_COLUMN, f"null in every row of this file: {self._missing(name)}")
            for name in self.wanted.optional
            if name not in self.names
        ]
        if self.hint and not self.wanted.required:
            remarks.append(Reject(None, Code.MISSING_COLUMN, self.hint))
        return remarks

    def _missing(self, name: str) -> str:
        message = missing_column(name, self.names)
        return f"{message} ({self.hint})" if self.hint else message
