"""The rows of one part of an export, a group of rows at a time: memory does not grow with the partition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.artefacts.kinds.predictions import Predictions
from beambell.artefacts.kinds.votes import Votes
from beambell.exports.parts import MODEL, NAME, SPLIT, Part, lfs_of, model_column, renamed, row_columns, vote_column
from beambell.exports.request import ROWS, Request
from beambell.project import Project
from beambell.state import patterns as packed
from beambell.store import FileRef, Layout, Store
from beambell.store.tables import iter_tables, read_table

ALL: Final = "all"
"""Name of the counts of an export without splits."""


@dataclass
class Account:
    """Numbers of a part's rows.

    Attributes
    ----------
    counts
        Counts of rows by split, or of ``all``: ``rows``, ``unlabelled``, and ``classes`` by name.
    left_out
        Number of rows below the least probability.
    without_row
        Number of labelled rows that are not among the partition's rows any more.
    """

    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: int = 0
    without_row: int = 0

    def add(self, split: str, labels: pa.ChunkedArray, classes: tuple[str, ...]) -> None:
        """Count rows of a split by their labels, int8 with -1 for none."""
        unlabelled, *of_classes = np.bincount(
            labels.to_numpy().astype(np.int64) + 1, minlength=len(classes) + 1
        ).tolist()
        empty = {"rows": 0, "unlabelled": 0, "classes": dict.fromkeys(classes, 0)}
        here = self.counts.setdefault(split or ALL, empty)
        here["rows"] += len(labels)
        here["unlabelled"] += unlabelled
        for name, number in zip(classes, of_classes, strict=True):
            here["classes"][name] += number


class Beside:
    """A table of the same rows as the labels, read alongside: by groups as long as the ids agree.

    They do unless labels of an older revision stay published; then the table is read whole, and looked up.

    Parameters
    ----------
    store, folder, ref
        Store, folder and file of the table.
    columns
        Names of its columns, ``id`` among them; ``None`` for all.
    """

    def __init__(self, store: Store, folder: str, ref: FileRef, columns: list[str] | None) -> None:
        self._groups = iter_tables(store, folder, ref, columns)
        self._read = partial(read_table, store, folder, ref, columns)
        self._whole: pa.Table | None = None

    def of(self, ids: pa.ChunkedArray) -> pa.Table:
        """Rows of these ids, in their order; nulls where there is none."""
        if self._whole is None:
            group = next(self._groups, None)
            if group is not None and group["id"].equals(ids):
                return group
            self._whole = self._read().combine_chunks()
        at = pc.index_in(ids, value_set=self._whole["id"].combine_chunks())
        return self._whole.take(at)


def part_tables(
    project: Project, part: Part, request: Request, schema: pa.Schema, account: Account
) -> Iterator[tuple[str, pa.Table]]:
    """Read a part, split by split; every table has the schema of the export.

    Yields
    ------
    str, Table
        Name of the split, empty where there are none, and rows of it.
    """
    store, partition, classes = project.store, part.partition, project.params.classes
    own = Layout.of(Layout.LABELS, partition)
    rows, votes, predictions = _rows(project, part), _votes(store, part), _predictions(store, part)
    names = pa.array(classes)
    for labels in iter_tables(store, own, part.labels.files["labels"]):
        table = labels.rename_columns([renamed(name) for name in labels.column_names])
        ids = labels["id"]
        found = pc.if_else(pc.less(labels["label"], 0), None, labels["label"]).combine_chunks()
        table = table.append_column(NAME, names.take(found))
        table = table.append_column("stream", pa.repeat(partition.stream, len(ids)))
        table = table.append_column("dt", pa.repeat(partition.dt, len(ids)))
        texts = None
        if rows:
            beside = rows.of(ids)
            account.without_row += beside["id"].null_count
            texts = beside[project.params.streams[partition.stream].text]
            if ROWS in request.beside:
                for name, stored in row_columns(project, partition.stream).items():
                    table = table.append_column(name, beside[stored])
        if votes and part.votes:
            codes, lfs = votes.of(ids), lfs_of(part.votes)
            for name, votes_of_one in _unpacked(codes["pattern"], lfs, Votes.of(part.votes).cardinality).items():
                table = table.append_column(vote_column(name), votes_of_one)
        if predictions and part.predictions:
            said = predictions.of(ids)
            model = Predictions.of(part.predictions).version
            table = table.append_column(MODEL, pc.if_else(said["id"].is_valid(), model, None))
            for name in ("label", *(f"p_{name}" for name in classes)):
                table = table.append_column(model_column(name), said[name])
        if request.splits:
            words = texts.to_pylist() if texts is not None else [None] * len(ids)
            table = table.append_column(SPLIT, request.splits.of(words, ids.to_pylist()))
        table = _likely(table, request.min_probability, classes, account)
        for split in request.splits.names if request.splits else ("",):
            chosen = table.filter(pc.equal(table[SPLIT], split)) if split else table
            if chosen.num_rows:
                account.add(split, chosen["label"], classes)
                yield split, _conformed(chosen, schema)


def _rows(project: Project, part: Part) -> Beside | None:
    if part.rows is None:
        return None
    params = project.params.streams[part.partition.stream]
    stored = [params.text, *row_columns(project, part.partition.stream).values()]
    columns = list(dict.fromkeys(["id", *stored]))
    return Beside(project.store, Layout.of(Layout.PARTITIONS, part.partition), part.rows.files["rows"], columns)


def _votes(store: Store, part: Part) -> Beside | None:
    if part.votes is None:
        return None
    folder = Layout.of(Layout.VOTES, part.partition)
    return Beside(store, folder, part.votes.files["votes"], ["id", "pattern"])


def _predictions(store: Store, part: Part) -> Beside | None:
    if part.predictions is None:
        return None
    folder, ref = Layout.of(Layout.PREDICTIONS, part.partition), part.predictions.files["predictions"]
    return Beside(store, folder, ref, None)


def _unpacked(pattern: pa.ChunkedArray, lfs: list[str], cardinality: int) -> dict[str, pa.Array]:
    """Votes of each labeling function, int8 with -1 where it abstained; null where the row has no votes."""
    known = pattern.is_valid().combine_chunks()
    codes = packed.from_arrow(pattern.drop_null())
    L = packed.unpack(codes, len(lfs), cardinality)
    at = pc.if_else(known, pc.subtract(pc.cumulative_sum(known.cast(pa.int64())), 1), None)
    return {name: pa.array(L[:, j], pa.int8()).take(at) for j, name in enumerate(lfs)}


def _likely(table: pa.Table, least: float | None, classes: tuple[str, ...], account: Account) -> pa.Table:
    if least is None:
        return table
    best = pc.max_element_wise(*(table[f"p_{name}"].cast(pa.float64()) for name in classes), pa.scalar(0.0))
    kept = table.filter(pc.greater_equal(best, least))
    account.left_out += table.num_rows - kept.num_rows
    return kept


def _conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Bring a table to the schema of the export: columns that the partition has not are null."""
    n, there = table.num_rows, set(table.column_names)
    columns = [table[one.name].cast(one.type) if one.name in there else pa.nulls(n, one.type) for one in schema]
    return pa.table(columns, schema=schema)
