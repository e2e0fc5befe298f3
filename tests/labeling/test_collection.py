"""Labeling functions are found wherever a module keeps them; what would not vote, or vote twice, is named."""

from __future__ import annotations

import textwrap

import pytest

from beambell.labeling.catalogue import Catalogue

HEADER = """
from collections import OrderedDict, deque
from types import MappingProxyType
from beambell.labeling import ABSTAIN, keyword, labeling_function, length

WORDS = ("refund", "broken")
"""


def load(folder, body: str, classes=()) -> Catalogue:
    (folder / "rules.py").write_text(HEADER + textwrap.dedent(body))
    return Catalogue.load(["rules"], root=folder, classes=classes)


@pytest.mark.parametrize(
    "kept",
    [
        "{word: MAKE(word) for word in WORDS}",
        "OrderedDict((word, MAKE(word)) for word in WORDS)",
        "MappingProxyType({word: MAKE(word) for word in WORDS})",
        "[MAKE(word) for word in WORDS]",
        "tuple(MAKE(word) for word in WORDS)",
        "{MAKE(word) for word in WORDS}",
        "frozenset(map(MAKE, WORDS))",
        "deque(map(MAKE, WORDS))",
        "{'a': [MAKE('refund')], 'b': {'c': (MAKE('broken'), 1)}}",
        "[[MAKE('refund')], [MAKE('broken')]]",
    ],
)
def test_containers_of_any_kind_and_depth(tmp_path, kept):
    body = f"""
    MAKE = lambda word: keyword(word, any_of=[word], label=1)
    kept = {kept}
    """
    catalogue = load(tmp_path, body)
    assert catalogue.names == ("broken", "refund")
    assert catalogue.remarks == ()


def test_attributes_of_a_class(tmp_path):
    body = """
    class Rules:
        refund = keyword("refund", any_of=["refund"], label=1)

        @labeling_function(label=1)
        def broken(row):
            return "broken" in row.text
    """
    assert load(tmp_path, body).names == ("broken", "refund")


UNSEEN = {
    "a generator": ("rules = (keyword(w, any_of=[w], label=1) for w in WORDS)", "`rules` at rules.py:"),
    "a map": ("rules = map(lambda w: keyword(w, any_of=[w], label=1), WORDS)", "`rules` at rules.py:"),
    "a function that nobody calls": (
        "def rules():\n    return [keyword(w, any_of=[w], label=1) for w in WORDS]",
        "`rules` at rules.py:",
    ),
    "a function of a decorated one": (
        "def rules():\n    @labeling_function(label=1)\n    def refund(row): return True\n    return refund",
        "`rules` at rules.py:",
    ),
    "a variable of a loop": (
        "for w in WORDS:\n    rule = keyword(w, any_of=[w], label=1)",
        "refund is made at rules.py:",
    ),
    "what a function returned to nobody": (
        "def rules():\n    return [keyword(w, any_of=[w], label=1) for w in WORDS]\n\nrules()",
        "broken is made at rules.py:",
    ),
    "a closure": (
        "def holder():\n    lf = keyword('refund', any_of=['refund'], label=1)\n    return lambda: lf\n\nf = holder()",
        "refund is made at rules.py:",
    ),
    "an object's attribute": (
        "class Box: pass\n\nbox = Box()\nbox.lf = keyword('refund', any_of=['refund'], label=1)",
        "refund is made at rules.py:",
    ),
}


@pytest.mark.parametrize("kind", UNSEEN)
def test_what_would_not_vote_is_named(tmp_path, kind):
    body, said = UNSEEN[kind]
    catalogue = load(tmp_path, f"{body}\n\nother = length('other', max=3, label=0)")
    assert "other" in catalogue.names
    assert any(said in remark and "not vote" in remark for remark in catalogue.remarks), catalogue.remarks


@pytest.mark.parametrize(
    "body",
    [
        "_refund = keyword('refund', any_of=['refund'], label=1)",
        "_parts = {w: keyword(w, any_of=[w], label=1) for w in WORDS}",
        "both = (keyword('a', any_of=['a'], label=1) & keyword('b', any_of=['b'], label=1)).named('both', label=1)",
        "def _make(w):\n    return keyword(w, any_of=[w], label=1)\n\nrefund = _make('refund')",
        "def make(w):\n    return keyword(w, any_of=[w], label=1)\n\nrules = [make(w) for w in WORDS]",
    ],
)
def test_what_is_meant_so_is_not_named(tmp_path, body):
    assert load(tmp_path, f"{body}\n\nother = length('other', max=3, label=0)").remarks == ()


TWINS = {
    "a loop's last word": """
    late = []
    for word in WORDS:
        @labeling_function(name=f"late_{word}")
        def check(row):
            return 1 if word in row.text else ABSTAIN
        late.append(check)
    """,
    "lambdas": "rules = [labeling_function(f'l{w}', label=1)(lambda row: w in row.text) for w in WORDS]",
    "two keywords": "a = keyword('a', any_of=['x', 'y'], label=1)\nb = keyword('b', any_of=['y', 'x'], label=1)",
}


@pytest.mark.parametrize("kind", TWINS)
def test_one_meaning_under_two_names_is_said(tmp_path, kind):
    (said,) = load(tmp_path, TWINS[kind]).remarks
    assert "are one labeling function under 2 names" in said
    assert "rules.py:" in said


def test_functions_of_a_loop_that_have_their_own_word_are_two(tmp_path):
    body = """
    rules = []
    for word in WORDS:
        @labeling_function(f"own_{word}", label=1)
        def check(row, word=word):
            return word in row.text
        rules.append(check)
    """
    assert load(tmp_path, body).remarks == ()
