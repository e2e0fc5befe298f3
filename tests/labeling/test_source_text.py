"""The source of a labeling function is recorded as a person would read it."""

from __future__ import annotations

from textwrap import dedent

from beambell.labeling import Catalogue, keyword, source

PYTHON = """
    from beambell.labeling import labeling_function

    LIMIT = 3
    WORDS = {"b", "a", "c"}

    def helper(text, most=LIMIT):
        return len(text) > most

    @labeling_function()
    def lf(row):
        return 1 if helper(row["text"]) and row["text"] in WORDS else 0
"""


def test_source_records_helpers_and_constants(tmp_path):
    (tmp_path / "lfs.py").write_text(dedent(PYTHON))
    text = Catalogue.load(["lfs"], root=tmp_path).source("lf")
    assert text.startswith("@labeling_function()\ndef lf(row):\n    return 1 if helper")
    assert "def helper(text, most=LIMIT):" in text
    assert "WORDS = ['a', 'b', 'c']" in text


def test_source_of_one_is_enough_to_tell_it():
    assert source(keyword("a", any_of=["x"], label=1)) == "keyword('a', label=1, any_of=['x'])\n"
