"""Emerging topics: what is new is found, what was always there is not, and the memory is bounded."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.live import topics as module
from beambell.live.topics import HOURS, Topics, Uncovered, terms_of, uncovered

EVERYDAY = ["please call me back", "where is my order", "the app is slow today", "see you tomorrow"]


def rows(hour: int, texts: list[str], first: int = 0) -> list[Uncovered]:
    return [Uncovered(first + i, hour, f"r{hour}-{i}", text) for i, text in enumerate(texts)]


def test_what_is_new_this_hour_comes_first_with_examples():
    found = Topics()
    for hour in range(100, 110):
        found.add(rows(hour, EVERYDAY * 10))
    found.add(rows(110, [*EVERYDAY * 10, *(f"the free giftcard number {i} is waiting" for i in range(12))]))
    first, *_ = found.newest()
    assert set(first.term.split()) & {"free", "giftcard", "waiting"}
    assert first.rows == 12
    assert first.expected < 1
    assert len(first.examples) == 3
    assert all("giftcard" in text for _, text in first.examples)
    told = found.to_dict()
    assert (told["rows"], told["hours_before"]) == (52, 10)
    assert told["topics"][0]["term"] == first.term


def test_an_hour_like_those_before_has_no_topic_that_stands_out():
    found = Topics()
    for hour in range(10):
        found.add(rows(hour, EVERYDAY * 25))
    assert all(topic.score < 1 for topic in found.newest())


def test_no_two_topics_share_a_word():
    found = Topics()
    found.add(rows(1, ["win a free phone now"] * 5 + ["slow app again"] * 4))
    words = [word for topic in found.newest() for word in topic.term.split()]
    assert len(words) == len(set(words))


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from([*EVERYDAY, "", "ünïcode 你好 ok"])), max_size=60),
    st.randoms(),
)
@settings(deadline=None)
def test_the_order_of_rows_within_a_day_changes_no_count(told, random):
    given_rows = [Uncovered(i, hour % HOURS, f"r{i}", text) for i, (hour, text) in enumerate(told)]
    one, other = Topics(), Topics()
    one.add(given_rows)
    shuffled = given_rows[:]
    random.shuffle(shuffled)
    for row in shuffled:
        other.add([row])
    assert [(t.term, t.rows, t.expected) for t in one.newest()] == [
        (t.term, t.rows, t.expected) for t in other.newest()
    ]


def test_its_size_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_TERMS", 50)
    found = Topics()
    for hour in range(200):
        found.add(rows(hour, [f"term{hour}x{i} other{i}y{hour} the common one" for i in range(300)]))
    assert len(found._hours) == HOURS
    assert all(len(hour.counts) <= 100 for hour in found._hours.values())
    assert found._hours[199].counts["common"] > 300 - 300 * 9 / 50  # no more is lost than the size allows
    assert sys.getsizeof(found._examples) < 100_000


def test_hours_long_gone_are_forgotten():
    found = Topics()
    for hour in (*range(1_000, 1_000 + HOURS), 1):
        found.add(rows(hour, EVERYDAY))
    assert min(found._hours) == 1_000


def test_a_clock_that_is_wrong_stops_nothing():
    found = Topics()
    found.add(rows(10**6, ["from the future"] * 2))
    for hour in range(100, 160):
        found.add(rows(hour, EVERYDAY * 10))
    found.add(rows(160, EVERYDAY * 10 + ["a new giftcard scam"] * 9))
    assert found.newest()[0].rows == 9
    assert found.to_dict()["hours_before"] >= HOURS - 2


def test_terms_that_come_all_the_time_are_counted_like_those_that_come_at_once(monkeypatch):
    monkeypatch.setattr(module, "MOST_TERMS", 500)
    steady, burst = Topics(), Topics()
    noise = [f"w{i} v{i}" for i in range(4_000)]
    steady.add(
        rows(1, [text for i, text in enumerate(noise) for text in ([text, "steady word"] if i % 20 == 0 else [text])])
    )
    burst.add(rows(1, [*noise[:2_000], *["steady word"] * 200, *noise[2_000:]]))
    most_lost = (len(noise) * 3 + 600) / 500
    for found in (steady, burst):
        assert 200 - most_lost <= found._hours[1].counts["steady"] <= 200


def test_terms_are_words_and_pairs_in_small_letters_without_numbers():
    assert terms_of("Free GIFT, 100 free") == {"free", "gift", "free gift", "gift free"}
    assert terms_of("") == set()
    assert uncovered(3, 7_200_000_001, "a", None) == Uncovered(3, 2, "a", "")
    assert len(uncovered(3, 0, "a", "x" * 10_000_000).text) == module.LONGEST_TEXT
