"""From Parquet to written votes, on one core: the Beam job and what else one could use."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beambell.labeling.folding import fold
from benchmarks import contenders
from benchmarks.folder import make_project, rows_file, votes_digest
from benchmarks.lf_sets import lf_set
from benchmarks.processes import Isolated
from benchmarks.timing import alternated, table
from benchmarks.workload import Workload, mean_bytes

WORKLOAD = Workload(rows=1_000_000)
PANDAS_ROWS = {18: 20_000, 100: 2_000}

BEAM, LOOP, POLARS, PANDAS, READ = (
    "`beambell apply`: the Beam job, all of it",
    "a plain loop with the same kernels",
    "polars, an expression for each LF",
    "snorkel's `PandasLFApplier`, LFs written by hand",
    "reading the columns, no votes",
)


def measure() -> str:
    """Compare."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folders = {n: make_project(Path(temporary) / str(n), WORKLOAD, lf_set(n)) for n in PANDAS_ROWS}
        copies = {n: shutil.copytree(folder, Path(temporary) / f"{n} looped") for n, folder in folders.items()}
        process = {
            name: stack.enter_context(Isolated(POLARS_MAX_THREADS="1")) for name in (PANDAS, POLARS, LOOP, BEAM, READ)
        }
        runs = {}
        for n, folder in folders.items():
            runs[n, BEAM] = partial(process[BEAM], contenders.beam_job, folder)
            runs[n, LOOP] = partial(process[LOOP], contenders.plain_loop, copies[n])
            runs[n, POLARS] = partial(process[POLARS], contenders.polars_query, folder)
            runs[n, PANDAS] = partial(process[PANDAS], contenders.pandas_applier, folder, PANDAS_ROWS[n])
            runs[n, READ] = partial(process[READ], contenders.raw_read, folder)
        notes: list[str] = []
        taken = alternated(runs, lambda: notes.extend(_check(n, folders[n], copies[n]) for n in folders))
        mean = mean_bytes(pq.read_table(rows_file(folders[18]), columns=["text"])["text"])
    us = {run: value / WORKLOAD.rows * 1e6 for run, value in taken.items()}
    title = f"## {WORKLOAD.rows:,} rows of {mean:.0f} bytes, from Parquet to written votes, one core\n"
    return "\n".join([title, *(_table(n, us) for n in PANDAS_ROWS), _ratios(us), *notes])


def _check(n: int, folder: Path, copy: Path) -> str:
    """Check that all votes are equal; where polars may differ, tell where it does."""
    votes = contenders.read_votes(folder)
    assert votes_digest(folder) == votes_digest(copy)
    by_hand = contenders.read_pandas_votes(folder)
    texts = pq.read_table(rows_file(folder), columns=["text"])["text"]
    as_typed = [fold(text) == text for text in texts[: len(by_hand)].to_pylist()]  # nobody folds texts by hand
    assert np.array_equal(votes[: len(by_hand)][as_typed], by_hand[as_typed])
    is_ascii = pc.string_is_ascii(texts).to_numpy()
    differ = votes != contenders.read_polars_votes(folder)
    assert not differ[is_ascii].any()
    return (
        f"Votes of {n} LFs are equal, snorkel's on texts that folding leaves as they are, polars' on the "
        f"{is_ascii.sum():,} rows of ASCII text; on the other "
        f"{(~is_ascii).sum():,}, polars has {differ.sum():,} other votes "
        "(Rust's expressions have other word edges, spaces and letter cases than Python's).\n"
    )


def _table(n: int, us: dict[tuple[int, str], float]) -> str:
    rows = [
        [name, f"{us[n, name]:.2f}", f"{us[n, PANDAS] / us[n, name]:.0f}", f"{us[n, POLARS] / us[n, name]:.1f}"]
        for name in (PANDAS, POLARS, LOOP, BEAM, READ)
    ]
    return table([f"{n} LFs", "µs per row", "times faster than `PandasLFApplier`", "than polars"], rows)


def _ratios(us: dict[tuple[int, str], float]) -> str:
    return table(
        ["ratio", *(f"{n} LFs" for n in PANDAS_ROWS)],
        [
            ["the Beam job, to the plain loop", *(f"{us[n, BEAM] / us[n, LOOP]:.2f}" for n in PANDAS_ROWS)],
            ["the Beam job, to reading the columns", *(f"{us[n, BEAM] / us[n, READ]:.2f}" for n in PANDAS_ROWS)],
            ["the Beam job, to itself with 18 LFs", *(f"{us[n, BEAM] / us[18, BEAM]:.2f}" for n in PANDAS_ROWS)],
        ],
    )
