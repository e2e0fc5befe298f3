"""snorkel's label model, fitted from counts and from rows: equal bits, then the time."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from beambell.label_model import SnorkelLabelModel
from beambell.state import PatternCounts
from benchmarks.processes import Isolated
from benchmarks.timing import alternated, seconds, table

ROWS, LFS, EPOCHS = 1_000_000, 15, 100
THEIRS = "`LabelModel.fit` on the rows"


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
    with Isolated() as process:
        taken, patterns = process(fits)
    rows = [[name, f"{seconds:.3f}", f"{taken[THEIRS] / seconds:.1f}"] for name, seconds in taken.items()]
    title = (
        f"## Label model: {ROWS:,} rows, {LFS} LFs, {patterns:,} patterns, {EPOCHS} epochs, one core, equal bits\n\n"
    )
    return title + table(["what", "seconds", "times faster"], rows)


def fits() -> tuple[dict[str, float], int]:
    """Seconds of each way to fit, and the number of patterns."""
    from snorkel.labeling.model import LabelModel

    L = votes(ROWS, LFS)
    state = PatternCounts.from_votes(L, 2).to_table()
    options: dict[str, Any] = {"n_epochs": EPOCHS, "seed": 123}
    theirs = LabelModel(cardinality=2, verbose=False)
    ours = SnorkelLabelModel(**options)

    def check() -> None:
        assert np.array_equal(ours.predict_proba(L[:1000]), theirs.predict_proba(L[:1000]))

    ways = {
        THEIRS: lambda: theirs.fit(L, progress_bar=False, **options),
        "counting the patterns, then fitting": lambda: ours.fit(PatternCounts.from_votes(L, 2)),
        "fitting from the state, as `beambell fit` does": lambda: ours.fit(PatternCounts.from_table(state)),
    }
    taken = alternated({name: partial(seconds, way) for name, way in ways.items()}, check, rounds=5)
    return taken, len(state)
