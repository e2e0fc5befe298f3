"""Bad records in any number: memory stays bounded, what is kept is the first of them, and the account is exact."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.config import StreamParams
from beambell.records import Code, read_records, reader
from beambell.records import quarantine as module
from beambell.records.quarantine import Quarantine
from beambell.records.schema import Reject, quarantine_table

STREAM = StreamParams(inputs=("x",), time="at")
REJECTS = st.lists(
    st.lists(
        st.builds(
            Reject, st.none() | st.integers(1, 9), st.sampled_from([Code.BAD_JSON, Code.BAD_TIME]), st.text(max_size=3)
        )
    ),
    max_size=6,
)


@given(REJECTS, st.integers(0, 8))
def test_the_first_are_kept_and_all_are_counted(batches, kept):
    before, module.KEPT = module.KEPT, kept
    try:
        quarantine = Quarantine()
        for rejects in batches:
            quarantine.add(quarantine_table("f", rejects))
        every = [entry for rejects in batches for entry in quarantine_table("f", rejects).to_pylist()]
        records = [entry for entry in every if entry["line"] is not None]
        remarks = [entry for entry in every if entry["line"] is None]
        assert quarantine.table.to_pylist() == records[:kept] + remarks
        assert quarantine.records == len(records)
        assert quarantine.codes == Counter(entry["code"] for entry in every)
        more = [f"of {len(records)} quarantined records, the first {kept} are kept, and all are counted"]
        assert quarantine.problems == [entry["message"] for entry in remarks] + more * (len(records) > kept)
    finally:
        module.KEPT = before


def account(
    data: bytes, name: str, stream: StreamParams = STREAM, batch_rows: int = 1000
) -> tuple[int, int, Quarantine]:
    quarantine, records, rows = Quarantine(), 0, 0
    for batch in read_records(io.BytesIO(data), name=name, stream=stream, batch_rows=batch_rows):
        quarantine.add(batch.quarantined)
        records, rows = records + batch.n_records, rows + batch.rows.num_rows
    assert records == rows + quarantine.records
    return records, rows, quarantine


KINDS = [
    ("f.csv.gz", "text,at\n", "x\n"),
    ("f.csv.gz", "text,at\n", "x,y,z\n"),
    ("f.csv.gz", "text,at\n", '"x\n'),
    ("f.csv.gz", "text,at\n", "x,soon\n"),
    ("f.csv.gz", "a,b\n", "x,2026-01-03\n"),
    ("f.tsv.gz", "text\tat\n", "x\n"),
    ("f.jsonl.gz", "", "{\n"),
    ("f.jsonl.gz", "", "1\n"),
    ("f.jsonl.gz", "", "{}\n"),
    ("f.csv.gz", "text,at\n", "\n"),
    ("f.jsonl.gz", "", "\n"),
]


@pytest.mark.parametrize(("name", "head", "line"), KINDS)
def test_a_small_file_that_unpacks_to_nothing_but_bad_lines_is_not_read_to_its_end(monkeypatch, name, head, line):
    monkeypatch.setattr(reader, "_FEWEST_LINES", 5000)
    data = gzip.compress((head + line * 100_000).encode(), mtime=0)
    records, rows, quarantine = account(data, name)
    assert rows == 0
    assert records <= 8000
    assert quarantine.codes["unreadable"] == 1
    assert "unpacks to more than 100 times its size" in quarantine.problems[-1]
    assert "not read beyond line" in quarantine.problems[-1]
    plain, _, unpacked = account(
        gzip.decompress(data)[: 20_000 * len(line)], name.removesuffix(".gz"), batch_rows=65_536
    )
    assert plain >= 19_000 or line == "\n"
    assert "unreadable" not in unpacked.codes


def test_good_records_are_read_however_well_they_were_packed(monkeypatch):
    monkeypatch.setattr(reader, "_FEWEST_LINES", 5000)
    text = "text,at\n" + ("x\n" * 90 + "x,2026-01-03\n" * 10) * 1000
    assert account(gzip.compress(text.encode(), mtime=0), "f.csv.gz")[:2] == (100_000, 10_000)


def test_memory_stays_bounded():
    def peak(n: int) -> int:
        data = gzip.compress(b"text,at\n" + b"xxxxxxxx\n" * n, mtime=0)
        tracemalloc.start()
        account(data, "f.csv.gz", batch_rows=5000)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(120_000) < 1.5 * peak(20_000)
