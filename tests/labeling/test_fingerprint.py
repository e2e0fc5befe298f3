"""A fingerprint sees whatever can change a vote, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.labeling import (
    Catalogue,
    count,
    fingerprint,
    keyword,
    labeling_function,
    length,
    lexicon,
    lookup,
    numeric,
    regex,
)

HEADER = "from beambell.labeling import *\nfrom beambell.labeling import labeling_function\n"


@pytest.fixture
def project(tmp_path):
    """Write files of a project (lfs.py has the labeling function), load it anew, give its catalogue."""

    def load(code, **files):
        for name, text in {"lfs": HEADER + dedent(code), **files}.items():
            path = tmp_path / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(dedent(text))
        return Catalogue.load(["lfs"], root=tmp_path)

    return load


@pytest.fixture
def print_of(project):
    return lambda code, **files: project(code, **files).fingerprints["lf"]


PLAIN = """
    import re
    LIMIT = 3
    WORDS = {"b", "a", "c"}

    def helper(text, most=LIMIT):
        return len(text) > most

    @labeling_function()
    def lf(row):
        return 1 if helper(row.text) and row.text in WORDS else ABSTAIN
"""

SAME = """
    import re, json
    # a comment
    LIMIT: int = 3
    WORDS = {"c",
             "a", "b"}
    UNRELATED = 7

    def unrelated(): return UNRELATED

    def helper(text: str, most: int=LIMIT) -> bool:
        '''Docs.'''
        return ( len( text )>most )   # why


    @labeling_function(description="Other words", owner="ann", tags=["x"])
    def lf(row: "Row") -> int:
        "Docs."
        return (1
                if helper(row.text) and row.text in WORDS else ABSTAIN)
"""


def test_comments_layout_docstrings_annotations_and_owners_do_not_count(print_of):
    assert print_of(PLAIN) == print_of(SAME)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ('"b", "a", "c"', '"b", "a", "d"'),
        ("len(text) > most", "len(text) >= most"),
        ("1 if helper", "0 if helper"),
        ("most=LIMIT", "most=3"),
        ("@labeling_function()", "@labeling_function(label=1)"),
        ("@labeling_function()", "@labeling_function(streams=['mail'])"),
        ("@labeling_function()", "@labeling_function(version='2')"),
        ("@labeling_function()", "@labeling_function(fields=('text', 'author'))"),
        ("def lf(row):", "def lf(row, extra=5):"),
    ],
)
def test_every_part_of_the_meaning_counts(print_of, old, new):
    assert old in PLAIN
    assert print_of(PLAIN) != print_of(PLAIN.replace(old, new))


# Each pair differs in one thing that a vote can depend on.
PAIRS = {
    "closure": """
        def make(word):
            @labeling_function("lf")
            def lf(row):
                return 1 if word in row.text else -1
            return lf
        lf = make("{a}")
    """,
    "closure of a lambda": """
        make = lambda n: labeling_function("lf")(lambda row: n)
        lf = make({n})
    """,
    "which lambda of a line": """
        fs = [lambda row: 1, lambda row: 0]
        lf = labeling_function("lf")(fs[{i}])
    """,
    "default": """
        N = {n}
        @labeling_function()
        def lf(row, n=N): return n
    """,
    "keyword default": """
        N = {n}
        @labeling_function()
        def lf(row, *, n=N): return n
    """,
    "resource": "lf = labeling_function('lf', resources=dict(n={n}))(lambda row, n: n)",
    "helper's helper": """
        def a(x): return b(x)
        def b(x): return c(x)
        def c(x): return {n}
        @labeling_function()
        def lf(row): return a(1)
    """,
    "constant within a dict of lists": """
        RULES = dict(x=[1, (2, frozenset([{n}]))])
        @labeling_function()
        def lf(row): return RULES["x"][0]
    """,
    "order of a dict": """
        RULES = {{"{a}": 1, "{b}": 0}}
        @labeling_function()
        def lf(row): return next((v for k, v in RULES.items() if k in row.text), -1)
    """,
    "compiled regex": """
        import re
        R = re.compile("{a}")
        @labeling_function()
        def lf(row): return 1 if R.search(row.text) else -1
    """,
    "flags of a compiled regex": """
        import re
        R = re.compile("a", 2 * {n})
        @labeling_function()
        def lf(row): return 1 if R.search(row.text) else -1
    """,
    "numpy array": """
        import numpy as np
        W = np.array([1.0, {n}])
        @labeling_function()
        def lf(row): return int(W.sum())
    """,
    "class attribute": """
        class Config:
            limit = {n}
        @labeling_function()
        def lf(row): return Config.limit
    """,
    "inherited method": """
        class Base:
            def go(self): return {n}
        class Child(Base):
            pass
        @labeling_function()
        def lf(row): return Child().go()
    """,
    "global used by a method": """
        N = {n}
        class C:
            def go(self): return N
        @labeling_function()
        def lf(row): return C().go()
    """,
    "state of an instance": """
        class Rule:
            def __init__(self, n): self.n = n
            def __call__(self, row): return self.n
        RULE = Rule({n})
        @labeling_function()
        def lf(row): return RULE(row)
    """,
    "callable instance as the function": """
        class Rule:
            def __init__(self, n): self.n = n
            def __call__(self, row): return self.n
        lf = labeling_function("lf")(Rule({n}))
    """,
    "dataclass": """
        from dataclasses import dataclass
        @dataclass(frozen=True)
        class Rule:
            n: int = {n}
        @labeling_function()
        def lf(row): return Rule().n
    """,
    "enum": """
        from enum import IntEnum
        class Label(IntEnum):
            SPAM = {n}
        @labeling_function()
        def lf(row): return Label.SPAM
    """,
    "partial": """
        from functools import partial
        lf = labeling_function("lf")(partial(lambda row, n: n, n={n}))
    """,
    "what a cached function does": """
        from functools import cache
        @cache
        def helper(x): return {n}
        @labeling_function()
        def lf(row): return helper(1)
    """,
    "what a decorator wraps": """
        import functools
        def twice(f):
            @functools.wraps(f)
            def wrapper(row): return f(row)
            return wrapper
        @labeling_function()
        @twice
        def lf(row): return {n}
    """,
    "what a decorator does": """
        def shift(f):
            def wrapper(row): return f(row) + {n}
            return wrapper
        @labeling_function("lf")
        @shift
        def lf(row): return 0
    """,
    "another labeling function": """
        other = keyword("other", any_of=["{a}"], label=1)
        @labeling_function()
        def lf(row): return other(row)
    """,
    "bound method": """
        class C:
            def __init__(self, n): self.n = n
            def go(self, row): return self.n
        lf = labeling_function("lf")(C({n}).go)
    """,
    "attribute of a function": """
        def helper(row): return helper.n
        helper.n = {n}
        @labeling_function()
        def lf(row): return helper(row)
    """,
    "a date": """
        import datetime
        D = datetime.date(2026, 1, 1 + {n})
        @labeling_function()
        def lf(row): return D.day
    """,
    "method of a constant": """
        CONTAINS = frozenset(["{a}"]).__contains__
        @labeling_function()
        def lf(row): return CONTAINS(row.text)
    """,
    "which function of a library": """
        from math import {f} as f
        @labeling_function()
        def lf(row): return int(f(1))
    """,
}


@pytest.mark.parametrize("case", PAIRS)
def test_what_a_vote_can_depend_on_counts(project, case):
    first = project(PAIRS[case].format(n=0, a="a", b="b", i=0, f="floor"))
    second = project(PAIRS[case].format(n=1, a="b", b="a", i=1, f="ceil"))
    again = project(PAIRS[case].format(n=0, a="a", b="b", i=0, f="floor"))
    assert first.fingerprints["lf"] != second.fingerprints["lf"]
    assert first.fingerprints == again.fingerprints


USES = {
    "import module": "import {p}helpers\n@labeling_function()\ndef lf(row): return {p}helpers.used(row)",
    "import as": "import {p}helpers as h\n@labeling_function()\ndef lf(row): return h.used(row)",
    "from import": "from {p}helpers import used as u\n@labeling_function()\ndef lf(row): return u(row)",
    "import inside": "@labeling_function()\ndef lf(row):\n    import {p}helpers\n    return {p}helpers.used(row)",
    "from import inside": "@labeling_function()\ndef lf(row):\n    from {p}helpers import used\n    return used(row)",
}
HELPERS = "CONSTANT = {n}\ndef used(row): return CONSTANT\ndef unused(row): return {m}\n"


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("package", ["", "pkg.", "space."])
def test_of_the_users_own_modules_only_what_is_used_counts(print_of, use, package):
    code = USES[use].format(p=package)  # "space" has no __init__.py

    def fp(n, m):
        return print_of(code, **{f"{package}helpers": HELPERS.format(n=n, m=m), "pkg.__init__": ""})

    assert fp(1, 1) == fp(1, 2)
    assert fp(1, 1) != fp(2, 1)


def test_relative_imports_inside_functions(tmp_path):
    def load(n):
        (tmp_path / "pkg").mkdir(exist_ok=True)
        (tmp_path / "pkg" / "__init__.py").write_text("")
        (tmp_path / "pkg" / "helpers.py").write_text(f"def used(row): return {n}\n")
        body = "@labeling_function()\ndef lf(row):\n    from .helpers import used\n    return used(row)\n"
        (tmp_path / "pkg" / "lfs.py").write_text(HEADER + body)
        return Catalogue.load(["pkg.lfs"], root=tmp_path)

    assert load(0).fingerprints != load(1).fingerprints
    assert load(0)["lf"].vote({}) == 0


def test_a_module_handed_around_counts_as_a_whole(print_of):
    code = "import helpers\ndef get(m): return m.CONSTANT\n@labeling_function()\ndef lf(row): return get(helpers)"
    assert print_of(code, helpers="CONSTANT = 0") != print_of(code, helpers="CONSTANT = 1")


def test_libraries_imported_inside_a_function_are_not_imported_for_it(project):
    import sys as _sys

    code = "@labeling_function()\ndef lf(row):\n    import wave, colorsys as c\n    return c.x(wave)"
    already = {"wave", "colorsys"} & set(_sys.modules)
    project(code)
    assert {"wave", "colorsys"} & set(_sys.modules) == already


def test_cycles_end_and_are_seen(print_of):
    code = """
        def even(n): return n == {n} or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        LOOP = [1]
        LOOP.append(LOOP)
        class Node:
            pass
        node = Node()
        node.self = node
        @labeling_function()
        def lf(row): return even(len(row.text)) and LOOP and node and lf
    """
    assert print_of(code.format(n=0)) == print_of(code.format(n=0)) != print_of(code.format(n=1))


def test_two_helpers_are_not_one(print_of):
    code = "{}\n@labeling_function()\ndef lf(row): return a(1) - b(1)"
    one = code.format("def a(x): return x\nb = a")
    two = code.format("def a(x): return x\ndef b(x): return x + 1")
    assert print_of(one) != print_of(two)


def test_neither_name_nor_place_counts(print_of):
    here = print_of("@labeling_function('lf')\ndef first(row): return 1")
    there = print_of("\n\n\n@labeling_function('lf')\ndef second(row): return 1")
    nested = print_of("if True:\n    @labeling_function('lf')\n    def third(row):\n        return 1")
    assert here == there == nested


def test_locks_loggers_and_caches_do_not_disturb(print_of):
    code = """
        import logging, threading
        log = logging.getLogger("x")
        lock = threading.Lock()
        @labeling_function()
        def lf(row):
            with lock:
                log.debug("x")
            return {n}
    """
    assert print_of(code.format(n=0)) == print_of(code.format(n=0)) != print_of(code.format(n=1))


def test_content_of_resources_counts(project, tmp_path):
    code = """
        lf = labeling_function("lf", resources={"r": Resource("r.txt")})(lambda row, r: len(r))
        found = lookup("found", field="text", file="r.txt", label=1)
        folder = labeling_function("folder", resources={"r": Resource("dir", load=str)})(lambda row, r: 1)
    """
    (tmp_path / "dir").mkdir()

    def prints(text):
        (tmp_path / "r.txt").write_text(text)
        (tmp_path / "dir" / "weights").write_text(text)
        return project(code).fingerprints

    first, second = prints("a"), prints("b")
    assert prints("a") == first
    assert all(first[name] != second[name] for name in ("lf", "found", "folder"))


def test_code_without_source_still_has_a_fingerprint():
    def make(code):
        scope = {"__name__": "typed_in"}
        exec(code, scope)
        return fingerprint(labeling_function("lf")(scope["f"]))

    assert make("def f(row): return 1") == make("def f(row): return 1")
    assert make("def f(row): return 1") != make("def f(row): return 2")
    assert make("def f(row): return row.a") != make("def f(row): return row.b")


def test_snorkel_functions_and_preprocessors_count(project):
    pytest.importorskip("snorkel")
    code = """
        from snorkel.labeling import labeling_function as snorkel_lf
        from snorkel.preprocess import preprocessor
        @preprocessor(memoize=True)
        def lower(x):
            x.text = x.text.lower() + {p!r}
            return x
        @snorkel_lf(resources=dict(n={r}), pre=[lower])
        def lf(x, n): return {n} if x.text else n
    """
    base = project(code.format(p="", r=0, n=1))
    before = base.fingerprints["lf"]
    base["lf"].vote({"text": "A"})
    assert fingerprint(base["lf"]) == before, "what a preprocessor remembers is not its meaning"
    for change in ({"p": "x"}, {"r": 1}, {"n": 0}):
        assert project(code.format(**{"p": "", "r": 0, "n": 1, **change})).fingerprints["lf"] != before
    assert "x.text.lower()" in base.source("lf")


DECLARATIVE = {
    "keyword": lambda **c: keyword("a", **{"any_of": ["x", "y"], "label": 1, **c}),
    "regex": lambda **c: regex("a", **{"pattern": "x", "label": 1, **c}),
    "count": lambda **c: count("a", **{"of": "x", "min": 1, "label": 1, **c}),
    "length": lambda **c: length("a", **{"min": 1, "label": 1, **c}),
    "numeric": lambda **c: numeric("a", **{"field": "v", "min": 1, "label": 1, **c}),
    "lookup": lambda **c: lookup("a", **{"field": "v", "values": ["x"], "label": 1, **c}),
    "lexicon": lambda **c: lexicon("a", **{"weights": {"x": 1}, "threshold": 1, "label": 1, **c}),
}
CHANGES = {
    "keyword": [{"any_of": ["x"]}, {"whole_words": False}, {"ignore_case": False}, {"fold": False}],
    "regex": [{"pattern": "y"}, {"flags": 2}],
    "count": [{"of": "y"}, {"min": 2}, {"max": 3}, {"flags": 2}],
    "length": [{"min": 2}, {"max": 3}, {"unit": "words"}],
    "numeric": [{"min": 1.5}, {"max": 2}],
    "lookup": [{"values": ["y"]}, {"ignore_case": True}, {"fold": False}],
    "lexicon": [
        {"weights": {"x": 2}},
        {"weights": {"y": 1}},
        {"threshold": 2},
        {"ignore_case": False},
        {"fold": False},
    ],
}
COMMON = [{}, {"label": 0}, {"field": "other"}, {"streams": ["mail"]}, {"version": "2"}]


@pytest.mark.parametrize("kind", DECLARATIVE)
def test_every_parameter_of_a_kind_counts(kind):
    prints = Counter(fingerprint(DECLARATIVE[kind](**change)) for change in COMMON + CHANGES[kind])
    assert set(prints.values()) == {1}
    about = DECLARATIVE[kind](description="d", owner="o", tags=["t"])
    assert fingerprint(about) == fingerprint(DECLARATIVE[kind]())


def test_kinds_with_equal_parameters_differ_and_order_of_words_does_not_count():
    assert len({fingerprint(make()) for make in DECLARATIVE.values()}) == len(DECLARATIVE)
    assert fingerprint(keyword("a", any_of=["x", "y"], label=1)) == fingerprint(
        keyword("b", any_of=["y", "x", "y"], label=1)
    )
    assert fingerprint(numeric("a", field="v", min=60, label=1)) == fingerprint(
        numeric("a", field="v", min=60.0, label=1)
    )


constants = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(constants, constants)
def test_constants_count_by_value(one, other):
    def lf(value):
        return fingerprint(labeling_function("lf")(lambda row: value))

    assert (lf(one) == lf(other)) == (repr(one) == repr(other))


def test_the_same_in_every_process(tmp_path):
    module = (
        HEADER
        + dedent(PLAIN)
        + dedent("""
        NESTED = {frozenset("abcdef"), frozenset("ghi"), ("x", 1)}
        class C:
            names = {"p", "q", "r"}
        @labeling_function()
        def more(row): return 1 if NESTED and C.names and C().names else 0
        words = keyword("words", any_of={"a", "b", "c", "d"}, label=1)
        values = lookup("values", field="text", values={"a", "b", "c", "d"}, label=1)
    """)
    )
    (tmp_path / "lfs.py").write_text(module)
    code = (
        "import sys; from pathlib import Path; from beambell.labeling import Catalogue;"
        "c = Catalogue.load(['lfs'], root=Path(sys.argv[1])); print(sorted(c.fingerprints.items()))"
    )

    def run(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    here = Catalogue.load(["lfs"], root=tmp_path).fingerprints
    assert run("1") == run("2") == f"{sorted(here.items())}\n"


def test_models_and_frames_as_resources_count_by_content():
    code = """
        import sys
        import pandas as pd
        from sklearn.feature_extraction.text import TfidfVectorizer
        from beambell.labeling import fingerprint, labeling_function
        for word in ("dd", "ee"):
            for resource in (TfidfVectorizer().fit(["a bb cc", word]), pd.DataFrame({"w": ["bb", word], "n": [1, 2]})):
                print(fingerprint(labeling_function("lf", resources={"r": resource})(lambda row, r: 1)))
    """

    def run(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", dedent(code)]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    first = run("1").split()
    assert first == run("2").split()
    assert len(set(first)) == 4
