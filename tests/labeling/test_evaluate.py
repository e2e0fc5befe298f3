"""A bad row loses only the vote of the function that failed on it, and says why."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from beambell.errors import LabelingFunctionError
from beambell.labeling import check_fields, evaluate, fingerprint, keyword, labeling_function, numeric, regex

TABLE = pa.table({"id": ["r1", "r2", "r3", "r4"], "text": ["0", "1", "x", None]})
GOOD = regex("good", pattern=".", label=0)


def run(*lfs, cardinality=2, **options):
    return evaluate(lfs, TABLE, cardinality=cardinality, stream="mail", **options)


def test_votes_are_int8_n_by_m_in_the_order_given():
    result = run(keyword("b", any_of=["x"], label=1), GOOD)
    assert result.votes.dtype == np.int8
    assert result.votes.tolist() == [[-1, 0], [-1, 0], [1, 0], [-1, -1]]
    assert result.dead_letters == ()
    assert run().votes.shape == (4, 0)


def test_a_function_that_raises():
    @labeling_function()
    def halves(row):
        return inverse(int(row.text))

    def inverse(number):
        return 1 // number

    result = run(halves, GOOD)
    assert result.votes.tolist() == [[-1, 0], [1, 0], [-1, 0], [-1, -1]]
    assert result.n_errors == {"halves": 3, "good": 0}
    zero, text, null = result.dead_letters
    assert [d.row_id for d in result.dead_letters] == ["r1", "r3", "r4"]
    assert {d.fingerprint for d in result.dead_letters} == {fingerprint(halves)}
    assert (zero.lf, zero.error, zero.message) == ("halves", "ZeroDivisionError", "integer division or modulo by zero")
    assert text.message == "invalid literal for int() with base 10: 'x'"
    lines = zero.traceback.splitlines()
    assert [line.strip() for line in lines[1::2]] == ["return inverse(int(row.text))", "return 1 // number"]
    file, _, place = lines[0].partition(":")
    assert (file.rpartition("/")[2], place.partition(" ")[2]) == ("test_evaluate.py", "in halves")
    assert not file.startswith("/")
    assert null.traceback


def test_a_traceback_is_kept_once_per_distinct_error():
    lf = labeling_function("fails")(lambda row: {}[row.id])
    first, *others = run(lf).dead_letters
    assert first.traceback
    assert [d.traceback for d in others] == ["", "", ""]
    assert [d.message for d in others] == ["'r2'", "'r3'", "'r4'"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "labeling function 'odd': returned None (NoneType)"),
        (0.5, "labeling function 'odd': returned 0.5 (float)"),
        (2, "labeling function 'odd': returned 2, which is not a class: -1 abstains, classes are 0..1"),
        (-2, "labeling function 'odd': returned -2"),
        (10**30, "labeling function 'odd': returned 1000000"),
    ],
)
def test_what_is_not_a_vote_is_a_dead_letter(value, message):
    result = run(labeling_function("odd")(lambda row: value if row.id == "r2" else 1), GOOD)
    assert result.votes[:, 0].tolist() == [1, -1, 1, 1]
    (letter,) = result.dead_letters
    assert (letter.row_id, letter.error) == ("r2", "LabelingFunctionError")
    assert letter.message.startswith(message)


def test_messages_are_the_same_in_every_process():
    class BrokenError(Exception):
        def __str__(self):
            raise ValueError

    def fails(row):
        raise (KeyError(object()), BrokenError(), ValueError("x" * 9999), OSError("o"))[int(row.id[1]) - 1]

    letters = run(labeling_function("f")(fails)).dead_letters
    assert letters[0].message == "<object object>"
    assert letters[1].message == "<its text cannot be had: ValueError>"
    assert len(letters[2].message) < 600


def test_endless_recursion_ends_in_a_short_traceback():
    def dive(row):
        return dive(row)

    letter = run(labeling_function("f")(dive)).dead_letters[0]
    assert letter.error == "RecursionError"
    assert letter.traceback.count("\n") < 20


def test_a_missing_column_is_told_before_anything_runs():
    ran = []
    lf = labeling_function("f")(lambda row: ran.append(row) or 1)
    with pytest.raises(LabelingFunctionError, match=r"'big': reads 'amount', but the columns are: id, stream, text"):
        run(lf, numeric("big", field="amount", min=1, label=1))
    assert not ran
    check_fields([numeric("big", field="amount", min=1, label=1, streams=["shop"])], ["text"], "mail")
    with pytest.raises(LabelingFunctionError, match="'big'"):
        check_fields([numeric("big", field="amount", min=1, label=1, streams=["shop"])], ["text"], "shop")


def test_a_label_that_is_no_class_is_told_before_anything_runs():
    with pytest.raises(LabelingFunctionError, match="label 2 is not one of the 2 classes"):
        run(keyword("k", any_of=["a"], label=2))


def test_other_streams_abstain():
    calls = []
    lf = labeling_function("f", streams=["shop"])(lambda row: calls.append(row) or 1)
    assert run(lf, regex("r", pattern=".", label=1, streams=["mail"])).votes.tolist() == [[-1, 1]] * 3 + [[-1, -1]]
    assert not calls
    assert evaluate([lf], TABLE, cardinality=2, stream="shop").votes.tolist() == [[1]] * 4
    assert calls[0].stream == "shop"


def test_fingerprints_that_are_known_are_used():
    letters = run(labeling_function("f")(lambda row: 1 / 0), fingerprints={"f": "known"}).dead_letters
    assert {d.fingerprint for d in letters} == {"known"}
