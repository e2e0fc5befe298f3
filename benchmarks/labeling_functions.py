"""Applying labeling functions: compiled, plain, and snorkel's applier; equal votes first, then the time."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from beambell.labeling import LabelingFunction, compile_lfs, evaluate
from benchmarks.timing import median_seconds, table

ROWS, SLOW_ROWS = 200_000, 10_000


def corpus(rows: int) -> pa.Table:
    """Comments of the embedded data set, repeated up to a number of rows."""
    from beambell.config import load_params
    from beambell.embedded import generate
    from beambell.records import read_records

    stream = load_params(Path(__file__).parents[1]).streams["comments"]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        generate(raw, scale=0.5, days=7)
        parts = []
        for path in sorted(raw.glob("comments/*.csv")):
            with path.open("rb") as file:
                parts += [batch.rows for batch in read_records(file, name=path.name, stream=stream)]
    one = pa.concat_tables(parts).combine_chunks()
    return pa.concat_tables([one] * (rows // len(one) + 1)).slice(0, rows).combine_chunks()


def declarative_lfs(n: int = 18) -> list[LabelingFunction]:
    """The first declarative LFs of the embedded example that vote on comments."""
    from beambell.labeling import Catalogue

    catalogue = Catalogue.load(["labeling_functions.embedded"], root=Path(__file__).parents[1])
    return [lf for lf in catalogue if lf.kind != "python" and lf.votes_on("comments")][:n]


def measure() -> str:
    """Compare, microseconds per row."""
    data, lfs = corpus(ROWS), declarative_lfs()
    few = data.slice(0, SLOW_ROWS)
    compiled = compile_lfs(lfs, cardinality=2)
    votes = compiled.votes(few, stream="comments")
    plain = evaluate(lfs, few, cardinality=2, stream="comments").votes
    theirs, snorkel_s = _snorkel(lfs, few)
    assert np.array_equal(votes, plain)
    assert np.array_equal(votes, theirs)
    compiled_us = median_seconds(lambda: compiled.votes(data, stream="comments")) / ROWS * 1e6
    plain_us = median_seconds(lambda: evaluate(lfs, few, cardinality=2, stream="comments")) / SLOW_ROWS * 1e6
    snorkel_us = snorkel_s / SLOW_ROWS * 1e6
    body = [
        ["snorkel `PandasLFApplier`, the same LFs written by hand", f"{snorkel_us:.1f}", "1.0"],
        ["plain, LF by LF", f"{plain_us:.1f}", f"{snorkel_us / plain_us:.1f}"],
        ["compiled (`compile_lfs`)", f"{compiled_us:.2f}", f"{snorkel_us / compiled_us:.0f}"],
    ]
    mean = len("".join(few["text"].to_pylist()).encode()) / SLOW_ROWS
    title = f"## {len(lfs)} declarative LFs, texts of {mean:.0f} bytes, in memory, one thread, equal votes\n\n"
    return title + table(["what", "µs per row", "times faster"], body)


def _snorkel(lfs: list[LabelingFunction], data: pa.Table) -> tuple[np.ndarray, float]:
    from snorkel.labeling import LabelingFunction as TheirLF
    from snorkel.labeling import PandasLFApplier

    frame = data.to_pandas()
    frame["stream"] = "comments"
    applier = PandasLFApplier([TheirLF(lf.name, _row_function(lf)) for lf in lfs])
    found: list[Any] = []
    seconds = median_seconds(lambda: found.append(applier.apply(frame, progress_bar=False)), repeats=1)
    return found[0], seconds


def _row_function(lf: Any) -> Callable[[Any], int]:
    """Write an LF as a snorkel user would by hand: a precompiled expression and a comparison."""
    fires = _fires(lf)
    return lambda row: lf.label if fires(row) else -1


def _fires(lf: Any) -> Callable[[Any], bool]:
    field = lf.field
    if lf.kind == "keyword":
        search = _words(lf.any_of).search
        return lambda row: search(row[field]) is not None
    if lf.kind == "regex":
        search = re.compile(lf.pattern, lf.flags).search
        return lambda row: search(row[field]) is not None
    if lf.kind == "lexicon":
        weighted = [(_words([word]).search, weight) for word, weight in lf.weights]
        return lambda row: sum(w for search, w in weighted if search(row[field])) >= lf.threshold
    if lf.kind == "lookup":
        return lambda row: row[field] in lf.values
    if lf.kind == "numeric":
        return lambda row: row[field] >= lf.min
    if lf.kind == "count":
        return lambda row: row[field].count(lf.of) >= lf.min
    raise ValueError(lf.kind)


def _words(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)
