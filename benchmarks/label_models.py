"""Label models on published votes, with and without feedback, and the time of a big fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from beambell.label_model import DawidSkene, LabelModel, MajorityVote, WeightedVote
from beambell.model import evaluate
from beambell.state import FeedbackCounts, PatternCounts
from benchmarks.timing import median_seconds, table

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = {"youtube": 2, "sms": 2, "chemprot": 10}
SHARES, DRAWS = (0.01, 0.05, 0.1), 10


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Votes and gold labels of the training rows."""
    rows = pq.read_table(DATA / name / "train.parquet")
    votes = [rows[c].to_numpy() for c in rows.column_names if c.startswith("lf_")]
    return np.column_stack(votes).astype(np.int8), rows["label"].to_numpy().astype(np.int64)


def judged(model: LabelModel, L: np.ndarray, y: np.ndarray, K: int) -> tuple[float, float]:
    """Accuracy in percent, and log loss."""
    found = evaluate(y, model.predict_proba(L), classes=[str(k) for k in range(K)])
    return 100 * found.accuracy, found.log_loss


def with_feedback(kind: type[LabelModel], name: str, share: float) -> float:
    """Mean accuracy, over draws of random feedback, on the covered rows that were not drawn."""
    (L, y), K = read(name), SETS[name]
    counts, covered = PatternCounts.from_votes(L, K), np.flatnonzero((L >= 0).any(axis=1))
    found = []
    for seed in range(DRAWS):
        drawn = np.random.default_rng(seed).choice(covered, round(share * len(covered)), replace=False)
        labels = np.full(len(y), -1)
        labels[drawn] = y[drawn]
        rest = np.setdiff1d(covered, drawn)
        model = kind().fit(counts, FeedbackCounts.from_labels(L, labels, K))
        found.append(judged(model, L[rest], y[rest], K)[0])
    return float(np.mean(found))


def measure() -> str:
    """Compare."""
    body = []
    for name, K in SETS.items():
        if not (DATA / name).is_dir():
            continue
        L, y = read(name)
        counts, covered = PatternCounts.from_votes(L, K), (L >= 0).any(axis=1)
        for kind in (MajorityVote, WeightedVote, DawidSkene):
            accuracy, loss = judged(kind().fit(counts), L[covered], y[covered], K)
            taught = [f"{with_feedback(kind, name, share):.1f}" for share in SHARES]
            body.append([f"{name}, `{kind.kind}`", f"{accuracy:.1f}", f"{loss:.2f}", *taught])
    L = np.random.default_rng(0).integers(-1, 5, (10_000, 50))
    counts = PatternCounts.from_votes(L, 5)
    seconds = median_seconds(lambda: DawidSkene().fit(counts))
    columns = ["covered rows, %", "accuracy", "log loss", *(f"{share:.0%} reviewed" for share in SHARES)]
    return (
        "## Label models: published votes, random feedback, rows not reviewed\n\n"
        + table(columns, body)
        + f"\n`dawid_skene` fits {counts.n_patterns:,} patterns of 50 LFs and 5 classes in {seconds:.2f} s.\n"
    )
