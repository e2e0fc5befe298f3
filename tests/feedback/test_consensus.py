"""Consensus: what reviewers say together, against the same in plain Python; and the laws it keeps."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.config import FeedbackParams
from beambell.feedback.consensus import find_consensus
from beambell.feedback.events import EVENTS_SCHEMA
from beambell.feedback.reviewers import weigh

CLASSES = ["ham", "spam"]
START = datetime(2026, 1, 1, tzinfo=UTC)
PARAMS = FeedbackParams()


def event(event_id: str, row: str = "r", answer: str = "spam", who: str = "ada", at: int = 0, **more: Any) -> dict:
    said = {"verdict": "label", "label": answer} if answer in (*CLASSES, "egg") else {"verdict": answer}
    return {
        "event_id": event_id, "row_id": row, "stream": "s", "reviewer": who, "time": START + timedelta(seconds=at),
        **said, **more,
    }  # fmt: skip


def table(events: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(events, schema=EVENTS_SCHEMA)


def consensus(*events: dict, **params: Any):
    return find_consensus(table(list(events)), CLASSES, FeedbackParams(**params))


def verdicts(*events: dict, **params: Any) -> dict[str, tuple[str | None, str | None]]:
    rows = consensus(*events, **params).rows.to_pylist()
    return {row["row_id"]: (row["verdict"], row["label"]) for row in rows}


EVENTS = st.builds(
    event,
    event_id=st.integers(0, 40).map(str),
    row=st.sampled_from(["r1", "r2", "r3"]),
    answer=st.sampled_from(["spam", "ham", "unsure", "not_a_class", "lf_wrong", "lf_right", "withdrawn", "egg"]),
    who=st.sampled_from(["ada", "bob", "cy"]),
    at=st.integers(0, 3),
    lf=st.sampled_from(["one", "two"]),
    withdraws=st.integers(0, 40).map(str),
    stream=st.sampled_from(["s", "t"]),
    picked_by=st.sampled_from([None, "random"]),
    probability=st.sampled_from([None, 0.5, 0.25]),
    votes_shown=st.sampled_from([None, True, False]),
)


@given(st.lists(EVENTS, max_size=25), st.randoms(use_true_random=False), st.sampled_from(["majority", "dawid_skene"]))
def test_order_and_repetition_change_nothing(events, random, kind):
    params = FeedbackParams(consensus=kind)
    again = [*events, *(event for event in events if random.random() < 0.3)]
    random.shuffle(again)
    once, twice = (find_consensus(table(each), CLASSES, params) for each in (events, again))
    assert once == twice


def expected(events: list[dict]) -> dict[tuple[str, str], str]:
    """The same by majority, in plain Python, for events whose ids are distinct."""
    gone = {e["withdraws"] for e in events if e["verdict"] == "withdrawn"}
    latest: dict[tuple[str, str, str], dict] = {}
    for e in sorted(events, key=lambda e: (e["time"], e["event_id"])):
        of_row = e["label"] in CLASSES or e["verdict"] in ("unsure", "not_a_class")
        if of_row and e["event_id"] not in gone:
            latest[e["stream"], e["row_id"], e["reviewer"]] = e
    answers: dict[tuple[str, str], Counter] = {}
    for (stream, row, _), e in latest.items():
        counter = answers.setdefault((stream, row), Counter())
        if e["verdict"] != "unsure":
            counter[e["label"] or e["verdict"]] += 1
    found = {}
    for key, counter in answers.items():
        (first, n), (_, second), *_ = [*counter.most_common(), ("unsure", 0), ("", 0)]
        tie = n == second or n / max(counter.total(), 1) < 0.5
        found[key] = "unsure" if not counter else "undecided" if tie else first
    return found


@given(st.lists(EVENTS, max_size=40, unique_by=lambda e: e["event_id"]))
def test_majority_is_the_plain_one(events):
    events = [e | ({} if "label" in e else {"label": None}) for e in events]
    rows = find_consensus(table(events), CLASSES, PARAMS).rows.to_pylist()
    found = {(row["stream"], row["row_id"]): row["label"] or row["verdict"] for row in rows if row["verdict"]}
    assert found == expected(events)


def test_the_latest_answer_of_a_reviewer_counts():
    assert verdicts(event("a", answer="spam", at=5), event("b", answer="ham", at=4)) == {"r": ("label", "spam")}
    assert verdicts(event("a", answer="spam"), event("b", answer="ham")) == {"r": ("label", "ham")}


def test_a_withdrawn_answer_uncovers_the_one_before():
    events = [event("a", at=1), event("b", answer="ham", at=2)]
    taken_back = {**event("c", answer="withdrawn", withdraws="b"), "row_id": None, "stream": None}
    assert verdicts(*events, taken_back) == {"r": ("label", "spam")}
    # It may come first; and taking back a withdrawal means nothing.
    assert verdicts(taken_back, event("d", answer="withdrawn", withdraws="c"), *events) == {"r": ("label", "spam")}
    assert consensus(taken_back, *events).figures["withdrawn"] == 1


def test_a_tie_is_no_label_and_unsure_decides_nothing():
    ada, bob, cy = event("a"), event("b", answer="ham", who="bob"), event("c", answer="unsure", who="cy")
    assert verdicts(ada, bob) == verdicts(ada, bob, cy) == {"r": ("undecided", None)}
    assert verdicts(ada, cy) == {"r": ("label", "spam")}
    assert verdicts(cy) == {"r": ("unsure", None)}
    assert verdicts(event("d", answer="not_a_class")) == {"r": ("not_a_class", None)}
    (row,) = consensus(ada, bob, cy).rows.to_pylist()
    assert (row["reviewers"], row["deciding"], row["agreement"]) == (3, 2, 0.5)


def test_too_few_or_too_divided_reviewers_decide_nothing():
    two_to_one = [event("a"), event("b", who="bob"), event("c", who="cy", answer="ham")]
    assert verdicts(*two_to_one) == {"r": ("label", "spam")}
    assert verdicts(*two_to_one, min_agreement=0.7) == {"r": ("undecided", None)}
    assert verdicts(*two_to_one[:1], min_reviewers=2) == {"r": ("undecided", None)}


def test_reviewers_and_labeling_functions_are_summed_up():
    found = consensus(
        event("a"), event("b", who="bob"), event("c", who="cy", answer="ham"), event("d", row="q", answer="unsure"),
        event("e", answer="lf_wrong", lf="one"), event("f", answer="lf_right", lf="one", who="bob"),
        event("g", answer="lf_right", lf="one", at=1),
    )  # fmt: skip
    assert found.reviewers.to_pylist() == [
        {"reviewer": "ada", "rows": 2, "unsure": 1, "compared": 2, "agreed": 1},
        {"reviewer": "bob", "rows": 1, "unsure": 0, "compared": 2, "agreed": 1},
        {"reviewer": "cy", "rows": 1, "unsure": 0, "compared": 2, "agreed": 0},
    ]
    assert found.lf_verdicts.to_pylist() == [{"stream": "s", "row_id": "r", "lf": "one", "right": 2, "wrong": 0}]
    assert found.figures["superseded"] == 1


def test_different_things_under_one_id_are_counted():
    assert consensus(event("a"), event("a", answer="ham", at=1), event("a")).figures["different"] == 1


def test_labels_outside_of_today_s_classes_are_counted_not_used():
    found = consensus(event("a", answer="egg"), event("b", row="q"))
    assert found.figures["outside"] == 1
    assert [row["verdict"] for row in found.rows.to_pylist()] == ["label"]


def test_no_events_are_no_rows():
    found = consensus()
    assert found.rows.num_rows == found.reviewers.num_rows == found.lf_verdicts.num_rows == 0


def test_the_split_depends_on_the_row_alone():
    events = [event(str(i), row=str(i)) for i in range(300)]
    found = consensus(*events)
    alone = consensus(*(e | {"reviewer": "bob", "event_id": "x" + e["event_id"]} for e in events[:100]))
    split = dict(zip(found.rows["row_id"].to_pylist(), found.rows["evaluate"].to_pylist(), strict=True))
    assert 30 < sum(split.values()) < 90
    assert all(split[row["row_id"]] == row["evaluate"] for row in alone.rows.to_pylist())


@pytest.fixture(scope="module")
def five_reviewers():
    """2,000 rows, three classes: three good reviewers and two who answer as they please, three answers a row."""
    random = np.random.default_rng(5)
    truth = random.integers(0, 3, 2000)
    accuracy = np.array([0.95, 0.9, 0.9, 0.4, 0.4])
    row = np.repeat(np.arange(2000), 3)
    reviewer = np.concatenate([np.sort(random.choice(5, 3, replace=False)) for _ in range(2000)])
    right = random.random(len(row)) < accuracy[reviewer]
    answer = np.where(right, truth[row], (truth[row] + random.integers(1, 3, len(row))) % 3)
    return truth, row, reviewer, answer


def test_good_reviewers_weigh_more(five_reviewers):
    truth, row, reviewer, answer = five_reviewers
    winner, probability = weigh(2000, row, reviewer, answer, 3, 5)
    votes = np.zeros((2000, 3))
    np.add.at(votes, (row, answer), 1)
    best = votes == votes.max(axis=1, keepdims=True)
    majority = np.where(best.sum(axis=1) > 1, -1, votes.argmax(axis=1))
    assert (winner == truth).mean() > (majority == truth).mean() + 0.05
    assert abs((winner == truth).mean() - probability.mean()) < 0.06


def test_two_strangers_that_disagree_are_a_tie():
    row, reviewer, answer = np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0, 1, 1])
    winner, _ = weigh(3, row, reviewer, answer, 2, 2)
    assert winner.tolist()[1:] == [1, -1]
    assert weigh(1, row[:2], reviewer[:2], answer[:2], 2, 2)[0].tolist() == [-1]
