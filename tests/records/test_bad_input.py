"""Every kind of bad input: the good rows are kept, the message names the field, the entry the file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beambell.config import StreamParams
from beambell.errors import InputError, UsageError
from beambell.records import QUARANTINE_SCHEMA, detect_format, read_records, row_schema


def stream(**rules) -> StreamParams:
    return StreamParams(**{"inputs": ("raw/{dt}/*",), "id": "key", "text": "body", "time": "at", **rules})


def read(data: bytes | str, name: str = "f.csv", *, delivery=None, delivered=None, batch_rows=65_536, **rules):
    """Rows and quarantine entries as lists of dicts, after checking the account."""
    source = io.BytesIO(data.encode() if isinstance(data, str) else data)
    told = {"name": name, "stream": stream(**rules), "stream_name": "mails", "delivery": delivery}
    batches = list(read_records(source, **told, delivered=delivered, batch_rows=batch_rows))
    assert not source.closed
    for batch in batches:
        assert batch.quarantined.schema == QUARANTINE_SCHEMA
        assert batch.rows.schema == row_schema(stream(**rules)).append(pa.field("dt", pa.string()))
        set_aside = batch.quarantined.num_rows - batch.quarantined["line"].null_count
        assert batch.n_records == batch.rows.num_rows + set_aside
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    bad = [entry for batch in batches for entry in batch.quarantined.to_pylist()]
    assert all(entry["file"] == name and len(entry["raw"]) <= 500 for entry in bad)
    assert all(row["_file"] == name for row in rows)
    return rows, bad


def only(bad: list[dict], code: str, line: int | None) -> dict:
    (entry,) = bad
    assert (entry["code"], entry["line"]) == (code, line)
    return entry


HEAD = "key,body,at\n"
GOOD = "k,fine,2026-01-03\n"


def js(**changes) -> str:
    return json.dumps({"key": "k", "body": "fine", "at": "2026-01-03"} | changes) + "\n"


def parquet(table: pa.Table, **options) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


TABLE = pa.table({"key": ["a", "b"], "body": ["x", "y"], "at": ["2026-01-03", "2026-01-04"]})


# --- columns ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["key", "body", "at"])
def test_a_missing_column_quarantines_each_row_and_lists_what_there_is(missing):
    table = TABLE.drop_columns([missing])
    as_csv = ",".join(table.column_names) + "\n1,2\n3,4\n"
    as_json = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
    for data, name, lines in (
        (as_csv, "f.csv", [2, 3]),
        (as_json, "f.jsonl", [1, 2]),
        (parquet(table), "f.parquet", [1, 2]),
    ):
        rows, bad = read(data, name)
        assert rows == []
        assert [entry["line"] for entry in bad] == lines
        for entry in bad:
            assert entry["code"] == "missing_column"
            assert repr(missing) in entry["message"]
            assert all(repr(column) in entry["message"] for column in table.column_names)
            assert "params.yaml" in entry["message"]


def test_a_key_missing_in_one_object_costs_one_row():
    rows, bad = read(js() + '{"key": "b", "at": "2026-01-03"}\n' + js(), "f.jsonl")
    assert [row["_line"] for row in rows] == [1, 3]
    assert "'body'" in only(bad, "missing_column", 2)["message"]


def test_a_file_without_an_optional_column_is_read_and_remarked_upon():
    rows, bad = read(HEAD + GOOD, fields={"likes": "int"})
    assert rows[0]["likes"] is None
    assert "'likes'" in only(bad, "missing_column", None)["message"]
    rows, bad = read(parquet(TABLE), "f.parquet", fields={"likes": "int"})
    assert len(rows) == 2
    assert "'likes'" in only(bad, "missing_column", None)["message"]


def test_a_column_that_occurs_twice_is_ambiguous_only_if_wanted():
    rows, bad = read("key,body,at,body\nk,one,2026-01-03,two\n")
    assert rows == []
    assert "'body'" in only(bad, "duplicate_column", 2)["message"]
    rows, bad = read("key,body,at,x,x\nk,one,2026-01-03,1,2\n")
    assert [row["body"] for row in rows] == ["one"]
    assert bad == []
    twice = pa.Table.from_arrays([*TABLE.columns, TABLE["body"]], [*TABLE.column_names, "body"])
    rows, bad = read(parquet(twice), "f.parquet")
    assert rows == []
    assert {entry["code"] for entry in bad} == {"duplicate_column"}


def test_a_row_of_another_width_costs_itself():
    rows, bad = read(HEAD + GOOD + "k,too,many,2026-01-03\n" + GOOD + "few\n" + GOOD)
    assert [row["_line"] for row in rows] == [2, 4, 6]
    assert [(entry["code"], entry["line"]) for entry in bad] == [("wrong_columns", 3), ("wrong_columns", 5)]
    assert "4 columns where the header has 3" in bad[0]["message"]
    assert bad[0]["raw"] == "k,too,many,2026-01-03"


# --- encodings -------------------------------------------------------------------------------------------------


def test_bytes_of_another_encoding_cost_their_rows_only():
    data = (HEAD + GOOD + "k,café,2026-01-03\n").encode("latin-1") + (GOOD + "k,naïve,2026-01-03\n").encode()
    rows, bad = read(data)
    assert [(row["_line"], row["body"]) for row in rows] == [(2, "fine"), (4, "fine"), (5, "naïve")]
    entry = only(bad, "bad_encoding", 3)
    assert "'body'" in entry["message"]
    assert "caf\\xe9" in entry["message"]
    assert "encoding in params.yaml" in entry["message"]
    assert entry["raw"] == "k,caf\\xe9,2026-01-03"
    assert [row["body"] for row in read(data[: data.index(b"k,na")], encoding="latin-1")[0]][1] == "café"


def test_bytes_of_another_encoding_in_an_unwanted_column_cost_nothing():
    rows, bad = read(b"key,body,at,x\nk,fine,2026-01-03,caf\xe9\n")
    assert (len(rows), bad) == (1, [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("told", ["utf-8", "cp1252", "utf-16-be"])
@pytest.mark.parametrize("name", ["f.csv", "f.jsonl", "f.csv.gz"])
def test_a_byte_order_mark_tells_the_encoding(encoding, told, name):
    text = js(body="caf\u00e9 \u65e5") * 3 if name == "f.jsonl" else HEAD + GOOD.replace("fine", "caf\u00e9 \u65e5") * 3
    data = text.encode(encoding)
    rows, bad = read(gzip.compress(data, mtime=0) if name == "f.csv.gz" else data, name, encoding=told)
    assert ([row["body"] for row in rows], bad) == (["caf\u00e9 \u65e5"] * 3, [])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["f.csv", "f.jsonl"])
def test_a_wide_encoding_without_a_mark_is_recognised_as_a_whole(encoding, name):
    text = js() * 3 if name == "f.jsonl" else HEAD + GOOD * 3
    rows, bad = read(text.encode(encoding), name)
    assert rows == []
    assert "UTF-16" in only(bad, "bad_encoding", None)["message"]
    rows, bad = read(text.encode(encoding), name, encoding=encoding)
    assert (len(rows), bad) == (3, [])


def test_utf_8_configured_as_utf_16_is_told():
    rows, bad = read(HEAD + GOOD, encoding="utf-16")
    assert rows == []
    assert "byte order mark" in only(bad, "bad_encoding", None)["message"]


def test_a_byte_order_mark_is_no_part_of_the_first_name():
    for data, name in ((HEAD + GOOD, "f.csv"), (js(), "f.jsonl")):
        rows, bad = read(data.encode("utf-8-sig"), name)
        assert (len(rows), bad) == (1, [])


def test_half_a_surrogate_pair_costs_its_row_and_a_whole_one_nothing():
    rows, bad = read(js(body="😀") + js().replace("fine", "\\ud83d") + js(), "f.jsonl")
    assert [row["body"] for row in rows] == ["😀", "fine"]
    assert "\\ud83d" in only(bad, "bad_encoding", 2)["message"]


def test_parquet_strings_that_are_not_utf_8_cost_their_rows():
    broken = pa.array([b"caf\xe9", b"fine"]).view(pa.string())
    rows, bad = read(parquet(TABLE.set_column(1, "body", broken)), "f.parquet")
    assert [row["_line"] for row in rows] == [2]
    assert "'body'" in only(bad, "bad_encoding", 1)["message"]


def test_a_nul_is_a_character():
    rows, bad = read(HEAD + "k,a\0b,2026-01-03\n" + GOOD)
    assert [row["body"] for row in rows] == ["a\0b", "fine"]
    assert bad == []


def test_an_unknown_encoding_is_an_error_of_configuration():
    with pytest.raises(ValueError, match="utf-nine"):
        stream(encoding="utf-nine")
    with pytest.raises(ValueError, match="hex"):
        stream(encoding="hex")


# --- broken structure ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"key": "k", "body":', "Expecting value"),
        ('[{"key": "k"}]', "an array"),
        ('"text"', "a string"),
        ("null", "null"),
        ("17", "a number"),
        ('{"key": "k"} {"key": "l"}', "more after the JSON object, from character 13"),
        ("[" * 100_000, "nested too deep"),
        ("9" * 5000, "digits"),
        ("not json", "Expecting value"),
    ],
)
def test_a_broken_json_line_costs_itself(line, words):
    rows, bad = read(js() + line + "\n" + js(), "f.jsonl")
    assert [row["_line"] for row in rows] == [1, 3]
    entry = only(bad, "bad_json", 2)
    assert words in entry["message"]
    assert "one object per line" in entry["message"]
    assert entry["raw"] == line[:500]


def test_blank_lines_are_no_records():
    assert [row["_line"] for row in read("\n" + HEAD + "\n  \n" + GOOD + "\n")[0]] == [5]
    assert [row["_line"] for row in read("\n" + js() + " \t\r\n" + js(), "f.jsonl")[0]] == [2, 4]


def test_quoted_line_breaks_and_delimiters():
    data = HEAD + 'k,"a,\r\nb ""c""\n\nd",2026-01-03\r\n' + GOOD
    rows, bad = read(data)
    assert [(row["_line"], row["body"]) for row in rows] == [(2, 'a,\r\nb "c"\n\nd'), (6, "fine")]
    assert bad == []


@pytest.mark.parametrize("batch_rows", [1, 2, 7, 65_536])
@pytest.mark.parametrize(
    "stray",
    [
        'k,"never closed,2026-01-03\n',
        'k,"closed by a quoted text,2026-01-03\n',
        'k,fine,"2026-01-03\n',
        '"\n',
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        GOOD * 300,
        GOOD * 20 + 'k,"he said ""no"", and left",2026-01-03\n' + GOOD * 20,
        GOOD * 20 + 'k,"two\nlines",2026-01-03\n' + GOOD * 20,
        GOOD * 20 + 'k,"fine",2026-01-03\n' + GOOD * 20,
        GOOD * 20 + 'k,5",2026-01-03\n' + GOOD * 20,
    ],
)
def test_a_stray_quote_costs_its_line_only(stray, after, batch_rows):
    before = HEAD + GOOD
    clean, _ = read(before + "\n" + after)
    rows, bad = read(before + stray + after, batch_rows=batch_rows)
    assert rows == clean
    entry = only(bad, "open_quote", 3)
    assert entry["raw"] == stray.strip()
    assert "double the quotes" in entry["message"]


def test_strays_on_every_line_take_linear_time():
    n = 10_000
    rows, bad = read(HEAD + 'k"x,"y\n' * n + GOOD)
    assert len(bad) == n
    assert len(rows) == 1
    rows, bad = read(HEAD + 'k,"he said \\"hi\\" x",2026-01-03\n' * n)
    assert [row["body"] for row in rows] == ['he said "hi" x'] * n


def test_a_long_text_of_many_lines_is_one_record():
    text = "\n".join(f"line {number}, of a log" for number in range(2000))
    sink = io.StringIO(newline="")
    csv.writer(sink).writerows([["key", "body", "at"], ["k", text, "2026-01-03"], ["l", "fine", "2026-01-03"]])
    for batch_rows in (1, 100, 65_536):
        rows, bad = read(sink.getvalue(), batch_rows=batch_rows)
        assert [row["body"] for row in rows] == [text, "fine"]
        assert bad == []


def test_a_header_with_an_open_quote_is_told():
    rows, bad = read('key,"body,at\n' + GOOD)
    assert rows == []
    assert "header" in only(bad, "unreadable", None)["message"]


# --- truncation ------------------------------------------------------------------------------------------------


def noisy(n: int) -> list[str]:
    return [f"{number * 7919 % 1_000_003:x}-{number * 104_729 % 999_983:x}" for number in range(n)]


@pytest.mark.parametrize("name", ["f.csv.gz", "f.jsonl.gz"])
def test_a_truncated_gzip_keeps_the_lines_before_the_break(name):
    bodies = noisy(5000)
    if name == "f.csv.gz":
        text, first = HEAD + "".join(f"k,{body},2026-01-03\n" for body in bodies), 2
    else:
        text, first = "".join(js(body=body) for body in bodies), 1
    packed = gzip.compress(text.encode(), mtime=0)
    rows, bad = read(packed[: len(packed) * 2 // 3], name, batch_rows=500)
    assert 1000 < len(rows) < 5000
    assert [row["body"] for row in rows] == bodies[: len(rows)]
    half, whole = bad
    assert (half["code"], half["line"]) == ("truncated", len(rows) + first)
    assert text.splitlines()[half["line"] - 1].startswith(half["raw"])
    assert (whole["code"], whole["line"]) == ("truncated", None)
    assert f"in line {half['line']}" in whole["message"]
    assert "deliver the file again" in whole["message"]
    cut_there = read(packed[: len(packed) * 2 // 3], name, batch_rows=half["line"])
    assert cut_there == (rows, bad)


def test_a_gzip_with_a_wrong_checksum_keeps_its_rows():
    packed = bytearray(gzip.compress((HEAD + GOOD * 3).encode(), mtime=0))
    packed[-8] ^= 1
    rows, bad = read(bytes(packed), "f.csv.gz")
    assert len(rows) == 3
    assert "CRC" in only(bad, "truncated", None)["message"]


def test_several_gzip_members_are_one_file_and_gzip_is_known_without_its_suffix():
    packed = gzip.compress((HEAD + GOOD).encode(), mtime=0) + gzip.compress(GOOD.encode(), mtime=0)
    assert len(read(packed, "f.csv.gz")[0]) == len(read(packed, "f.csv")[0]) == 2


def test_what_is_called_gzip_and_is_not():
    rows, bad = read(HEAD + GOOD, "f.csv.gz")
    assert rows == []
    assert "gzip" in only(bad, "unreadable", None)["message"]


def test_a_truncated_parquet_file_is_one_entry():
    data = parquet(TABLE)
    for cut in (len(data) - 1, len(data) // 2, 5):
        rows, bad = read(data[:cut], "f.parquet")
        assert rows == []
        message = only(bad, "truncated", None)["message"]
        assert f"after {cut} bytes" in message
        assert "deliver it again" in message


def test_what_is_called_parquet_and_is_not():
    rows, bad = read(HEAD, "f.parquet")
    assert rows == []
    assert "not a Parquet file" in only(bad, "unreadable", None)["message"]
    rows, bad = read(b"PAR1" + b"\xff" * 40 + b"PAR1", "f.parquet")
    assert rows == []
    assert "Parquet" in only(bad, "unreadable", None)["message"]


def test_a_damaged_row_group_leaves_the_others():
    bodies = noisy(300)
    table = pa.table({"key": bodies, "body": bodies, "at": ["2026-01-03"] * 300})
    data = bytearray(parquet(table, row_group_size=100, compression="zstd", use_dictionary=False))
    place = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(1).data_page_offset
    data[place + 40 : place + 120] = bytes(80)
    rows, bad = read(bytes(data), "f.parquet")
    assert [row["_line"] for row in rows] == [*range(1, 101), *range(201, 301)]
    assert "rows 101 to 200" in only(bad, "unreadable", None)["message"]


@pytest.mark.parametrize("name", ["f.csv", "f.tsv", "f.jsonl", "f.parquet", "f.csv.gz"])
def test_an_empty_file_is_remarked_upon(name):
    rows, bad = read(b"", name)
    assert rows == []
    assert "empty" in only(bad, "empty_file", None)["message"]
    packed, bad = read(gzip.compress(b"", mtime=0), "f.jsonl.gz")
    assert packed == []
    only(bad, "empty_file", None)


def test_a_header_alone_is_no_fault():
    assert read(HEAD) == ([], [])
    assert read(parquet(TABLE.slice(0, 0)), "f.parquet") == ([], [])


def test_a_failing_store_is_not_taken_for_a_bad_file():
    class Failing(io.BytesIO):
        def read(self, size=-1):
            raise ConnectionResetError("gone")

    for name in ("f.csv", "f.parquet"):
        with pytest.raises(ConnectionResetError):
            list(read_records(Failing(parquet(TABLE)), name=name, stream=stream()))


# --- times -----------------------------------------------------------------------------------------------------


def test_an_unparsable_time_names_the_column_and_the_value():
    rows, bad = read(HEAD + GOOD + "k,fine,soon\n" + GOOD)
    assert len(rows) == 2
    message = only(bad, "bad_time", 3)["message"]
    assert "'at'" in message
    assert "'soon'" in message
    assert "ISO 8601" in message


@pytest.mark.parametrize(
    ("data", "name"),
    [(HEAD + "k,fine,\n", "f.csv"), (js(at=None), "f.jsonl"), (js(at=""), "f.jsonl")],
)
def test_records_without_a_time_follow_the_rule(data, name):
    rows, bad = read(data, name)
    assert rows == []
    assert "'at'" in only(bad, "no_time", 2 if name == "f.csv" else 1)["message"]
    rows, bad = read(data, name, undated="delivery", delivery="2026-01-05")
    assert [(row["ts"], row["dt"]) for row in rows] == [(None, "2026-01-05")]
    rows, bad = read(data, name, undated="2015-01", grain="month", first="2020-01")
    assert [(row["ts"], row["dt"]) for row in rows] == [(None, "2015-01")]
    rows, bad = read(data, name, undated="delivery", delivery="2026-01-05", grain="month")
    assert rows[0]["dt"] == "2026-01"


def test_an_unparsable_time_is_never_undated():
    rows, bad = read(HEAD + "k,fine,soon\n", undated="2015-01", grain="month")
    assert rows == []
    only(bad, "bad_time", 2)


def test_a_file_without_times_is_undated_where_that_is_allowed():
    rows, bad = read("key,body\nk,fine\n", undated="delivery", delivery="2026-01-05")
    assert [row["dt"] for row in rows] == ["2026-01-05"]
    only(bad, "missing_column", None)
    rows, bad = read('{"key": 1, "body": "x"}\n', "f.jsonl", undated="delivery", delivery="2026-01-05")
    assert (len(rows), bad) == (1, [])


def test_a_time_before_the_first_partition_is_misdated():
    rows, bad = read(HEAD + GOOD + "k,old,2026-01-02T23:59:59.999999\n", first="2026-01-03")
    assert [row["dt"] for row in rows] == ["2026-01-03"]
    message = only(bad, "misdated", 3)["message"]
    assert "2026-01-03" in message
    assert "'at'" in message


DELIVERED = datetime(2026, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("future", "last"),
    [
        ("2 days", "2026-01-06T00:00:00Z"),
        ("48 hours", "2026-01-06T01:00:00+01:00"),
        ("0 days", "2026-01-04"),
        ("30 minutes", "2026-01-04T00:30:00"),
        ("1 week", "20260111"),
        ("999999 weeks", "9999-12-31T23:59:59.999999Z"),
        ("off", "9999-12-31"),
        (False, "9999-12-31"),
        (None, "9999-12-31"),
    ],
)
@pytest.mark.parametrize("name", ["f.csv", "f.jsonl", "f.parquet"])
def test_an_event_long_after_its_delivery_is_from_the_future(future, last, name):
    ats = [last, "2026-01-06T00:00:00.000001Z", "2612-01-07T00:00:00Z", "20270107071500", "9999-12-31"]
    if name == "f.csv":
        data = HEAD + "".join(f"k,fine,{at}\n" for at in ats)
    elif name == "f.jsonl":
        data = "".join(js(at=at) for at in ats)
    else:
        data = parquet(pa.table({"key": ["k"] * 5, "body": ["fine"] * 5, "at": ats}))
    rows, bad = read(data, name, delivered=DELIVERED, future=future)
    assert len(rows) + len(bad) == 5
    assert rows[0]["_line"] == (2 if name == "f.csv" else 1)
    if future in (False, None, "off"):
        assert bad == []
    assert read(data, name, future=future)[1] == []  # nobody knows when it was delivered
    if future == "2 days":
        assert len(rows) == 1
        for entry in bad:
            assert entry["code"] == "from_the_future"
            for words in ("'at'", "is from the future", "2026-01-04T00:00:00Z", "2 days later", "streams.mails.future"):
                assert words in entry["message"]
        assert "2027-01-07T07:15:00+00:00" in bad[2]["message"]


def test_an_event_before_first_and_an_undated_one_are_not_from_the_future():
    data = HEAD + "k,old,1999-01-01\nk,undated,\nk,new,2026-02-01\n"
    rows, bad = read(data, delivered=DELIVERED, delivery="2026-01-03", undated="delivery", first="2026-01-01")
    assert [row["dt"] for row in rows] == ["2026-01-03"]
    assert [entry["code"] for entry in bad] == ["misdated", "from_the_future"]


@pytest.mark.parametrize("future", ["2", "two days", "2 years", "-1 day", "2.5 days", 2, True, "P2D"])
def test_what_is_no_duration(future):
    with pytest.raises(ValueError):
        stream(future=future)


@pytest.mark.parametrize(("grain", "dt"), [("hour", "2026-01-03T07"), ("day", "2026-01-03"), ("month", "2026-01")])
def test_the_partition_follows_the_event_time(grain, dt):
    rows, _ = read(HEAD + "k,fine,2026-01-03T09:15:00+02:00\n", grain=grain)
    assert rows[0]["dt"] == dt
    assert rows[0]["ts"] == datetime(2026, 1, 3, 7, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "rules", [{"first": "../x"}, {"undated": "2026-13-01"}, {"undated": "2026-01"}, {"first": "2026-01-03T07"}]
)
def test_rules_that_name_no_partition_are_refused_before_reading(rules):
    with pytest.raises(ValueError, match=f"{next(iter(rules))}: .* is not a partition of grain day"):
        stream(**rules)


def test_a_delivery_that_is_a_path_is_refused():
    with pytest.raises(UsageError, match=r"\.\./x"):
        read(HEAD, undated="delivery", delivery="../x")
    with pytest.raises(UsageError, match=r"f\.csv.*delivery"):
        read(HEAD, undated="delivery")


# --- texts, ids, values ----------------------------------------------------------------------------------------


def test_a_null_text_is_quarantined_and_an_empty_one_kept():
    rows, bad = read(js(body=None) + js(body=""), "f.jsonl")
    assert [row["body"] for row in rows] == [""]
    assert "'body'" in only(bad, "null_text", 1)["message"]
    assert [row["body"] for row in read(HEAD + "k,,2026-01-03\n")[0]] == [""]


@pytest.mark.parametrize("name", ["f.csv", "f.jsonl"])
def test_a_huge_text_is_quarantined(name):
    make = (lambda body: f"k,{body},2026-01-03\n") if name == "f.csv" else (lambda body: js(body=body))
    first = 2 if name == "f.csv" else 1
    head = HEAD if name == "f.csv" else ""
    texts = ["x" * 10, "é" * 10, "x" * 11, "y" * 300_000, "z" * 3_000_000, "fine"]
    rows, bad = read(head + "".join(map(make, texts)), name, max_text_chars=10)
    assert [row["_line"] - first for row in rows] == [0, 1, 5]
    assert [entry["line"] - first for entry in bad] == [2, 3, 4]
    assert [entry["code"] for entry in bad] == ["huge_text", "huge_text", "huge_record"]
    assert "'body' has more than 10 characters" in bad[0]["message"]
    assert all("max_text_chars" in entry["message"] for entry in bad)


def test_texts_longer_than_the_csv_modules_own_limit_are_fine():
    assert len(read(HEAD + f"k,{'x' * 200_000},2026-01-03\n", max_text_chars=200_000)[0]) == 1


@pytest.mark.parametrize("value", [None, ""])
def test_a_record_without_its_id_is_quarantined(value):
    rows, bad = read(js(key=value) + js(), "f.jsonl")
    assert len(rows) == 1
    assert "'key'" in only(bad, "no_id", 1)["message"]


def test_ids_are_text_whatever_they_were():
    rows, bad = read(js(key=7) + js(key=7.5) + js(key=[7]), "f.jsonl")
    assert [row["id"] for row in rows] == ["7", "7.5"]
    assert "'key'" in only(bad, "bad_value", 3)["message"]


FIELDS = {"s": "string", "i": "int", "f": "float", "b": "bool"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("s", "", ""),
        ("s", None, None),
        ("s", 7, "7"),
        ("s", 7.5, "7.5"),
        ("s", False, "false"),
        ("s", {"b": [1, None], "a": "é"}, '{"a":"é","b":[1,null]}'),
        ("i", "", None),
        ("i", " +7 ", 7),
        ("i", "7.0", 7),
        ("i", 7.0, 7),
        ("i", -(2**63), -(2**63)),
        ("i", str(2**63 - 1), 2**63 - 1),
        ("i", float("nan"), None),
        ("f", "1e3", 1000.0),
        ("f", "-.5", -0.5),
        ("f", 7, 7.0),
        ("f", float("nan"), None),
        ("f", "  ", None),
        ("b", "TRUE", True),
        ("b", 0, False),
        ("b", "1", True),
        ("b", None, None),
    ],
)
def test_values_that_can_be_read(field, value, expected):
    rows, bad = read(js(**{"s": None, "i": None, "f": None, "b": None, field: value}), "f.jsonl", fields=FIELDS)
    assert bad == []
    assert rows[0][field] == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("i", "seven"),
        ("i", "7.5"),
        ("i", 7.5),
        ("i", True),
        ("i", 2**63),
        ("i", "9" * 5000),
        ("i", "0x10"),
        ("i", "1_000"),
        ("i", "\u0667"),
        ("i", 1e16),
        ("i", [7]),
        ("f", "nan"),
        ("f", "inf"),
        ("f", float("inf")),
        ("f", "1e999"),
        ("f", "1_0"),
        ("f", False),
        ("f", 10**400),
        ("b", "yes"),
        ("b", 2),
        ("b", [True]),
    ],
)
def test_values_that_cannot_be_read_name_the_column_and_the_value(field, value):
    rows, bad = read(js(**{field: value}) + js(**{field: 1}), "f.jsonl", fields={field: FIELDS[field]})
    assert [row["_line"] for row in rows] == [2]
    entry = only(bad, "bad_value", 1)
    assert f"column {field!r}" in entry["message"]
    assert str(value)[:20] in entry["message"] or "inf" in entry["message"]
    assert "params.yaml" in entry["message"]
    if isinstance(value, str):
        rows, bad = read(f"key,body,at,{field}\nk,x,2026-01-03,{value}\n", fields={field: FIELDS[field]})
        assert rows == []
        only(bad, "bad_value", 2)


def test_an_empty_csv_cell_is_null_in_every_kind_of_field():
    rows, bad = read("key,body,at,s,i,f,b\nk,x,2026-01-03,,,,\n", fields=FIELDS)
    assert bad == []
    assert all(rows[0][name] is None for name in FIELDS)


# --- names -----------------------------------------------------------------------------------------------------


def test_formats_are_told_by_suffix():
    known = {"a.csv": "csv", "a.TSV.gz": "tsv", "x/a.jsonl": "jsonl", "a.ndjson.gz": "jsonl", "a.json": "jsonl"}
    assert {name: detect_format(name) for name in known} == known
    assert detect_format("a.parquet") == "parquet"
    for name in ("a.txt", "a.gz", "a", "a.parquet.gz", ".csv/b.xls"):
        with pytest.raises(InputError, match="unknown file format") as caught:
            detect_format(name)
        assert caught.value.where == name
        assert ".jsonl" in (caught.value.fix or "")


def test_delimiters():
    assert len(read("key;body;at\nk;a,b;2026-01-03\n", delimiter=";")[0]) == 1
    assert len(read("key\tbody\tat\nk\ta,b\t2026-01-03\n", "f.tsv")[0]) == 1


def test_sources_that_cannot_seek():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

    for name, data in (("f.parquet", parquet(TABLE)), ("f.csv", (HEAD + GOOD * 2).encode())):
        batches = list(read_records(Pipe(data), name=name, stream=stream()))
        assert sum(batch.rows.num_rows for batch in batches) == 2


def test_the_package_needs_neither_pandas_nor_beam():
    code = "import sys, beambell.records; sys.exit(any(m in sys.modules for m in ('pandas', 'apache_beam', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
