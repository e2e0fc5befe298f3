"""What answers are expected to buy: nothing without answers, less the more is known, and about what they then buy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from beambell.label_model import DawidSkene, LabelModel, MajorityVote
from beambell.label_model.expected_gain import ExpectedGain, expected_gain
from beambell.state import FeedbackCounts, PatternCounts

YOUTUBE = Path(__file__).parents[2].parent / "shared" / "data" / "youtube" / "train.parquet"


def made(rows: int = 600, m: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Votes of LFs, each right seven times in ten where it votes, and the classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    right = rng.random((rows, m)) < 0.7
    L = np.where(rng.random((rows, m)) < 0.5, np.where(right, y[:, None], 1 - y[:, None]), -1)
    return L.astype(np.int8), y


def gain(
    L: np.ndarray, y: np.ndarray, answered: int, more: float, kind: type[LabelModel] = DawidSkene
) -> tuple[ExpectedGain, float]:
    counts = PatternCounts.from_votes(L, 2)
    labels = np.where(np.arange(len(y)) < answered, y, -1)
    feedback = FeedbackCounts.from_labels(L, labels, 2)
    picks = counts.counts * (more / counts.n_rows)
    covered = (L >= 0).any(axis=1)

    def right(known: FeedbackCounts) -> float:
        hits = kind().fit(counts, known).predict_proba(L).argmax(axis=1) == y
        return float((hits & covered).sum() / max(covered.sum(), 1))

    after = FeedbackCounts.from_labels(L, np.where(np.arange(len(y)) < answered + more, y, -1), 2)
    found = expected_gain(lambda f: kind().fit(counts, f), counts, feedback if answered else None, picks, draws=20)
    return found, right(after) - right(feedback)


def test_no_answers_buy_nothing():
    found, _ = gain(*made(), 0, 0)
    for estimate in (found.accuracy, found.log_loss, found.changed):
        assert (estimate.mean, estimate.low, estimate.high) == (0, 0, 0)
    assert found.answers == found.surprises == 0


def test_the_same_arguments_give_the_same_estimate():
    assert gain(*made(), 40, 50)[0] == gain(*made(), 40, 50)[0]


def test_what_is_known_already_is_not_bought_again():
    early, late = gain(*made(), 0, 100)[0], gain(*made(), 400, 100)[0]
    assert early.accuracy.mean > late.accuracy.mean
    assert early.log_loss.mean > 2 * late.log_loss.mean > 0


def test_every_kind_of_label_model_has_an_estimate():
    found, _ = gain(*made(), 20, 50, MajorityVote)
    assert found.log_loss.mean > 0


def test_rows_without_a_vote_do_not_count():
    L = np.full((50, 3), -1, np.int8)
    found, _ = gain(L, np.zeros(50, int), 0, 20)
    assert found.answers == 0


@pytest.mark.skipif(not YOUTUBE.exists(), reason="see shared/data")
def test_the_interval_holds_what_the_first_answers_bought():
    rows = pq.read_table(YOUTUBE)
    L = np.column_stack([rows[c].to_numpy() for c in rows.column_names if c.startswith("lf_")]).astype(np.int8)
    order = np.random.default_rng(0).permutation(len(L))
    found, came = gain(L[order], rows["label"].to_numpy()[order].astype(np.int64), 0, 100)
    assert found.accuracy.low <= came <= found.accuracy.high
    assert came > 0.02
