"""Laws of the reader: what is written comes back, formats agree, and damage stays where it is."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.config import StreamParams
from beambell.records import read_records

FIELDS = {"who": "string", "likes": "int", "score": "float", "ok": "bool"}
STREAM = StreamParams(inputs=("raw/*",), text="body", time="at", fields=FIELDS)
KEYED = STREAM.model_copy(update={"id": "key"})
COLUMNS = ("key", "body", "at", *FIELDS)

CHARS = st.characters(exclude_categories=("Cs",)) | st.sampled_from('",\n\r\t;\\{}[]0é😀\u2028\x85\x00')
TEXTS = st.text(CHARS, max_size=12)
RECORDS = st.fixed_dictionaries(
    {
        "key": st.text(CHARS, min_size=1, max_size=6).filter(lambda key: key == key.strip() != "0.0"),
        "body": TEXTS,
        "at": st.datetimes(timezones=st.just(UTC)),
        "who": st.none() | TEXTS,
        "likes": st.none() | st.integers(-(2**63), 2**63 - 1),
        "score": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "ok": st.none() | st.booleans(),
    }
)
BATCHES = st.sampled_from([1, 2, 3, 65_536])
FORMATS = ("csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.gz")


def write(records: list[dict], suffix: str) -> bytes:
    if suffix.endswith(".gz"):
        return gzip.compress(write(records, suffix[:-3]), mtime=0)
    if suffix == "parquet":
        kinds = [pa.string()] * 2 + [pa.timestamp("us", "UTC"), pa.string(), pa.int64(), pa.float64(), pa.bool_()]
        table = pa.Table.from_pylist(records, schema=pa.schema(list(zip(COLUMNS, kinds, strict=True))))
        sink = io.BytesIO()
        pq.write_table(table, sink, row_group_size=2)
        return sink.getvalue()
    plain = [record | {"at": record["at"].isoformat()} for record in records]
    if suffix == "jsonl":
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in plain).encode()
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, delimiter="\t" if suffix == "tsv" else ",")
    writer.writeheader()
    writer.writerows(plain)
    return out.getvalue().encode()


def read(data: bytes, name: str, stream: StreamParams = STREAM, batch_rows: int = 65_536) -> tuple[list, list]:
    rows, bad, n_records = [], [], 0
    for batch in read_records(io.BytesIO(data), name=name, stream=stream, batch_rows=batch_rows):
        assert batch.rows.num_rows <= batch_rows or "sv" in name
        batch.rows.validate(full=True)
        n_records += batch.n_records
        rows += batch.rows.to_pylist()
        bad += batch.quarantined.to_pylist()
    assert n_records == len(rows) + sum(entry["line"] is not None for entry in bad)
    lines = [row["_line"] for row in rows]
    assert lines == sorted(set(lines))
    return rows, bad


@pytest.mark.parametrize("suffix", FORMATS)
@given(st.lists(RECORDS, max_size=6), BATCHES)
@settings(max_examples=40)
def test_what_is_written_comes_back(suffix, records, batch_rows):
    rows, bad = read(write(records, suffix), f"f.{suffix}", KEYED, batch_rows)
    assert [entry for entry in bad if entry["code"] != "empty_file"] == []
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        expected = dict(record)
        if "csv" in suffix or suffix == "tsv":
            expected["who"] = expected["who"] or None
        assert {"key": row["id"], "at": row["ts"]} | {name: row[name] for name in ("body", *FIELDS)} == expected
        assert row["dt"] == f"{record['at'].year:04}-{record['at'].month:02}-{record['at'].day:02}"


@given(st.lists(RECORDS, min_size=1, max_size=5), BATCHES)
@settings(max_examples=40)
def test_formats_agree_on_content_ids(records, batch_rows):
    ids = {
        suffix: [row["id"] for row in read(write(records, suffix), f"f.{suffix}", STREAM, batch_rows)[0]]
        for suffix in FORMATS
    }
    assert all(other == ids["jsonl"] for other in ids.values())
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in ids["jsonl"])


@given(RECORDS, RECORDS)
def test_different_contents_have_different_ids(one, other):
    def said(record):
        return [record["body"], record["at"], record["who"] or None, record["likes"], record["score"], record["ok"]]

    first, second = (row["id"] for row in read(write([one, other], "jsonl"), "f.jsonl")[0])
    assert (first == second) == (said(one) == said(other))


def test_a_content_id_is_what_it_was_last_year():
    record = {
        "key": "k",
        "body": "é",
        "at": datetime(2026, 1, 3, tzinfo=UTC),
        "who": "",
        "likes": 1,
        "score": 0.5,
        "ok": None,
    }
    rows, _ = read(write([record], "jsonl"), "f.jsonl")
    assert rows[0]["id"] == "377737d71c629f2a7db8612b9f8a41c3"


def test_a_field_that_is_null_does_not_change_the_id_and_neither_does_the_order_of_fields():
    record = {"key": "k", "body": "x", "at": datetime(2026, 1, 3, tzinfo=UTC), "who": None, "likes": 1, "ok": True}
    data = write([record | {"score": None}], "jsonl")
    ids = {
        read(data, "f.jsonl", STREAM.model_copy(update={"fields": fields}))[0][0]["id"]
        for fields in ({"likes": "int", "ok": "bool"}, FIELDS, dict(reversed(FIELDS.items())))
    }
    assert len(ids) == 1


def test_zero_has_one_id():
    record = {"key": "k", "body": "x", "at": datetime(2026, 1, 3, tzinfo=UTC), "who": None, "likes": 1, "ok": True}
    rows, _ = read(write([record | {"score": 0.0}, record | {"score": -0.0}], "jsonl"), "f.jsonl")
    assert rows[0]["id"] == rows[1]["id"]


DAMAGE = st.lists(
    st.tuples(st.integers(0, 10**6), st.binary(min_size=0, max_size=4), st.integers(0, 4)), min_size=1, max_size=4
)


def damage(data: bytes, wounds: list[tuple[int, bytes, int]]) -> bytes:
    """Replace some stretches by others: changes, insertions and deletions."""
    for place, new, length in wounds:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + length :]
    return data


@pytest.mark.parametrize("suffix", FORMATS)
@given(st.lists(RECORDS, max_size=6), DAMAGE, BATCHES)
@settings(max_examples=40)
def test_no_damage_raises_or_breaks_the_account(suffix, records, wounds, batch_rows):
    read(damage(write(records, suffix), wounds), f"f.{suffix}", KEYED, batch_rows)


@pytest.mark.parametrize("suffix", FORMATS)
@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise(suffix, data):
    read(data, f"f.{suffix}", KEYED)


@given(st.lists(RECORDS, min_size=1, max_size=8), DAMAGE, BATCHES)
@settings(max_examples=100)
def test_damage_to_json_lines_costs_only_the_lines_it_touches(records, wounds, batch_rows):
    data = write(records, "jsonl")
    hurt = damage(data, wounds)
    whole = dict(zip(data.split(b"\n"), read(data, "f.jsonl", KEYED)[0], strict=False))
    rows, _ = read(hurt, "f.jsonl", KEYED, batch_rows)
    by_line = {row["_line"]: row for row in rows}
    for number, line in enumerate(hurt.split(b"\n"), 1):
        if line in whole:
            assert by_line[number] | {"_line": 0} == whole[line] | {"_line": 0}


@given(st.lists(RECORDS, min_size=1, max_size=8), DAMAGE)
@settings(max_examples=40)
def test_the_size_of_batches_changes_nothing(records, wounds):
    for suffix in ("csv", "jsonl"):
        data = damage(write(records, suffix), wounds)
        once, *others = (read(data, f"f.{suffix}", KEYED, size) for size in (65_536, 1, 3))
        for other in others:
            assert other[0] == once[0]
            assert sorted(map(str, other[1])) == sorted(map(str, once[1]))  # remarks come with their batch


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), min_size=1, max_size=30), BATCHES)
def test_one_stray_quote_among_plain_csv_rows_costs_one_row(kinds, batch_rows):
    """Lines are good, or (at most one) have an opening quote too many."""
    lines, strays = ["key,body,at"], []
    for number, (stray, form) in enumerate(kinds):
        good = (f"k{number},text,2026-01-03", f'k{number},"a, b",2026-01-03', f'k{number},"""a""",2026-01-03')[form]
        if stray and not strays:
            strays.append(number + 2)
            good = good.replace(",", ',"', 1) if form == 0 else f'k{number},"open,2026-01-03'
        lines.append(good)
    rows, bad = read(("\n".join(lines) + "\n").encode(), "f.csv", KEYED.model_copy(update={"fields": {}}), batch_rows)
    assert [entry["line"] for entry in bad] == strays
    assert len(rows) == len(kinds) - len(strays)
