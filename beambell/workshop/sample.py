"""A deterministic sample of stored rows, with the votes stored for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import Integers
from beambell.artefacts.kinds.votes import Votes
from beambell.errors import UsageError
from beambell.project import Project
from beambell.records import as_seen
from beambell.state import patterns as packed
from beambell.store import FileRef, Layout, Partition, Selection
from beambell.store.tables import iter_tables

SAMPLE = 10_000
"""Rows of a sample, unless another number is asked for."""


@dataclass(frozen=True, eq=False)
class StoredVotes:
    """Votes that were stored for n rows.

    Attributes
    ----------
    fingerprints
        Fingerprints of the m labeling functions by name, in the order of the columns of ``L``.
    L
        Votes, int8 [n, m]: classes, -1 where a labeling function abstained.
    """

    fingerprints: dict[str, str]
    L: npt.NDArray[np.int8]

    def of(self, name: str) -> npt.NDArray[np.int8]:
        """Return the votes of one labeling function, abstentions where it had none: int8 [n]."""
        if name not in self.fingerprints:
            return np.full(len(self.L), -1, np.int8)
        return self.L[:, list(self.fingerprints).index(name)]


@dataclass(frozen=True, eq=False)
class Part:
    """The sampled rows of one partition.

    Attributes
    ----------
    partition
        Partition the rows are from.
    rows
        Table of n rows with all columns.
    stored
        Votes of the rows; ``None`` where these rows have not been voted on.
    """

    partition: Partition
    rows: pa.Table
    stored: StoredVotes | None


Gold = Callable[[Part], npt.NDArray[np.int64]]
"""Gives the known class of each sampled row, -1 where there is none."""


def draw(project: Project, selection: Selection, size: int) -> list[Part]:
    """Draw rows from all selected partitions, each giving its share; the same data give the same sample.

    Parameters
    ----------
    size
        Rows in all; if there are fewer, all of them.

    Raises
    ------
    UsageError
        If no row is stored.
    """
    store = project.store
    files = {
        partition: manifest.files["rows"]
        for partition, manifest in store.partitions(Layout.PARTITIONS).items()
        if partition in selection and partition.stream in project.params.streams
    }
    sizes = _shares([ref.rows for ref in files.values()], size)
    if not sum(sizes):
        raise UsageError(
            "there are no stored rows to look at",
            fix="run `beambell ingest`, or widen --stream, --from and --to: `beambell status` says what there is",
        )
    parts = []
    for (partition, ref), share in zip(files.items(), sizes, strict=True):
        if share:
            positions = _positions(ref, share)
            rows = _take(iter_tables(store, Layout.of(Layout.PARTITIONS, partition), ref), positions)
            rows = as_seen(rows, project.params.streams[partition.stream])
            parts.append(Part(partition, rows, _stored(project, partition, ref, positions)))
    return parts


def excerpt(text: object, width: int = 100) -> str:
    """Shorten a text to one line that is safe to print: what cannot be seen is escaped."""
    line = _visible(str(text)[: width + 1])
    return line if len(line) <= width else line[: width - 3] + "..."


def harmless(text: str) -> str:
    """Return a whole text, its lines as they are, that is safe to print: what else cannot be seen is escaped."""
    return "\n".join(map(_visible, text.split("\n")))


def _visible(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def spread(n: int, most: int) -> Integers:
    """Choose at most ``most`` of n positions, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)) if n else np.empty(0, np.int64)


def _shares(sizes: Sequence[int], size: int) -> list[int]:
    """Divide a sample by size of partitions, the rest going to the largest remainders."""
    total = sum(sizes)
    if size >= total:
        return list(sizes)
    shares = [n * size // total for n in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (-(sizes[i] * size % total), i))
    for i in by_remainder[: size - sum(shares)]:
        shares[i] += 1
    return shares


def _positions(ref: FileRef, share: int) -> Integers:
    """Choose rows of a file by its digest."""
    chosen = np.random.default_rng(int(ref.sha256[:16], 16)).choice(ref.rows, share, replace=False)
    return np.sort(chosen).astype(np.int64)


def _take(tables: Iterable[pa.Table], positions: Integers) -> pa.Table:
    taken, offset = [], 0
    for table in tables:
        here = positions[(positions >= offset) & (positions < offset + table.num_rows)] - offset
        taken.append(table.take(pa.array(here)))
        offset += table.num_rows
    return pa.concat_tables(taken)


def _stored(project: Project, partition: Partition, ref: FileRef, positions: Integers) -> StoredVotes | None:
    folder = Layout.of(Layout.VOTES, partition)
    votes = project.store.read(folder)
    if votes is None or (Votes.of(votes).rows_digest, Votes.of(votes).cardinality) != (
        ref.sha256,
        project.params.cardinality,
    ):
        return None
    fingerprints = Votes.of(votes).fingerprints
    patterns = _take(iter_tables(project.store, folder, votes.files["votes"], ["pattern"]), positions)["pattern"]
    codes = packed.from_arrow(patterns.combine_chunks())
    return StoredVotes(fingerprints, packed.unpack(codes, len(fingerprints), project.params.cardinality))
