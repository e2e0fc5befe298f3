"""Labeling functions that wait, or end their process, lose their own votes, and nobody else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import psutil
import pyarrow as pa
import pytest

from beambell.errors import BeamBellError, CatalogueError
from beambell.labeling import evaluate
from beambell.labeling.apart import MOST_KILLS, Voters
from beambell.labeling.time_limit import TOO_SLOW
from beambell.labeling.voter import Source

HEADER = """
import ctypes, os, re, signal, socket, subprocess, sys, threading, time
from beambell.labeling import batch_labeling_function, keyword, labeling_function, Resource

@labeling_function(label=1)
def good(row):
    return "good" in row.text
"""
TEXTS = ["good one", "bad", "good two", "plain", None]
TABLE = pa.table({"id": list("abcde"), "text": TEXTS})
TIME_LIMIT_S = 0.5


@pytest.fixture
def made(tmp_path):
    """Load a module of labeling functions, and processes for them."""
    opened = []

    def make(body: str):
        (tmp_path / "rules.py").write_text(HEADER + textwrap.dedent(body))
        source = Source(("rules",), (), (), tmp_path)
        opened.append(Voters(source))
        return source.load(), opened[-1]

    yield make
    for voters in opened:
        voters.close()


def votes(made, body: str, table=TABLE, time_limit_s=TIME_LIMIT_S):
    catalogue, voters = made(body)
    start = time.monotonic()
    result = voters.evaluate(
        catalogue.lfs,
        table,
        cardinality=2,
        stream="mail",
        fingerprints=catalogue.fingerprints,
        time_limit_s=time_limit_s,
    )
    assert time.monotonic() - start < 60
    return {name: result.votes[:, j].tolist() for j, name in enumerate(catalogue.names)}, result


GOOD = [1, -1, 1, -1, -1]
ENDS = {
    "os._exit(0)": "exit status 0",
    "os._exit(3)": "exit status 3",
    "os.abort()": "killed by SIGABRT",
    "os.kill(os.getpid(), signal.SIGKILL)": "killed by SIGKILL",
    "os.killpg(0, signal.SIGTERM)": "killed by SIGTERM",
    "ctypes.string_at(0)": "killed by SIGSEGV",
}


@pytest.mark.parametrize("end", ENDS)
def test_who_ends_its_process_loses_the_row_it_was_on(made, end):
    body = f"""
    @labeling_function
    def ends(row):
        if row.text == "bad":
            {end}
        return 1
    """
    cast, result = votes(made, body)
    assert cast["good"] == GOOD
    assert cast["ends"] == [1, -1, 1, 1, 1]
    letters = [letter for letter in result.dead_letters if letter.lf == "ends"]
    assert [letter.row_id for letter in letters] == ["b"]
    assert ENDS[end] in letters[0].message
    assert result.n_errors["ends"] == 1


def test_who_always_ends_its_process_is_given_up(made):
    table = pa.table({"id": [str(n) for n in range(40)], "text": ["good"] * 40})
    cast, result = votes(made, "@labeling_function\ndef ends(row): os._exit(0)", table)
    assert cast["good"] == [1] * 40
    assert cast["ends"] == [-1] * 40
    assert result.n_errors["ends"] == 40
    assert [letter.row_id for letter in result.dead_letters if letter.lf == "ends"] == table["id"].to_pylist()
    assert f"{MOST_KILLS} times" in result.dead_letters[-1].message


QUICK = ("sleep", "one call into C")
WAITS = {
    "sleep": "time.sleep(1000)",
    "a socket": "server = socket.create_server(('127.0.0.1', 0)); server.accept()",
    "a lock": "threading.Lock().acquire() and threading.Event().wait()",
    "a pipe": "os.read(os.pipe()[0], 1)",
    "a program": "subprocess.run(['sleep', '1000'])",
    "one call into C": "re.search('(x+x+)+y', 'x' * 64)",
    "whatever is raised": "exec('while True:\\n try:\\n  time.sleep(1)\\n except BaseException: pass')",
}


@pytest.mark.parametrize(
    "wait",
    [*QUICK, *(pytest.param(w, marks=pytest.mark.heavy) for w in WAITS if w not in QUICK)],
)
def test_who_waits_is_killed_and_named(made, wait):
    body = f"""
    @labeling_function
    def waits(row):
        if row.text == "bad":
            {WAITS[wait]}
        return 1
    """
    cast, result = votes(made, body)
    assert cast["good"] == GOOD
    letters = [letter for letter in result.dead_letters if letter.lf == "waits"]
    assert "b" in {letter.row_id for letter in letters}
    assert {(letter.error, letter.message) for letter in letters} == {("TimeoutError", TOO_SLOW)}


@pytest.mark.parametrize("body", ["sys.exit(0)", "raise SystemExit", "raise KeyError('x')", "input()"])
def test_what_is_merely_raised_needs_no_new_process(made, body):
    cast, result = votes(made, f"@labeling_function\ndef ends(row):\n    {body}")
    assert cast["good"] == GOOD
    assert result.n_errors["ends"] == 5


def test_the_votes_are_those_of_the_plain_evaluation(made):
    body = """
    import pyarrow.compute as pc

    @labeling_function(fields=("text", "likes"))
    def some(row):
        if row.likes == 3:
            raise ValueError(row.id)
        return row.likes % 2

    @batch_labeling_function(label=1)
    def long(table):
        return pc.greater(pc.utf8_length(table["text"]), 3)

    @labeling_function(label=0, streams=["other"])
    def elsewhere(row):
        return True

    @labeling_function
    def anything_but_a_vote(row):
        return "x"
    """
    catalogue, voters = made(body)
    table = TABLE.append_column("likes", pa.array(range(5)))
    arguments = {"cardinality": 2, "stream": "mail", "fingerprints": catalogue.fingerprints, "time_limit_s": 5.0}
    ours, plain = voters.evaluate(catalogue.lfs, table, **arguments), evaluate(catalogue.lfs, table, **arguments)
    np.testing.assert_array_equal(ours.votes, plain.votes)
    assert ours.dead_letters == plain.dead_letters
    assert ours.n_errors == plain.n_errors


def test_no_rows_are_no_trouble(made):
    _, result = votes(made, "", TABLE.slice(0, 0))
    assert result.votes.shape == (0, 1)


def test_what_a_labeling_function_prints_is_no_result(made, capfd):
    votes(made, "@labeling_function\ndef prints(row):\n    print('hello')\n    os.write(1, b'there')\n    return 1")
    out, err = capfd.readouterr()
    assert out == ""
    assert "hello" in err
    assert "there" in err


def test_one_that_was_edited_meanwhile_votes_for_neither(made, tmp_path):
    catalogue, voters = made("@labeling_function\ndef edited(row): return 1")
    (tmp_path / "rules.py").write_text(HEADER + "@labeling_function\ndef edited(row): return 0")
    with pytest.raises(CatalogueError, match="was changed while votes were being cast"):
        voters.evaluate(catalogue.lfs, TABLE, cardinality=2, stream="m", fingerprints=catalogue.fingerprints)


def test_a_resource_that_cannot_be_loaded_ends_the_command(made, tmp_path):
    (tmp_path / "model.json").write_text("x")
    body = """
    import json

    @labeling_function(resources={"model": Resource("model.json", load=lambda p: json.loads(p.read_text()))})
    def models(row, model): return 1
    """
    with pytest.raises(BeamBellError, match="its resource 'model' cannot be loaded"):
        votes(made, body)


def test_a_resource_that_changed_after_it_was_known_is_not_taken_for_the_old_one(tmp_path):
    from beambell.labeling import Resource
    from beambell.labeling.files import project_root

    (tmp_path / "words.txt").write_text("old")
    with project_root(tmp_path):
        resource = Resource("words.txt")
    assert resource.digest
    (tmp_path / "words.txt").write_text("newer")
    with pytest.raises(BeamBellError, match="the file was changed"):
        _ = resource.value


def test_what_is_opened_by_others_is_noted_too(made, tmp_path):
    (tmp_path / "words.txt").write_text("good")
    (tmp_path / "known.txt").write_text("good")
    body = """
    import linecache

    @labeling_function(label=1, resources={"known": Resource("known.txt")})
    def reads(row, known):
        linecache.clearcache()
        return linecache.getline(__file__.replace("rules.py", "words.txt"), 1) in (row.text or "")
    """
    catalogue, voters = made(body)
    voters.evaluate(catalogue.lfs, TABLE, cardinality=2, stream="m", fingerprints=catalogue.fingerprints)
    assert voters.opened == {"reads": {"words.txt"}}


PARENT = """
import sys, time
from pathlib import Path
import pyarrow as pa
from beambell.labeling.apart import Voters
from beambell.labeling.voter import Source

source = Source(("rules",), (), (), Path(sys.argv[1]))
voters, catalogue = Voters(source), source.load()
table = pa.table({"id": ["a"], "text": ["bad"]})
print("asking", flush=True)
voters.evaluate(catalogue.lfs, table, cardinality=2, stream="m", time_limit_s=1000)
"""


@pytest.mark.parametrize(
    "wait", ["time.sleep(1000)", "re.search('(x+x+)+y', 'x' * 64)", "subprocess.run(['sleep', '1000'])"]
)
def test_nothing_outlives_a_killed_parent(tmp_path, wait):
    pid = tmp_path / "pid"
    rule = f"@labeling_function\ndef waits(row):\n    open({str(pid)!r}, 'w').write(str(os.getpid()))\n    {wait}"
    (tmp_path / "rules.py").write_text(HEADER + rule)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    try:
        deadline = time.monotonic() + 60
        while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        voter = psutil.Process(int(pid.read_text()))
        time.sleep(0.5)
        family = [voter, *voter.children(recursive=True)]
        os.kill(parent.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(family, timeout=10)
        assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    finally:
        parent.kill()
        parent.wait()
