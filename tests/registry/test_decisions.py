"""The champion follows from the decisions, read from the first to the last."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.registry.decisions import Decision, past_champions, standing, what_holds


def decision(action: str, version: int, *, by: str | None = "ann", before: int | None = None, **said: Any) -> Decision:
    return Decision(
        model="m",
        number=said.pop("number", 1),
        action=action,  # type: ignore[arg-type]
        version=f"m@v{version}",
        before=f"m@v{before}" if before else None,
        by=by,
        at=said.pop("at", None),
        reason=said.pop("reason", "because"),
        evidence={},
        newest=said.pop("newest", version),
    )


def test_a_promotion_puts_a_version_on_top_and_a_rollback_takes_off_what_came_after():
    made = [decision("promote", 1), decision("promote", 2), decision("promote", 3)]
    assert past_champions(made) == [1, 2, 3]
    assert past_champions([*made, decision("rollback", 1)]) == [1]
    assert past_champions([*made, decision("rollback", 1), decision("promote", 3)]) == [1, 3]


@pytest.mark.parametrize("action", ["hold", "decline"])
def test_what_leaves_the_champion_as_it_is_moves_nothing(action):
    assert past_champions([decision("promote", 1), decision(action, 2)]) == [1]


def test_a_version_that_is_promoted_again_is_in_the_list_once():
    assert past_champions([decision("promote", n) for n in (1, 2, 1)]) == [2, 1]


moves = st.lists(st.tuples(st.sampled_from(["promote", "hold", "decline", "rollback"]), st.integers(1, 5)), max_size=12)


@given(moves)
def test_the_champion_is_what_was_moved_to_last_and_nobody_is_listed_twice(made):
    stack = past_champions([decision(action, version) for action, version in made])
    moved = [version for action, version in made if action in {"promote", "rollback"}]
    assert stack[-1:] == moved[-1:]
    assert len(set(stack)) == len(stack)
    assert set(stack) <= set(moved)


@given(moves, st.integers(0, 12))
def test_a_decision_stands_only_if_a_person_made_the_last_move(made, who):
    decisions = [decision(a, v, by="ann" if i != who else None) for i, (a, v) in enumerate(made)]
    moved = [one for one in decisions if one.action in {"promote", "rollback"}]
    assert standing(decisions) == (moved[-1] if moved and moved[-1].by else None)


def test_what_holds_says_who_why_and_until_when():
    said = what_holds([decision("rollback", 1, before=2, newest=4, at="2026-01-03", reason="v2 is slow")])
    assert said is not None
    for part in ("m@v1 is the champion by ann's rollback, 2026-01-03", "v2 is slow", "after m@v4"):
        assert part in said
    assert what_holds([decision("promote", 1, by=None)]) is None


@pytest.mark.parametrize(
    ("one", "version"),
    [
        (decision("decline", 3), "m@v3"),
        (decision("rollback", 1, before=2), "m@v2"),
        (decision("promote", 3), None),
        (decision("decline", 3, by=None), None),
    ],
)
def test_the_version_that_a_person_turned_down(one, version):
    assert one.turned_down == version
