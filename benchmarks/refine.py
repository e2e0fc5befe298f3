"""Labels from votes and text on published vote sets: the label model alone, and with the text refiner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from beambell.label_model import TextRefiner, create
from beambell.model.features import HashedNgrams, inverse_document_frequency, tfidf
from beambell.state import FeedbackCounts, PatternCounts
from benchmarks.timing import table

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = ("youtube", "sms", "chemprot")
SHARES = (0.0, 0.01, 0.05, 0.1)
DRAWS = 10


def measure() -> str:
    """Compare, with answers drawn at random."""
    rows = [row for name in SETS if (DATA / name).is_dir() for row in _measured(name)]
    title = "## Labels from votes and text: `dawid_skene`, and `TextRefiner` on hashed TF-IDF\n\n"
    note = (
        f"\nCovered rows that nobody reviewed; means of {DRAWS} draws of answers, and the smallest gain of one. Loss: "
        "mean of -log of the probability of the right class.\n"
    )
    heads = ["votes of", "answers", "right, votes", "right, with text", "worst draw", "loss, votes", "loss, with text"]
    return title + (table(heads, rows) if rows else "The published data are not on this machine.\n") + note


def _measured(name: str) -> list[list[str]]:
    data = pq.read_table(DATA / name / "train.parquet")
    votes = np.column_stack([data[c].to_numpy() for c in data.column_names if c.startswith("lf_")]).astype(np.int8)
    y, texts = data["label"].to_numpy().astype(np.int64), data["text"].to_pylist()
    counts = HashedNgrams().counts(texts)
    X = tfidf(counts, inverse_document_frequency(counts))
    K, lfs = int(max(y.max(), votes.max())) + 1, [f"lf{i}" for i in range(votes.shape[1])]
    counted, covered = PatternCounts.from_votes(votes, K, lfs), (votes >= 0).any(axis=1)
    random, rows = np.random.default_rng(0), []
    for share in SHARES:
        found = []
        for _ in range(DRAWS if share else 1):
            said = np.full(len(y), -1)
            some = random.choice(len(y), int(share * len(y)), replace=False)
            said[some] = y[some]
            feedback = FeedbackCounts.from_labels(votes[some], y[some], K, lfs) if share else None
            q = create("dawid_skene").fit(counted, feedback).posterior(votes)
            r = TextRefiner().fit(q, X, texts, covered, said).predict_proba(q, X, texts)
            rest = covered & (said < 0)
            found.append([*_figures(q[rest], y[rest]), *_figures(r[rest], y[rest])])
        before, loss_before, after, loss_after = np.mean(found, axis=0)
        worst = min(one[2] - one[0] for one in found)
        cells = [f"{before:.3f}", f"{after:.3f}", f"{worst:+.3f}", f"{loss_before:.3f}", f"{loss_after:.3f}"]
        rows.append([name, f"{share:.0%}", *cells])
    return rows


def _figures(proba: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> tuple[float, float]:
    return float((proba.argmax(axis=1) == y).mean()), float(
        -np.log(np.maximum(proba[np.arange(len(y)), y], 1e-6)).mean()
    )
