"""From Parquet to written votes: the product, and what else one could use. Each returns its own seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA
from beambell.project import Project
from beambell.stages.order import stage_named
from beambell.state import PatternCounts
from beambell.state import patterns as packed
from beambell.store import Layout
from beambell.store.tables import iter_tables, write_tables
from benchmarks.folder import PARTITION, forget_votes, rows_file
from benchmarks.timing import seconds
from benchmarks.workload import CARDINALITY, STREAM

LOOKED_UP = ("author", "video")
"""Columns that only lookups read: they are read as the dictionaries that the file holds."""


def beam_job(folder: Path, *, afresh: bool = True) -> float:
    """Everything that ``beambell apply`` does; if not afresh, with the votes that are there."""

    def run() -> None:
        project = Project(folder)
        assert stage_named("apply").refresh(project, project.select()).done == 1

    if afresh:
        forget_votes(folder)
    return seconds(run)


def plain_loop(folder: Path) -> float:
    """All that the job does, to the same bytes, in a loop over the row groups instead of in Beam."""
    from beambell.labeling import compile_lfs
    from beambell.stages import apply

    def run() -> None:
        project = Project(folder)
        with project.writing():
            (work,), _ = apply.find_work(project, project.select())
            apply.record_sources(project)
            lfs = project.catalogue.lfs
            compiled = compile_lfs(lfs, cache_dir=project.volatile / "compiled")
            counts: list[PatternCounts] = []

            def voted() -> Iterator[pa.Table]:
                place = Layout.of(Layout.PARTITIONS, PARTITION)
                for rows in iter_tables(project.store, place, work.rows, _columns(project), as_dictionaries=LOOKED_UP):
                    codes = compiled.evaluate(rows, cardinality=CARDINALITY, stream=STREAM).patterns
                    counts.append(PatternCounts.of_packed(codes, CARDINALITY, project.catalogue.names))
                    yield pa.table([rows["id"], packed.to_arrow(codes)], schema=schema)

            schema = apply.votes_schema(len(lfs), CARDINALITY)
            with project.store.seal(Layout.of(Layout.VOTES, PARTITION), "votes") as sealed:
                write_tables(sealed, schema, voted())
            letters = DEAD_LETTERS_SCHEMA.empty_table()
            apply.publish_votes(project, work, sealed.ref, PatternCounts.sum(counts), letters)

    forget_votes(folder)
    return seconds(run)


def polars_query(folder: Path) -> float:
    """A polars expression for each LF, one thread."""
    from benchmarks import in_polars

    lfs = Project(folder).catalogue.lfs
    return seconds(lambda: in_polars.write_votes(rows_file(folder), lfs, folder / "polars.parquet"))


def pandas_applier(folder: Path, rows: int) -> float:
    """Snorkel's applier on the first rows, scaled to all."""
    from benchmarks import in_snorkel

    project = Project(folder)
    applier = in_snorkel.applier(project.catalogue.lfs)
    file = pq.ParquetFile(rows_file(folder))

    def run() -> None:
        frame = next(file.iter_batches(rows, columns=_columns(project))).to_pandas()
        votes = applier.apply(frame, progress_bar=False)
        pq.write_table(pa.table({"id": frame["id"], "votes": list(votes.astype(np.int8))}), folder / "snorkel.parquet")

    return seconds(run) * int(file.metadata.num_rows) / rows


def raw_read(folder: Path) -> float:
    """Read the columns, and do nothing with them."""

    def run() -> None:
        project, place = Project(folder), Layout.of(Layout.PARTITIONS, PARTITION)
        rows = project.store.require(place, "").files["rows"]
        for _ in iter_tables(project.store, place, rows, _columns(project)):
            pass

    return seconds(run)


def read_votes(folder: Path) -> npt.NDArray[np.int8]:
    """Votes that are published, int8 [n, m]."""
    return _matrix(Project(folder).votes(PARTITION.stream, PARTITION.dt, form="arrow"))


def published_rows(folder: Path) -> int:
    """Rows that the job published votes on."""
    project = Project(folder)
    return int(project.store.require(Layout.of(Layout.VOTES, PARTITION), "").facts["rows"])


def read_polars_votes(folder: Path) -> npt.NDArray[np.int8]:
    """Votes that polars wrote."""
    return _matrix(pq.read_table(folder / "polars.parquet"))


def read_pandas_votes(folder: Path) -> npt.NDArray[np.int8]:
    """Votes that snorkel's applier cast on the first rows."""
    return np.array(pq.read_table(folder / "snorkel.parquet")["votes"].to_pylist(), dtype=np.int8)


def _matrix(table: pa.Table) -> npt.NDArray[np.int8]:
    return np.column_stack([table[name].to_numpy() for name in table.column_names if name != "id"])


def _columns(project: Project) -> list[str]:
    """What the LFs read, and the id."""
    return list(dict.fromkeys(["id", *(field for lf in project.catalogue for field in lf.fields or ())]))
