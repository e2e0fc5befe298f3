"""Labeling functions written in Python, and snorkel's own, as they are."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import functools
import json
import pickle
import re
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from beambell.errors import LabelingFunctionError
from beambell.labeling import ABSTAIN, Resource, Row, evaluate, keyword, labeling_function
from beambell.labeling.python import adopt
from beambell.labeling.row import Columns

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
    with pytest.raises(LabelingFunctionError, match=r"return True or False \(such as `bool"):
        labeling_function("p", label=0)(lambda row: re.search("x", "x")).vote({})


@pytest.mark.parametrize("value", [True, False, np.True_])
def test_a_truth_value_needs_a_label(value):
    """Else a function that forgot its label would vote on every row, and for class 0 where it means nothing."""
    lf = labeling_function("p")(lambda row: value)
    with pytest.raises(LabelingFunctionError, match=r"returned (True|False), but has no label(.|\n)*give it a label="):
        lf.vote({})
    result = evaluate([lf], TABLE, cardinality=2, stream="s")
    assert (result.votes == ABSTAIN).all()
    assert result.n_errors == {"p": TABLE.num_rows}


@pytest.mark.parametrize(("value", "expected"), [(np.int64(2), 2), (np.uint8(0), 0), (-1, -1)])
def test_whole_numbers_are_votes(value, expected):
    vote = labeling_function("p")(lambda row: value).vote({})
    assert vote == expected
    assert type(vote) is int


@pytest.mark.parametrize("value", [None, 1.0, np.float64(0), "1", [1], 127, -2])
def test_anything_else_is_an_error_naming_function_and_value(value):
    with pytest.raises(LabelingFunctionError, match="labeling function 'p': returned"):
        labeling_function("p")(lambda row: value).vote({})


class Label(enum.IntEnum):
    HAM = 0
    SPAM = 1


@pytest.mark.parametrize("label", [None, 1])
def test_every_vote_of_a_table_is_judged_as_the_vote_on_one_row(label):
    values = [1, 0, -1, 2, 127, -2, 10**30, True, False, np.True_, np.int64(1), np.uint8(0), Label.SPAM, Label.HAM]
    values += [1.0, 0.0, np.float32(1), float("nan"), None, "1", b"1", [1], {}, object, np.array(1), np.array([1, 0])]
    lf = labeling_function("lf", fields=(), label=label)(lambda row: values[row.id])
    table = pa.table({"id": range(len(values))})
    result = evaluate([lf], table, cardinality=2, stream="mail")
    messages = {int(letter.row_id): letter.message for letter in result.dead_letters}
    for place in range(len(values)):
        expected, message = ABSTAIN, None
        try:
            expected = lf.vote({"id": place})
        except LabelingFunctionError as error:
            message = error.message
        if type(values[place]) is int and values[place] == 2:  # one row alone does not tell how many classes there are
            expected, message = ABSTAIN, "returned 2, which is not a class"
        assert result.votes[place, 0] == expected
        assert (place in messages) == (message is not None)
        assert (message or "").partition(":")[0] in messages.get(place, "")


class PanicError(BaseException):
    """As the exceptions of libraries written in Rust."""


def test_a_function_that_leaves_the_program_fails_on_that_row_only():
    errors = {"a": SystemExit(3), "b": PanicError("index out of bounds"), "c": StopIteration("over")}

    @labeling_function
    def leaves(row):
        raise errors[row.id]

    last = labeling_function("last", label=1)(lambda row: row.id == "c" or sys.exit("no"))
    result = evaluate([leaves, last], TABLE, cardinality=2, stream="mail")
    assert result.votes.tolist() == [[-1, -1], [-1, -1], [-1, 1]]
    assert [(letter.row_id, letter.error, letter.message) for letter in result.dead_letters] == [
        ("a", "RuntimeError", "SystemExit: 3"),
        ("b", "RuntimeError", "PanicError: index out of bounds"),
        ("c", "StopIteration", "over"),
        ("a", "RuntimeError", "SystemExit: no"),
        ("b", "RuntimeError", "SystemExit: no"),
    ]
    assert "in leaves\n    raise errors[row.id]" in result.dead_letters[0].traceback


def test_failures_are_in_the_order_of_the_rows_and_each_row_is_asked_once():
    asked, returned = [], {1: None, 2: ZeroDivisionError, 3: 7, 4: 1, 6: StopIteration, 7: "x", 9: ValueError}

    @labeling_function(fields=())
    def lf(row):
        asked.append(row.id)
        vote = returned.get(row.id, 0)
        if isinstance(vote, type):
            raise vote
        return vote

    table = pa.table({"id": range(11)})
    result = evaluate([lf], table, cardinality=2, stream="mail")
    assert result.votes[:, 0].tolist() == [0, -1, -1, -1, 1, 0, -1, -1, 0, -1, 0]
    assert [(int(letter.row_id), letter.error) for letter in result.dead_letters] == [
        (row, vote.__name__ if isinstance(vote, type) else "LabelingFunctionError")
        for row, vote in returned.items()
        if vote != 1
    ]
    assert [row for row in asked if row != 6] == [row for row in range(11) if row != 6]
    with pytest.raises(LabelingFunctionError, match="returned None"):  # though a later row raises
        lf.votes(table)


def test_an_interrupt_of_the_user_ends_everything():
    @labeling_function
    def interrupted(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate([interrupted], TABLE, cardinality=2, stream="mail")


async def asynchronous(row):
    return 1


def generator(row):
    yield 1


async def both(row):
    yield 1


@pytest.mark.parametrize("function", [asynchronous, generator, both])
def test_what_cannot_return_a_vote_is_refused(function):
    with pytest.raises(LabelingFunctionError, match="is a generator or asynchronous") as caught:
        labeling_function(function)
    assert caught.value.where == f"labeling function {function.__name__!r}"
    with pytest.raises(LabelingFunctionError, match="is a generator or asynchronous"):
        labeling_function("wrapped", label=1)(functools.partial(function))


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


def test_rows_are_shared_unless_a_value_in_them_can_change():
    table = pa.table({"text": ["x"], "words": [["x"]], "tags": pa.array(["t"]).dictionary_encode()})
    columns = Columns(table, stream="mail")
    assert columns.rows(("text", "tags"))[0] is columns.rows(("text", "tags"))[0]
    assert columns.rows(("words",))[0] is not columns.rows(("words",))[0]
    row = columns.rows(("text",))[0]
    with pytest.raises(AttributeError):
        object.__setattr__(row, "text", "changed")
    assert row.text == "x"


def rows_of(table, fields=("text",)):
    return list(Columns(table, stream="mail").rows(fields))


def test_a_row_of_a_table_is_a_row_in_every_respect():
    fields = {"text": "Free MONEY", "author": "ann"}
    moment = dt.datetime(2026, 1, 3, tzinfo=dt.UTC)
    same = Row({**fields, "id": "a", "ts": moment, "stream": "mail"})
    row, *others = rows_of(TABLE, ("text", "author"))
    assert isinstance(row, Row)
    assert row == same == dict(row)
    assert same == row != others[0]
    assert (hash(row), repr(row), list(row), len(row)) == (hash(same), repr(same), list(same), len(same))
    assert (row.get("text"), row.get("none", 7), "text" in row, "none" in row) == ("Free MONEY", 7, True, False)
    assert [*row.items()] == [*same.items()]
    assert "%(author)s in %(stream)s" % row == "ann in mail"  # noqa: UP031  # a tuple would not do
    assert "%s" % row == str(same)  # noqa: UP031
    assert set(fields) <= set(dir(row))
    assert type(row)({"text": "x"}) == Row({"text": "x"})
    for fails in (lambda r: r.amount, lambda r: r["amount"], lambda r: r.update(x=1), lambda r: delattr(r, "text")):
        errors = []
        for one in (row, same):
            with pytest.raises((AttributeError, KeyError)) as caught:
                fails(one)
            errors.append((type(caught.value), str(caught.value)))
        assert errors[0] == errors[1]
    with pytest.raises(AttributeError, match="it has author, id, stream, text, ts: declare it in fields"):
        row.amount  # noqa: B018


@pytest.mark.parametrize("change", [
    lambda row: setattr(row, "text", "y"),
    lambda row: row.__setitem__("text", "y"),
    lambda row: delattr(row, "text"),
    lambda row: row.__delitem__("text"),
    lambda row: vars(row).update(text="y"),
    lambda row: object.__setattr__(row, "text", "y"),
])  # fmt: skip
def test_nothing_changes_a_row_of_a_table(change):
    (row, *_) = rows_of(TABLE)
    before = dict(row)
    with suppress(AttributeError, TypeError):
        change(row)
    assert (dict(row), row.text) == (before, "Free MONEY")


def test_names_of_columns_cannot_break_a_row_of_a_table():
    names = ["get", "two words", "_values", "__values", "__len__", "__class__", "__dict__", "index"]
    (row,) = rows_of(pa.table({name: [place] for place, name in enumerate(names)}), names)
    assert [row[name] for name in names] == [*range(len(names))]
    assert [getattr(row, name) for name in names if not name.startswith("__")] == [0, 1, 2, 7]
    assert (len(row), list(row)) == (len(names) + 1, [*names, "stream"])
    assert isinstance(row, Row)


def test_times_are_those_of_arrow():
    day = dt.timedelta(days=1)
    moments = [dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + n * 12345.678901 * day for n in range(-50, 200)]
    moments += [None, dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)]
    for unit, zone in (("us", "UTC"), ("ms", "UTC"), ("us", None), ("us", "Europe/Berlin")):
        column = pa.array(moments[:200], pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, zone), safe=False)
        assert [row.ts for row in rows_of(pa.table({"ts": column}), ())] == column.to_pylist()
    found = [row.ts for row in rows_of(pa.table({"ts": pa.array(moments, pa.timestamp("us", "UTC"))}), ())]
    assert found == moments
    assert {moment.tzinfo for moment in found if moment} == {dt.UTC}


def test_a_table_of_no_columns_has_rows():
    table = pa.table({"n": [1, 2]}).select([])
    assert list(Columns(table.append_column("n", pa.array([1, 2]))).rows(())) == [{}, {}]


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))])
def test_a_copy_of_a_row_is_ones_own(clone):
    table = pa.table({"text": ["x"], "words": [["x"]]})
    for row in (Row({"text": "x", "words": ["x"]}), *rows_of(table, ("text", "words"))):
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


def test_a_resource_that_cannot_be_loaded_is_named_with_its_function(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.json").write_text("{")
    resources = {"model": Resource("model.json", load=json.load)}
    with pytest.raises(
        LabelingFunctionError,
        match=r"'p': its resource 'model' cannot be loaded: AttributeError(.|\n)*called with the path",
    ):
        evaluate([labeling_function("p", resources=resources)(lambda row, model: 0)], TABLE, cardinality=2, stream="s")


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

    @snorkel_lf()
    def truth(x):
        return x.author == "ann"

    assert evaluate([truth], TABLE, cardinality=2, stream="s").votes[:, 0].tolist() == [1, 0, 0]
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


@pytest.mark.parametrize("key", [len, lambda x: None, lambda x: x.text[:1], lambda x: x.id, None])
@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_what_a_preprocessor_remembers_does_not_depend_on_how_rows_are_cut(key, size):
    pytest.importorskip("snorkel")
    from snorkel.labeling import labeling_function as snorkel_lf
    from snorkel.preprocess import preprocessor

    @preprocessor(memoize=True, memoize_key=key)
    def lower(x):
        x.lower = x.text.lower()
        return x

    @preprocessor(memoize=True, memoize_key=key, pre=[lower])
    def count(x):
        x.n = x.lower.count("a")
        return x

    @snorkel_lf(pre=[count])
    def many(x):
        return 1 if x.n > 1 else 0

    texts = ["AAb", "Abc", "aac", "abb", "aaa", "bcd"]
    table = pa.table({"id": ["same"] * 6, "text": texts})
    parts = [table.slice(start, size) for start in range(0, 6, size)]
    votes = [evaluate([many], part, cardinality=2, stream="m").votes[:, 0] for part in parts]
    assert np.concatenate(votes).tolist() == [1, 0, 1, 0, 1, 0]
