"""The roll-up as arithmetic: every range is covered exactly, by few tables, whatever the partitions."""

from __future__ import annotations

import math
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from beambell.history.rollup import Node, RollUp, closing_day, first_day
from beambell.store import Partition

BEGIN = date(2026, 1, 1).toordinal()


def day_of(number: int) -> str:
    return (date(2026, 1, 1) + timedelta(days=number)).isoformat()


partitions = st.sets(
    st.one_of(
        st.builds(Partition, st.sampled_from(["a", "b"]), st.integers(0, 70).map(day_of)),
        st.builds(Partition, st.just("hours"), st.integers(0, 70).map(lambda n: f"{day_of(n)}T07")),
        st.builds(Partition, st.just("months"), st.integers(1, 3).map(lambda n: f"2026-{n:02d}")),
    )
)


def leaves(roll_up: RollUp, part: Node | Partition) -> list[Partition]:
    if isinstance(part, Partition):
        return [part]
    return [leaf for child in roll_up.children(part) for leaf in leaves(roll_up, child)]


@given(partitions, st.one_of(st.none(), st.integers(-5, 80)), st.integers(-5, 80))
def test_a_range_is_the_sum_of_its_parts_and_they_are_few(some, first, end):
    roll_up = RollUp(some)
    start = None if first is None else BEGIN + first
    parts = roll_up.cover(start, BEGIN + end)
    found = sorted(leaf for part in parts for leaf in leaves(roll_up, part))
    assert found == sorted(p for p in some if (start or 0) <= closing_day(p.dt) < BEGIN + end)
    assert len(parts) <= 2 * math.ceil(math.log2(80)) + 2


@given(partitions, st.integers(0, 80), st.integers(0, 80))
def test_all_that_is_needed_is_among_the_nodes_children_first(some, first, end):
    roll_up = RollUp(some)
    nodes = list(roll_up.nodes(BEGIN + end))
    assert len(nodes) == len(set(nodes)) < 2 * len(some) + 1
    place = {node: i for i, node in enumerate(nodes)}
    for node in nodes:
        assert len(roll_up.children(node)) > 1
        assert all(place[child] < place[node] for child in roll_up.children(node) if isinstance(child, Node))
    assert {part for part in roll_up.cover(BEGIN + first, BEGIN + end) if isinstance(part, Node)} <= set(nodes)


def test_a_late_partition_changes_the_nodes_above_it_only():
    days = [Partition("a", day_of(n)) for n in range(64)]
    roll_up = RollUp(days)
    late = Partition("a", day_of(20))
    above = [node for node in roll_up.nodes(BEGIN + 64) if late in leaves(roll_up, node)]
    assert 0 < len(above) <= 7


def test_a_partition_closes_on_its_last_day():
    assert closing_day("2026-01") == closing_day("2026-01-31") == closing_day("2026-01-31T05")
    assert closing_day("2024-02") == closing_day("2024-02-29")
    assert closing_day("2026-12") + 1 == first_day("2027-01-01") == first_day("2027-01") == first_day("2027-01-01T23")
