"""What every labeling function is: a name, a vote on a row, and what a person wants to know about it."""

from __future__ import annotations

import dataclasses
import difflib
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NoReturn, TypedDict

import numpy as np
import pyarrow as pa

from beambell.arrays import ABSTAIN, Votes
from beambell.errors import LabelingFunctionError
from beambell.labeling.made import note
from beambell.labeling.row import Columns, Row

MAX_CLASSES: Final = 127
"""Votes are int8."""

OnError = Callable[[int, Exception], None]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_STREAM = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class About(TypedDict, total=False):
    """Keywords that every kind of labeling function takes beside its own.

    Attributes
    ----------
    description, owner, tags
        Words for people; not part of the function's meaning.
    version
        A word of your own: changing it makes it another function, as when a model behind it was replaced.
    streams
        Streams on which it votes; elsewhere it abstains. ``None`` for all.
    """

    description: str
    owner: str | None
    tags: Sequence[str]
    version: str | None
    streams: Sequence[str] | None


_ABOUT = {"about": True}


def about(default: Any) -> Any:
    """Declare a dataclass field that is not part of a labeling function's meaning."""
    return dataclasses.field(default=default, metadata=_ABOUT)


def meaning(lf: LabelingFunction) -> dict[str, Any]:
    """Return the parameters that decide the votes of a labeling function, by name."""
    return {f.name: getattr(lf, f.name) for f in dataclasses.fields(lf) if not f.metadata.get("about")}


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelingFunction(ABC):
    """Base of all kinds: votes a class, or abstains, on each row.

    Attributes
    ----------
    name
        Unique in a project, ``[A-Za-z_][A-Za-z0-9_]{0,99}``.
    label
        The only class it votes for; ``None`` when it may vote for several.
    description, owner, tags, version, streams
        Keywords of every kind: see `About`.

    Raises
    ------
    LabelingFunctionError
        At construction, if any parameter makes no sense.
    """

    kind: ClassVar[str]

    name: str = dataclasses.field(kw_only=False, metadata=_ABOUT)
    label: int | None = None
    description: str = about("")
    owner: str | None = about(None)
    tags: tuple[str, ...] = about(())
    version: str | None = None
    streams: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            self.fail("the name must be letters, digits and underscores, at most 100, not starting with a digit")
        if self.label is not None:
            self._set("label", self._checked_label(self.label))
        self._set("tags", self.strings("tags", self.tags))
        if self.streams is not None:
            self._set("streams", tuple(sorted(set(self.strings("streams", self.streams)))))
            for stream in self.streams:
                if not _STREAM.fullmatch(stream):
                    self.fail(f"{stream!r} cannot be the name of a stream")
        note(self)

    def __getstate__(self) -> dict[str, Any]:
        # What is compiled or loaded on first use stays behind.
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...] | None:
        """Columns it reads; ``None`` when unknown, hence all."""

    @property
    def resources(self) -> Mapping[str, Any]:
        """What it was given beside the row: files, models, settings."""
        return {}

    @abstractmethod
    def apply(self, columns: Columns, *, cardinality: int, on_error: OnError) -> Votes:
        """Vote on every row, whatever the stream; an abstention where a row failed.

        Parameters
        ----------
        columns
            The n rows.
        cardinality
            Number of classes, K: a vote must be in -1..K-1.
        on_error
            Called with the row's position and the exception when one row fails.

        Returns
        -------
        int8 [n]
        """

    @abstractmethod
    def _vote(self, row: Row) -> int:
        """Vote on one row of a stream it votes on."""

    def vote(self, row: Any) -> int:
        """Vote on one row.

        Parameters
        ----------
        row
            A `Row`, or anything that `Row.of` can see as one: a dict is enough.

        Returns
        -------
        int
            A class, or `ABSTAIN`.

        Raises
        ------
        LabelingFunctionError
            If what came out is not a vote, or a field is of a wrong type.
        """
        row = Row.of(row)
        if self.streams is not None and row["stream"] not in self.streams:
            return ABSTAIN
        return self._vote(row)

    def __call__(self, row: Any) -> int:
        """Vote on one row, as a snorkel labeling function does when called."""
        return self.vote(row)

    def votes(self, table: pa.Table) -> Votes:
        """Vote on a table; the first row that fails raises. `evaluate` records failures instead.

        Parameters
        ----------
        table
            n rows with at least the columns of ``fields``, and ``stream`` if the function names streams.

        Returns
        -------
        int8 [n]
        """
        columns = Columns(table)
        self.check(columns.types)
        if self.streams is None:
            return self.apply(columns, cardinality=MAX_CLASSES, on_error=raise_error)
        ours = np.array([stream in self.streams for stream in columns.values("stream")], dtype=bool)
        votes = np.full(table.num_rows, ABSTAIN, dtype=np.int8)
        selected = Columns(table.filter(pa.array(ours)))
        votes[ours] = self.apply(selected, cardinality=MAX_CLASSES, on_error=raise_error)
        return votes

    def votes_on(self, stream: str) -> bool:
        """Whether it votes on this stream at all."""
        return self.streams is None or stream in self.streams

    def check(self, types: Mapping[str, pa.DataType | None]) -> None:
        """Raise if a column it reads is missing, or (where the type is known) of a type it cannot read."""
        needed = (*(self.fields or ()), *(() if self.streams is None else ("stream",)))
        missing = [name for name in needed if name not in types]
        if missing:
            there = ", ".join(sorted(name for name in types if not name.startswith("_"))) or "none"
            near = difflib.get_close_matches(missing[0], types, n=1)
            self.fail(
                f"reads {', '.join(map(repr, missing))}, but the columns are: {there}",
                fix=(f"is {near[0]!r} meant? Else " if near else "")
                + "correct its field, list the column in the stream's `fields`, or limit it with streams=(...)",
            )

    def release(self) -> None:  # noqa: B027  # most remember nothing
        """Forget what was remembered about the rows just seen."""

    def fail(self, message: str, *, fix: str | None = None) -> NoReturn:
        """Raise an error that names this labeling function.

        Raises
        ------
        LabelingFunctionError
            In every case, with the name of this labeling function as its place.
        """
        raise LabelingFunctionError(message, where=f"labeling function {self.name!r}", fix=fix)

    def strings(self, what: str, values: Iterable[str]) -> tuple[str, ...]:
        """Return a tuple of strings; a lone string is refused, for it would be read letter by letter."""
        if isinstance(values, str) or not isinstance(values, Iterable):
            self.fail(f"{what} must be a list of strings, not {values!r}")
        values = tuple(values)
        for value in values:
            if not isinstance(value, str):
                self.fail(f"{what} must hold strings, not {value!r}")
        return values

    def _checked_label(self, label: Any) -> int:
        if isinstance(label, bool):
            self.fail(f"label must be the number of a class, not {label!r}")
        try:
            number = operator.index(label)
        except TypeError:
            fix = "classes are numbered from 0 on, as `classes` in params.yaml lists them"
            self.fail(f"label must be the number of a class, not {label!r}", fix=fix)
        if not 0 <= number < MAX_CLASSES:
            self.fail(f"label {number} is not a class: classes are 0..{MAX_CLASSES - 1}")
        return number

    def _set(self, name: str, value: Any) -> None:
        """Normalise a parameter while being constructed."""
        object.__setattr__(self, name, value)


def check_fields(lfs: Iterable[LabelingFunction], columns: pa.Schema | Iterable[str], stream: str) -> None:
    """Check before anything runs that every labeling function finds its columns in a stream.

    Parameters
    ----------
    lfs
        Labeling functions; those that do not vote on the stream are passed over.
    columns
        Names of the stream's columns, or their Arrow schema, which has the types checked as well.
    stream
        Name of the stream.

    Raises
    ------
    LabelingFunctionError
        Naming the labeling function, and the columns that exist.
    """
    types: dict[str, pa.DataType | None]
    types = {f.name: f.type for f in columns} if isinstance(columns, pa.Schema) else dict.fromkeys(columns)
    types["stream"] = pa.string()
    for lf in lfs:
        if lf.votes_on(stream):
            lf.check(types)


def check_labels(lfs: Iterable[LabelingFunction], cardinality: int) -> None:
    """Check that every declared label is a class.

    Raises
    ------
    LabelingFunctionError
        If a label is not in 0..cardinality-1.
    """
    for lf in lfs:
        if lf.label is not None and lf.label >= cardinality:
            lf.fail(
                f"label {lf.label} is not one of the {cardinality} classes 0..{cardinality - 1}",
                fix="correct the label, or add the class to `classes` in params.yaml",
            )


def check_streams(lfs: Iterable[LabelingFunction], streams: Iterable[str]) -> None:
    """Check that every labeling function votes on some stream; modules that projects share may name more.

    Raises
    ------
    LabelingFunctionError
        If an LF is limited to streams of which there is none.
    """
    known = sorted(streams)
    for lf in lfs:
        if lf.streams is not None and not set(lf.streams).intersection(known):
            named = ", ".join(map(repr, lf.streams))
            lf.fail(f"votes on {named} only, which is no stream", fix=f"there are: {', '.join(known)}")


def raise_error(_position: int, error: Exception) -> None:
    """Let the first row that fails end the whole evaluation."""
    raise error
