"""Text beyond ASCII, where one byte is not one character: what it costs."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.lf_sets import lf_set
from benchmarks.processes import Isolated
from benchmarks.timing import alternated, seconds, table
from benchmarks.workload import (
    CARDINALITY,
    STREAM,
    Workload,
    as_generated,
    ascii_only,
    decomposed,
    foreign_letters,
    one_foreign_word,
    typographic,
)

ROWS, CHECKED_ROWS = 262_144, 5_000
WORDINGS = {
    "ASCII": ascii_only,
    "as generated: a few percent of emoji and accents": as_generated,
    "a foreign word and an emoji in every text": one_foreign_word,
    "two letters of the alphabet foreign in every text": foreign_letters,
    "a typographic apostrophe in every text": typographic,
    "an accent that is not composed in every text": decomposed,
}


def measure() -> str:
    """Compare."""
    with Isolated() as process:
        us = process(in_memory)
    rows = [
        [wording, *(f"{us[n, wording]:.2f} ({us[n, wording] / us[n, 'ASCII']:.1f})" for n in (18, 100))]
        for wording in WORDINGS
    ]
    title = (
        f"## Text beyond ASCII: {ROWS:,} rows of 150 characters, in memory, one core, votes of the plain evaluation\n\n"
    )
    return title + table(["text", "18 LFs, µs per row (times ASCII)", "100 LFs"], rows)


def in_memory() -> dict[tuple[int, str], float]:
    """Microseconds per row, by number of LFs and wording."""
    from beambell.labeling import compile_lfs, evaluate

    texts = {name: Workload(ROWS, wording=wording).table() for name, wording in WORDINGS.items()}
    compiled = {n: compile_lfs(lf_set(n)) for n in (18, 100)}

    def vote(n: int, wording: str) -> None:
        for start in range(0, ROWS, 65_536):
            compiled[n].votes(texts[wording].slice(start, 65_536), stream=STREAM)

    def check() -> None:
        for n, lfs in compiled.items():
            for rows in texts.values():
                few = rows.slice(0, CHECKED_ROWS)
                plain = evaluate(lfs.lfs, few, cardinality=CARDINALITY, stream=STREAM).votes
                assert np.array_equal(lfs.votes(few, stream=STREAM), plain), n

    runs = {(n, wording): partial(seconds, partial(vote, n, wording)) for n in compiled for wording in texts}
    return {run: taken / ROWS * 1e6 for run, taken in alternated(runs, check).items()}
