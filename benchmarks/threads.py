"""What a second core gives: two threads through one compiled set of LFs, and two workers of the Beam job."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks import contenders
from benchmarks.folder import make_project, set_workers, votes_digest
from benchmarks.processes import Isolated
from benchmarks.timing import alternated, seconds, table
from benchmarks.workload import STREAM, Workload, lf_set

WORKLOAD = Workload(rows=1_000_000)
ROUNDS = 5


def measure() -> str:
    """Compare."""
    with tempfile.TemporaryDirectory() as temporary, Isolated(cores=2) as process:
        rows = [["one compiled set of 18 LFs, in memory, row groups shared out", *_row(process(in_memory))]]
        folder = make_project(Path(temporary) / "project", WORKLOAD, lf_set(18))
        rows.append(["the Beam job, 18 LFs", *_row(process(in_beam, folder))])
    title = f"## Two threads to one: {WORKLOAD.rows:,} rows, two cores, equal votes\n\n"
    return title + table(["what", "one, µs per row", "two, µs per row", "times faster"], rows)


def _row(taken: dict[int, float]) -> list[str]:
    return [*(f"{taken[n] / WORKLOAD.rows * 1e6:.2f}" for n in (1, 2)), f"{taken[1] / taken[2]:.2f}"]


def in_memory() -> dict[int, float]:
    """Seconds by number of threads that vote on row groups in memory."""
    from beambell.labeling import compile_lfs

    compiled, groups = compile_lfs(lf_set(18)), list(WORKLOAD.tables())
    votes: dict[int, list[np.ndarray]] = {}

    def vote(group: pa.Table) -> np.ndarray:
        return compiled.votes(group, stream=STREAM)

    def on(threads: ThreadPoolExecutor, n: int) -> None:
        votes[n] = list(threads.map(vote, groups))

    def check() -> None:
        assert all(map(np.array_equal, votes[1], votes[2]))

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(2) as two:
        pools = {1: one, 2: two}
        return alternated({n: partial(seconds, partial(on, pools[n], n)) for n in pools}, check, ROUNDS)


def in_beam(folder: Path) -> dict[int, float]:
    """Seconds by number of workers of the Beam job."""
    digests = {}

    def job(workers: int) -> float:
        set_workers(folder, workers)
        taken = contenders.beam_job(folder)
        digests[workers] = votes_digest(folder)
        return taken

    def check() -> None:
        assert digests[1] == digests[2]

    return alternated({workers: partial(job, workers) for workers in (1, 2)}, check, ROUNDS)
