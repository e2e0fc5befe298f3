from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beambell.errors import StateError
from beambell.state import BudgetedCounts, FeedbackCounts, IncompleteSampleError, Marginals, PatternCounts, Policy
from beambell.state.budget import hashes

K, M = 3, 4
LFS = ("links", "caps", "short", "money")

votes = hnp.arrays(np.int8, st.tuples(st.integers(0, 30), st.just(M)), elements=st.integers(-1, K - 1))
factors = st.integers(-5, 5)


def count(L: np.ndarray) -> PatternCounts:
    return PatternCounts.from_votes(L, K, LFS)


counted = votes.map(count)
group = st.tuples(votes, votes).map(lambda pair: count(pair[0]) - count(pair[1]))
orders = st.permutations(LFS)


# -- scale -------------------------------------------------------------------------------------------------------


@given(group, group, factors, factors)
def test_scaling_distributes(a: PatternCounts, b: PatternCounts, x: int, y: int) -> None:
    assert (a + b) * x == a * x + b * x
    assert a * (x + y) == a * x + a * y
    assert a * (x * y) == (a * x) * y
    assert a * -1 == -a
    assert PatternCounts.weighted_sum([(a, x), (b, y)]) == a * x + b * y == y * b + x * a


@given(group, st.integers(0, 8))
def test_halving_undoes_doubling(a: PatternCounts, times: int) -> None:
    assert (a * 2**times).halved(times) == a
    assert a.halved(-times) == a * 2**times


def test_halving_never_rounds() -> None:
    with pytest.raises(StateError, match="rounded"):
        count(np.zeros((3, M), np.int8)).halved(1)


def test_scaling_never_overflows() -> None:
    big = PatternCounts.from_packed(np.zeros((1, 1), np.uint8), K, LFS, np.array([2**60]))
    assert (big * 7).n_rows == 7 * 2**60
    with pytest.raises(StateError, match="cannot be counted"):
        big * 8


def test_units() -> None:
    counts = (count(np.zeros((3, M), np.int8)) * 5).in_units(10)
    assert counts.total == 15
    assert counts.n_rows == 2
    assert counts.coverage().tolist() == [1.0] * M
    assert PatternCounts.from_table(counts.to_table()) == counts != counts.in_units(1)
    with pytest.raises(StateError, match="units of 1/10 row"):
        counts + counts.in_units(1)
    with pytest.raises(StateError, match="parts of rows"):
        counts.to_votes()


# -- other labeling functions --------------------------------------------------------------------------------------


@given(group, group, factors, orders, st.integers(1, M))
def test_restriction_is_a_homomorphism(
    a: PatternCounts, b: PatternCounts, x: int, order: tuple[str, ...], n: int
) -> None:
    kept = order[:n]
    assert (a + b).restrict(kept) == a.restrict(kept) + b.restrict(kept)
    assert (a * x).restrict(kept) == a.restrict(kept) * x
    assert a.restrict(kept).n_rows == a.n_rows


@given(votes, orders, st.integers(1, M))
def test_restriction_is_counting_fewer_columns(L: np.ndarray, order: tuple[str, ...], n: int) -> None:
    kept = order[:n]
    columns = L[:, [LFS.index(name) for name in kept]]
    assert count(L).restrict(kept) == PatternCounts.from_votes(columns, K, kept)


@given(group, group, st.permutations([*LFS, "new", "newer"]))
def test_extension_is_a_homomorphism_that_restriction_undoes(
    a: PatternCounts, b: PatternCounts, order: list[str]
) -> None:
    assert (a + b).extend(order) == a.extend(order) + b.extend(order)
    assert a.extend(order).restrict(LFS) == a
    assert a.extend(order).restrict(["new"]).vote_counts().sum() == 0


def test_what_cannot_be_restricted_or_extended() -> None:
    counts = count(np.zeros((1, M), np.int8))
    with pytest.raises(StateError, match="no votes of emoji"):
        counts.restrict(["links", "emoji"])
    with pytest.raises(StateError, match="money would be lost"):
        counts.extend([*LFS[:3], "emoji"])


# -- feedback ------------------------------------------------------------------------------------------------------

labelled = votes.flatmap(lambda L: st.tuples(st.just(L), hnp.arrays(np.int64, len(L), elements=st.integers(-1, K - 1))))


def feedback(pair: tuple[np.ndarray, np.ndarray]) -> FeedbackCounts:
    return FeedbackCounts.from_labels(*pair, K, LFS)


feedback_group = st.tuples(labelled, labelled).map(lambda pair: feedback(pair[0]) - feedback(pair[1]))
NONE = FeedbackCounts.zero(K, LFS)


@given(feedback_group, feedback_group, feedback_group, factors)
def test_feedback_is_a_group(a: FeedbackCounts, b: FeedbackCounts, c: FeedbackCounts, x: int) -> None:
    assert (a + b) + c == a + (b + c) == FeedbackCounts.sum([c, a, b])
    assert a + b == b + a
    assert a + NONE == a
    assert a - a == NONE
    assert (a + b) * x == a * x + x * b
    for change in (lambda f: f.restrict(LFS[:2]), lambda f: f.extend(["new", *LFS]), FeedbackCounts.to_pattern_counts):
        assert change(a + b) == change(a) + change(b)
    assert a.extend(["new", *LFS]).restrict(LFS) == a


@given(labelled)
def test_feedback_counts_labels(pair: tuple[np.ndarray, np.ndarray]) -> None:
    L, y = pair
    counts = feedback(pair)
    assert counts.to_pattern_counts() == count(L[y >= 0])
    for pattern, row in zip(counts.patterns, counts.counts, strict=True):
        same = (pattern == L).all(axis=1)
        assert row.tolist() == [int((same & (y == k)).sum()) for k in range(K)]
    assert counts.n_rows == (y >= 0).sum()


@given(feedback_group)
def test_feedback_on_disk_is_exact(a: FeedbackCounts) -> None:
    buffer = io.BytesIO()
    pq.write_table(a.to_table(), buffer)
    assert FeedbackCounts.from_table(pq.read_table(buffer)) == a


def test_labels_that_are_none() -> None:
    for y in ([3], [-2], [0, 0], [0.5]):
        with pytest.raises(StateError):
            FeedbackCounts.from_labels(np.zeros((1, M), np.int8), y, K)


# -- figures that stay exact -----------------------------------------------------------------------------------------


@given(counted)
def test_marginals_are_the_figures_of_the_counts(counts: PatternCounts) -> None:
    marginals = Marginals.of(counts)
    assert marginals.analysis() == counts.analysis()
    assert marginals.total == counts.n_rows
    np.testing.assert_array_equal(marginals.cooccurrence(), counts.cooccurrence())
    np.testing.assert_array_equal(marginals.vote_counts(), counts.vote_counts())


@given(group, group)
def test_marginals_are_additive(a: PatternCounts, b: PatternCounts) -> None:
    total = Marginals.sum([Marginals.of(a), Marginals.of(b)])
    np.testing.assert_array_equal(total.values, Marginals.of(a + b).values)


# -- the budget -------------------------------------------------------------------------------------------------------

budgets = st.integers(1, 40)
many = st.integers(0, 400).flatmap(
    lambda n: st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).integers(-1, K, (n, M)).astype(np.int8)
    )
)


@given(st.lists(many, min_size=1, max_size=6), budgets, st.randoms())
def test_the_sample_of_a_sum_is_a_function_of_the_sum(parts: list[np.ndarray], budget: int, random: st.Random) -> None:
    whole = BudgetedCounts.of(count(np.concatenate(parts)), budget)
    some = [BudgetedCounts.of(count(part), budget) for part in parts]
    while len(some) > 1:  # any grouping, any order
        i = random.randrange(len(some))
        first = some.pop(i)
        j = random.randrange(len(some))
        some[j] = some[j] + first if random.random() < 0.5 else first + some[j]
    assert some[0] == whole
    assert whole.level == 0 or whole.sample.n_patterns > budget // 2
    assert whole.level == 0 or (hashes(whole.sample.packed) < np.uint64(2 ** (64 - whole.level))).all()
    assert whole.figures().analysis() == count(np.concatenate(parts)).analysis()


@given(many, many, budgets, factors)
def test_what_is_taken_away_is_exact_or_refused(a: np.ndarray, b: np.ndarray, budget: int, x: int) -> None:
    both, gone = (BudgetedCounts.of(count(L), budget) for L in (np.concatenate([a, b]), b))
    try:
        left = both - gone
    except IncompleteSampleError:
        assert count(a).n_patterns < count(np.concatenate([a, b])).n_patterns
    else:
        assert left == BudgetedCounts.of(count(a), budget)
    assert (both * x) == BudgetedCounts.of(count(np.concatenate([a, b])) * x, budget)
    assert (both * 8).halved(3) == both


@given(many, budgets)
def test_a_sample_on_disk_is_exact(L: np.ndarray, budget: int) -> None:
    counts = BudgetedCounts.of(count(L), budget)
    values = None if counts.marginals is None else counts.marginals.values
    assert BudgetedCounts.from_table(counts.to_table(), budget, values) == counts
    if counts.level:
        with pytest.raises(StateError, match="a sample"):
            PatternCounts.from_table(counts.to_table())
        with pytest.raises(StateError, match="exact figures"):
            BudgetedCounts.from_table(counts.to_table(), budget)


def test_a_sample_is_read_as_counts_with_exact_figures() -> None:
    L = np.random.default_rng(0).integers(-1, 2, (5000, 12)).astype(np.int8)
    plain = PatternCounts.from_votes(L, 2)
    read = BudgetedCounts.of(plain, 500).counts()
    assert 250 < read.n_patterns < 1000
    assert read.n_rows == 5000
    np.testing.assert_array_equal(read.cooccurrence(), plain.cooccurrence())
    assert read.analysis() == plain.analysis()
    assert abs(int(read.counts.sum()) - 5000) < 1500, "an estimate of the rows"
    fewer = plain.lfs[3:8]
    np.testing.assert_array_equal(read.restrict(fewer).cooccurrence(), plain.restrict(fewer).cooccurrence())
    assert read.restrict(fewer).n_rows == 5000
    with pytest.raises(StateError, match="does not add"):
        read + plain


def test_hashes_never_change() -> None:
    packed = np.array([[0, 0, 0], [1, 2, 3]], np.uint8), np.arange(10, dtype=np.uint8)[None]
    assert [hashes(p).tolist() for p in packed] == [[2092789425003139053, 15366016104386331227], [17992673231302329983]]


# -- policies ---------------------------------------------------------------------------------------------------------


def test_weights() -> None:
    window = Policy("window", days=7)
    assert [window.weight(day, 100) for day in (94, 93, 100)] == [1, 0, 1]
    assert Policy().weight(0, 10**6) == 1


@pytest.mark.parametrize("H", [1, 2, 7, 30, 365])
def test_decay_halves(H: int) -> None:
    decay = Policy("decay", half_life_days=H)
    for newest in (739_000, 739_001, 739_000 + H - 1):
        one = decay.unit(newest)
        for age in (0, 1, 3, H, 5 * H + 1):
            assert decay.weight(newest - age, newest) / one == pytest.approx(0.5 ** (age / H), rel=3e-4)
        assert decay.weight(newest - 16 * H, newest) == 0
        assert decay.weight(newest - 16 * H + 1, newest) > 0


@given(st.integers(1, 40), st.integers(730_000, 740_000), st.integers(-700, 700), st.integers(0, 700))
def test_when_days_pass_weights_halve_exactly(H: int, before: int, step: int, age: int) -> None:
    decay, now = Policy("decay", half_life_days=H), before + step
    day = min(before, now) - age
    old, new = decay.weight(day, before), decay.weight(day, now)
    if old and new:
        times = decay.halvings(before, now)
        assert new * 2**times == old if times > 0 else new == old * 2**-times
