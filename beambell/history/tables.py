"""The history of a partition: what the tables of an aggregate add up to, for the keys that occur in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import pyarrow as pa

from beambell.config import Params
from beambell.config.formats import with_format
from beambell.errors import ArtefactError
from beambell.history.aggregates import counted, merge_sorted, restrict_sorted
from beambell.history.answers import Answers
from beambell.history.panes import seen_sorted
from beambell.history.rollup import ROLL_UP, Node, Paned, Part, RollUp, closing_day, first_day
from beambell.labeling.aggregates import ANSWER, Aggregate, FeedbackRate
from beambell.labeling.core import LabelingFunction, check_fields
from beambell.labeling.stateful import AggregateSpec, Pane, StatefulFunction
from beambell.records import seen_schema
from beambell.store import FileRef, Layout, Manifest, Partition, Store, digest
from beambell.store.tables import iter_tables, write_tables

ROLE = "states"


@dataclass(frozen=True)
class Slice:
    """The history of one partition as a choice of tables.

    Attributes
    ----------
    keys
        Partition whose keys are looked up.
    parts
        Tables that add up to the history.
    panes
        Tables by pane of its day: first its own, then those that are counted.
    """

    keys: Partition
    parts: tuple[Part, ...]
    panes: tuple[Paned, ...] = ()

    @property
    def tables(self) -> tuple[Part | Paned, ...]:
        """All that it is made from, beside its keys."""
        return (*self.parts, *self.panes)


@dataclass(frozen=True)
class HistoryAt:
    """The history of all keys as of a day, whether or not there are rows of that day.

    Attributes
    ----------
    parts
        Stretches of days that add up to the history.
    last_day
        Last day before it of which there are rows, and all are in the history, as ``2026-01-09``; ``None`` if none is.
    """

    parts: tuple[Part, ...]
    last_day: str | None


class AggregateTables:
    """The tables of one aggregate, as they were when first asked for: of each partition, and of the roll-up's nodes.

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
    panes
        Lengths of the panes by which labeling functions see the days of the rows.
    """

    def __init__(
        self,
        store: Store,
        spec: AggregateSpec,
        rows: Mapping[Partition, FileRef],
        counted: frozenset[str],
        answers: Answers | None = None,
        panes: frozenset[Pane] = frozenset(),
    ) -> None:
        self.spec = spec
        self.rows = rows
        self.counted = counted
        self._answers = answers
        self._panes = panes
        self.roll_up = RollUp(partition for partition in rows if partition.stream in counted)
        self._store = store
        self._known: dict[Part | Paned, FileRef] = {}
        self._made: dict[str, Manifest] = {}

    def folder(self, part: Part | Paned) -> str:
        """Folder of a table."""
        return f"{Layout.AGGREGATES}/{self.spec.id}/{part.folder}"

    def inputs(self, part: Part | Paned) -> dict[str, str] | None:
        """Digests of what a table would be made from now; ``None`` while any of it is not up to date."""
        if not isinstance(part, Node):
            partition = part.partition if isinstance(part, Paned) else part
            counts = partition.stream in self.counted
            of_people = self._answers.digest(partition) if self._answers and counts else None
            rows = {"rows": self.rows[partition].sha256}
            return with_format("aggregate", rows if of_people is None else {**rows, "feedback": of_people})
        refs = {child.folder: self.ref(child) for child in self.roll_up.children(part)}
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

    def manifest(self, part: Part | Paned) -> Manifest | None:
        """Manifest of a table, up to date or not."""
        folder = self.folder(part)
        return self._made.get(folder) or self._found.get(folder)

    def publish(self, part: Part | Paned, pieces: Iterable[pa.Table]) -> Manifest:
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
        facts = {
            **self.spec.describe(),
            **({"pane": part.pane} if isinstance(part, Paned) else {}),
            "keys": sealed.rows,
        }
        self._made[folder] = self._store.publish(folder, Manifest("aggregate", {ROLE: sealed.ref}, inputs, facts))
        return self._made[folder]

    def ref(self, part: Part | Paned) -> FileRef | None:
        """File of a table, if it is up to date."""
        if part not in self._known:
            manifest, inputs = self.manifest(part), self.inputs(part)
            if manifest is None or inputs is None or manifest.inputs != inputs:
                return None
            self._known[part] = manifest.files[ROLE]
        return self._known[part]

    def superfluous(self) -> list[str]:
        """Return the folders of nodes of days that were withdrawn: no stretch of the days that are left is theirs."""
        wanted = {self.folder(node) for node in self.roll_up.all_nodes()}
        roll_up = f"{Layout.AGGREGATES}/{self.spec.id}/{ROLL_UP}/"
        return [folder for folder in self._found if folder.startswith(roll_up) and folder not in wanted]

    def paned(self) -> list[Paned]:
        """List all that there is to be by pane; partitions of months have none."""
        return [Paned(p, pane) for day in self._by_day.values() for p in day for pane in sorted(self._panes)]

    @cached_property
    def _by_day(self) -> dict[str, list[Partition]]:
        """Partitions of hours and days, by the day."""
        days: dict[str, list[Partition]] = {}
        for partition in sorted(self.rows):
            if len(partition.dt) > len("2026-01"):
                days.setdefault(partition.dt[: len("2026-01-03")], []).append(partition)
        return days

    def history_of(self, partition: Partition, window_days: int | None, pane: Pane | None = None) -> Slice:
        """Say which tables add up to the history of a partition, and to what its rows see of their day."""
        parts = tuple(self.roll_up.cover(*_stretch(partition.dt, window_days)))
        if pane is None:
            return Slice(partition, parts)
        day = self._by_day.get(partition.dt[: len("2026-01-03")], [])
        # An hour that comes later has nothing that was over before this one began; a day may have.
        earlier = (p for p in day if p.stream in self.counted and p.dt[: len(partition.dt)] <= partition.dt)
        return Slice(partition, parts, (Paned(partition, pane), *(Paned(p, pane) for p in earlier)))

    def history_at(self, dt: str, window_days: int | None) -> HistoryAt:
        """Say which tables add up to the history of a partition that need not be there yet, as far as they are fresh.

        While the last days before it are not aggregated, the history ends where they begin, and says so.

        Parameters
        ----------
        dt
            Date of the partition, of any grain.
        window_days
            Number of days before it that are looked at; ``None`` for all.
        """
        start, end = _stretch(dt, window_days)
        behind = (p for p in self.roll_up.partitions(start, end) if self.ref(p) is None)
        end = min(map(closing_day, (p.dt for p in behind)), default=end)
        last = self.roll_up.last_day(end)
        parts = tuple(self.roll_up.cover(start, end))
        return HistoryAt(parts, None if last is None else date.fromordinal(last).isoformat())

    def source_digest(self, history: Slice) -> str | None:
        """Digest of the tables that a history is made from; ``None`` while any is not up to date."""
        refs = [self.ref(history.keys), *map(self.ref, history.tables)]
        return None if None in refs else digest([ref.sha256 for ref in refs if ref])

    def read(self, history: Slice) -> Iterator[pa.Table]:
        """Yield the states of a partition's keys that have a history, sorted by key; by key and pane with panes.

        However many keys there are, a piece of each table is held at a time.

        Yields
        ------
        pyarrow.Table
            As of `merge_sorted`; where there is no history at all, an empty table.

        Raises
        ------
        ArtefactError
            If a table is not up to date.
        """
        before = self._merged(restrict_sorted(self.pieces(part), self._keys(history.keys)) for part in history.parts)
        return self._with_panes(history.panes, before) if history.panes else before

    def _with_panes(self, panes: Sequence[Paned], before: Iterator[pa.Table]) -> Iterator[pa.Table]:
        asked, aggregate = panes[0], self.spec.aggregate
        day = merge_sorted(aggregate, [self.pieces(part) for part in panes[1:]], days=False)
        return _at_least_one(aggregate, seen_sorted(aggregate, self._keys(asked), day, before))

    def read_all(self, history: HistoryAt) -> Iterator[pa.Table]:
        """Yield the states of all keys that have a history, sorted by key: for `StatefulFunction.with_history`, too.

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
        children = [self._states(child) for child in self.roll_up.children(part)]
        return merge_sorted(self.spec.aggregate, children, days=part.level > 0)

    def _merged(self, parts: Iterable[Iterable[pa.Table]]) -> Iterator[pa.Table]:
        return _at_least_one(self.spec.aggregate, merge_sorted(self.spec.aggregate, list(parts), days=True))

    def _keys(self, part: Part | Paned) -> Iterator[pa.Table]:
        return iter_tables(self._store, self.folder(part), self._required(part), ["key"])

    def pieces(self, part: Part | Paned) -> Iterator[pa.Table]:
        """Read a table in pieces."""
        return iter_tables(self._store, self.folder(part), self._required(part))

    def _required(self, part: Part | Paned) -> FileRef:
        ref = self.ref(part)
        if ref is None:
            raise ArtefactError(
                "the aggregate of earlier rows is not up to date",
                where=self._store.files.path(self.folder(part)),
                fix="run `beambell aggregate`",
            )
        return ref


def _at_least_one(aggregate: Aggregate, pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield next(pieces, aggregate.schema.empty_table())
    yield from pieces


def _stretch(dt: str, window_days: int | None) -> tuple[int | None, int]:
    """Return the first day that the history of a partition may have, and the one after its last."""
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
        panes = frozenset(lf.pane for lf in users if lf.pane is not None)
        opened[id_] = AggregateTables(store, spec, looked_at, counted, answers if spec.asks_people else None, panes)
    return opened


def with_histories(
    store: Store, params: Params, lfs: Iterable[LabelingFunction], partition: Partition, rows: pa.Table
) -> pa.Table:
    """Return rows of a partition with the history of their keys, for each stateful function that votes on them.

    Raises
    ------
    ArtefactError
        If an aggregate is not up to date; it names the labeling function.
    """
    voting = [lf for lf in lfs if isinstance(lf, StatefulFunction) and lf.votes_on(partition.stream)]
    opened = open_aggregates(store, params, voting)
    for lf in voting:
        tables = opened[lf.spec.id]
        pane = lf.pane_in(partition.dt)
        history = tables.history_of(partition, lf.window_days, pane)
        if history.tables and tables.source_digest(history) is None:
            raise ArtefactError(
                "the aggregate of earlier rows that it votes by is not up to date",
                where=f"labeling function {lf.name!r}",
                fix="run `beambell aggregate`",
            )
        rows = lf.with_history(rows, tables.read(history), partition.stream, pane)
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
