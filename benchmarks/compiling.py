"""Compiling a set of LFs: for the first time, and by a later process that finds it in the cache."""

from __future__ import annotations

import statistics
import tempfile
from typing import Any

import numpy as np
import pyarrow as pa

from beambell.labeling import LabelingFunction
from benchmarks.lf_sets import lf_set
from benchmarks.processes import Isolated
from benchmarks.timing import seconds, table
from benchmarks.workload import STREAM, corpus

SETS = (18, 100)
ROUNDS = 3


def measure() -> str:
    """Compare."""
    rows = [_row(n) for n in SETS]
    title = "## Compiling a set of LFs: seconds in a new process, imports and loops of machine code excluded\n\n"
    return title + table(["LFs", "first time", "from the cache"], rows)


def _row(n: int) -> list[str]:
    lfs, rows, cold, cached = lf_set(n), corpus(1_000), [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as cache:
            first, votes = _in_new_process(lfs, rows, cache)
            again, same = _in_new_process(lfs, rows, cache)
        assert np.array_equal(votes, same)
        cold.append(first)
        cached.append(again)
    return [str(n), f"{statistics.median(cold):.2f}", f"{statistics.median(cached):.2f}"]


def _in_new_process(*arguments: Any) -> tuple[float, np.ndarray]:
    with Isolated() as process:
        taken: tuple[float, np.ndarray] = process(compile_set, *arguments)
    return taken


def compile_set(lfs: list[LabelingFunction], rows: pa.Table, cache: str) -> tuple[float, np.ndarray]:
    """Seconds to compile, and some votes."""
    from beambell.labeling import compile_lfs, count, keyword, lexicon, lookup, numeric

    others = [
        keyword("word", any_of=["zebra"], label=1),
        lexicon("words", weights={"gnu": 1}, threshold=1, label=1),
        lookup("name", field="author", values=["nobody"], label=1),
        numeric("number", field="likes", min=1e9, label=1),
        count("signs", of="!", min=99, label=1),
    ]
    compile_lfs(others).votes(rows, stream=STREAM)
    compiled = compile_lfs(lfs, cache_dir=cache)
    return seconds(lambda: compiled.explain(STREAM)), compiled.votes(rows, stream=STREAM)
