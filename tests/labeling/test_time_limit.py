"""A labeling function that hangs is stopped: its rows are dead letters, and the others do not notice."""

from __future__ import annotations

import re
import sys
import threading
import time

import pyarrow as pa
import pytest

from beambell.labeling import batch_labeling_function, evaluate, keyword, labeling_function, regex
from beambell.labeling.time_limit import Stopped, time_limit

TABLE = pa.table({"id": ["a", "b", "c", "d"], "text": ["one", "two", "three", None]})
GOOD = keyword("good", any_of=["three"], label=0)


def run(lf, *, time_limit_s=0.3, table=TABLE):
    start = time.monotonic()
    result = evaluate([lf, GOOD], table, cardinality=2, stream="mail", time_limit_s=time_limit_s)
    assert time.monotonic() - start < 5
    assert result.votes[:, 1].tolist() == [-1, -1, 0, -1]
    return result


@labeling_function
def hangs(row):
    if row.text == "two":
        while True:
            pass
    return 1


@labeling_function
def hangs_stubbornly(row):
    while row.text == "two":
        try:
            time.sleep(0.001)
            {}[row.id]
        except Exception:
            continue
    return 1


@batch_labeling_function(batch_size=1)
def hangs_in_a_batch(table):
    while table["text"][0].as_py() == "two":
        pass
    return [1]


@pytest.mark.parametrize("lf", [hangs, hangs_stubbornly, hangs_in_a_batch])
@pytest.mark.parametrize("in_thread", [False, True])
def test_an_endless_loop_ends(lf, in_thread):
    results = []
    if in_thread:  # as in a worker of Beam
        thread = threading.Thread(target=lambda: results.append(run(lf)))
        thread.start()
        thread.join()
    else:
        results.append(run(lf))
    (result,) = results
    assert result.votes[:, 0].tolist() == [1, -1, -1, -1]
    assert [(letter.row_id, letter.error) for letter in result.dead_letters] == [
        (row_id, "TimeoutError") for row_id in "bcd"
    ]
    assert "lfs.time_limit_s" in result.dead_letters[0].message
    assert f"in {lf.name}" in result.dead_letters[0].traceback
    assert result.n_errors == {lf.name: 3, "good": 0}


def test_one_that_is_fast_enough_is_left_alone():
    result = run(labeling_function("f")(lambda row: 1), time_limit_s=0.5)
    time.sleep(0.6)
    assert result.votes[:, 0].tolist() == [1, 1, 1, 1]
    assert result.dead_letters == ()


def test_a_slow_pattern_is_stopped_between_rows():
    table = pa.table({"id": [str(n) for n in range(40)], "text": ["a" * 22] * 40})
    slow = regex("slow", pattern="(a+)+b", label=1)
    start = time.monotonic()
    assert re.search("(a+)+b", "a" * 22) is None
    one_row = time.monotonic() - start
    result = evaluate([slow], table, cardinality=2, stream="mail", time_limit_s=one_row / 2)
    assert time.monotonic() - start < 20 * one_row + 1
    assert result.n_errors == {"slow": 40}
    assert set(result.votes[:, 0].tolist()) == {-1}


def test_one_long_call_into_c_is_a_failure_once_it_is_over():
    """The limit of the limit: not even the timer runs while ``re`` searches."""
    start = time.monotonic()
    assert re.search("(a+)+b", "a" * 22) is None
    one_call = time.monotonic() - start
    table = pa.table({"id": ["a", "b"], "text": ["a" * 22, "a"]})
    searches = labeling_function("searches", label=1)(lambda row: bool(re.search("(a+)+b", row.text)))
    result = evaluate([searches], table, cardinality=2, stream="mail", time_limit_s=one_call / 10)
    assert [(letter.row_id, letter.error) for letter in result.dead_letters] == [
        ("a", "TimeoutError"),
        ("b", "TimeoutError"),
    ]


def test_nothing_is_raised_after_the_block():
    """Blocks that end just when their time does: the exception is raised inside, or never."""
    stopped, interval = 0, sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # or the timer could not interrupt such short blocks
    try:
        for n in range(1000):
            try:
                with time_limit(0.002):
                    end = time.monotonic() + 0.0015 + n * 0.000002
                    while time.monotonic() < end:
                        pass
            except Stopped:
                stopped += 1
            for _ in range(2000):
                pass
    finally:
        sys.setswitchinterval(interval)
    assert stopped


def test_no_limit():
    with time_limit(None):
        time.sleep(0.01)
