"""The past of a partition: what the tables of an aggregate add up to, for the keys that occur in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import pyarrow as pa

from beambell.config import Params
from beambell.config.formats import with_format
from beambell.errors import ArtefactError
from beambell.history.aggregates import counted, merge_sorted, restrict_sorted
from beambell.history.answers import Answers
from beambell.history.rollup import LADDER, Ladder, Part, closing_day, first_day
from beambell.labeling.aggregates import ANSWER, FeedbackRate
from beambell.labeling.core import LabelingFunction, check_fields
from beambell.labeling.stateful import AggregateSpec, StatefulFunction
from beambell.records import seen_schema
from beambell.store import FileRef, Layout, Manifest, Partition, Store, digest
from beambell.store.tables import iter_tables, write_tables

ROLE = "states"


@dataclass(frozen=True)
class Slice:
    """The past of one partition as a choice of tables.

    Attributes
    ----------
    keys
        Partition whose keys are looked up.
    parts
        Tables that add up to the past.
    """

    keys: Partition
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class HistoryAt:
    """The past of all keys as of a day, whether or not there are rows of that day.

    Attributes
    ----------
    parts
        Stretches of days that add up to the past.
    last_day
        Last day before it of which there are rows, and all are in the past, as ``2026-01-09``; ``None`` if none is.
    """

    parts: tuple[Part, ...]
    last_day: str | None


class AggregateTables:
    """The tables of one aggregate, as they were when first asked for: of each partition, and of the ladder's nodes.

    Parameters
    ----------
    store, spec
        Store of the tables, and definition of the aggregate.
    rows
        Files of records of all partitions whose keys are counted or looked up.
    counted
        Streams whose rows are counted.
    answers
        Answers that people gave about these rows, if the aggregate asks for them.
    """

    def __init__(
        self,
        store: Store,
        spec: AggregateSpec,
        rows: Mapping[Partition, FileRef],
        counted: frozenset[str],
        answers: Answers | None = None,
    ) -> None:
        self.spec = spec
        self.rows = rows
        self.counted = counted
        self._answers = answers
        self.ladder = Ladder(partition for partition in rows if partition.stream in counted)
        self._store = store
        self._known: dict[Part, FileRef] = {}
        self._made: dict[str, Manifest] = {}

    def folder(self, part: Part) -> str:
        """Folder of a table."""
        return f"{Layout.AGGREGATES}/{self.spec.id}/{part.folder}"

    def inputs(self, part: Part) -> dict[str, str] | None:
        """Digests of what a table would be made from now; ``None`` while any of it is not up to date."""
        if isinstance(part, Partition):
            of_people = self._answers.digest(part) if self._answers and part.stream in self.counted else None
            rows = {"rows": self.rows[part].sha256}
            return with_format("aggregate", rows if of_people is None else {**rows, "feedback": of_people})
        refs = {child.folder: self.ref(child) for child in self.ladder.children(part)}
        inputs = {name: ref.sha256 for name, ref in refs.items() if ref is not None}
        return with_format("aggregate", inputs) if len(inputs) == len(refs) else None

    def columns(self, stream: str) -> tuple[str, ...]:
        """Columns to read of the rows of a stream, beside ``ts``; it may be one of them."""
        if stream not in self.counted:
            return self.spec.key_fields
        return (*self.spec.fields, *(("id",) if self._answers else ()))

    def with_answers(self, rows: pa.Table, partition: Partition) -> pa.Table:
        """Return rows of a partition with what people said of them, if the aggregate asks for it."""
        if self._answers is None or partition.stream not in self.counted:
            return rows
        return rows.append_column(ANSWER, self._answers.of(partition, rows["id"]))

    @cached_property
    def _found(self) -> dict[str, Manifest]:
        """Manifests by folder: whether one table is up to date takes those of all it is made from."""
        return self._store.under(f"{Layout.AGGREGATES}/{self.spec.id}")

    def manifest(self, part: Part) -> Manifest | None:
        """Manifest of a table, up to date or not."""
        folder = self.folder(part)
        return self._made.get(folder) or self._found.get(folder)

    def publish(self, part: Part, pieces: Iterable[pa.Table]) -> Manifest:
        """Publish a table, given in pieces.

        Raises
        ------
        ValueError
            If a table that this one is made from is not there yet.
        """
        folder, inputs = self.folder(part), self.inputs(part)
        if inputs is None:
            raise ValueError(f"{part} is made before its parts")
        with self._store.seal(folder, ROLE) as sealed:
            write_tables(sealed, self.spec.aggregate.schema, pieces)
        facts = {**self.spec.describe(), "keys": sealed.rows}
        self._made[folder] = self._store.publish(folder, Manifest("aggregate", {ROLE: sealed.ref}, inputs, facts))
        return self._made[folder]

    def ref(self, part: Part) -> FileRef | None:
        """File of a table, if it is up to date."""
        if part not in self._known:
            manifest, inputs = self.manifest(part), self.inputs(part)
            if manifest is None or inputs is None or manifest.inputs != inputs:
                return None
            self._known[part] = manifest.files[ROLE]
        return self._known[part]

    def superfluous(self) -> list[str]:
        """Return the folders of nodes of days that were withdrawn: no stretch of the days that are left is theirs."""
        wanted = {self.folder(node) for node in self.ladder.all_nodes()}
        ladder = f"{Layout.AGGREGATES}/{self.spec.id}/{LADDER}/"
        return [folder for folder in self._found if folder.startswith(ladder) and folder not in wanted]

    def history_of(self, partition: Partition, window_days: int | None) -> Slice:
        """Say which tables add up to the past of a partition."""
        return Slice(partition, tuple(self.ladder.cover(*_stretch(partition.dt, window_days))))

    def history_at(self, dt: str, window_days: int | None) -> HistoryAt:
        """Say which tables add up to the past of a partition that need not be there yet, as far as they are up to date.

        While the last days before it are not aggregated, the past ends where they begin, and says so.

        Parameters
        ----------
        dt
            Date of the partition, of any grain.
        window_days
            Number of days before it that are looked at; ``None`` for all.
        """
        start, end = _stretch(dt, window_days)
        behind = (p for p in self.ladder.partitions(start, end) if self.ref(p) is None)
        end = min(map(closing_day, (p.dt for p in behind)), default=end)
        last = self.ladder.last_day(end)
        parts = tuple(self.ladder.cover(start, end))
        return HistoryAt(parts, None if last is None else date.fromordinal(last).isoformat())

    def source_digest(self, history: Slice) -> str | None:
        """Digest of the tables that a past is made from; ``None`` while any is not up to date."""
        refs = [self.ref(history.keys), *map(self.ref, history.parts)]
        return None if None in refs else digest([ref.sha256 for ref in refs if ref])

    def read(self, history: Slice) -> Iterator[pa.Table]:
        """Yield the states of a partition's keys, of those that have a past, sorted by key.

        However many keys there are, a piece of each table is held at a time.

        Yields
        ------
        pyarrow.Table
            As of `merge_sorted`; where there is no past at all, an empty table.

        Raises
        ------
        ArtefactError
            If a table is not up to date.
        """
        return self._merged(restrict_sorted(self.pieces(part), self._keys(history.keys)) for part in history.parts)

    def read_all(self, history: HistoryAt) -> Iterator[pa.Table]:
        """Yield the states of all keys that have a past, sorted by key: for `StatefulFunction.with_history`, too.

        Yields
        ------
        pyarrow.Table
            As of `read`.
        """
        return self._merged(map(self._states, history.parts))

    def _states(self, part: Part) -> Iterable[pa.Table]:
        """Read the states of a stretch of days; a table that no partition needed so far is merged from its parts."""
        if isinstance(part, Partition) or self.ref(part):
            return map(counted, self.pieces(part))
        children = [self._states(child) for child in self.ladder.children(part)]
        return merge_sorted(self.spec.aggregate, children, days=part.level > 0)

    def _merged(self, parts: Iterable[Iterable[pa.Table]]) -> Iterator[pa.Table]:
        pieces = merge_sorted(self.spec.aggregate, list(parts), days=True)
        yield next(pieces, self.spec.aggregate.schema.empty_table())
        yield from pieces

    def _keys(self, part: Part) -> Iterator[pa.Table]:
        return iter_tables(self._store, self.folder(part), self._required(part), ["key"])

    def pieces(self, part: Part) -> Iterator[pa.Table]:
        """Read a table in pieces."""
        return iter_tables(self._store, self.folder(part), self._required(part))

    def _required(self, part: Part) -> FileRef:
        ref = self.ref(part)
        if ref is None:
            raise ArtefactError(
                "the aggregate of earlier rows is not up to date",
                where=self._store.files.path(self.folder(part)),
                fix="run `beambell aggregate`",
            )
        return ref


def _stretch(dt: str, window_days: int | None) -> tuple[int | None, int]:
    """Return the first day that the past of a partition may have, and the one after its last."""
    end = first_day(dt)
    return (None if window_days is None else end - window_days), end


def open_aggregates(store: Store, params: Params, lfs: Iterable[LabelingFunction]) -> dict[str, AggregateTables]:
    """Return the tables of all aggregates that labeling functions vote by, by the aggregates' ids.

    Raises
    ------
    LabelingFunctionError
        If no stream can be counted, one that is named does not exist, or lacks a column, or if a class does not exist.
    """
    stateful = [lf for lf in lfs if isinstance(lf, StatefulFunction)]
    if not stateful:
        return {}
    fields = {name: tuple(seen_schema(stream).names) for name, stream in params.streams.items()}
    rows = {p: m.files["rows"] for p, m in store.partitions(Layout.PARTITIONS).items() if p.stream in fields}
    answers = Answers(store) if any(lf.spec.asks_people for lf in stateful) else None
    opened = {}
    for id_ in sorted({lf.spec.id for lf in stateful}):
        users = [lf for lf in stateful if lf.spec.id == id_]
        _check_streams(users[0], fields)
        _check_class(users[0], params)
        spec = users[0].spec
        counted = frozenset(stream for stream, names in fields.items() if spec.counts(stream, names))
        for stream, names in fields.items():
            check_fields(users, names, stream)
        if not counted:
            needed = ", ".join(spec.fields)
            users[0].fail(f"counts nothing: no stream has all the columns that its aggregate reads: {needed}")
        voting = {stream for stream in fields if any(lf.votes_on(stream) for lf in users)}
        looked_at = {p: ref for p, ref in rows.items() if p.stream in counted | voting}
        opened[id_] = AggregateTables(store, spec, looked_at, counted, answers if spec.asks_people else None)
    return opened


def with_histories(
    store: Store, params: Params, lfs: Iterable[LabelingFunction], partition: Partition, rows: pa.Table
) -> pa.Table:
    """Return rows of a partition with the past of their keys, for each stateful labeling function that votes on them.

    Raises
    ------
    ArtefactError
        If an aggregate is not up to date; it names the labeling function.
    """
    voting = [lf for lf in lfs if isinstance(lf, StatefulFunction) and lf.votes_on(partition.stream)]
    opened = open_aggregates(store, params, voting)
    for lf in voting:
        tables = opened[lf.spec.id]
        history = tables.history_of(partition, lf.window_days)
        if history.parts and tables.source_digest(history) is None:
            raise ArtefactError(
                "the aggregate of earlier rows that it votes by is not up to date",
                where=f"labeling function {lf.name!r}",
                fix="run `beambell aggregate`",
            )
        rows = lf.with_history(rows, tables.read(history), partition.stream)
    return rows


def _check_streams(lf: StatefulFunction, fields: Mapping[str, Iterable[str]]) -> None:
    for stream in lf.of_streams or ():
        if stream not in fields:
            lf.fail(
                f"of_streams names {stream!r}, which is not a stream", fix=f"there are: {', '.join(sorted(fields))}"
            )
        missing = sorted(set(lf.spec.fields) - {*fields[stream], "stream"})
        if missing:
            lf.fail(f"its aggregate reads {missing[0]!r}, which the stream {stream!r} does not have")


def _check_class(lf: StatefulFunction, params: Params) -> None:
    aggregate = lf.aggregate
    if isinstance(aggregate, FeedbackRate) and aggregate.label >= params.cardinality:
        last = params.cardinality - 1
        lf.fail(f"feedback_rate({aggregate.label}) asks for a class that does not exist", fix=f"the last is {last}")
