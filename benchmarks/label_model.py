"""snorkel's label model, fitted from counts and from rows: equal bits, then the time."""

from __future__ import annotations

import numpy as np

from beambell.label_model import SnorkelLabelModel
from beambell.state import PatternCounts
from benchmarks.timing import median_seconds, table

ROWS, LFS, EPOCHS = 1_000_000, 15, 100


def votes(n: int, m: int, seed: int = 0) -> np.ndarray:
    """Make votes of m LFs of different accuracy and coverage on n rows of two classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    L = np.full((n, m), -1, dtype=np.int8)
    for j in range(m):
        fires = rng.random(n) < rng.uniform(0.05, 0.4)
        right = rng.random(n) < rng.uniform(0.6, 0.95)
        L[:, j] = np.where(fires, np.where(right, y, 1 - y), -1)
    return L


def measure() -> str:
    """Compare."""
    from snorkel.labeling.model import LabelModel

    L = votes(ROWS, LFS)
    counts = PatternCounts.from_votes(L, 2)
    options = {"n_epochs": EPOCHS, "seed": 123}
    theirs = LabelModel(cardinality=2, verbose=False)
    ours = SnorkelLabelModel(**options)

    def fit_theirs() -> None:
        theirs.fit(L, progress_bar=False, **options)

    fit_theirs()
    ours.fit(counts)
    sample = L[:1000]
    assert np.array_equal(ours.predict_proba(sample), theirs.predict_proba(sample))
    rows_s = median_seconds(fit_theirs)
    count_s = median_seconds(lambda: PatternCounts.from_votes(L, 2))
    fit_s = median_seconds(lambda: ours.fit(counts))
    body = [
        ["`LabelModel.fit` on the rows", f"{rows_s:.2f}", "1.0"],
        ["counting the patterns, then fitting", f"{count_s + fit_s:.2f}", f"{rows_s / (count_s + fit_s):.1f}"],
        ["fitting from the state, as `beambell fit` does", f"{fit_s:.2f}", f"{rows_s / fit_s:.1f}"],
    ]
    title = f"## Label model: {ROWS:,} rows, {LFS} LFs, {counts.n_patterns:,} patterns, {EPOCHS} epochs, equal bits\n\n"
    return title + table(["what", "seconds", "times faster"], body)
