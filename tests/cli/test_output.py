"""What the command prints: under --json one document and nothing else on stdout; never what a terminal would obey."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from beambell.cli import main
from beambell.document import alone_on_stdout, encoded, write_document
from beambell.visible import in_json, one_line, visible

LFS = '''
import ctypes, os, subprocess, sys
from beambell.labeling import *

good = keyword("good", any_of=["good"], label=1)
bad = keyword("bad", any_of=["bad"], label=0)
print("while imported")

@labeling_function(label=0)
def noisy(row):
    """Says \x1b[31mred\x1b[0m and [red]markup[/red]."""
    {speak}
    return False
'''
SPEAK = {
    "print": 'print("debug", row.text)',
    "print without an end": 'print("x", end="")',
    "sys.__stdout__": 'sys.__stdout__.write("python\'s own, not flushed ")',
    "file descriptor": 'os.write(1, b"raw")',
    "child process": 'subprocess.run(["echo", "child"])',
    "C": 'ctypes.CDLL(None).puts(b"from C, not flushed")',
    "at exit": 'import atexit; atexit.register(os.write, 1, b"late")',
    "a thread": 'import threading; threading.Timer(0.01, print, ["thread"]).start()',
    "JSON": 'print("{}")',
}
ESCAPES = "\x1b[31mR\x1b[0m \x9b2J \u202elru\u202c [red]m[/red] \x07\r"


def beambell(*words, cwd, command=("-m", "beambell")):
    return subprocess.run([sys.executable, *command, *words], cwd=cwd, capture_output=True, text=True, check=False)


def call(*words, folder):
    """Run a command in this process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([*words, "--project", str(folder)]) or 0
        except SystemExit as stop:
            code = stop.code or 0
    return code, out.getvalue(), err.getvalue()


def make(folder: Path, speak: str = "pass", **params) -> Path:
    (folder / "in").mkdir(parents=True)
    (folder / "my_lfs.py").write_text(LFS.replace("{speak}", speak).replace("\x1b", "\\x1b"))
    tree = {
        "project": "p",
        "classes": ["a", "b"],
        "streams": {"s": {"inputs": ["in/*.jsonl"], "id": "id", "time": "ts"}},
        "lfs": {"modules": ["my_lfs"]},
        "gate": {"min_coverage": 0.0, "min_class_share": 0.0, "max_lf_errors": 1.0, "max_quarantined": 1.0},
        **params,
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    row = {"id": f"x{ESCAPES}", "text": f"good {ESCAPES}", "ts": "2026-01-01"}
    rows = [row, {"id": "y", "text": "bad", "ts": "2026-01-01"}, {"id": "z", "text": "t", "ts": f"no time {ESCAPES}"}]
    (folder / "in" / "2026-01-01.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project that was run, with hostile ids, texts, file names, reviewers and reasons; not to be changed."""
    folder = make(tmp_path_factory.mktemp("output") / "p", "raise ValueError(row.text)")
    (folder / "in" / "2026-01-02\x1b[31m [red].jsonl").write_text('{"id": "w", "text": "good", "ts": "2026-01-02"}\n{')
    answers = [
        {"row_id": "y", "label": "a", "reviewer": f"ann{ESCAPES}"},
        {"row_id": f"x{ESCAPES}", "label": "b", "reviewer": "bob"},
        {"row_id": f"x{ESCAPES}", "label": "a", "reviewer": f"eve{ESCAPES}"},
        {"row_id": f"nobody{ESCAPES}", "label": "a", "reviewer": "bob"},
        {"row_id": "y", "label": f"none{ESCAPES}", "reviewer": "bob"},
    ]
    times = [{"stream": "s", "time": "2026-01-03T00:00:00Z", **answer} for answer in answers]
    (folder / "answers\x1b[31m.jsonl").write_text("\n".join(map(json.dumps, times)))
    assert call("run", folder=folder)[0] == 0
    call("feedback", "import", str(folder / "answers\x1b[31m.jsonl"), folder=folder)
    call("run", folder=folder)
    person = ("--by", f"ann{ESCAPES}", "--reason", f"why{ESCAPES}", "--override")
    assert call("models", "promote", *person, folder=folder)[0] == 0
    (folder / "my_lfs.py").write_text((folder / "my_lfs.py").read_text().replace('"bad"]', '"bad", "t\\x1b[31m"]'))
    return folder


LOOKS = [
    ("status",),
    ("summary",),
    ("verify",),
    ("lf", "list"),
    ("lf", "show", "noisy"),
    ("lf", "stats", "--over-time"),
    ("lf", "test", "noisy"),
    ("lf", "test", "good"),
    ("lf", "diff"),
    ("lm", "compare"),
    ("models", "list"),
    ("models", "show"),
    ("models", "promote", "--by", ESCAPES, "--reason", ESCAPES, "--dry-run"),
    ("state", "show"),
    ("state", "log"),
    ("feedback", "status"),
    ("feedback", "queue", "--size", "9", "--again"),
    ("lineage", "s/2026-01-01"),
    ("lineage", f"s/2026-01-01/x{ESCAPES}"),
    ("lineage", f"s/2026-01-01/none{ESCAPES}"),
    ("lf", "show", f"none{ESCAPES}"),
    ("run", "--stream", f"none{ESCAPES}"),
    ("run", "--from", f"{ESCAPES}"),
    ("feedback", "add", f"x{ESCAPES}", "--label", f"c{ESCAPES}"),
    ("feedback", "import", f"none{ESCAPES}.jsonl"),
    ("promote", "--dry-run"),
]


@pytest.mark.parametrize("words", LOOKS, ids=lambda words: " ".join(words[:2]).replace(ESCAPES, "E"))
def test_no_command_lets_data_speak_to_the_terminal(project, words):
    for extra in ((), ("--json",)):
        _, out, err = call(*words, *extra, folder=project)
        assert "Traceback (most recent call last)" not in err, err
        for text in (out, err):
            assert visible(text) == text, ascii(text)
        if extra:
            json.loads(out)


def test_what_looks_like_markup_is_shown_as_it_is(project):
    for words in (("lf", "test", "good"), ("feedback", "status"), ("models", "show")):
        assert "[red]m[/red]" in call(*words, folder=project)[1]
    assert "[red]markup[/red]" in call("lf", "list", folder=project)[1]


@pytest.mark.parametrize("how", SPEAK)
def test_stdout_is_the_documents_alone(tmp_path, how):
    folder = make(tmp_path / "p", SPEAK[how])
    call("ingest", folder=folder)
    answer = beambell("lf", "test", "noisy", "--json", cwd=folder)  # unlike `apply`, it needs no time to import Beam
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["name"] == "noisy"


def test_stdout_of_a_job_and_of_every_other_command_is_the_documents_alone(tmp_path):
    folder = make(tmp_path / "p", "; ".join(SPEAK.values()))
    call("ingest", folder=folder)
    for command, words in (("beam_jobs.apply_lfs", ()), ("beambell", ("run",)), ("beambell", ("lf", "test", "noisy"))):
        answer = beambell(*words, "--json", cwd=folder, command=("-m", command))
        assert answer.returncode == 0, answer.stderr
        assert isinstance(json.loads(answer.stdout), dict)


def test_an_error_is_a_document_whatever_printed_before_it(tmp_path):
    folder = make(tmp_path / "p", 'print("x")')
    (folder / "my_lfs.py").write_text((folder / "my_lfs.py").read_text() + "\nraise ValueError('broken')\n")
    answer = beambell("run", "--json", cwd=folder)
    assert (answer.returncode, json.loads(answer.stdout)["kind"]) == (1, "CatalogueError")


def test_closed_streams_are_no_trouble(project):
    for closed in ("2>&-", ">&-", ">/dev/null 2>&-"):
        words = f"{sys.executable} -m beambell status --json {closed}"
        answer = subprocess.run(words, shell=True, cwd=project, capture_output=True, text=True, check=False)
        assert "Traceback" not in answer.stderr
        if closed == "2>&-":
            assert json.loads(answer.stdout)


def test_stdout_is_given_back(capfd):
    with alone_on_stdout():
        os.write(1, b"aside\n")
        print("aside, too")
        write_document({"n": 1})
        write_document({"n": 2})
    print("after")
    out, err = capfd.readouterr()
    assert out == '{\n  "n": 2\n}\nafter\n'
    assert err == "aside\naside, too\n"


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    shown = visible(text)
    assert visible(shown) == shown
    assert all(c.isprintable() or c in "\t\n" for c in shown if ord(c) < 0xA0)
    assert one_line(text).splitlines() in ([], [one_line(text)])
    assert json.loads(in_json(json.dumps(text, ensure_ascii=False))) == text


def test_a_number_that_is_none_is_null():
    assert json.loads(encoded({"a": [float("nan"), 1.5], "b": float("-inf")})) == {"a": [None, 1.5], "b": None}
