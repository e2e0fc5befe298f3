"""The event clock: no partition is over too early, and none never."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from beambell.live.clock import MICROS, EventClock, end_of

DAY = "2026-01-03"
NOON = datetime(2026, 1, 3, 12, tzinfo=UTC).timestamp()
NEXT = datetime(2026, 1, 4, 1, tzinfo=UTC).timestamp()


def micros(seconds: float) -> int:
    return round(seconds * MICROS)


def clock(*parts: str, now: float = NEXT, lateness_s: float = 60.0) -> EventClock:
    made = EventClock(lateness_s=lateness_s, idle_s=30.0, stall_s=60.0)
    made.expect(parts, now)
    return made


def test_a_part_that_was_not_heard_of_holds_the_clock():
    one = clock("000", "001")
    one.note("000", high=micros(NEXT), behind=0, moved=True, now=NEXT)
    assert one.low(NEXT) is None
    assert one.over([DAY], NEXT) == []


def test_the_slowest_part_says_what_is_over():
    one = clock("000", "001")
    one.note("000", high=micros(NEXT), behind=5, moved=True, now=NEXT)
    one.note("001", high=micros(NOON), behind=5, moved=True, now=NEXT)
    assert one.over([DAY], NEXT) == []
    one.note("001", high=micros(NEXT), behind=5, moved=True, now=NEXT)
    assert one.over([DAY, "2026-01-04"], NEXT) == [DAY]


def test_an_idle_part_does_not_hold_the_clock_and_one_that_lags_does():
    one = clock("000", "001", "002")
    one.note("000", high=micros(NEXT), behind=0, moved=True, now=NEXT)
    one.note("001", high=None, behind=0, moved=False, now=NEXT)
    one.note("002", high=micros(NOON), behind=7, moved=True, now=NEXT)
    later = NEXT + 40
    one.note("000", high=micros(later), behind=0, moved=True, now=later)
    one.note("001", high=None, behind=0, moved=False, now=later)
    one.note("002", high=None, behind=7, moved=False, now=later)
    assert one.over([DAY], later) == []
    one.note("002", high=micros(NEXT), behind=0, moved=True, now=later)
    assert one.over([DAY], later) == [DAY]


def test_where_all_are_idle_the_time_of_day_counts():
    one = clock("000")
    one.note("000", high=micros(NOON), behind=0, moved=True, now=NOON)
    assert one.over([DAY], NOON + 40) == []
    one.note("000", high=None, behind=0, moved=False, now=NEXT)
    assert one.over([DAY], NEXT) == [DAY]


def test_one_time_from_the_future_closes_nothing():
    one = clock("000", now=NOON)
    one.note("000", high=micros(NEXT + 36_000), behind=0, moved=True, now=NOON)
    assert one.over([DAY], NOON) == []


def test_a_source_that_is_away_holds_the_clock_and_is_an_alarm():
    one = clock("000")
    one.note("000", high=micros(NOON), behind=0, moved=True, now=NOON)
    for after in range(0, 40_000, 100):
        one.note("000", high=None, behind=0, moved=False, now=NOON + after, error="the broker is away")
    assert one.over([DAY], NOON + 40_000) == []
    assert one.stalled(NOON + 40_000) == ["000"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-40_000, 50_000)), min_size=1, max_size=40))
def test_nothing_is_over_before_each_part_is_beyond_it(notes):
    one, highs = clock(*"abc"), dict.fromkeys("abc", None)
    for part, seconds in notes:
        high = micros(NOON + seconds)
        one.note(part, high=high, behind=1, moved=True, now=NEXT + 100_000)
        highs[part] = max(high, highs[part]) if highs[part] is not None else high
        is_over = all(h is not None and h - 60 * MICROS >= end_of(DAY) for h in highs.values())
        assert one.over([DAY], NEXT + 100_000) == ([DAY] if is_over else [])
