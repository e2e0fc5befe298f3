"""Partitions and selections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.errors import ArtefactError, UsageError
from beambell.store import Partition, Selection, parse_dt
from beambell.store.partition import days_before


@pytest.mark.parametrize("text", ["2026-01-03", "2026-01-03T07", "2026-01", "0999-12-31"])
def test_a_date_of_any_grain_is_read(text):
    assert parse_dt(text) is not None


@pytest.mark.parametrize(
    "text", ["../x", "2026-13-01", "2026-1-3", "2026-01-03T7", "", "2026", "2026-01-03/..", "2026-01-03T24", " 2026-01"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="not a partition's date"):
        parse_dt(text)


def test_the_grain_is_checked():
    with pytest.raises(UsageError):
        parse_dt("2026-01", "day")


@pytest.mark.parametrize("stream", ["../x", "a/b", "", "A", ".hidden", "x" * 65, "a b"])
def test_a_stream_s_name_cannot_be_a_path(stream):
    with pytest.raises(UsageError, match="not a stream's name"):
        Partition(stream, "2026-01-03")


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True), st.dates())
def test_a_partition_survives_its_path(stream, day):
    partition = Partition(stream, day.isoformat())
    assert Partition.from_folder(f"votes/{partition.folder}") == partition


def test_a_strange_folder_is_named():
    with pytest.raises(ArtefactError, match="does not name"):
        Partition.from_folder("votes/stream=a")


@pytest.mark.parametrize(
    ("start", "end", "dt", "inside"),
    [
        ("2026-01-03", None, "2026-01-03", True),
        ("2026-01-03", None, "2026-01-02", False),
        (None, "2026-01", "2026-01-31", True),
        (None, "2026-01", "2026-02-01", False),
        ("2026-01-03", "2026-01-03", "2026-01-03T07", True),
        ("2026-01-03T08", None, "2026-01-03T07", False),
        ("2026-01-03", None, "2026-01", True),
    ],
)
def test_a_selection_covers_both_ends(start, end, dt, inside):
    assert (Partition("s", dt) in Selection(start=start, end=end)) is inside


def test_a_selection_backwards_is_refused():
    with pytest.raises(UsageError, match="after --to"):
        Selection(start="2026-02-01", end="2026-01-31")


def test_days_before_compares_as_text():
    assert days_before("2026-01-14", 30) == "2025-12-15"
    assert days_before("2026-01", 1) == "2025-12-31"
