"""Stateful labeling functions by themselves: what they say, what they refuse, and what counts as a change."""

from __future__ import annotations

import pyarrow as pa
import pytest

from beambell.errors import LabelingFunctionError
from beambell.labeling import (
    ABSTAIN,
    Catalogue,
    evaluate,
    fingerprint,
    keyword,
    labeling_function,
    stateful_labeling_function,
    text_hash,
)
from beambell.labeling.aggregates import count, distinct_days, feedback_rate, total

FREE = keyword("free", any_of=["free"], label=1)


def busy(**changes):
    options = {"key": "author", "aggregate": count(), "label": 1} | changes

    @stateful_labeling_function("busy", **options)
    def lf(row, past):
        return past >= 2

    return lf


def test_it_votes_by_the_past_beside_the_row():
    lf = busy()
    rows = pa.table({"text": ["x", "y", "z"], "author": ["ann", "bob", None]})
    past = pa.table({"key": ["ann"], "n": [3]})
    assert lf.votes(lf.with_history(rows, past, "s")).tolist() == [1, ABSTAIN, ABSTAIN]
    assert lf.votes(rows).tolist() == [ABSTAIN] * 3
    assert lf.vote({"author": "ann", "text": "x"}, past=2) == 1
    assert lf({"author": "ann", "text": "x"}) == ABSTAIN


def test_a_vote_that_fails_loses_only_its_row():
    @stateful_labeling_function(key="author", aggregate=count(), label=1)
    def lf(row, past):
        return 1 / (past - 3) > 0

    rows = lf.with_history(
        pa.table({"text": ["x", "y"], "author": ["a", "b"]}), pa.table({"key": ["a", "b"], "n": [3, 9]}), "s"
    )
    result = evaluate([lf], rows, cardinality=2, stream="s")
    assert result.votes[:, 0].tolist() == [ABSTAIN, 1]
    assert [letter.error for letter in result.dead_letters] == ["ZeroDivisionError"]


def test_other_functions_do_not_see_the_past():
    @labeling_function(label=1)
    def sees_all(row):
        return len(row) != 1

    rows = busy().with_history(pa.table({"text": ["x"], "author": ["a"]}), pa.table({"key": ["a"], "n": [3]}), "s")
    everything = [
        list(row) for row in __import__("beambell.labeling.row", fromlist=["Columns"]).Columns(rows).rows(None)
    ]
    assert everything == [["text", "author"]]
    assert sees_all.votes(rows).tolist() == [ABSTAIN]


@pytest.mark.parametrize(
    "changes",
    [
        {"key": ("author", "text")},
        {"key": text_hash("author")},
        {"aggregate": distinct_days()},
        {"aggregate": total("likes")},
        {"aggregate": feedback_rate(1)},
        {"where": FREE},
        {"where": ~FREE},
        {"of_streams": ("comments",)},
    ],
    ids=str,
)
def test_what_the_aggregate_means_is_part_of_both_identities(changes):
    assert fingerprint(busy(**changes)) != fingerprint(busy())
    assert busy(**changes).spec.id != busy().spec.id


def test_the_class_and_the_least_number_of_a_rate_of_feedback_count():
    rates = [feedback_rate(0), feedback_rate(1), feedback_rate(1, min_reviewed=3)]
    assert len({busy(aggregate=rate).spec.id for rate in rates}) == len(rates)
    assert [busy(aggregate=rate).spec.asks_people for rate in (rates[0], count())] == [True, False]


def test_the_window_is_the_function_s_and_not_the_aggregate_s():
    assert fingerprint(busy(window_days=3)) != fingerprint(busy())
    assert busy(window_days=3).spec.id == busy().spec.id


def test_a_condition_is_what_it_holds_on():
    other = keyword("another", any_of=["free"], label=0, description="The same.")
    assert (
        busy(where=other).spec.id == busy(where=FREE).spec.id == busy(where=(FREE | FREE).named("x", label=1)).spec.id
    )
    assert busy(where=keyword("free", any_of=["free"], label=1, streams=("a",))).spec.id != busy(where=FREE).spec.id


def test_a_catalogue_knows_each_aggregate_once():
    one, two = busy(), busy(window_days=7)
    object.__setattr__(two, "name", "recently_busy")
    assert list(Catalogue([one, two, FREE]).aggregates) == [one.spec.id]


OWN = """
import pyarrow as pa
from beambell.labeling import stateful_labeling_function
from beambell.labeling.aggregates import Aggregate, Column

class Likes(Aggregate):
    fields = ("likes",)
    columns = {"likes": Column(pa.int64())}

    def of(self, rows):
        return {"likes": rows["likes"]}

    def value(self, n, likes):
        return likes / n if n else 0

@stateful_labeling_function(key="author", aggregate=Likes(), label=1)
def liked(row, past):
    return past > 3
"""


def test_the_code_of_one_s_own_aggregate_counts_and_comments_do_not(tmp_path):
    def load(source):
        (tmp_path / "own.py").write_text(source)
        catalogue = Catalogue.load(["own"], root=tmp_path)
        return catalogue.fingerprints["liked"], catalogue["liked"].spec.id

    before = load(OWN)
    assert load("# a remark\n" + OWN.replace("    fields", "    # another\n    fields")) == before
    changed = load(OWN.replace("likes / n", "likes / n + 1"))
    assert changed[0] != before[0]
    assert changed[1] != before[1]
    vote = load(OWN.replace("past > 3", "past > 4"))
    assert vote[0] != before[0]
    assert vote[1] == before[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": ()}, "key must be"),
        ({"key": 3}, "key must be"),
        ({"aggregate": count}, "aggregate must be"),
        ({"window_days": 0}, "window_days must be"),
        ({"where": labeling_function("code")(lambda row: 1)}, "where must be"),
        ({"of_streams": "comments"}, "of_streams must be a list"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises((LabelingFunctionError, TypeError), match=message):
        busy(**changes)


def test_the_decorator_needs_a_key():
    with pytest.raises((LabelingFunctionError, TypeError), match=r"key"):
        stateful_labeling_function(lambda row, past: 1)


def test_panes_are_part_of_the_meaning_only_when_given():
    assert fingerprint(busy()) == "7426233ead14b52708b4f484350f5a0361b65cdd28254308599bb7a941143550"
    assert fingerprint(busy(pane=None)) == fingerprint(busy())
    assert len({fingerprint(busy(pane=pane)) for pane in (None, "10min", "hour")}) == 3
    assert busy(pane="hour").spec.id == busy().spec.id, "tables by key are the same"
    assert busy(pane="hour").pane_in("2026-01-09") == busy(pane="hour").pane_in("2026-01-09T07") == "hour"
    assert busy(pane="hour").pane_in("2026-01") is None


@pytest.mark.parametrize("pane", ["day", "1h", 10, True, "", ["hour"]])
def test_other_panes_are_refused(pane):
    with pytest.raises(LabelingFunctionError, match="pane must be '10min' or 'hour', not"):
        busy(pane=pane)
