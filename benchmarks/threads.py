"""What a second core gives: two threads through one compiled set of LFs, and two workers of the Beam job."""

from __future__ import annotations

import hashlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from beambell.labeling import compile_lfs
from beambell.labeling.compiler import CompiledLFs
from benchmarks import contenders
from benchmarks.folder import make_project, set_workers, votes_digest
from benchmarks.lf_sets import lf_set
from benchmarks.processes import Isolated
from benchmarks.timing import alternated, seconds, table
from benchmarks.workload import STREAM, Workload

WORKLOAD = Workload(rows=1_000_000)
ROUNDS = 5


def measure() -> str:
    """Compare."""
    with Isolated(cores=2) as process, Isolated(cores=2) as another:
        taken = in_memory(process, another)
    rows = [
        ["one compiled set of 18 LFs, in memory: two threads", *_row(taken["one"], taken["threads"])],
        ["the same, two processes: what the cores can do", *_row(taken["one"], taken["processes"])],
    ]
    with tempfile.TemporaryDirectory() as temporary, Isolated(cores=2) as process:
        folder = make_project(Path(temporary) / "project", WORKLOAD, lf_set(18))
        job = process(in_beam, folder)
        rows.append(["the Beam job, 18 LFs: two work items at once", *_row(job[1], job[2])])
    title = f"## Two threads to one: {WORKLOAD.rows:,} rows, two cores, equal votes\n\n"
    return title + table(["what", "one, µs per row", "two, µs per row", "times faster"], rows)


def _row(one: float, two: float) -> list[str]:
    return [*(f"{taken / WORKLOAD.rows * 1e6:.2f}" for taken in (one, two)), f"{one / two:.2f}"]


def in_memory(process: Isolated, another: Isolated) -> dict[str, float]:
    """Seconds to vote on all row groups: one thread, two of them, and two processes with half of the groups each."""

    def on(threads: int) -> float:
        taken, digests[threads] = process(vote, range(n_groups), threads)
        return float(taken)

    def apart() -> float:
        with ThreadPoolExecutor(2) as both:
            halves = (range(first, n_groups, 2) for first in (0, 1))
            return max(
                float(taken) for taken, _ in both.map(lambda p, half: p(vote, half, 1), (process, another), halves)
            )

    def check() -> None:
        assert digests[1] == digests[2]

    digests: dict[int, str] = {}
    n_groups = process(number_of_groups)
    another(number_of_groups)
    return alternated({"one": partial(on, 1), "threads": partial(on, 2), "processes": apart}, check, ROUNDS)


def number_of_groups() -> int:
    """Row groups; they are made when first asked for."""
    return len(_prepared()[1])


def vote(numbers: range, threads: int) -> tuple[float, str]:
    """Seconds that some threads take to vote on some row groups, and the digest of their votes."""
    compiled, groups = _prepared()
    votes: list[np.ndarray] = []

    def run() -> None:
        with ThreadPoolExecutor(threads) as pool:
            votes.extend(pool.map(lambda number: compiled.votes(groups[number], stream=STREAM), numbers))

    return seconds(run), hashlib.sha256(b"".join(vote.tobytes() for vote in votes)).hexdigest()


@cache
def _prepared() -> tuple[CompiledLFs, list[pa.Table]]:
    return compile_lfs(lf_set(18)), list(WORKLOAD.tables())


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
