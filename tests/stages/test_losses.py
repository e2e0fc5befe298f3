"""The gate counts what was lost: files that were refused whole or broke off, against what was delivered."""

from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from projects import change_params, run_stages, write_params
from steps_of_files import LFS, PARAMS, csv, write

from beambell import Project
from beambell.errors import GateError
from beambell.stages.validate import plan
from beambell.store import Layout


def rows(n: int, day: int = 1) -> str:
    return csv(*((f"{day}-{i}", f"{('refund', 'hello')[i % 2]} {i * i}", day) for i in range(n)))


def parquet(n: int, day: int = 1) -> bytes:
    stamps = [f"2026-01-{day:02d}T10:00:00Z"] * n
    table = pa.table({"id": [f"p{day}-{i}" for i in range(n)], "text": ["refund"] * n, "ts": stamps})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=max(n // 4, 1))
    return buffer.getvalue()


def damaged(data: bytes) -> bytes:
    middle = len(data) // 3
    return data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 60]) + data[middle + 60 :]


BROKEN = {
    "cut.csv.gz": gzip.compress(rows(400).encode(), mtime=0)[:-200],
    "no.csv.gz": b"this is no gzip" * 20,
    "cut.parquet": parquet(400)[:-40],
    "no.parquet": b"PAR1 this is no Parquet file" * 9,
    "damaged.parquet": damaged(parquet(400)),
    "wide.csv": rows(50).encode("utf-16-le"),
    "header.csv": b'id,"text,ts\n1,hello,2026-01-01\n' * 30,
    "columns.csv": rows(50).replace("id,text,ts", "id,body,ts").encode(),
    "times.jsonl": b'{"id": 1, "text": "hello", "ts": "yesterday"}\n' * 40,
}
"""Names behind a date, and what cannot be read of them."""


@pytest.fixture
def folder(tmp_path):
    write_params(tmp_path, PARAMS)
    (tmp_path / "lfs_of_files.py").write_text(LFS)
    write(tmp_path, {"two/a.csv": rows(30)})
    return tmp_path


def lost(folder, where: str) -> GateError:
    with pytest.raises(GateError, match=where) as no:
        run_stages(folder)
    return no.value


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("company", ["alone", "with a good file", "with late rows"])
def test_a_day_s_file_that_is_broken_fails_the_gate_by_name(folder, name, company):
    (folder / f"one/2026-01-01-{name}").write_bytes(BROKEN[name])
    if company == "with a good file":
        (folder / "one/2026-01-01.csv").write_text(rows(40))
    (folder / "one/2026-01-02.csv").write_text(rows(40, 2) + (rows(3) if company == "with late rows" else ""))
    error = lost(folder, "one/2026-01-01")
    assert "the share of bytes in files that could not be read to their end, or gave no row, is" in error.message
    assert f"one/2026-01-01-{name} (" in error.message
    assert "--withdraw" in error.fix
    project = Project(folder)
    assert "2026-01-02" in {p.dt for p in project.store.partitions(Layout.LABELS)}, "other days go on"
    assert ("one", "2026-01-01") not in {(p.stream, p.dt) for p in project.store.partitions(Layout.LABELS)}
    if company != "alone":
        change_params(folder, gate={"max_lost": 1.0, "max_quarantined": 1.0})
        run_stages(folder, "validate")
        assert ("one", "2026-01-01") in {(p.stream, p.dt) for p in project.store.partitions(Layout.LABELS)}


@pytest.mark.parametrize("name", ["no.parquet", "columns.csv", "no.csv.gz"])
def test_a_file_without_a_date_counts_for_its_stream(folder, name):
    change_params(folder, streams={"two": {"inputs": ["two/*"]}})
    (folder / "one/2026-01-01.csv").write_text(rows(10))
    (folder / f"two/{name}").write_bytes(BROKEN[name])
    error = lost(folder, "stream two: the share of bytes")
    assert f"two/{name}" in error.message
    assert "two" in {p.stream for p in Project(folder).store.partitions(Layout.LABELS)}
    assert any(f"two/{name}" in warning for warning in plan(Project(folder), Project(folder).select()).warnings)
    assert run_stages(folder, "validate", streams=["one"])["validate"].figures["passed"] == 1
    (folder / f"two/{name}").unlink()
    run_stages(folder)


def test_a_small_loss_passes_and_a_wrong_name_only_warns(folder):
    (folder / "one/2026-01-01.csv").write_text(rows(4000))
    (folder / "one/2026-01-01-no.parquet").write_bytes(b"PAR1 nothing")
    (folder / "one/notes.txt").write_text("read me " * 9999)
    outcome = run_stages(folder)["validate"]
    (warning,) = [warning for warning in outcome.warnings if "notes" in warning]
    assert warning == "stream one: 1 files have a wrong name, and are not read: one/notes.txt"


def test_the_gate_says_which_patterns_and_streams_have_no_file(folder):
    change_params(folder, streams={"two": {"inputs": ["two/*.csv", "two/*.cvs"]}})
    outcome = run_stages(folder)["validate"]
    assert outcome.warnings == (
        "stream one: no file of it is on record; its inputs are one/{dt}*",
        "stream two: no file on record fits two/*.cvs of its inputs",
    )
