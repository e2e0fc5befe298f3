"""Boolean combinations: three-valued logic, the same by row and by column; the fingerprint sees the structure."""

from __future__ import annotations

import operator
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.errors import LabelingFunctionError
from beambell.labeling import (
    Catalogue,
    evaluate,
    fingerprint,
    keyword,
    labeling_function,
    length,
    numeric,
    regex,
    source,
)
from beambell.labeling.conditions import AllOf, AnyOf, Condition, Not
from beambell.labeling.declarative import Declarative

A = keyword("a", any_of=["alpha"], label=0)
B = regex("b", pattern="beta", label=1, field="title")
C = numeric("c", field="likes", min=3, label=1)
LEAVES = (A, B, C)


def conditions() -> st.SearchStrategy[Condition]:
    def larger(inner):
        return st.one_of(
            st.builds(lambda x, y: x & y, inner, inner),
            st.builds(lambda x, y: x | y, inner, inner),
            st.builds(lambda x: ~x, inner),
        )

    return st.recursive(st.sampled_from(LEAVES), larger, max_leaves=8)


rows = st.fixed_dictionaries({
    "text": st.sampled_from(["alpha", "Beta", "alpha beta", "", None]),
    "title": st.sampled_from(["beta", "x", None]),
    "likes": st.sampled_from([0.0, 3.0, float("nan"), None]),
})  # fmt: skip
SCHEMA = pa.schema([("text", pa.string()), ("title", pa.large_string()), ("likes", pa.float64())])


def truth_by_definition(condition, row):
    """Kleene's logic with -1 false, 0 unknown, 1 true: not, and, or are minus, minimum, maximum."""
    if isinstance(condition, Declarative):
        value = row[condition.field]
        return 0 if value is None or value != value else 1 if condition.vote(row) >= 0 else -1
    if isinstance(condition, Not):
        return -truth_by_definition(condition.part, row)
    choose = {AllOf: min, AnyOf: max}[type(condition)]
    return choose(truth_by_definition(part, row) for part in condition.parts)


@given(conditions(), st.lists(rows, max_size=8))
def test_rows_and_columns_agree_with_the_definition(condition, records):
    lf = condition.named("lf", label=1)
    expected = [1 if truth_by_definition(condition, row) == 1 else -1 for row in records]
    assert [lf.vote(row) for row in records] == expected
    table = pa.Table.from_pylist(records, schema=SCHEMA)
    votes = evaluate([lf], table, cardinality=2, stream="mail").votes[:, 0]
    assert votes.dtype == np.int8
    assert votes.tolist() == expected
    assert pickle.loads(pickle.dumps(lf)).votes(table).tolist() == expected


def test_a_null_never_fires_not_even_negated():
    negated = (~A).named("n", label=1)
    assert [negated.vote({"text": text}) for text in (None, "alpha", "", "x")] == [-1, -1, 1, 1]
    assert (~C).named("n", label=1).votes(pa.table({"likes": [float("nan"), 1.0, None]})).tolist() == [-1, 1, -1]


def test_it_knows_its_columns_streams_and_parts():
    here = keyword("here", any_of=["x"], label=0, streams=["mail", "chat"])
    there = length("there", max=3, label=1, streams=["chat", "shop"])
    both = (here & ~B & there).named("both", label=1, owner="ann", description="d")
    assert (both.fields, both.streams, both.label, both.owner) == (("text", "title"), ("chat",), 1, "ann")
    assert [leaf.name for leaf in both.leaves] == ["here", "b", "there"]
    with pytest.raises(LabelingFunctionError, match="'both': reads 'title', but the columns are"):
        evaluate([both], pa.table({"text": ["x"]}), cardinality=2, stream="chat")
    with pytest.raises(LabelingFunctionError, match="'c': needs a number"):
        evaluate([(A & C).named("x", label=1)], pa.table({"text": ["x"], "likes": ["x"]}), cardinality=2, stream="m")
    with pytest.raises(LabelingFunctionError, match="do not all vote on the stream 'mail'"):
        (here & there).named("both", label=1, streams=["mail"])
    with pytest.raises(LabelingFunctionError, match="no stream on which all"):
        (here & keyword("k", any_of=["x"], label=0, streams=["shop"])).named("both", label=1)


def test_what_beginners_write_is_refused():
    with pytest.raises(TypeError, match="instead of and, or and not"):
        _ = A and B
    with pytest.raises(TypeError, match="unsupported operand"):
        A & (lambda row: True)
    with pytest.raises(LabelingFunctionError, match="label 200 is not a class"):
        (A & B).named("x", label=200)


@pytest.mark.parametrize(
    ("same", "other"),
    [
        (A & B, B & A),
        ((A & B) & C, A & (C & B)),
        (A & A & B, A & B),
        ((A & ~B).named("inner", label=0) & C, A & ~B & C),
        (A & B, keyword("renamed", any_of=["alpha"], label=1, owner="ann") & B),
    ],
)
def test_equal_meanings_have_one_fingerprint(same, other):
    assert fingerprint(same.named("x", label=1)) == fingerprint(other.named("y", label=1, description="d"))


def test_the_structure_is_in_the_fingerprint():
    edited = keyword("a", any_of=["alpha", "beth"], label=0)
    different = [A & B, A | B, A & ~B, ~(A & B), A & (B | C), (A & B) | C, A & B & C, edited & B]
    prints = {fingerprint(condition.named("x", label=1)) for condition in different}
    prints.add(fingerprint((A & B).named("x", label=0)))
    assert len(prints) == len(different) + 1


def test_its_source_can_be_read_and_run():
    lf = ((A | ~B) & C).named("x", label=1, description="d")
    text = source(lf)
    assert text.startswith("((keyword('a', label=0, any_of=['alpha']) | ~regex(")
    again = eval(text, {"keyword": keyword, "regex": regex, "numeric": numeric})
    assert (fingerprint(again), again.description) == (fingerprint(lf), "d")
    assert source((~A).named("x", label=1)).startswith("(~keyword(")


def test_names_with_an_underscore_and_bare_conditions_are_not_collected(tmp_path):
    (tmp_path / "some_lfs.py").write_text(
        "from beambell.labeling import keyword\n"
        "_part = keyword('part', any_of=['x'], label=0)\n"
        "_parts = [keyword('more', any_of=['z'], label=0)]\n"
        "active = keyword('active', any_of=['y'], label=0)\n"
        "condition = active & ~_part\n"
        "both = condition.named('both', label=1)\n"
    )
    assert Catalogue.load(["some_lfs"], root=tmp_path).names == ("active", "both")


def test_code_is_no_operand_and_the_message_says_so():
    snorkels = pytest.importorskip("snorkel.labeling")
    ok = keyword("ok", any_of=["x"], label=1)
    ours = labeling_function("code")(lambda row: 1)
    with pytest.raises(LabelingFunctionError, match="'code': only declarative"):
        operator.invert(ours)
    for code in (ours, snorkels.LabelingFunction("code", lambda row: 1)):
        for left, right in ((ok, code), (~ok, code), (code, ok), (ours, code)):
            for combine in (operator.and_, operator.or_):
                with pytest.raises(LabelingFunctionError, match="only declarative") as caught:
                    combine(left, right)
                assert caught.value.where == "labeling function 'code'"
