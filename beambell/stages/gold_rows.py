"""Gold labels of ingested rows, found by id or by file and line among all files; and what fits no row, or contradicts.

A row that has two gold labels has none: which of them is right, nobody can tell. What does not fit is counted and
said, because labels that are measured on a few of many rows look as good as any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import NO_CLASS, Integers
from beambell.artefacts.kinds.models import Evaluation
from beambell.errors import InputError
from beambell.project import Project
from beambell.stages.gold import read_gold_file
from beambell.stages.sources import FileDigests, SourceFile, glob_files
from beambell.stages.stage import some_of
from beambell.store import Layout

SHOWN: Final = 5
_CLASH: Final = -2


GoldGlobs = Mapping[str, Sequence[SourceFile]]


def find_gold(project: Project) -> GoldGlobs:
    """Find the files that each pattern of ``evaluation.gold`` fits, by pattern."""
    return {pattern: glob_files(project.path, pattern, "evaluation.gold") for pattern in project.params.evaluation.gold}


def gold_files(project: Project, globs: GoldGlobs | None = None) -> dict[str, tuple[str, str]]:
    """Find the files of gold labels: name to (url, SHA-256).

    Parameters
    ----------
    globs
        Files that `find_gold` has found already.
    """
    digests = FileDigests(project)
    files = (file for found in (find_gold(project) if globs is None else globs).values() for file in found)
    found = {file.name: (file.url, digests.of(file)) for file in files}
    digests.save()
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class GoldFile:
    """Gold labels of rows, from one file.

    Attributes
    ----------
    name
        Name of the file.
    table
        Table as `beambell.stages.gold.read_gold_file` gives it.
    label
        Class of each, int64 [n]; `_CLASH` where the file has another for the same row as well.
    """

    name: str
    table: pa.Table
    label: Integers

    @classmethod
    def of(cls, name: str, table: pa.Table) -> GoldFile:
        """Look for rows that the file gives two labels."""
        table = table.append_column("at", pa.array(np.arange(table.num_rows)))
        label = table["label"].to_numpy().astype(np.int64)
        for key in _keys(table):
            label[_contradicting(key, table["label"].to_numpy())] = _CLASH
        return cls(name, table, label)

    def rows_named(self, at: Integers) -> list[str]:
        """Name some of its rows as people do: by stream and id, or by file and line where there is no id."""
        table = self.table.take(pa.array(at))
        columns = ("stream", "id", "file", "line")
        cells = (table[name].to_pylist() if name in table.column_names else [None] * len(at) for name in columns)
        return [
            f"{file}:{line}" if row is None else f"{stream or '*'}/{row}"
            for stream, row, file, line in zip(*cells, strict=True)
        ]


@dataclass(frozen=True)
class Matched:
    """What gold says of n rows.

    Attributes
    ----------
    label
        Class of each, int64 [n]; -1 where there is none, or several.
    contradicted
        Mask of the rows that have several labels, bool [n].
    used
        File -> places of its labels that are of one of these rows.
    """

    label: Integers
    contradicted: npt.NDArray[np.bool_]
    used: dict[str, Integers]


@dataclass(frozen=True)
class Gold:
    """All gold labels of a project.

    Attributes
    ----------
    of_rows
        Files with labels of ingested rows.
    own
        Files whose rows have a text of their own.
    """

    of_rows: tuple[GoldFile, ...]
    own: tuple[pa.Table, ...]

    @classmethod
    def read(cls, project: Project) -> Gold:
        """Read the files of gold labels, rows of unknown class left out.

        Raises
        ------
        InputError
            If a file is damaged, or has not the columns and classes that gold labels have.
        """
        tables = {
            name: read_gold_file(url, name, project.params.classes) for name, (url, _) in gold_files(project).items()
        }
        rows = [GoldFile.of(name, table) for name, table in tables.items() if "text" not in table.column_names]
        return cls(tuple(rows), tuple(table for table in tables.values() if "text" in table.column_names))

    def match(self, rows: pa.Table, stream: str) -> Matched:
        """Find the gold labels of rows of one stream."""
        label = np.full(rows.num_rows, NO_CLASS, dtype=np.int64)
        used = {}
        for file in self.of_rows:
            parts = []
            for at in _places_of(rows, stream, file.table):
                there = at >= 0
                found = np.where(there, file.label[np.where(there, at, 0)], NO_CLASS) if len(file.label) else label
                clash = (found != NO_CLASS) & (label != NO_CLASS) & (found != label)
                label = np.where(clash, _CLASH, np.where(label == NO_CLASS, found, label))
                parts.append(at[there])
            used[file.name] = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        contradicted = label == _CLASH
        return Matched(np.where(contradicted, NO_CLASS, label), contradicted, used)


def gold_of(project: Project) -> Callable[[Any], Integers]:
    """Return what finds the gold labels of some rows of a partition (``.rows`` and ``.partition``): int64 [n]."""
    gold = Gold.read(project)
    return lambda part: gold.match(part.rows, part.partition.stream).label


# -- how rows are named ----------------------------------------------------------------------------------------------


def _keys(table: pa.Table) -> Iterator[pa.Array]:
    """Give what names each row of a file of gold labels; null where nothing does."""
    if "file" in table.column_names:
        yield _joined(table["file"], table["line"])
    if "id" in table.column_names:
        stream = table["stream"] if "stream" in table.column_names else pa.repeat("", table.num_rows)
        yield _joined(stream, table["id"])


def _contradicting(key: pa.Array, label: Integers) -> npt.NDArray[np.bool_]:
    """Tell which rows have a key that has two labels, bool [n]."""
    codes = pc.fill_null(key.dictionary_encode().indices, -1).to_numpy().astype(np.int64)
    known = codes >= 0
    if not known.any():
        return np.zeros(len(codes), bool)
    n = int(codes.max()) + 1
    low, high = np.full(n, np.iinfo(np.int64).max), np.full(n, -1)
    np.minimum.at(low, codes[known], label[known])
    np.maximum.at(high, codes[known], label[known])
    return np.asarray(known & (low != high)[np.where(known, codes, 0)])


def _places_of(rows: pa.Table, stream: str, gold: pa.Table) -> Iterator[Integers]:
    """Find each of n rows in a file of gold labels, by each way in which that names rows: int64 [n], -1 without."""
    if "stream" in gold.column_names:
        gold = gold.filter(pc.equal(gold["stream"], stream))
    at = gold["at"].to_numpy()
    keys = []
    if "file" in gold.column_names:
        # Gold may leave out leading folders of its files.
        named = set(pc.unique(gold["file"]).to_pylist())
        files = rows["_file"].combine_chunks().dictionary_encode()
        short = [next((tail for tail in _tails(file) if tail in named), None) for file in files.dictionary.to_pylist()]
        mine = pa.DictionaryArray.from_arrays(files.indices, pa.array(short, pa.string())).dictionary_decode()
        keys.append((_joined(mine, rows["_line"]), _joined(gold["file"], gold["line"])))
    if "id" in gold.column_names:
        keys.append((rows["id"].cast(pa.string()).combine_chunks(), gold["id"].combine_chunks()))
    for mine, theirs in keys:
        found = pc.fill_null(pc.index_in(mine, value_set=theirs, skip_nulls=True), -1).to_numpy()
        yield np.where(found >= 0, at[np.where(found >= 0, found, 0)], -1) if len(at) else np.full(len(mine), -1)


def _tails(file: str) -> Iterator[str]:
    parts = file.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _joined(first: Any, second: Any) -> pa.Array:
    keys = pc.binary_join_element_wise(first, second.cast(pa.string()), "\n")
    return keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys


# -- what does not fit -------------------------------------------------------------------------------------------------


@dataclass
class Account:
    """What became of the gold labels of rows, counted partition by partition."""

    gold: Gold
    contradicted: list[str] = field(default_factory=list)
    used: dict[str, set[int]] = field(default_factory=dict)

    def add(self, stream: str, ids: pa.ChunkedArray, matched: Matched) -> None:
        """Count the rows of one partition."""
        named = ids.filter(pa.array(matched.contradicted)).to_pylist()
        self.contradicted += [f"{stream}/{row}" for row in named]
        for name, places in matched.used.items():
            self.used.setdefault(name, set()).update(places.tolist())

    def facts(self) -> dict[str, Any]:
        """Give counts, and the first of each that does not fit."""
        labels = matched = 0
        unmatched: list[str] = []
        for file in self.gold.of_rows:
            used = np.zeros(len(file.label), bool)
            used[list(self.used.get(file.name, ()))] = True
            for key in _keys(file.table):  # repetitions of a label are used, too
                codes = pc.fill_null(key.dictionary_encode().indices, -1).to_numpy()
                used |= (codes >= 0) & np.isin(codes, codes[used & (codes >= 0)])
            labels += len(used)
            matched += int(used.sum())
            left = np.flatnonzero(~used)[: SHOWN - len(unmatched)] if len(unmatched) < SHOWN else np.empty(0, np.int64)
            unmatched += [f"{row} of {file.name}" for row in file.rows_named(left)]
        contradicted = list(dict.fromkeys(self.contradicted))
        return {
            "labels": labels,
            "matched": matched,
            "unmatched_rows": unmatched,
            "contradicted": len(contradicted),
            "contradicted_rows": contradicted[:SHOWN],
        }


def _unfit(project: Project, pattern: str, globs: GoldGlobs | None) -> str | None:
    try:
        if glob_files(project.path, pattern, "evaluation.gold") if globs is None else globs[pattern]:
            return None
    except InputError as error:  # who only looks is told, and sees the rest
        return f"{error.where}: {error.message}"
    return f"evaluation.gold: {pattern!r} fits no file; correct it in params.yaml, or put the file there"


def gold_warnings(project: Project, globs: GoldGlobs | None = None) -> tuple[str, ...]:
    """Say which globs of gold fit no file, and what of the gold labels of the newest evaluation fits no row, or two.

    Parameters
    ----------
    globs
        Files that `find_gold` has found already.
    """
    patterns = project.params.evaluation.gold
    found = [said for pattern in patterns if (said := _unfit(project, pattern, globs)) is not None]
    evaluation = project.store.read(Layout.EVALUATION)
    facts = Evaluation.of(evaluation).gold if evaluation and patterns else None
    if not facts:
        return tuple(found)
    if unmatched := facts["labels"] - facts["matched"]:
        which = "none" if not facts["matched"] else f"{facts['matched']:,}"
        found.append(
            f"gold: {which} of {facts['labels']:,} labels are of a published row; {unmatched:,} match none, such as "
            f"{some_of(facts['unmatched_rows'])}; check their stream and id, or file and line"
        )
    if facts["contradicted"]:
        found.append(
            f"gold: {facts['contradicted']:,} rows have labels that contradict each other, such as "
            f"{some_of(facts['contradicted_rows'])}; none of them counts until one is left"
        )
    return tuple(found)
