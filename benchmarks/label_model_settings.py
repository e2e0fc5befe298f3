"""Settings of the default label model, chosen on all origins of votes but one and judged on that one.

Origins are the published vote sets and generators whose truth is known. Each has derived sets: fewer labeling functions
or rows, other class shares, one that is mostly wrong, several joined to one that votes for many classes, and words
taken from the texts as a person would who reads a few rows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import pyarrow.parquet as pq

from beambell.label_model import DawidSkene, MajorityVote, correction
from beambell.state import FeedbackCounts, PatternCounts
from beambell.state import patterns as packing
from benchmarks.label_models import DATA
from benchmarks.timing import table

CLASSES = {"youtube": 2, "sms": 2, "chemprot": 10, "video": 2}
LEARNING = [
    {"accuracy": a, "anchor": s, "caution": c} for a, s, c in product((0.6, 0.7), (300.0, 500.0, 1000.0), (0.0, 0.2))
]
FEEDBACK = [{"CHANCE": c, "ANCHOR": a} for c, a in product((0.0, 0.5, 1.0, 1.2, 1.5), (30.0, 60.0))]
SHARES, DRAWS = (0.01, 0.05, 0.1), 3
Votes: TypeAlias = np.ndarray
Labels: TypeAlias = np.ndarray
Settings: TypeAlias = dict[str, Any]


@dataclass
class VoteSet:
    """Pattern counts, and how many covered rows of each pattern have which class."""

    origin: str
    L: Votes
    y: Labels
    K: int
    counts: PatternCounts = field(init=False)
    row: np.ndarray = field(init=False)
    gold: np.ndarray = field(init=False)
    majority: float = field(init=False)

    def __post_init__(self) -> None:
        """Count."""
        covered = (self.L >= 0).any(axis=1)
        self.counts = PatternCounts.from_votes(self.L, self.K)
        packed = packing.keys(packing.pack(self.L[covered], self.K))
        self.row, self.y = np.searchsorted(packing.keys(self.counts.packed), packed), self.y[covered]
        self.gold = self.labels(np.arange(len(self.y)))
        self.majority = accuracy(MajorityVote().fit(self.counts).posterior(self.counts.patterns), self.gold)

    def labels(self, of: np.ndarray) -> np.ndarray:
        """Count these covered rows by pattern and class."""
        found = np.zeros((self.counts.n_patterns, self.K), np.int64)
        np.add.at(found, (self.row[of], self.y[of]), 1)
        return found

    def feedback(self, labels: np.ndarray) -> FeedbackCounts:
        """Make feedback of them."""
        seen = labels.any(axis=1)
        return FeedbackCounts(self.counts.lfs, self.K, self.counts.packed[seen].copy(), labels[seen])


def accuracy(proba: np.ndarray, gold: np.ndarray) -> float:
    """Percent, a tie of k classes counting 1/k."""
    best = proba >= proba.max(axis=1, keepdims=True) - 1e-9
    return float(100 * (best / best.sum(axis=1, keepdims=True) * gold).sum() / max(gold.sum(), 1))


def published(name: str) -> tuple[Votes, Labels, list[str]]:
    """Votes, gold labels, and texts if there are any. Only the test part of video has gold labels."""
    rows = pq.read_table(DATA / name / f"{'test' if name == 'video' else 'train'}.parquet")
    L = np.column_stack([rows[c].to_numpy() for c in rows.column_names if c.startswith("lf_")]).astype(np.int8)
    texts = rows["text"].to_pylist() if "text" in rows.column_names else []
    return L, rows["label"].to_numpy().astype(np.int64), texts


def joined(columns: Sequence[Votes]) -> Votes:
    """One labeling function of several: the first that votes."""
    votes = columns[0]
    for column in columns[1:]:
        votes = np.where(votes < 0, column, votes)
    return votes


def derived(L: Votes, y: Labels, K: int, rng: np.random.Generator) -> Iterator[tuple[Votes, Labels]]:
    """The set itself, and others made of it."""
    n, m = L.shape
    yield L, y
    for size in (max(4, m // 4), m // 2, 3 * m // 4, m - 1):
        yield L[:, rng.choice(m, max(size, 3), replace=False)], y
    few = rng.choice(n, int(0.3 * n), replace=False)
    yield L[few], y[few]
    again = rng.integers(0, n, n)
    yield L[again], y[again]
    wanted = rng.dirichlet(np.ones(K))
    kept = rng.random(n) < np.maximum(wanted / wanted.max(), 0.08)[y]
    yield L[kept], y[kept]
    wrong = np.where(rng.random(n) < 0.3, y, (y + rng.integers(1, K, n)) % K)
    yield np.column_stack([L, np.where(rng.random(n) < 0.2, wrong, -1)]).astype(np.int8), y
    order = rng.permutation(m)
    yield np.column_stack([joined([L[:, j] for j in order[i : i + 3]]) for i in range(0, m, 3)]), y


def words(texts: Sequence[str], y: Labels, K: int, m: int, rng: np.random.Generator) -> tuple[Votes, Labels]:
    """Votes of words, each for the class that most of its rows have among 200; these rows are left out."""
    found = [set(re.findall(r"[a-z0-9']+|[!?#]", text.lower())) for text in texts]
    read = rng.choice(len(y), 200, replace=False)
    seen: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(K))
    for i in read:
        for word in sorted(found[i]):
            seen[word][y[i]] += 1
    shares = np.bincount(y[read], minlength=K) / len(read)
    told = {word: int(by.argmax()) for word, by in seen.items() if by.sum() >= 2 and by.max() / by.sum() >= 0.55}
    told = {word: k for word, k in told.items() if seen[word][k] / seen[word].sum() > 1.15 * shares[k]}
    picked = rng.choice(sorted(told), min(m, len(told)), replace=False)
    L = np.column_stack([[told[word] if word in row else -1 for row in found] for word in picked]).astype(np.int8)
    rest = np.setdiff1d(np.arange(len(y)), read)
    return L[rest], y[rest]


def generated(K: int, m: int, even: bool, single: bool, rng: np.random.Generator) -> tuple[Votes, Labels]:
    """Votes that are independent given the class, some of one class each, but that two follow others."""
    n, share = 3000, np.ones(K) if even else np.arange(K, 0, -1.0) ** 1.5
    y = rng.choice(K, n, p=share / share.sum())
    columns = []
    for j in range(m):
        right, cover = rng.uniform(0.4, 0.9), rng.uniform(0.05, 0.4)
        votes = np.where(rng.random(n) < right, y, (y + rng.integers(1, K, n)) % K)
        fires = rng.random(n) < cover
        if single:
            votes, fires = np.full(n, j % K), rng.random(n) < np.where(y == j % K, cover, rng.uniform(0.01, 0.1))
        columns.append(np.where(fires, votes, -1))
    for j in rng.choice(m - 1, 2, replace=False):
        columns[j] = np.where(rng.random(n) < 0.8, columns[j + 1], columns[j])
    return np.column_stack(columns).astype(np.int8), y


def vote_sets() -> list[VoteSet]:
    """All of them with 60 covered rows or more."""
    rng, found = np.random.default_rng(0), []
    for name, K in CLASSES.items():
        if not (DATA / name).is_dir():
            continue
        L, y, texts = published(name)
        found += [VoteSet(name, *part, K) for part in derived(L, y, K, rng)]
        if texts:
            found += [VoteSet(name, *words(texts, y, K, m, rng), K) for m in (8, 20, 40, 80)]
    for single, K, even in product((True, False), (2, 3, 5, 10), (True, False)):
        origin = "generated, one class each" if single else "generated, many classes"
        found.append(VoteSet(origin, *generated(K, max(8, 2 * K), even, single, rng), K))
    return [part for part in found if part.gold.sum() >= 60]


def unaided(votes: VoteSet, settings: Settings) -> dict[str, float]:
    """Points above majority vote, fitted on all rows and on 100."""
    patterns = votes.counts.patterns
    points = accuracy(DawidSkene(**settings).fit(votes.counts).posterior(patterns), votes.gold) - votes.majority
    few = []
    for seed in range(5):
        rows = np.random.default_rng(seed).choice(len(votes.L), min(100, len(votes.L)), replace=False)
        model = DawidSkene(**settings).fit(PatternCounts.from_votes(votes.L[rows], votes.K))
        few.append(accuracy(model.posterior(patterns), votes.gold) - votes.majority)
    return {"all rows": points, "100 rows": float(np.mean(few))}


def taught(votes: VoteSet, settings: Settings) -> dict[str, float]:
    """Points above no feedback, on rows nobody reviewed: the mean of random feedback, and the worst of any."""
    patterns, rows = votes.counts.patterns, len(votes.y)
    before = DawidSkene().fit(votes.counts).posterior(patterns)
    entropy = (-(before * np.log(np.maximum(before, 1e-300))).sum(axis=1) + 1e-9)[votes.row]
    old, gains = {name: getattr(correction, name) for name in settings}, {}
    for name, value in settings.items():
        setattr(correction, name, value)
    for way, share in product(("random", "proportional", "top"), SHARES):
        found = []
        for seed in range(1 if way == "top" else DRAWS):
            rng = np.random.default_rng(seed)
            n, odds = max(1, round(share * rows)), entropy / entropy.sum() if way == "proportional" else None
            top = np.argsort(-entropy, kind="stable")[:n]
            labels = votes.labels(top if way == "top" else rng.choice(rows, n, replace=False, p=odds))
            rest = votes.gold - labels
            after = DawidSkene().fit(votes.counts, votes.feedback(labels)).posterior(patterns)
            found.append(accuracy(after, rest) - accuracy(before, rest))
        gains[way, share] = float(np.mean(found))
    for name, value in old.items():
        setattr(correction, name, value)
    return {"random": float(np.mean([gains["random", share] for share in SHARES])), "worst": min(gains.values())}


def worth(scores: Sequence[dict[str, float]]) -> float:
    """What is gained on average, less the most that any of them loses beyond what is allowed."""
    gained = np.mean([score.get("all rows", 0.0) + score.get("random", 0.0) for score in scores])
    lost = max(max(-1 - score.get("worst", 0.0), -2 - score.get("100 rows", 0.0), 0.0) for score in scores)
    return float(gained) - lost


def left_out(
    sets: Sequence[VoteSet], candidates: Sequence[Settings], score: Callable[[VoteSet, Settings], dict[str, float]]
) -> str:
    """Judge, on each origin, the settings that are best on the others."""
    scores = [[score(votes, settings) for votes in sets] for settings in candidates]
    default = candidates.index(DEFAULT_LEARNING if candidates is LEARNING else DEFAULT_FEEDBACK)
    body = []
    for origin in dict.fromkeys(votes.origin for votes in sets):
        here = [i for i, votes in enumerate(sets) if votes.origin == origin]
        there = [i for i in range(len(sets)) if i not in here]
        chosen = max(range(len(candidates)), key=lambda c: worth([scores[c][i] for i in there]))
        best = max(range(len(candidates)), key=lambda c: worth([scores[c][i] for i in here]))
        cells = [f"{origin} ({len(here)} sets)", ", ".join(f"{v:g}" for v in candidates[chosen].values())]
        for c in (chosen, default, best):
            first, second = scores[c][0]
            mean = np.mean([scores[c][i][first] for i in here])
            cells.append(f"{mean:+.2f}, worst {min(scores[c][i][second] for i in here):+.1f}")
        body.append(cells)
    names = ", ".join(candidates[0])
    return table([f"left out; {names}", "chosen elsewhere", "with these", "default", "best in hindsight"], body)


DEFAULT_LEARNING = {name: getattr(DawidSkene(), name) for name in LEARNING[0]}
DEFAULT_FEEDBACK = {name: getattr(correction, name) for name in FEEDBACK[0]}


def measure() -> str:
    """Leave each origin out in turn."""
    sets = vote_sets()
    return (
        f"## Settings of the default label model, {len(sets)} vote sets, each origin left out in turn\n\n"
        "Points above majority vote, fitted on all rows, mean; and the worst set when fitted on 100 rows.\n\n"
        + left_out(sets, LEARNING, unaided)
        + "\nPoints that feedback adds on rows nobody reviewed: random feedback (1, 5, 10 %), mean; and the worst of\n"
        "any set, share and way to pick rows (random, in proportion to entropy, highest entropy).\n\n"
        + left_out(sets, FEEDBACK, taught)
    )
