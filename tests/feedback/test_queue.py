"""Drawing rows for review: bigger queues hold smaller ones, shares are kept, and probabilities are what they say."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from projects import REPOSITORY

from beambell.config.feedback import ReviewQueueParams
from beambell.feedback import queue
from beambell.feedback.queue import Cells, Reason

SHARES = {Reason.ENTROPY: 0.5, Reason.UNCOVERED: 0.2, Reason.RANDOM: 0.3}


def keys(n: int) -> np.ndarray:
    return queue.cell_keys("comments/2026-01-03", np.arange(n, dtype=np.uint8)[:, None])


def some_cells(shares: dict[Reason, float] = SHARES) -> Cells:
    rows = np.array([60, 30, 5, 20, 1])
    entropy = np.array([0.69, 0.4, 0.1, 0.0, 0.6])
    covered = np.array([False, True, True, True, True])
    return queue.make_cells(keys(5), rows, entropy, covered, shares)


def test_rates_of_all_rows_sum_to_the_shares():
    cells = some_cells()
    assert cells.rows @ cells.rates == pytest.approx([0.5, 0.2, 0.3])
    assert (cells.rates[3] == [0, 0, cells.rates[0, 2]]).all()  # no doubt about these, yet chance may bring one
    assert cells.rates[4, 0] / cells.rates[1, 0] == pytest.approx(0.6 / 0.4)  # per row, in proportion to entropy


def test_a_reason_that_no_row_has_leaves_its_share_to_the_others():
    cells = queue.make_cells(keys(2), np.array([5, 5]), np.array([0.5, 0.1]), np.ones(2, bool), SHARES)
    assert cells.rows @ cells.rates == pytest.approx([0.5 / 0.8, 0, 0.3 / 0.8])


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=12),
    st.floats(0.1, 60),
    st.floats(1, 5),
    st.integers(0, 10**6),
)
def test_later_arrivals_begin_with_the_earlier_ones(rows, until, factor, seed):
    counts, rate = np.array(rows), np.random.default_rng(seed).random(len(rows)) + 0.01
    early = queue.arrivals(keys(len(rows)), counts, rate, until, "a")
    late = queue.arrivals(keys(len(rows)), counts, rate, until * factor, "a")
    names = [set(zip(a.cell.tolist(), a.order.tolist(), strict=True)) for a in (early, late)]
    assert names[0] <= names[1]
    assert len(names[1]) == len(late.cell)
    for cell in range(len(rows)):  # in order within a cell, and never more than there are
        mine = late.time[late.cell == cell]
        assert (np.diff(mine[np.argsort(late.order[late.cell == cell])]) >= 0).all()
        assert len(mine) <= counts[cell]
    everything = queue.arrivals(keys(len(rows)), counts, rate, np.inf, "a")
    assert len(everything.cell) == counts.sum()


def test_a_cell_s_arrivals_are_as_if_each_row_had_its_own_time():
    rows, rate, until = np.full(3000, 4), np.full(3000, 0.25), 2.0
    codes = np.arange(3000, dtype=">u2").view(np.uint8).reshape(-1, 2)
    found = queue.arrivals(queue.cell_keys("p", codes), rows, rate, until, "a")
    arrived = np.bincount(found.cell, minlength=3000)
    p = 1 - np.exp(-0.5)
    expected = [comb(4, k) * p**k * (1 - p) ** (4 - k) for k in range(5)]
    seen = np.bincount(arrived, minlength=5)
    chi2 = sum((s - 3000 * e) ** 2 / (3000 * e) for s, e in zip(seen, expected, strict=True))
    assert chi2 < 18.5  # 4 degrees of freedom: one in a thousand


def test_about_as_many_arrive_as_were_wanted():
    cells = some_cells()
    for size in (1, 20, 90):
        assert cells.expected(cells.time_of(size)) == pytest.approx(size, rel=1e-6)
    assert cells.time_of(116) == np.inf


def draw(cells: Cells, size: int, salt: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The first rows to arrive: cells, times, how likely each was, and the time of the next."""
    found = queue.arrivals(cells.keys, cells.rows, cells.rate, cells.time_of(size + 30), salt)
    order = np.argsort(found.time)
    picked, until = order[:size], found.time[order[size]]
    cell = found.cell[picked]
    zeros = np.zeros(size)
    return cell, found.time[picked], queue.probability(cells.rate[cell], zeros, zeros, until), until


@pytest.mark.parametrize("size", [3, 20, 80])
def test_weighing_by_the_inverse_probability_is_unbiased(size):
    cells = some_cells()
    estimates = []
    for i in range(500):
        cell, _, p, _ = draw(cells, size, str(i))
        estimates.append(np.bincount(cell, 1 / p, minlength=5))
    mean, error = np.mean(estimates, axis=0), np.std(estimates, axis=0) / np.sqrt(500)
    assert (np.abs(mean - cells.rows) < 4.5 * error + 1e-9).all()
    assert np.mean([e.sum() for e in estimates]) == pytest.approx(116, rel=0.1)


def test_rows_picked_at_random_are_as_likely_as_each_other():
    cells, share = some_cells(), np.zeros(5)
    draws = np.random.default_rng(0)
    for i in range(500):
        cell, time, _, until = draw(cells, 40, str(i))
        why = queue.reasons(cells.rates[cell], time, until, draws.random(40), draws.random(40))
        share += np.bincount(cell[[reason is Reason.RANDOM for reason in why]], minlength=5)
    per_row = share / cells.rows
    total = share.sum() / cells.rows.sum()
    assert (np.abs(per_row / total - 1) < 4.5 / np.sqrt(share)).all()


def test_reasons_come_in_the_given_shares():
    cells = some_cells()
    seen: list[Reason] = []
    for i in range(300):
        cell, time, _, until = draw(cells, 5, str(i))
        draws = np.random.default_rng(i).random((2, 5))
        seen += queue.reasons(cells.rates[cell], time, until, *draws)
    for reason, share in SHARES.items():
        assert seen.count(reason) / 1500 == pytest.approx(share, abs=0.05)


def test_proposals_count_in_the_probability():
    until, rate, proposals, taken = 2.0, np.array([0.3, 0.0]), np.array([0.5, 0.5]), np.array([0.4, 1.0])
    by_pattern, by_proposal = 1 - np.exp(-rate * until), taken * (1 - np.exp(-proposals * until))
    expected = 1 - (1 - by_pattern) * (1 - by_proposal)
    assert queue.probability(rate, proposals, taken, until) == pytest.approx(expected)
    assert queue.probability(rate, proposals, taken, np.inf).tolist() == [1.0, 1.0]
    nothing = np.zeros(1)
    assert queue.probability(nothing, nothing, nothing, np.inf).tolist() == [0.0]


def test_models_that_find_the_same_class_do_not_disagree():
    labels = np.array([[0.6, 0.4], [0.6, 0.4], [0.5, 0.5]])
    predictions = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]])
    assert queue.disagreement(labels, predictions) == pytest.approx([0, 0.5, 0.3])


@given(st.text(max_size=20))
def test_blanks_around_a_text_do_not_count_and_its_stream_does(text):
    assert queue.text_key("s", f"  {text}\n") == queue.text_key("s", text)
    assert queue.text_key("s", text) != queue.text_key("t", text)


def test_texts_that_look_alike_are_one():
    assert queue.text_key("s", "FREE  Caf\u00e9\t!") == queue.text_key("s", "free cafe\u0301 !")
    assert queue.text_key("s", None) == queue.text_key("s", "")


def test_the_guide_shows_the_defaults():
    guide = (REPOSITORY / "docs" / "review-queue.md").read_text()
    shown = yaml.safe_load(guide.partition("```yaml\n")[2].partition("```")[0])["feedback"]["queue"]
    assert ReviewQueueParams(**shown) == ReviewQueueParams()
    for reason in Reason:
        assert f"| `{reason}` | {shown[reason]} |" in guide
