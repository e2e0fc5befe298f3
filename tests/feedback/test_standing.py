""" "Not this class": what stands of each reviewer, and what several of them say together, against plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.config import FeedbackParams
from beambell.feedback.consensus import find_consensus
from beambell.feedback.events import EVENTS_SCHEMA

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("a", "b", "c", "d")


def event(said: str, who: str = "ada", at: int = 0, row: str = "r") -> dict[str, Any]:
    """``b`` is an answer, ``-b`` that it is not, ``none`` and ``unsure`` as they are."""
    verdict = "not_label" if said[0] == "-" else "label" if said in NAMES else said
    label = said.lstrip("-") if verdict in ("label", "not_label") else None
    when = START + timedelta(seconds=at)
    named = "not_a_class" if verdict == "none" else verdict
    return {"row_id": row, "stream": "s", "reviewer": who, "time": when, "verdict": named, "label": label}


def table(events: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"event_id": f"e{i:03}", **one} for i, one in enumerate(events)], EVENTS_SCHEMA)


def outcome(*events: dict[str, Any], k: int = 3, **params: Any) -> str | None:
    (row,) = find_consensus(table(list(events)), NAMES[:k], FeedbackParams(**params)).rows.to_pylist()
    return brief(row)


def brief(row: dict[str, Any]) -> str | None:
    if row["verdict"] == "not_label":
        return "".join(f"-{name}" for name in row["excluded"])
    return row["label"] or {"not_a_class": "none"}.get(row["verdict"], row["verdict"])


ONE_REVIEWER = [
    ("-a", 3, "-a"),
    ("-a", 2, "b"),
    ("-a -b", 3, "c"),
    ("-a -b", 4, "-a-b"),
    ("-a -b -c", 3, "none"),
    ("-a -b", 2, "none"),
    ("a -a", 3, "-a"),
    ("-a a", 3, "a"),
    ("a -b", 3, "a"),
    ("-b a", 3, "a"),
    ("-a -a", 3, "-a"),
    ("-a unsure", 3, "-a"),
    ("unsure -a", 3, "-a"),
    ("none -a", 3, "none"),
    ("a unsure", 3, "unsure"),
    ("-d", 3, None),
]


@pytest.mark.parametrize(("said", "k", "brief"), ONE_REVIEWER)
def test_one_reviewer(said, k, brief):
    if brief is None:
        figures = find_consensus(table([event(said)]), NAMES[:k], FeedbackParams()).figures
        assert figures["outside"] == 1
        return
    assert outcome(*(event(word, at=i) for i, word in enumerate(said.split())), k=k) == brief


SEVERAL = [
    ("-a -a", "-a"),
    ("-a b", "b"),
    ("-a a", "undecided"),
    ("-a a a", "a"),
    ("-a -a a", "-a"),
    ("-a b a", "b"),
    ("-a a a b", "undecided"),
    ("-a a a a b", "a"),
    ("-a -b", "c"),
    ("-a none", "none"),
    ("-a unsure", "-a"),
    ("b c", "undecided"),
]


@pytest.mark.parametrize(("said", "brief"), SEVERAL)
@pytest.mark.parametrize("kind", ["majority", "dawid_skene"])
def test_several_reviewers(said, brief, kind):
    events = [event(word, who=f"r{i}") for i, word in enumerate(said.split())]
    if kind == "dawid_skene" and said in ("-a b a", "-a a a b", "-a a a a b"):
        return  # there, reviewers weigh as much as others bear them out
    assert outcome(*events, consensus=kind) == brief
    assert outcome(*events[::-1], consensus=kind) == brief


def test_so_many_reviewers_have_to_say_that_it_is_not():
    two = [event("-a", who="ada"), event("-a", who="bob")]
    assert outcome(two[0], min_reviewers=2) == "undecided"
    assert outcome(*two, min_reviewers=2) == "-a"


def test_who_says_what_it_is_not_counts_among_the_reviewers():
    events = [event("b", "ada"), event("-a", "bob"), event("a", "cy"), event("-c", "dee", row="other")]
    found = find_consensus(table(events), NAMES[:3], FeedbackParams())
    rows = {row["row_id"]: row for row in found.rows.to_pylist()}
    assert (rows["r"]["reviewers"], rows["r"]["deciding"], rows["r"]["agreement"]) == (3, 3, pytest.approx(2 / 3))
    assert (rows["other"]["deciding"], rows["other"]["agreement"], rows["other"]["excluded"]) == (1, 1.0, ["c"])
    said = {one["reviewer"]: (one["rows"], one["compared"], one["agreed"]) for one in found.reviewers.to_pylist()}
    assert said == {"ada": (1, 2, 1), "bob": (1, 2, 1), "cy": (1, 2, 0), "dee": (1, 0, 0)}


# -- the same in plain Python --------------------------------------------------------------------------------------


def standing(events: list[dict[str, Any]], classes: tuple[str, ...]) -> Any:
    """What one reviewer says of one row: an answer, or a set of classes that it is not, or "unsure"."""
    main, out = None, {}
    for at, one in enumerate(events):
        if one["verdict"] == "not_label":
            out[one["label"]] = at
        else:
            main = at
    answer = None
    if main is not None:
        one = events[main]
        answer = one["label"] or ("none" if one["verdict"] == "not_a_class" else "unsure")
        if answer in out:
            if out[answer] > main:
                answer = None
            else:
                del out[answer]
    if answer in (*classes, "none"):
        return answer
    left = [name for name in classes if name not in out]
    if len(left) < 2:
        return left[0] if left else "none"
    return frozenset(out) or "unsure"


def expected(events: list[dict[str, Any]], classes: tuple[str, ...], least: int) -> str:
    by: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in sorted(enumerate(events), key=lambda pair: (pair[1]["time"], pair[0])):
        by[one[1]["reviewer"]].append(one[1])
    said = [standing(mine, classes) for mine in by.values()]
    votes = Counter(one for one in said if isinstance(one, str) and one != "unsure")
    outs = [one for one in said if isinstance(one, frozenset)]
    deciding = votes.total() + len(outs)
    if not deciding:
        return "unsure"
    behind = {name: n + sum(name not in out for out in outs) for name, n in votes.items()}
    best = max(behind.values(), default=-1)
    winners = [name for name, n in behind.items() if n == best]
    against = Counter(name for out in outs for name in out)
    clear = len(winners) == 1 and best > against[winners[0]] and deciding >= least and best / deciding >= 0.5
    if clear:
        return winners[0]
    out = [name for name in classes if against[name] >= least and against[name] > votes[name]]
    left = [name for name in classes if name not in out]
    if len(left) < 2:
        return left[0] if left else "none"
    return "".join(f"-{name}" for name in out) or "undecided"


SAID = st.builds(
    event,
    st.sampled_from(["a", "b", "-a", "-b", "-a", "-b", "none", "unsure", "c", "-c"]),
    st.sampled_from(["ada", "bob", "cy"]),
    st.integers(0, 3),
)


@given(st.lists(SAID, min_size=1, max_size=9), st.integers(3, 4), st.integers(1, 2))
def test_the_same_as_in_plain_python(events, k, least):
    assert outcome(*events, k=k, min_reviewers=least) == expected(events, NAMES[:k], least)


@given(st.lists(SAID, min_size=1, max_size=9).filter(lambda all_: not any(e["label"] == "c" for e in all_)))
def test_with_two_classes_not_one_is_the_other(events):
    def turned(one: dict[str, Any]) -> dict[str, Any]:
        if one["verdict"] != "not_label":
            return one
        return one | {"verdict": "label", "label": {"a": "b", "b": "a"}[one["label"]]}

    alone = {(e["reviewer"]) for e in events}
    if len(alone) == len(events):  # each says one thing: then no order can matter
        assert outcome(*events, k=2) == outcome(*map(turned, events), k=2)
