"""CSV of other tools: what they wrote is read as they meant it, or set aside with what to set; never changed."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.config import CsvParams, StreamParams
from beambell.records import read_records

COLUMNS = ["key", "body", "at"]
AT = "2026-01-03T01:00:00Z"
DELIMITERS = [",", ";", "\t", "|"]


def read(text: str, name: str = "f.csv", *, batch_rows: int = 65_536, fields=None, **rules) -> tuple[dict, list[dict]]:
    stream = StreamParams(inputs=("x",), id="key", text="body", time="at", fields=fields or {}, csv=CsvParams(**rules))
    source = io.BytesIO(text.encode())
    batches = list(read_records(source, name=name, stream=stream, stream_name="mails", batch_rows=batch_rows))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    bad = [entry for batch in batches for entry in batch.quarantined.to_pylist()]
    assert sum(batch.n_records for batch in batches) == len(rows) + sum(entry["line"] is not None for entry in bad)
    return {row["id"]: row["body"] for row in rows}, bad


def doubled(texts, delimiter: str) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([COLUMNS, *([f"{n}", text, AT] for n, text in enumerate(texts))])
    return out.getvalue()


def spark(texts, delimiter: str) -> str:
    """Quote what needs it; there, a backslash before quotes and backslashes."""

    def cell(text: str) -> str:
        if not re.search(rf'["\r\n{re.escape(delimiter)}]|^$', text):
            return text
        return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'

    lines = [COLUMNS, *([f"{n}", text, AT] for n, text in enumerate(texts))]
    return "".join(delimiter.join(map(cell, line)) + "\n" for line in lines)


def mysql(texts, delimiter: str) -> str:
    """Quote all texts; in them, a backslash before quotes, backslashes, the delimiter and line feeds."""

    def cell(text: str) -> str:
        return '"' + re.sub(rf'(["\\\n{re.escape(delimiter)}])', r"\\\1", text) + '"'

    lines = [COLUMNS, *([f"{n}", text, AT] for n, text in enumerate(texts))]
    return "".join(delimiter.join(map(cell, line)) + "\n" for line in lines)


CHARS = st.sampled_from("\"\\,;\t|\n' ax\u00e9\u65e5") | st.characters(
    exclude_categories=("Cs",), exclude_characters="\r\0"
)
TEXTS = st.lists(st.text(CHARS, max_size=10), min_size=1, max_size=6)
SAID = 'he said "no, thanks" and left'


@pytest.mark.parametrize("write", [spark, mysql])
@pytest.mark.parametrize("delimiter", DELIMITERS)
@given(TEXTS, st.sampled_from([1, 2, 65_536]))
@settings(max_examples=60)
def test_escaped_quotes_are_told_from_the_file_and_nothing_is_changed(write, delimiter, texts, batch_rows):
    texts = [SAID, *texts]
    rows, bad = read(write(texts, delimiter), batch_rows=batch_rows)
    assert bad == []
    assert rows == {f"{n}": text for n, text in enumerate(texts)}


@pytest.mark.parametrize("delimiter", DELIMITERS)
@given(TEXTS, st.sampled_from([1, 2, 65_536]))
@settings(max_examples=60)
def test_doubled_quotes_stay_and_so_do_backslashes(delimiter, texts, batch_rows):
    texts = [SAID, "C:\\dir\\", *texts]
    rows, bad = read(doubled(texts, delimiter), batch_rows=batch_rows)
    assert bad == []
    assert rows == {f"{n}": text for n, text in enumerate(texts)}


@pytest.mark.parametrize("write", [doubled, spark, mysql])
@pytest.mark.parametrize("escape", ["\\", "none"])
@given(TEXTS)
@settings(max_examples=40)
def test_a_dialect_that_is_told_wrongly_sets_aside_or_keeps_every_character(write, escape, texts):
    """A wrong parameter may leave backslashes and quotes where they stand in the file; it loses no other character."""
    rows, _ = read(write([SAID, *texts], ","), escape=escape)
    for n, text in enumerate([SAID, *texts]):
        if f"{n}" in rows:
            assert re.sub(r'[\\"]', "", rows[f"{n}"]) == re.sub(r'[\\"]', "", text)


def test_the_case_of_a_job_that_writes_backslashes():
    data = f'key,body,at\n1,"he said \\"no, thanks\\"",{AT}\n2,"he said \\"no\\" to it",{AT}\n3,plain,{AT}\n'
    rows, bad = read(data)
    assert rows == {"1": 'he said "no, thanks"', "2": 'he said "no" to it', "3": "plain"}
    assert bad == []


def test_a_file_that_doubles_and_escapes_is_not_guessed_at():
    data = f'key,body,at\n1,"a ""b"" \\\\c",{AT}\n2,"he said \\"no\\" to it",{AT}\n'
    rows, (bad,) = read(data)
    assert rows == {"1": 'a "b" \\\\c'}
    assert (bad["line"], bad["code"]) == (3, "stray_quote")
    assert "set streams.mails.csv.escape to '\\\\'" in bad["message"]
    rows, bad = read(data, escape="\\")
    assert rows == {"1": 'a "b" \\c', "2": 'he said "no" to it'}
    assert bad == []


@pytest.mark.parametrize("cell", ['"no" she said', '"no"x', '"no" ', '"a" "b"', '"""a"b'])
def test_a_text_that_goes_on_after_its_closing_quote_is_set_aside(cell):
    rows, (bad,) = read(f"key,body,at\n1,fine,{AT}\n2,{cell},{AT}\n3,fine,{AT}\n")
    assert rows == {"1": "fine", "3": "fine"}
    assert (bad["line"], bad["code"], bad["raw"]) == (3, "stray_quote", f"2,{cell},{AT}")
    assert "set streams.mails.csv.quote to 'none'" in bad["message"]
    assert read(f"key,body,at\n2,{cell},{AT}\n", quote="none") == ({"2": cell}, [])


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
@pytest.mark.parametrize("inner", ['""no""', '\\"no\\"'])
def test_spaces_after_delimiters_are_told_from_the_header(delimiter, inner):
    header, row = delimiter.join(COLUMNS), f'1{delimiter} "he said {inner}{delimiter} so"{delimiter} {AT}'
    said = f'he said "no"{delimiter} so'
    rows, bad = read(f"{header.replace(delimiter, delimiter + ' ')}\n{row}\n2{delimiter}  x {delimiter} {AT}\n")
    assert rows == {"1": said, "2": "x "}
    assert bad == []
    rows, bad = read(f'{header}\n{row}\n3{delimiter} "x"{delimiter}{AT}\n4{delimiter} y "z"{delimiter}{AT}\n')
    assert rows == {"4": ' y "z"'}
    assert [entry["line"] for entry in bad] == [2, 3]
    assert "a space comes between" in bad[1]["message"]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("sep", [False, True])
@pytest.mark.parametrize("name", ["f.csv", "f.tsv"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_delimiter_is_told_from_the_header_or_a_sep_line(delimiter, quoted, sep, name, mark):
    wrap = (lambda cell: f'"{cell}"') if quoted else str
    lines = [COLUMNS, ["1", "a, b" if delimiter != "," else "a; b", AT]]
    text = "".join(delimiter.join(map(wrap, line)) + "\r\n" for line in lines)
    rows, bad = read(mark + (f"sep={delimiter}\r\n" if sep else "") + text, name)
    assert rows == {"1": lines[1][1]}
    assert bad == []


def test_lines_are_counted_from_the_sep_line_on():
    _, (bad,) = read(f"sep=;\n\nkey;body;at\n1;fine;{AT}\n2;fine\n")
    assert bad["line"] == 5
    assert "quote texts that contain ';'" in bad["message"]


@pytest.mark.parametrize(
    ("data", "rules", "said"),
    [
        ("key;body;at\n1;x;y\n", {"delimiter": ","}, "the delimiter is set to ','"),
        ("key\tbody\tat\n1\tx\ty\n", {"delimiter": ";"}, "the delimiter is set to ';'"),
        ("sep=,\nkey;body;at\n1;x;y\n", {}, "the file says sep=,"),
    ],
)
def test_a_delimiter_that_does_not_fit_the_header_is_told_with_the_one_that_does(data, rules, said):
    rows, bad = read(data, **rules)
    assert rows == {}
    fitting = {"\t": "a tab"}.get(data.splitlines()[-1][1], "';'")
    for entry in bad:
        assert entry["code"] == "missing_column"
        assert f"{said}, but the header fits {fitting}: set streams.mails.csv.delimiter to" in entry["message"]


def test_a_header_that_fits_no_delimiter_is_shown_by_its_columns():
    _, (bad,) = read("a;b;c\n1;2;3\n")
    assert "there are: 'a', 'b', 'c'" in bad["message"]


def test_single_quotes_are_told_from_the_header():
    rows, bad = read(f"'key','body','at'\n'1','it''s, well, \"so\"','{AT}'\n")
    assert rows == {"1": 'it\'s, well, "so"'}
    assert bad == []
    assert read(f"key,body,at\n1,'quoted',{AT}\n")[0] == {"1": "'quoted'"}


def test_quotes_can_mean_nothing_and_backslashes_still_escape():
    data = f'key\tbody\tat\n1\t"a\\\tb\\\\c\\\nd\t{AT}\n2\tC:\\new\t{AT}\n'
    rows, bad = read(data, "f.tsv", quote="none", escape="\\")
    assert rows == {"1": '"a\tb\\c\nd', "2": "C:\\new"}
    assert bad == []


def test_nulls_are_spelled_as_the_parameters_say():
    fields = {"n": "int", "s": "string"}
    data = f"key,body,at,n,s\n1,NA,{AT},\\N,\\N\n2,x,{AT},7,NA\n3,\\N,{AT},7,y\n"
    rows, (bad,) = read(data, fields=fields)
    assert rows == {"1": "NA", "2": "x"}
    assert (bad["line"], bad["code"]) == (4, "null_text")
    rows, bad = read(data, fields=fields, null=["NA", "-999"])
    assert rows == {"2": "x", "3": "\\N"}
    assert [(entry["line"], entry["code"]) for entry in bad] == [(2, "null_text")] or bad[0]["line"] == 2


@pytest.mark.parametrize(
    "tree",
    [
        {"delimiter": ";;"},
        {"delimiter": ""},
        {"delimiter": "\n"},
        {"quote": '"', "escape": '"'},
        {"delimiter": ";", "quote": ";"},
        {"null": "NA"},
        {"nul": ["NA"]},
    ],
)
def test_dialects_that_cannot_be(tree):
    with pytest.raises(ValueError):
        CsvParams(**tree)


def test_words_for_characters_that_are_hard_to_write():
    assert CsvParams(delimiter="tab").delimiter == CsvParams(delimiter=r"\t").delimiter == "\t"
    assert CsvParams(quote="none", escape="none").quote == ""
    assert CsvParams.model_validate({None: ["NA", -999]}).null == ("NA", "-999")  # as YAML reads `null: [NA, -999]`
    old = {"inputs": ("x",), "delimiter": ";"}
    assert StreamParams(**old).as_csv.delimiter == ";"
    with pytest.raises(ValueError, match=r"csv\.delimiter differ"):
        StreamParams(**old, csv={"delimiter": ","})


def test_the_dialect_does_not_depend_on_what_comes_later():
    """A file's first lines tell; what comes after a mebibyte is read so, or set aside with what to set."""
    plain = "".join(f"{n},{'x' * 100},{AT}\n" for n in range(12_000))
    rows, (bad,) = read(f'key,body,at\n{plain}last,"a \\"b\\" c",{AT}\n')
    assert len(rows) == 12_000
    assert "set streams.mails.csv.escape" in bad["message"]


@pytest.mark.parametrize(("name", "texts"), [("f.tsv", ["hello, you"]), ("f.csv", [])])
def test_a_header_of_one_column_leaves_the_delimiter_to_the_name(name, texts):
    stream = StreamParams(inputs=("x",), text="body", time="at", undated="2026-01-03")
    (batch,) = (
        one for one in read_records(io.BytesIO(b"body\nhello, you\n"), name=name, stream=stream) if one.n_records
    )
    assert batch.rows["body"].to_pylist() == texts
