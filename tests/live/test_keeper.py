"""The keeper: each offset counts once, whatever comes twice, cut otherwise, out of order, or begins anew."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.config.live import LiveParams
from beambell.live.keeper import Keeper, Tally
from beambell.live.recent import RecentRows
from beambell.state import PatternCounts
from beambell.state import patterns as packed
from beambell.store import Partition

LFS = ("one", "two", "three")
LIVE = LiveParams.model_validate({"streams": {"s": {"folder": "x/*.jsonl"}}, "recent_rows": 50})
DAYS = ("2026-01-03", "2026-01-04")


def keeper() -> Keeper:
    return Keeper(LFS, 2, LIVE, {})


def votes(n: int) -> np.ndarray:
    return np.random.default_rng(7).integers(-1, 2, (n, 3)).astype(np.int8)


def tally(first: int, after: int, previous: int, epoch: int = 1, n: int = 60, part: str = "000") -> Tally:
    """Rows of some offsets: the row of offset i is of day i % 2, and has the i-th votes."""
    at = np.arange(first, after)
    return Tally(
        "s", part, epoch, first, after, previous, pa.array([f"id{i}" for i in at], pa.string()),
        pa.array([DAYS[i % 2] for i in at], pa.string()), at, packed.pack(votes(n)[at], 2), high=1,
    )  # fmt: skip


def expected(n: int) -> dict[Partition, PatternCounts]:
    return {
        Partition("s", day): PatternCounts.from_votes(votes(60)[np.arange(k, n, 2)], 2, LFS)
        for k, day in enumerate(DAYS)
        if n > k
    }


cuts = st.lists(st.integers(1, 59), max_size=8, unique=True).map(lambda inner: [0, *sorted(inner), 60])


def chain(at: list[int], epoch: int = 1) -> list[Tally]:
    pairs = list(itertools.pairwise(at))
    return [tally(first, after, -1 if i == 0 else first, epoch) for i, (first, after) in enumerate(pairs)]


@given(cuts, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_any_order_and_any_repetition_count_once(at, random):
    batches = chain(at) * 2
    random.shuffle(batches)
    one = keeper()
    for batch in batches:
        one.add(batch)
    assert one.open_counts() == expected(60)


@given(cuts, cuts)
@settings(deadline=None)
def test_what_is_read_again_and_cut_otherwise_counts_once(before, after):
    one = keeper()
    for batch in chain(before)[:-1]:
        one.add(batch)
    for batch in chain(after):  # the same epoch: as if a runner had replayed its input
        one.add(batch)
    assert one.open_counts() == expected(60)


@given(cuts, cuts, st.integers(0, 8))
@settings(deadline=None)
def test_a_new_epoch_begins_anew_and_an_old_one_no_longer_counts(before, after, seen):
    one = keeper()
    old = chain(before)
    for batch in old[:seen]:
        one.add(batch)
    new = chain(after, epoch=2)
    one.add(new[0])
    for batch in [*old, *new[1:]]:
        one.add(batch)
    assert one.open_counts() == expected(60)


def test_a_stretch_that_is_skipped_on_purpose_is_no_gap():
    one = keeper()
    one.add(tally(0, 10, -1))
    one.add(tally(40, 60, 10))  # the segments between are of closed partitions
    assert sum(counts.n_rows for counts in one.open_counts().values()) == 30


def test_records_that_are_gone_at_the_source_are_counted_and_hold_nobody_up():
    one = keeper()
    one.add(tally(0, 20, -1), now=100.0)
    one.add(replace(tally(30, 30, 20), figures={"lost at the source": 10}), now=101.0)
    one.add(tally(30, 60, 30), now=102.0)
    assert one.rates["s"].figures["lost at the source"] == 10
    assert one.missed(200.0, 5.0) == {}
    assert sum(counts.n_rows for counts in one.open_counts().values()) == 50


def test_what_is_lost_on_its_way_is_missed_and_read_anew():
    one, batches = keeper(), chain([0, 10, 20, 30])
    one.add(batches[0], now=100.0)
    one.add(batches[2], now=101.0)
    assert one.missed(103.0, 5.0) == {}
    assert one.missed(107.0, 5.0) == {"s/000": 1}
    for batch in chain([0, 30, 60], epoch=2):
        one.add(batch, now=108.0)
    assert one.missed(200.0, 5.0) == {}
    assert one.open_counts() == expected(60)


@given(cuts, st.integers(1, 9))
@settings(deadline=None)
def test_a_snapshot_goes_on_as_if_nothing_had_happened(at, seen):
    one, batches = keeper(), chain(at)
    for batch in batches[:seen]:
        one.add(batch)
    other = keeper()
    other.restore(one.snapshot())
    for batch in batches:
        other.add(batch)
    assert other.open_counts() == expected(60)


def test_late_rows_are_counted_and_told_and_do_not_open_their_day_again():
    one = Keeper(LFS, 2, LIVE, {"s": [DAYS[0]]})
    one.add(tally(0, 10, -1))
    assert one.rates["s"].late == {DAYS[0]: 5}
    assert list(one.open_counts()) == [Partition("s", DAYS[1])]
    assert one.take_late() == {Partition("s", DAYS[0]): {"000": 10}}
    assert one.take_late() == {}


def test_recent_rows_are_the_last_ones():
    rows = RecentRows(3)
    codes = packed.pack(votes(5), 2)
    rows.add("s", [f"id{i}" for i in range(5)], [DAYS[0]] * 5, codes)
    assert len(rows) == 3
    assert rows.find("s", "id1") is None
    assert rows.find("s", "id4") == ("s", "id4", DAYS[0], codes[4].tobytes())
    assert [row.id for row in rows.with_patterns({codes[4].tobytes()})].count("id4") == 1
