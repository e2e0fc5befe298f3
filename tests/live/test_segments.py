"""Segments: each record is landed once, whenever somebody is killed, and however the next one cuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.config.live import SegmentParams
from beambell.live.gaps import Gaps, is_incomplete
from beambell.live.segments import Landing, OpenSegment, as_line, sweep
from beambell.live.source import Chunk
from beambell.store import Partition, Store
from beambell.store.files import Files

LOG = [b'{"n": %d}' % i for i in range(40)]
SIZE = SegmentParams(rows=1_000, seconds=1_000)


class KilledError(Exception):
    """Stands for a process that ends here."""


def chunk(first: int, after: int) -> Chunk:
    at = np.arange(first, after)
    return Chunk("000", first, after, tuple(LOG[first:after]), at, at)


def run(store: Store, sizes: list[int], die_at: int | None) -> None:
    """Land from where it stands; die just before a change."""
    landing = Landing(store, "s")
    changes = 0

    def watch(verb: str, name: str) -> None:
        nonlocal changes
        changes += 1
        if changes == die_at:
            raise KilledError(verb, name)

    Files.observer = watch
    try:
        at = landing.position("000") or 0
        for size in sizes:
            if at == len(LOG):
                return
            segment = OpenSegment(landing, "000", at, SIZE)
            segment.add(chunk(at, min(at + size, len(LOG))))
            at = segment.land().next
    finally:
        Files.observer = None


def landed(store: Store) -> list[bytes]:
    files = Landing(store, "s").files
    return [line for name in files.names(".jsonl") for line in (files.read(name) or b"").splitlines()]


@given(st.lists(st.tuples(st.lists(st.integers(1, 15), min_size=1, max_size=6), st.integers(1, 12)), max_size=5))
@settings(deadline=None, max_examples=60)
def test_killed_anywhere_and_cut_otherwise_each_record_is_there_once(tmp_path_factory, deaths):
    store = Store(str(tmp_path_factory.mktemp("store")))
    for sizes, die_at in deaths:
        try:
            run(store, sizes, die_at)
        except KilledError:
            list(sweep(Landing(store, "s")))
    run(store, [7] * 20, None)
    assert landed(store) == LOG
    assert Landing(store, "s").position("000") == len(LOG)


def test_a_record_of_several_lines_is_one_line(tmp_path: Path):
    landing = Landing(Store(str(tmp_path)), "s")
    segment = OpenSegment(landing, "000", 0, SIZE)
    values = (b'{\n "a": 1\r\n}', b"", b'{"b": 2}')
    assert len(segment.add(Chunk("000", 0, 3, values, np.arange(3), np.arange(3)))) == 2
    told = segment.land()
    assert landing.read(told).splitlines() == [b'{  "a": 1  }', b'{"b": 2}']
    assert (told.records, told.next) == (2, 3)
    assert as_line(b"x") == b"x"


def test_what_was_lost_at_the_source_is_on_record(tmp_path: Path):
    landing = Landing(Store(str(tmp_path)), "s")
    segment = OpenSegment(landing, "000", 5, SIZE)
    segment.add(Chunk("000", 5, 9, (b"x",), np.array([8]), np.array([0]), lost=((5, 8),)))
    segment.land()
    (again,) = landing.segments("000")
    assert again.lost == ((5, 8),)


@pytest.mark.parametrize(
    ("before", "within", "incomplete"),
    [
        ({"2026-01-02": 3}, {"2026-01-04": 1}, ["2026-01-02", "2026-01-03", "2026-01-04"]),
        ({"2026-01-02": 3}, {}, ["2026-01-02"]),
        ({}, {"2026-01-04": 1, "2026-01-05": 2}, ["2026-01-04", "2026-01-05"]),
        ({}, {}, []),
    ],
)
def test_partitions_next_to_a_gap_are_incomplete_whoever_reads_on(tmp_path: Path, before, within, incomplete):
    store = Store(str(tmp_path))
    landing = Landing(store, "s")
    for first, lost, dates in ((0, (), before), (5, ((5, 8),), within), (9, (), {"2026-01-09": 1})):
        segment = OpenSegment(landing, "000", first, SIZE)
        segment.add(Chunk("000", first, first + 4, (b"x",), np.array([first + 3]), np.array([0]), lost=lost))
        segment.count(dates)
        segment.land()
    (gap,) = Gaps(Store(str(tmp_path)), "s").all()
    assert (gap.first, gap.records) == (5, 3)
    days = [f"2026-01-{day:02d}" for day in range(1, 10)]
    assert [dt for dt in days if is_incomplete(store, Partition("s", dt))] == incomplete


@pytest.mark.parametrize("part", ["000", "a.b-1f", "x-y-z"])
def test_parts_do_not_mix(tmp_path: Path, part: str):
    landing = Landing(Store(str(tmp_path)), "s")
    for name in (part, f"{part}-1", "other"):
        segment = OpenSegment(landing, name, 0, SIZE)
        segment.add(Chunk(name, 0, 1, (b"{}",), np.array([0]), np.array([0])))
        segment.land()
    assert [one.part for one in landing.segments(part)] == [part]
