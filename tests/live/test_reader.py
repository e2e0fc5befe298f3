"""A part that several processes read, as on a cluster: whoever dies, or comes back, each record lands once."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.config import StreamParams
from beambell.config.live import LiveParams, SegmentParams
from beambell.live.reader import PartReader
from beambell.live.segments import Landing
from beambell.live.sink import FileSink
from beambell.live.source import Chunk
from beambell.store import Store

LOG = [b'{"id": "r%03d", "ts": "2026-01-03T07:00:00Z", "text": "hello"}' % i for i in range(60)]
STREAM = StreamParams(inputs=("unused",), id="id")
LIVE = LiveParams(batch=4, segment=SegmentParams(rows=10, seconds=1_000))


class Log:
    """A source of one part, which keeps everything."""

    def parts(self) -> list[str]:
        return ["000"]

    def bounds(self, part: str) -> tuple[int, int]:
        return 0, len(LOG)

    def read(self, part: str, offset: int, most: int, wait_s: float) -> Chunk:
        after = min(offset + most, len(LOG))
        at = np.arange(offset, after)
        return Chunk(part, offset, after, tuple(LOG[offset:after]), at, at, behind=len(LOG) - after)

    def commit(self, part: str, offset: int) -> None:
        pass

    def close(self) -> None:
        pass


def reader(store: Store, after: int = 0) -> PartReader:
    return PartReader(Log(), Landing(store, "s"), "s", "000", STREAM, LIVE, frozenset(), after=after)


def landed(store: Store) -> list[bytes]:
    files = Landing(store, "s").files
    return [line for name in files.names(".jsonl") for line in (files.read(name) or b"").splitlines()]


def poll(store: Store, readers: dict[int, PartReader], who: int) -> None:
    """Let one of several processes read on, and begin anew where it finds that it was overtaken."""
    if who in readers and readers[who].is_overtaken:
        readers.pop(who).abandon()
    if who not in readers:
        readers[who] = reader(store)
    list(readers[who].poll())


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["poll", "poll", "poll", "land", "die"])), max_size=40))
def test_processes_that_take_turns_land_every_record_once(turns: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, readers = Store(folder), dict[int, PartReader]()
        for who, what in turns:
            if what == "die" and who in readers:
                readers.pop(who).abandon()
            elif what == "land" and who in readers:
                readers[who].land()
            else:
                poll(store, readers, who)
            assert landed(store) == LOG[: len(landed(store))]  # in order, without a gap, none twice
        while len(landed(store)) < len(LOG):
            poll(store, readers, 9)
            readers[9].land()
        assert landed(store) == LOG
        for one in readers.values():
            one.abandon()


def test_a_reading_counts_as_newer_whatever_the_clocks_of_machines_say(tmp_path: Path) -> None:
    before = 2**62  # of a machine whose clock is a century ahead
    assert reader(Store(tmp_path), after=before).epoch == before + 1


def test_two_processes_that_write_labels_of_one_segment_do_not_share_a_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, new = FileSink(store, "s", "000"), FileSink(store, "s", "000")
    old.write(0, [b"old"])
    new.write(0, [b"new", b"new too"])
    old.write(0, [b"old again"])
    new.complete()
    old.abandon()
    (path,) = (tmp_path / "live/s/labels").iterdir()
    assert path.read_bytes() == b"new\nnew too\n"
