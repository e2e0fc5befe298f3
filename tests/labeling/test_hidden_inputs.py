"""What labeling functions use of the world beside their row is said when they are loaded, with line and cure."""

from __future__ import annotations

import sys
import textwrap

import pytest

from beambell.labeling.catalogue import Catalogue

HEADER = """
import collections, datetime, functools, gzip, io, itertools, json, os, random, socket, subprocess, time
import urllib.request
from datetime import datetime as clock
from os import environ, getenv
from pathlib import Path
from random import choice
import numpy as np
import pandas as pd
from beambell.labeling import Resource, labeling_function

LIST = Path(__file__).parent / "words.txt"
WORDS = LIST.read_text().split()
CACHE, SEEN, RECENT, COUNT = {}, set(), collections.deque(maxlen=3), 0
NUMBERS = itertools.count()
RNG = random.Random(1)


class Model:
    def __init__(self, file):
        self.words = Path(file).read_text().split()

    def says(self, text):
        return any(word in text for word in self.words)


class Counting:
    def __init__(self):
        self.asked = 0

    def counts(self, text):
        self.asked += 1
        return self.asked > 2


MODEL, COUNTING = Model(LIST), Counting()
"""


def remarks(folder, body: str) -> list[str]:
    (folder / "words.txt").write_text("broken")
    (folder / "rules.py").write_text(HEADER + textwrap.dedent(body))
    return list(Catalogue.load(["rules"], root=folder).remarks)


USES = {
    "open": ("def f(row): return row.text in open('words.txt').read()", "reads a file"),
    "pathlib": ("def f(row): return row.text in LIST.read_text()", "reads a file"),
    "a path made in place": ("def f(row): return row.text in (Path('a') / 'b').read_text()", "reads a file"),
    "a path's open": ("def f(row):\n    with LIST.open() as file: return row.text in file.read()", "reads a file"),
    "gzip": ("def f(row): return row.text in gzip.open('words.gz').read()", "reads a file"),
    "pandas": ("def f(row): return row.text in set(pd.read_csv('words.csv').word)", "reads a file"),
    "numpy": ("def f(row): return bool(np.load('a.npy')[len(row.text)])", "reads a file"),
    "os.walk": ("def f(row): return any(os.walk('.'))", "reads a file"),
    "an import in a function": ("def f(row):\n    import linecache\n    return bool(linecache.getline('a', 1))",
                                "reads a file"),
    "a helper": (("def words(): return LIST.read_text()\n\n"
                 "@labeling_function(label=1)\ndef f(row): return row.text in words()"), "reads a file"),
    "a cached helper": (("@functools.cache\ndef words(): return LIST.read_text()\n\n"
                        "@labeling_function(label=1)\ndef f(row): return row.text in words()"), "reads a file"),
    "an lru_cache": (("@functools.lru_cache(maxsize=1)\ndef words(): return json.load(open('a.json'))\n\n"
                     "@labeling_function(label=1)\ndef f(row): return row.text in words()"), "reads a file"),
    "a cached_property": (("class Lazy:\n    @functools.cached_property\n    def words(self):"
                           " return LIST.read_text()\n\n"
                          "LAZY = Lazy()\n\n@labeling_function(label=1)\ndef f(row): return row.text in LAZY.words"),
                          "reads a file"),
    "a lazy global": (("LAZY = None\n\ndef words():\n    global LAZY\n    if LAZY is None:\n"
                      "        LAZY = LIST.read_text()\n"
                      "    return LAZY\n\n@labeling_function(label=1)\ndef f(row): return row.text in words()"),
                      "reads a file"),
    "a model made in a vote": ("def f(row): return Model(LIST).says(row.text)", "reads a file"),
    "environ": ("def f(row): return row.text == os.environ['WORD']", "reads the environment"),
    "environ by name": ("def f(row): return row.text == environ.get('WORD')", "reads the environment"),
    "getenv": ("def f(row): return row.text == getenv('WORD')", "reads the environment"),
    "the network": ("def f(row): return bool(urllib.request.urlopen('http://a.invalid'))", "asks another program"),
    "a socket": ("def f(row): return bool(socket.create_connection(('a.invalid', 1)))", "asks another program"),
    "a program": ("def f(row): return bool(subprocess.run(['true']))", "asks another program"),
    "the clock": ("def f(row): return row.ts < datetime.datetime.now()", "reads the clock"),
    "the clock by another name": ("def f(row): return row.ts < clock.utcnow()", "reads the clock"),
    "time": ("def f(row): return time.time() > 0", "reads the clock"),
    "chance": ("def f(row): return random.random() < 0.5", "uses chance"),
    "chance by name": ("def f(row): return choice([True, False])", "uses chance"),
    "a seeded generator": ("def f(row): return RNG.random() < 0.5", "uses chance"),
    "numpy's chance": ("def f(row): return bool(np.random.rand() < 0.5)", "uses chance"),
    "a global counter": ("def f(row):\n    global COUNT\n    COUNT += 1\n    return COUNT > 2", "remembers"),
    "an iterator": ("def f(row): return next(NUMBERS) > 2", "remembers"),
    "a set of what was seen": ("def f(row):\n    SEEN.add(row.text)\n    return len(SEEN) > 2", "remembers"),
    "a window": ("def f(row):\n    RECENT.append(row.text)\n    return RECENT.count(row.text) > 1", "remembers"),
    "a memo": ("def f(row):\n    CACHE[row.text[:3]] = row.text\n    return len(CACHE) > 2", "remembers"),
    "a default argument": ("def f(row, seen=[]):\n    seen.append(row.text)\n    return len(seen) > 2", "remembers"),
    "an object's attribute": ("def f(row): return COUNTING.counts(row.text)", "remembers"),
    "a closure": (("def make():\n    n = 0\n    def f(row):\n        nonlocal n\n        n += 1\n        return n > 2\n"
                  "    return labeling_function(label=1)(f)\n\nf = make()"), "remembers"),
}  # fmt: skip


@pytest.mark.parametrize("kind", USES)
def test_what_is_used_is_said_with_line_and_cure(tmp_path, kind):
    body, verb = USES[kind]
    body = body if "labeling_function" in body else "@labeling_function(label=1)\n" + body
    said = remarks(tmp_path, body)
    assert [verb in remark for remark in said] == [True], said
    assert "rules.py:" in said[0]
    assert "while f votes" in said[0]


@pytest.mark.parametrize(
    "body",
    [
        "def f(row): return row.text in WORDS",
        "def f(row): return MODEL.says(row.text)",
        "def f(row):\n    seen = set()\n    seen.add(row.text)\n    return len(seen) > 1",
        "def f(row):\n    n = 0\n    n += len(row.text)\n    return n > 3",
        "def f(row, open=len): return open(row.text) > 3",
        "def f(row):\n    random = row.text\n    return random.endswith('x')",
        "def f(row): return datetime.datetime(2026, 1, 1) < row.ts",
        "def f(row):\n    found = {}\n    found['a'] = 1\n    return bool(found)",
        (
            "@functools.lru_cache\ndef length(text): return len(text)\n\n"
            "@labeling_function(label=1)\ndef f(row): return length(row.text) > 3"
        ),
        (
            "def load(path): return path.read_text().split()\n\n"
            "@labeling_function(label=1, resources={'words': Resource('words.txt', load=load)})\n"
            "def f(row, words): return row.text in words"
        ),
    ],
)
def test_what_is_part_of_the_fingerprint_is_not_complained_of(tmp_path, body):
    body = body if "labeling_function" in body else "@labeling_function(label=1)\n" + body
    assert remarks(tmp_path, body) == []


def test_one_line_that_several_use_is_one_sentence(tmp_path):
    body = """
    @functools.cache
    def words(): return LIST.read_text()

    @labeling_function(label=1)
    def first(row): return row.text in words()

    @labeling_function(label=0)
    def second(row): return row.text in words()
    """
    (said,) = remarks(tmp_path, body)
    assert "while first, second vote" in said
    assert "Resource" in said


def test_to_look_imports_nothing(tmp_path):
    remarks(tmp_path, "@labeling_function(label=1)\ndef f(row):\n    import this\n    return this.d is None")
    assert "this" not in sys.modules
