"""Splits: stable under new data, and never through a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.errors import UsageError
from beambell.exports.splits import Splits

TEXTS = st.lists(st.text(max_size=12), min_size=1, max_size=20)


@given(TEXTS, TEXTS)
def test_new_rows_move_no_row(before, after):
    splits = Splits.parse("hash")
    alone = splits.of(before, [str(i) for i in range(len(before))]).to_pylist()
    both = [*after, *before]
    together = splits.of(both, [f"x{i}" for i in range(len(both))]).to_pylist()
    assert together[len(after) :] == alone


@given(st.text(min_size=1, max_size=20))
def test_equal_texts_are_on_one_side(text):
    splits = Splits.parse("a=0.5,b=0.5")
    forms = [text, text, f"  {text}\n", text.replace(" ", "  ")]
    assert len(set(splits.of(forms, list("1234")).to_pylist())) == 1


def test_capitals_and_width_do_not_count():
    splits = Splits.parse("a=0.5,b=0.5")
    for text in ("Win a prize", "straße 5", "\uff46\uff52\uff45\uff45"):
        forms = [text, text.upper(), text.lower()]
        assert len(set(splits.of(forms, list("123")).to_pylist())) == 1


def test_rows_without_text_go_by_their_id():
    splits = Splits.parse("a=0.5,b=0.5")
    ids = [str(i) for i in range(64)]
    assert set(splits.of([None] * 64, ids).to_pylist()) == {"a", "b"}


def test_shares_are_kept():
    found = Splits.parse("train=0.7,test=0.3").of([f"text {i}" for i in range(5000)], [""] * 5000).to_pylist()
    assert 0.67 < found.count("train") / 5000 < 0.73


@pytest.mark.parametrize(
    "text", ["", "train", "train=1.1", "a=0.5,a=0.5", "a=0.5,b=0.4", "../x=1", "a=x,b=0.5", "a=0,b=1", "a=nan,b=0.5"]
)
def test_what_is_no_split_is_refused(text):
    with pytest.raises(UsageError, match="--split"):
        Splits.parse(text)
