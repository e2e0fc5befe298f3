"""Which rows to review: the queue against chance and against the most doubtful rows; and what answers were said to buy.

Gold labels are the reviewer. No figure is of a row that was reviewed, except in the second table: all covered rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow.parquet as pq

from beambell.feedback import queue
from beambell.feedback.queue import Reason
from beambell.label_model import DawidSkene
from beambell.label_model.expected_gain import expected_gain
from beambell.model import EndModel, train
from beambell.stages.posteriors import entropy
from beambell.state import FeedbackCounts, PatternCounts
from beambell.state import patterns as packing
from benchmarks.label_models import DATA, DRAWS, SETS, SHARES, judged, read
from benchmarks.timing import table

QUEUE = {Reason.ENTROPY: 0.5, Reason.UNCOVERED: 0.15, Reason.RANDOM: 0.2}
WITH_END_MODEL = {**QUEUE, Reason.DISAGREEMENT: 0.15}
ANSWERED, NEXT, HISTORIES = (0, 50, 100, 300), 100, 4


@dataclass(eq=False)
class Set:
    """A published set with gold labels."""

    name: str

    def __post_init__(self) -> None:
        self.K = SETS[self.name]
        self.L, self.y = read(self.name)
        self.counts = PatternCounts.from_votes(self.L, self.K)
        _, self.pattern, _ = packing.unique(packing.pack(self.L, self.K))
        self.covered = (self.L >= 0).any(axis=1)

    def fit(self, feedback: FeedbackCounts | None = None) -> DawidSkene:
        return DawidSkene().fit(self.counts, feedback)

    def feedback(self, reviewed: np.ndarray) -> FeedbackCounts:
        labels = np.full(len(self.y), -1)
        labels[reviewed] = self.y[reviewed]
        return FeedbackCounts.from_labels(self.L, labels, self.K)

    @cached_property
    def disagreement(self) -> np.ndarray | None:
        """Of an end model that is trained on the labels without feedback; none where the set has no texts."""
        rows = pq.read_table(DATA / self.name / "train.parquet")
        if "text" not in rows.column_names:
            return None
        proba, classes = self.fit().predict_proba(self.L), [str(k) for k in range(self.K)]
        texts = rows["text"].to_pylist()
        model: EndModel = train(texts, proba, covered=self.covered, classes=classes, seed=7, n_features=2**16)
        return queue.disagreement(proba, model.predict_proba(texts))

    def cells(self, model: DawidSkene, shares: Mapping[Reason, float], seed: int) -> queue.Cells:
        """As if all rows were one partition, of another name in every draw."""
        keys = queue.cell_keys(f"draw {seed}", self.counts.packed)
        covered = np.any(self.counts.patterns >= 0, axis=1)
        doubt = entropy(model.posterior(self.counts.patterns))
        return queue.make_cells(keys, self.counts.counts, doubt, covered, shares)

    def draw(
        self, model: DawidSkene, shares: Mapping[Reason, float], size: int, seed: int, known: np.ndarray | None = None
    ) -> np.ndarray:
        """Rows of a queue."""
        cells, rng = self.cells(model, shares, seed), np.random.default_rng(seed)
        known = np.empty(0, np.int64) if known is None else known
        until = cells.time_of(int(1.5 * size) + 30 + len(known))
        time = np.full(len(self.y), np.inf)
        for rate, taken in ((cells.rate, None), (cells.proposals, self.disagreement)):
            found = queue.arrivals(cells.keys, cells.rows, rate, until, "rows" if taken is None else "proposals")
            for p in np.unique(found.cell).tolist():
                rows = rng.permutation(np.flatnonzero(self.pattern == p))[found.order[found.cell == p]]
                at = found.time[found.cell == p]
                at = at if taken is None else np.where(rng.random(len(rows)) < taken[rows], at, np.inf)
                time[rows] = np.minimum(time[rows], at)
        time[known] = np.inf
        order = np.argsort(time)[:size]
        drawn: np.ndarray = order[np.isfinite(time[order])]
        return drawn

    def strategies(self, size: int, seed: int) -> dict[str, np.ndarray]:
        """Rows to review, by each strategy."""
        model, rng, covered = self.fit(), np.random.default_rng(seed), np.flatnonzero(self.covered)
        doubt = entropy(model.predict_proba(self.L))
        found = {
            "random": rng.choice(covered, size, replace=False),
            "by entropy": self.draw(model, {Reason.ENTROPY: 1.0}, size, seed),
            "top entropy": covered[np.argsort(-doubt[covered], kind="stable")[:size]],
            "queue": self.draw(model, QUEUE, size, seed),
        }
        if self.disagreement is not None:
            found["queue, end model"] = self.draw(model, WITH_END_MODEL, size, seed)
        return found


def compare(data: Set) -> list[list[str]]:
    """Accuracy on covered rows that were not reviewed, for each strategy and share of the covered rows."""
    without, covered = data.fit(), np.flatnonzero(data.covered)
    unreviewed = judged(without, data.L[covered], data.y[covered], data.K)[0]
    found = {"none": [f"{unreviewed:.1f}"] * len(SHARES)}
    for share in SHARES:
        size = round(share * len(covered))
        accuracies: dict[str, list[float]] = {}
        for seed in range(DRAWS):
            for name, reviewed in data.strategies(size, seed).items():
                rest = np.setdiff1d(covered, reviewed)
                model = data.fit(data.feedback(reviewed))
                accuracies.setdefault(name, []).append(judged(model, data.L[rest], data.y[rest], data.K)[0])
        for name, values in accuracies.items():
            found.setdefault(name, []).append(f"{np.mean(values):.1f}")
    return [[data.name, name, *values] for name, values in found.items()]


def bought(data: Set, answered: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What the next answers were said to buy, [2 figures, mean low high], and what they bought, [2]."""
    L, y = data.L[data.covered], data.y[data.covered]
    reviewed = data.draw(data.fit(), QUEUE, answered, seed) if answered else np.empty(0, np.int64)
    feedback = data.feedback(reviewed)
    model = data.fit(feedback)
    cells = data.cells(model, QUEUE, seed)
    picks: np.ndarray = cells.rows * -np.expm1(-cells.rate * cells.time_of(NEXT))
    said = expected_gain(data.fit, data.counts, feedback, picks)
    more = data.draw(model, QUEUE, NEXT, seed + 1000, known=reviewed)
    before = judged(model, L, y, data.K)
    after = judged(data.fit(data.feedback(np.concatenate([reviewed, more]))), L, y, data.K)
    estimates = [(100 * e.mean, 100 * e.low, 100 * e.high) for e in (said.accuracy, said.log_loss)]
    return np.array(estimates), np.array([after[0] - before[0], 100 * (before[1] - after[1])])


def measure() -> str:
    """Compare strategies, and estimates with what came."""
    sets = [Set(name) for name in SETS if (DATA / name).is_dir()]
    body = [row for data in sets for row in compare(data)]
    gains, held = [], []
    for data in sets:
        for answered in ANSWERED:
            runs = [bought(data, answered, seed) for seed in range(HISTORIES)]
            said, came = np.mean([run[0] for run in runs], axis=0), np.mean([run[1] for run in runs], axis=0)
            inside = [(run[0][:, 1] - 0.05 <= run[1]) & (run[1] <= run[0][:, 2] + 0.05) for run in runs]
            held += inside
            cells = [f"{s[0]:.1f} ({s[1]:.1f} to {s[2]:.1f})" for s in said]
            cells = [cells[0], f"{came[0]:.1f}", cells[1], f"{came[1]:.1f}"]
            gains.append(
                [
                    f"{data.name}, {answered}",
                    *cells,
                    f"{np.mean(inside, axis=0)[0]:.0%}, {np.mean(inside, axis=0)[1]:.0%}",
                ]
            )
    accuracy, loss = np.mean(held, axis=0)
    columns = ["set", "rows reviewed are", *(f"{share:.0%} reviewed" for share in SHARES)]
    said = ["after so many answers", "accuracy, said", "came", "log loss x 100, said", "came", "intervals held"]
    return (
        f"## Review queue: accuracy on covered rows that were not reviewed, mean of {DRAWS} draws\n\n"
        + table(columns, body)
        + "\nSizes are shares of the covered rows. A part of the queue is of rows without a vote, which teach nothing "
        "about the others; random and entropy ask about covered rows alone. What is left is not the same for all: who "
        "reviews the hardest rows leaves the easier ones.\n"
        f"\n### What the next {NEXT} answers buy: estimated, and what they bought\n\n"
        + table(said, gains)
        + f"\nPoints, on all covered rows, mean of {HISTORIES} histories of answers; in brackets the 90 % interval. It "
        f"held the gain in accuracy in {accuracy:.0%} and that in log loss in {loss:.0%} of {len(held)} cases.\n"
    )
