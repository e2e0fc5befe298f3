"""The cost of a row as rows, labeling functions and texts grow."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks import contenders
from benchmarks.folder import make_project, rows_file
from benchmarks.lf_sets import lf_set
from benchmarks.processes import Isolated
from benchmarks.timing import alternated, table
from benchmarks.workload import Workload, mean_bytes

CASES = [
    *((Workload(rows), 18) for rows in (10_000, 100_000, 1_000_000)),
    *((Workload(1_000_000), n) for n in (1, 100)),
    *((Workload(200_000, comments), 18) for comments in (1, 2, 8, 32)),
]


def measure() -> str:
    """Compare."""
    with tempfile.TemporaryDirectory() as temporary, Isolated() as process:
        folders = [
            make_project(Path(temporary) / str(number), workload, lf_set(n))
            for number, (workload, n) in enumerate(CASES)
        ]
        taken = alternated({folder: partial(process, contenders.beam_job, folder) for folder in folders})
        lengths = [mean_bytes(pq.read_table(rows_file(folder), columns=["text"])["text"]) for folder in folders]
    rows = []
    for (workload, n), folder, length in zip(CASES, folders, lengths, strict=True):
        us = taken[folder] / workload.rows * 1e6
        rows.append([f"{workload.rows:,}", n, f"{length:.0f}", f"{us:.2f}", f"{1000 * us / length:.1f}"])
    title = "## As data grow: the Beam job, from Parquet to written votes, one core\n\n"
    return title + table(["rows", "LFs", "bytes of text", "µs per row", "ns per byte"], rows)
