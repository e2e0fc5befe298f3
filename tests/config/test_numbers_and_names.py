"""Numbers that are none, ranges that run backwards, and names of classes as people write them."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.config import load_params
from beambell.config.classes import check_distinct, same_text
from beambell.config.section import NAME_PATTERN
from beambell.errors import ConfigError
from beambell.quality.summary import safe_name

TEXT = """project: p
classes: [a, b]
streams:
  s:
    inputs: ["in/*.csv"]
lfs: {modules: [m]}
"""


def load(folder, more="", classes=None):
    text = TEXT if classes is None else TEXT.replace("[a, b]", classes)
    (folder / "params.yaml").write_text(text + more, encoding="utf-8")
    return load_params(folder)


NUMBERS = {
    "model": ("C", "window_days", "features", "max_rows", "seed"),
    "promotion": ("min_gain", "floor", "max_recall_drop", "min_rows"),
    "gate": ("max_quarantined", "min_coverage", "max_lf_errors"),
    "feedback": ("evaluate", "min_agreement", "min_reviewers"),
    "evaluation": ("holdout", "bins"),
    "state": ("half_life_days", "max_patterns"),
    "labels": ("relabel_days",),
    "schedule": ("approval_hours", "retry_minutes", "wait_minutes"),
    "demo": ("scale", "days"),
    "beam": ("workers", "rows_per_item"),
}


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
@pytest.mark.parametrize(("section", "key"), [(s, key) for s, keys in NUMBERS.items() for key in keys])
def test_a_number_that_is_none_is_refused_with_its_line_and_key(tmp_path, section, key, value):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{section}:\n  {key}: {value}\n")
    assert f"{section}.{key} (line 8)" in str(caught.value)
    assert value in str(caught.value)
    assert caught.value.where.endswith("params.yaml:8")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("model:\n  ngrams: [3, 1]\n", "model.ngrams (line 8): the shortest comes first: write [1, 3]"),
        ("model:\n  ngrams: [0, 1]\n", "model.ngrams.0 (line 8)"),
        ("model:\n  ngrams: [1, 99]\n", "model.ngrams.1 (line 8)"),
        ("model:\n  ngrams: [1]\n", "model.ngrams"),
        ("model:\n  ngrams: [-2, -1]\n", "model.ngrams.0 (line 8)"),
        ("model:\n  seed: -1\n", "model.seed (line 8)"),
        ("model:\n  window_days: 99999999\n", "model.window_days (line 8)"),
        ("model:\n  C: 1e300\n", "model.C (line 8)"),
        ("label_model:\n  options: {lr: .inf}\n", "label_model.options (line 8): lr should be a finite number"),
        ("lfs: {modules: [m], time_limit_s: .inf}\n", "lfs is given twice"),
        ("schedule:\n  approval_hours: 1e200\n", "schedule.approval_hours (line 8)"),
    ],
)
def test_ranges_and_what_no_calendar_or_generator_takes(tmp_path, more, said):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, more)
    assert said in str(caught.value)


def test_numbers_of_the_environment_are_no_exception(tmp_path, monkeypatch):
    monkeypatch.setenv("BEAMBELL__MODEL__C", "nan")
    with pytest.raises(ConfigError, match=r"model\.C .*finite"):
        load(tmp_path)


NAMES = ["Beschwerde über Lieferung", "n/a", "a/b", "C++", "😡 angry", "👩‍👩‍👧", "..", "p_x", "100 %", "$5", "null",
         "a=b", "x,y", '"quoted"', "[red]", "жалоба", "苦情", "می‌خواهم", "not a class"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_class_is_called_what_people_call_it(tmp_path, name):
    assert load(tmp_path, classes=json.dumps(["other", name], ensure_ascii=False)).classes == ("other", name)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ('["", b]', "classes.0 (line 2): a class needs a name"),
        ('[" ", b]', "classes.0 (line 2): a class needs a name"),
        ('["a\\nb", b]', "U+000A cannot be seen"),
        ('["a\\e[31m", b]', "U+001B cannot be seen"),
        ('["a\\u202Eb", b]', "U+202E cannot be seen"),
        ("[yes, no]", "write it in quotes"),
        ("[1, 2]", "write it in quotes"),
        (f"[{'x' * 201}, b]", "at most 200 characters, not 201"),
        ("[a, a]", "'a' is there twice"),
        ("[Spam, spam]", "told apart by nobody"),
        ("[straße, STRASSE]", "told apart by nobody"),
        ('["é", "e\\u0301"]', "there twice"),
        ('["a b", "a  b"]', "told apart by nobody"),
        ('["ﬁn", fin]', "told apart by nobody"),
    ],
)
def test_what_is_no_name_of_a_class_says_why(tmp_path, classes, said):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, classes=classes)
    assert said in str(caught.value)


@given(st.lists(st.text(min_size=1), min_size=2, max_size=5))
def test_safe_names_are_safe_and_differ_where_names_do(names):
    safe = [safe_name(name) for name in names]
    assert all(re.fullmatch(NAME_PATTERN, name) for name in safe)
    assert len(set(safe)) == len(set(names))


@given(st.text(min_size=1))
def test_one_name_has_one_spelling(name):
    assert same_text(unicodedata.normalize("NFD", name)) == same_text(name) == same_text(same_text(name))
    with pytest.raises(ValueError, match="distinct"):
        check_distinct([name, name])
