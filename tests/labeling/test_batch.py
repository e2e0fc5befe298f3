"""Labeling functions of whole batches: one vote per row, and a failure is that batch's alone."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from beambell.errors import LabelingFunctionError
from beambell.labeling import Resource, batch_labeling_function, evaluate, fingerprint, keyword, labeling_function

TEXTS = ["zero", "ONE", None, "three", "FOUR", "five"]
TABLE = pa.table({"id": list("abcdef"), "text": TEXTS, "likes": [0, 1, 2, 3, 4, None]})
GOOD = keyword("good", any_of=["zero"], label=0)


def run(*lfs, table=TABLE):
    return evaluate(lfs, table, cardinality=3, stream="mail")


def vowel(row):
    return row.text is not None and row.text.isupper()


def test_it_votes_as_the_same_function_row_by_row():
    @batch_labeling_function(fields=("text",), label=2)
    def shouts(table):
        """Shout."""
        return pc.utf8_is_upper(table["text"])

    by_row = labeling_function("by_row", label=2)(lambda row: (row.text or "").isupper())
    votes = run(shouts, by_row, GOOD).votes
    assert votes.dtype == np.int8
    assert votes[:, 0].tolist() == votes[:, 1].tolist() == [-1, 2, -1, -1, 2, -1]
    assert [shouts.vote({"text": text}) for text in ("HI", "hi")] == [2, -1]
    assert (shouts.name, shouts.description, shouts.fields, shouts.kind) == ("shouts", "Shout.", ("text",), "batch")


@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_batches_cover_every_row_once(batch_size):
    seen = []

    @batch_labeling_function(fields=("likes",), batch_size=batch_size)
    def lf(table):
        seen.append((table.column_names, table["stream"].unique().to_pylist(), table["id"].to_pylist()))
        return pc.bit_wise_and(table["likes"], 1)

    assert run(lf).votes[:, 0].tolist() == [0, 1, 0, 1, 0, -1]
    assert [row for _, _, ids in seen for row in ids] == list("abcdef")
    assert {(*names, *streams) for names, streams, _ in seen} == {("likes", "id", "stream", "mail")}
    assert max(len(ids) for *_, ids in seen) <= batch_size


def test_pandas_on_request_and_a_frame_of_its_own():
    @batch_labeling_function(fields=("text", "likes"), form="pandas")
    def lf(frame):
        frame["text"] = "spoiled"
        return frame["likes"].fillna(-1).astype(int) % 3

    result = run(lf, keyword("k", any_of=["zero"], label=0))
    assert result.votes.tolist() == [[0, 0], [1, -1], [2, -1], [0, -1], [1, -1], [2, -1]]
    assert result.dead_letters == ()


def test_what_is_done_to_a_batch_is_seen_by_nobody_else():
    table = pa.table({"id": ["a", "b"], "text": ["x", "y"], "n": [1, 2], "words": [["x"], ["y"]], "ns": [[1], [2]]})
    before = table.to_pylist()
    fields = ("text", "n", "words", "ns")
    pokes = [
        lambda frame: frame.__delitem__("text"),
        lambda frame: frame.__setitem__("text", "spoiled"),
        lambda frame: frame["text"].to_numpy().__setitem__(0, "spoiled"),
        lambda frame: frame["n"].to_numpy().__setitem__(0, 9),
        lambda frame: frame["words"][0].__setitem__(0, "spoiled"),
        lambda frame: frame["ns"][0].__setitem__(0, 9),
        lambda frame: frame["text"].array.__setitem__(0, "spoiled"),
    ]

    def poking(poke):
        def lf(frame):
            poke(frame)
            return [1, 1]

        return lf

    batch = batch_labeling_function
    spoilers = [
        batch(f"p{n}", fields=fields, form="pandas")(poking(poke)) for n, poke in enumerate(pokes)
    ]  # some are refused by pandas, the others change a frame of their own
    seen = []
    witnesses = [
        batch("table", fields=fields)(lambda table: seen.append(table.to_pylist()) or [1, 1]),
        batch("frame", fields=fields, form="pandas")(lambda frame: seen.append(frame.to_dict("records")) or [1, 1]),
        labeling_function("row", fields=fields)(lambda row: seen.append(dict(row)) or 1),
    ]
    result = run(*spoilers, *witnesses, table=table)
    assert result.votes[:, -3:].tolist() == [[1, 1, 1]] * 2
    rows = [{**row, "stream": "mail"} for row in before]
    assert seen[0] == [{**row, "words": [*row["words"]], "ns": [*row["ns"]]} for row in seen[1]] == rows
    assert seen[2:] == rows
    assert table.to_pylist() == before


def test_a_batch_that_leaves_the_program_fails_and_an_interrupt_ends_everything():
    def raising(error):
        def lf(table):
            raise error

        return batch_labeling_function("lf", batch_size=4)(lf)

    result = run(raising(SystemExit(3)), GOOD)
    assert result.votes[0].tolist() == [-1, 0]
    assert {(letter.error, letter.message) for letter in result.dead_letters} == {("RuntimeError", "SystemExit: 3")}
    assert result.n_errors == {"lf": 6, "good": 0}
    with pytest.raises(KeyboardInterrupt):
        run(raising(KeyboardInterrupt()))


def test_a_generator_is_refused():
    def one_by_one(table):
        yield from [1] * len(table)

    with pytest.raises(LabelingFunctionError, match=r"'one_by_one'.*is a generator or asynchronous"):
        batch_labeling_function(one_by_one)


def test_an_exception_fails_its_batch_and_no_other():
    @batch_labeling_function(batch_size=2)
    def lf(table):
        return [1 // (text != "three") for text in table["text"].to_pylist()]

    result = run(lf, GOOD)
    assert result.votes[:, 0].tolist() == [1, 1, -1, -1, 1, 1]
    assert result.votes[0, 1] == 0
    assert [(letter.row_id, letter.error) for letter in result.dead_letters] == [
        ("c", "ZeroDivisionError"),
        ("d", "ZeroDivisionError"),
    ]
    assert "1 // (text" in result.dead_letters[0].traceback
    assert result.dead_letters[1].traceback == ""
    assert result.n_errors == {"lf": 2, "good": 0}


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([1, 2], "returned [2] votes for 6 rows"),
        (1, "returned [] votes for 6 rows"),
        ([0.0] * 6, "returned float64, which are not numbers of classes"),
        ([True] * 6, "returned bool"),
        ([None] * 6, "returned object"),
        (["1"] * 6, "returned <U1"),
        (np.zeros((6, 1), int), "returned [6, 1] votes"),
    ],
)
def test_what_are_no_votes(returned, message):
    result = run(batch_labeling_function("lf")(lambda table: returned), GOOD)
    assert result.votes[:, 0].tolist() == [-1] * 6
    assert len(result.dead_letters) == 6
    assert message in result.dead_letters[0].message


def test_a_vote_out_of_range_fails_its_row_alone():
    result = run(batch_labeling_function("lf", batch_size=4)(lambda table: [0, 3, -2, 300, 1, 2][: len(table)]))
    assert result.votes[:, 0].tolist() == [0, -1, -1, -1, 0, -1]
    assert [letter.row_id for letter in result.dead_letters] == ["b", "c", "d", "f"]
    assert "returned 3, which is not a class" in result.dead_letters[0].message
    result = run(batch_labeling_function("lf", label=1)(lambda table: [0, 1, -1, 1, 1, 1]))
    assert result.votes[:, 0].tolist() == [-1, 1, -1, 1, 1, 1]
    assert "declared to vote label=1" in result.dead_letters[0].message


def test_resources_are_loaded_and_are_part_of_the_meaning(tmp_path):
    def make(text):
        (tmp_path / "words.txt").write_text(text)
        words = Resource(str(tmp_path / "words.txt"))

        @batch_labeling_function("lf", label=1, resources={"words": words})
        def lf(table, words):
            return pc.is_in(table["text"], pa.array(words.split()))

        return lf, fingerprint(lf)

    first, print_ = make("zero three")
    assert run(pickle.loads(pickle.dumps(keyword("x", any_of=["x"], label=1))), first).votes[:, 1].tolist() == [
        1, -1, -1, 1, -1, -1,
    ]  # fmt: skip
    assert make("zero")[1] != print_
    plain = batch_labeling_function("lf")(vowel)
    assert fingerprint(plain) != fingerprint(labeling_function("lf")(vowel))
    assert fingerprint(plain) != fingerprint(batch_labeling_function("lf", form="pandas")(vowel))
    assert fingerprint(plain) == fingerprint(batch_labeling_function("lf", batch_size=7)(vowel))


def test_an_empty_table():
    lf = batch_labeling_function("lf")(lambda table: 1 / 0)
    assert run(lf, table=TABLE.slice(0, 0)).votes.shape == (0, 1)


def test_parameters_that_make_no_sense():
    with pytest.raises(LabelingFunctionError, match='form must be "arrow" or "pandas"'):
        batch_labeling_function("lf", form="polars")(vowel)
    with pytest.raises(LabelingFunctionError, match="batch_size must be"):
        batch_labeling_function("lf", batch_size=0)(vowel)
