"""Labeling functions written in Python, and snorkel's own, as they are."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from beambell.errors import LabelingFunctionError
from beambell.labeling import ABSTAIN, Resource, Row, evaluate, keyword, labeling_function
from beambell.labeling.python import adopt

TABLE = pa.table({
    "id": ["a", "b", "c"],
    "ts": pa.array([dt.datetime(2026, 1, 3, tzinfo=dt.UTC), None, None], pa.timestamp("us", "UTC")),
    "text": ["Free MONEY", "hello", "money"],
    "author": ["ann", "bob", None],
})  # fmt: skip


def test_a_row_offers_its_fields_both_ways():
    seen = []

    @labeling_function(fields=("text", "author"))
    def lf(row):
        seen.append((row.id, row["ts"], row.stream, row.text, row["author"], sorted(row)))
        return ABSTAIN

    evaluate([lf], TABLE, cardinality=2, stream="mail")
    names = ["author", "id", "stream", "text", "ts"]
    moment = dt.datetime(2026, 1, 3, tzinfo=dt.UTC)
    assert seen[0] == ("a", moment, "mail", "Free MONEY", "ann", names)
    assert seen[2] == ("c", None, "mail", "money", None, names)


def test_decorator_takes_name_and_description_from_the_function():
    @labeling_function
    def bare(row):
        """Say something.

        And more.
        """
        return 1

    @labeling_function("other", description="mine", tags=["x"], owner="ann")
    def named(row):
        """Not this."""

    assert (bare.name, bare.description, bare.fields, bare.label) == ("bare", "Say something.", ("text",), None)
    assert (named.name, named.description, named.tags, named.owner) == ("other", "mine", ("x",), "ann")
    assert bare({"text": ""}) == bare(SimpleNamespace(text="")) == 1


def test_a_declared_label_makes_it_a_predicate():
    lf = labeling_function("p", label=0)(lambda row: "money" in row.text)
    assert [lf.vote({"text": t}) for t in ("money", "x")] == [0, ABSTAIN]
    assert labeling_function("p", label=0)(lambda row: np.bool_(True)).vote({}) == 0
    with pytest.raises(LabelingFunctionError, match="returned 1, but is declared to vote label=0"):
        labeling_function("p", label=0)(lambda row: 1).vote({})


@pytest.mark.parametrize(("value", "expected"), [(True, 1), (False, 0), (np.int64(2), 2), (np.uint8(0), 0), (-1, -1)])
def test_whole_numbers_are_votes(value, expected):
    vote = labeling_function("p")(lambda row: value).vote({})
    assert vote == expected
    assert type(vote) is int


@pytest.mark.parametrize("value", [None, 1.0, np.float64(0), "1", [1], 127, -2])
def test_anything_else_is_an_error_naming_function_and_value(value):
    with pytest.raises(LabelingFunctionError, match="labeling function 'p': returned"):
        labeling_function("p")(lambda row: value).vote({})


def test_a_row_is_read_only_and_others_see_it_unchanged():
    @labeling_function(fields=("text", "words"))
    def by_attribute(row):
        row.text = "changed"
        return 1

    @labeling_function(fields=("text", "words"))
    def by_item(row):
        row["text"] = "changed"
        return 1

    @labeling_function(fields=("text", "words"))
    def by_the_back_door(row):
        vars(row)["text"] = "changed"
        row.words.append("changed")
        return 1

    @labeling_function(fields=("text", "words"), label=0)
    def witness(row):
        return row.text == "x" and row.words == ["x"]

    table = pa.table({"id": ["a"], "text": ["x"], "words": [["x"]]})
    result = evaluate([by_attribute, by_item, by_the_back_door, witness], table, cardinality=2, stream="mail")
    assert result.votes.tolist() == [[-1, -1, 1, 0]]
    assert [(d.error, d.message[:27]) for d in result.dead_letters] == [
        ("AttributeError", "a row is read-only: 'text' "),
        ("TypeError", "a row is read-only: 'text' "),
    ]


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))])
def test_a_copy_of_a_row_is_ones_own(clone):
    row = Row({"text": "x", "words": ["x"]})
    mine = clone(row)
    assert mine == row
    mine.text, mine["more"] = "y", 1
    assert (row.text, "more" in row, mine.text, mine.more) == ("x", False, "y", 1)
    del mine.more
    assert "more" not in mine


def test_equal_rows_have_equal_hashes():
    assert hash(Row({"a": [1], "b": 2})) == hash(Row({"b": 2, "a": [1]}))


def test_column_names_cannot_break_a_row():
    row = Row({"get": 1, "keys": 2, "items": 3, "of": 4})
    assert (row.get, row["keys"], row.of, len(row)) == (1, 2, 4, 4)
    with pytest.raises(KeyError, match="has no field 'x'; it has get, items, keys, of"):
        row["x"]


def test_a_resource_is_loaded_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("money")
    loads = []

    def read(path):
        loads.append(path)
        return path.read_text()

    resources = {"word": Resource("list.txt", load=read), "label": 1}
    lf = labeling_function("r", resources=resources)(lambda row, word, label: label if word in row.text else -1)
    assert lf.votes(TABLE).tolist() == lf.votes(TABLE).tolist() == [-1, -1, 1]
    assert len(loads) == 1
    with pytest.raises(LabelingFunctionError, match="there is no such file"):
        Resource("nowhere")


def test_what_is_not_a_labeling_function_is_not_adopted():
    with pytest.raises(LabelingFunctionError, match="is not a labeling function"):
        adopt(len)


def test_snorkel_objects_work_as_they_are():
    pytest.importorskip("snorkel")
    from snorkel.labeling import labeling_function as snorkel_lf
    from snorkel.preprocess import preprocessor

    calls = []

    @preprocessor()
    def lower(x):
        x.text = x.text.lower()
        return x

    @preprocessor(memoize=True, pre=[lower])
    def split(x):
        calls.append(x.id)
        x.words = x.text.split()
        return x

    @snorkel_lf(resources={"word": "money"}, pre=[split])
    def money(x, word):
        return 1 if word in x.words else -1

    @snorkel_lf(pre=[split])
    def two_words(x):
        return 0 if len(x.words) == 2 and x["author"] == "ann" else -1

    @snorkel_lf()
    def spoils(x):
        x.text = ""
        return 1

    result = evaluate(
        [money, two_words, spoils, keyword("k", any_of=["free"], label=0)], TABLE, cardinality=2, stream="s"
    )
    assert result.votes.tolist() == [[1, 0, -1, 0], [-1, -1, -1, -1], [1, -1, -1, -1]]
    assert result.n_errors == {"money": 0, "two_words": 0, "spoils": 3, "k": 0}
    assert calls == ["a", "b", "c"], "a memoizing preprocessor is shared by the functions of one evaluation"
    assert not split._cache, "and forgets the rows afterwards"
    assert adopt(money).fields is None


def test_our_functions_work_in_snorkels_applier():
    pytest.importorskip("snorkel")
    from snorkel.labeling import PandasLFApplier

    lfs = [
        keyword("k", any_of=["money"], label=1),
        labeling_function("p")(lambda row: 0 if row.author == "bob" else -1),
    ]
    votes = PandasLFApplier(lfs).apply(TABLE.to_pandas(), progress_bar=False)
    assert votes.tolist() == [[1, -1], [-1, 0], [1, -1]]


def test_importing_the_language_is_cheap():
    code = "import sys, beambell.labeling; print(sorted({'pandas', 'snorkel', 'torch', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
