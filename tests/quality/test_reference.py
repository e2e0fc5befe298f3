"""The law of the reference: one law for 10 rows and for 10 million, and few false alarms under it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm, poisson

from beambell.quality.check import Law
from beambell.quality.checks.votes import Patterns
from beambell.quality.reference import count_deviation, excess_deviation, share_deviation, tail_score


@given(st.integers(1, 2000), st.floats(0.001, 0.999), st.data())
def test_the_score_is_that_of_the_exact_tail(n, p, data):
    k = data.draw(st.integers(0, n))
    above, below = norm.isf(binom.sf(k - 1, n, p)), norm.ppf(binom.cdf(k, n, p))
    exact = above if above > 0 else min(below, 0.0)
    if 0 < k < n and abs(exact) < 7:
        assert tail_score(k, n, p) == pytest.approx(exact, abs=0.25 + 0.05 * abs(exact))


@given(st.integers(1, 500), st.floats(0.5, 500.0))
def test_without_a_number_of_trials_it_is_poissons(k, mean):
    above, below = norm.isf(poisson.sf(k - 1, mean)), norm.ppf(poisson.cdf(k, mean))
    exact = above if above > 0 else min(below, 0.0)
    if abs(exact) < 7:
        assert tail_score(k, math.inf, mean) == pytest.approx(exact, abs=0.05 + 0.1 * abs(exact))


@given(
    st.floats(0.01, 0.99), st.lists(st.integers(10, 10**7), min_size=5, max_size=28), st.floats(0, 1), st.floats(0, 1)
)
def test_more_is_never_less_of_a_deviation(mean, sizes, one, other):
    reference = [(round(mean * n), n) for n in sizes]
    low, high = (share_deviation(share * 1000, 1000, reference).z for share in sorted((one, other)))
    assert low <= high + 1e-9 or min(abs(low), abs(high)) > 8  # beyond that, an approximation may be off


@pytest.mark.parametrize("rows", [10, 100, 10_000, 10_000_000])
def test_the_first_vote_of_a_rare_function_is_no_sensation(rows):
    reference = [(0, rows)] * 10
    assert abs(share_deviation(1, rows, reference).z) < 3


@pytest.mark.parametrize("known", range(5))
def test_without_five_partitions_nothing_is_expected(known):
    assert share_deviation(9, 10, [(1, 10)] * known) is None
    assert count_deviation(9, [10.0] * known) is None
    assert excess_deviation(1.0, 0.1, [0.0] * known) is None


def test_the_interval_is_where_the_law_says_so():
    deviation = share_deviation(90, 1000, [(50 + i, 1000) for i in range(10)])
    for end, z in zip(deviation.interval(4.0, top=1.0), (-4.0, 4.0), strict=True):
        assert deviation.law(end) == pytest.approx(z, abs=0.01)


def test_unsteady_days_are_given_more_room_than_steady_ones():
    steady, unsteady = [(300, 1000)] * 14, [(200 + 15 * i, 1000) for i in range(14)]
    assert share_deviation(450, 1000, steady).z > 6 > share_deviation(450, 1000, unsteady).z


@pytest.mark.parametrize("rows", [10, 100, 1000, 10_000])
@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_stationary_partitions_raise_few_alarms(rows, spread):
    rng, scores = np.random.default_rng(rows), []
    for _ in range(300):
        shares = np.clip(rng.normal(0.3, spread, 15), 0.01, 0.99)
        parts = rng.binomial(rows, shares)
        scores.append(share_deviation(parts[-1], rows, [(k, rows) for k in parts[:-1]]).z)
        counts = rng.poisson(rows, 15)
        scores.append(count_deviation(counts[-1], [float(n) for n in counts[:-1]]).z)
    assert np.mean(np.abs(scores) > 4) <= 0.004


def test_what_is_to_be_found_is_found_in_two_partitions_of_500_rows():
    rng, found = np.random.default_rng(1), []
    for _ in range(200):
        reference = [(k, 500) for k in rng.binomial(500, 0.1, 14)]
        twice = {share: rng.binomial(500, share, 2) for share in (0.2, 0.3)}
        found.append([max(share_deviation(k, 500, reference).z for k in parts) > 4 for parts in twice.values()])
        days = [float(n) for n in rng.poisson(500, 14)]
        found[-1].append(min(count_deviation(n, days).z for n in rng.poisson(350, 2)) < -4)
    assert (np.mean(found, axis=0) >= 0.95).all()


@pytest.mark.parametrize("counts", [{"a": 1, "": 0}, {"a": 3, "b": 7, "c": 11, "": 0}, {"": 5}, {"": 0}])
def test_few_patterns_have_a_divergence_all_the_same(counts):
    check = Patterns()
    assert list(check.judge(counts, [{"a": 3, "b": 7, "c": 11, "": 0}] * 6, Law())) is not None
    assert not list(check.judge(counts, [dict(counts)] * 6, Law()))
