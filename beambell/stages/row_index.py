"""Where the row of an id is: sorted hashes of each partition's ids, so that asking for a few does not read all.

A partition that is new is read once; after that, looking for k ids costs k binary searches in a mapped file.
The hashes are a cache below ``.beambell/``, safe to delete. They only say where to look: the ids decide.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import Hashes, Integers
from beambell.project import Project
from beambell.store import FileRef, Layout, Partition
from beambell.store.caching import if_writable
from beambell.store.files import Files
from beambell.store.tables import iter_tables, read_table

FOLDER = "row-index"
SUM_BYTES = 4


def files_of_rows(project: Project) -> dict[Partition, FileRef]:
    """Files of records of all partitions of the project's streams, in order of the partitions."""
    partitions = project.store.partitions(Layout.PARTITIONS)
    return {p: manifest.files["rows"] for p, manifest in partitions.items() if p.stream in project.params.streams}


class RowIndex:
    """Finds rows of partitions by their ids.

    Parameters
    ----------
    project
        Project whose rows are looked for; its volatile folder keeps the hashes.
    """

    def __init__(self, project: Project) -> None:
        self._store = project.store
        self._tables = files_of_rows(project)
        self._project = project
        self._files = Files(project.volatile)

    def find(self, ids: Mapping[str, pa.Array]) -> Iterator[tuple[Partition, Integers]]:
        """Find rows.

        Parameters
        ----------
        ids
            Stream -> distinct ids, string [n].

        Yields
        ------
        tuple
            A partition that has some of them, in order; and their positions in the ids of its stream, ascending.
        """
        wanted = {stream: _Wanted(hash_ids(of_stream)) for stream, of_stream in ids.items() if len(of_stream)}

        def look(partition: Partition) -> tuple[Partition, Integers] | None:
            ref = self._tables[partition]
            likely = wanted[partition.stream].among(self._hashes(partition, ref))
            if not len(likely):
                return None
            there = read_table(self._store, Layout.of(Layout.PARTITIONS, partition), ref, ["id"])["id"]
            asked = ids[partition.stream].take(pa.array(likely))
            found = pc.is_in(asked, value_set=there.combine_chunks()).to_numpy(zero_copy_only=False)
            return (partition, likely[found]) if found.any() else None

        mine = [partition for partition in self._tables if partition.stream in wanted]
        yield from filter(None, self._store.files.each(look, mine))

    def sweep(self) -> None:
        """Forget partitions that are gone, and tables that were replaced."""
        named = {self._name(ref) for ref in self._tables.values()}
        for name in self._files.walk(f"{FOLDER}/{Layout.PARTITIONS}"):
            if name not in named:
                self._files.remove(name)

    def _hashes(self, partition: Partition, ref: FileRef) -> Hashes:
        hashes = _load(Path(self._files.path(self._name(ref))))
        if hashes is None or hashes.shape != (ref.rows,):
            folder = Layout.of(Layout.PARTITIONS, partition)
            parts = [hash_ids(table["id"]) for table in iter_tables(self._store, folder, ref, ["id"])]
            hashes = np.sort(np.concatenate([np.empty(0, np.uint64), *parts]))
            buffer = io.BytesIO()
            np.save(buffer, hashes)
            with if_writable(self._project.volatile):
                self._files.write(self._name(ref), buffer.getvalue() + _sum(hashes))
        return hashes

    def _name(self, ref: FileRef) -> str:
        return f"{FOLDER}/{Layout.PARTITIONS}/{ref.sha256[:32]}.npy"


def _load(path: Path) -> Hashes | None:
    """Map a file of hashes; ``None`` if it is not there, or damaged: a row that is not found would be believed."""
    try:
        with path.open("rb") as file:
            file.seek(-SUM_BYTES, io.SEEK_END)
            checksum = file.read()
        hashes = np.load(path, mmap_mode="r")
        return np.asarray(hashes) if hashes.dtype == np.uint64 and _sum(hashes) == checksum else None
    except (OSError, ValueError, EOFError):
        return None


def _sum(hashes: Hashes) -> bytes:
    return zlib.crc32(np.ascontiguousarray(hashes).view(np.uint8).data).to_bytes(SUM_BYTES, "little")


class _Wanted:
    """Hashes that are looked for, in order, and where each was."""

    def __init__(self, hashes: Hashes) -> None:
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def among(self, there: Hashes) -> Integers:
        """Integers, in order, of those that occur in other sorted hashes."""
        few, many = sorted((self._hashes, there), key=len)
        if not len(few):
            return np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(many, few), len(many) - 1)
        both = np.unique(few[many[at] == few])
        first, last = (np.searchsorted(self._hashes, both, side=side) for side in ("left", "right"))
        times = last - first  # more than 1 where two ids share a hash
        each = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times) + np.repeat(first, times)
        return np.sort(self._order[each]).astype(np.int64)


def hash_ids(ids: pa.Array | pa.ChunkedArray) -> Hashes:
    """Hash ids to 64 bits, uint64 [n]; the same in every process."""
    from pandas.util import hash_array

    return np.asarray(hash_array(ids.to_numpy(zero_copy_only=False), categorize=False), np.uint64)
