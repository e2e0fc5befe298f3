"""Bad input, the whole way: good rows are kept, and messages name file, line or LF."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from projects import change_params, run_stages, write_params

from beambell import Project
from beambell.errors import CatalogueError, GateError, LabelingFunctionError
from beambell.stages.ingest import balance
from beambell.stages.order import STAGES
from beambell.stages.validate import find_cases
from beambell.store import Layout
from beambell.store.tables import read_table

LFS = """\
from beambell.labeling import keyword, labeling_function, length

free = keyword("free", any_of=["free"], label=1)
short = length("short", max=10, label=0)
"""

PARAMS = {
    "project": "bad",
    "classes": ["ham", "spam"],
    "lfs": {"modules": ["my_lfs"]},
    "streams": {
        "mails": {"inputs": ["raw/{dt}.*"], "id": "mid", "text": "text", "time": "at", "fields": {"size": "int"}}
    },
    "label_model": {"kind": "majority"},
    "beam": {"workers": 1},
}

HEADER = "mid,text,at,size\n"
GOOD = "g1,free things,2026-01-02T10:00:00Z,1\ng2,hello,2026-01-02T11:00:00Z,2\n"


@pytest.fixture
def folder(tmp_path):
    write_params(tmp_path, PARAMS)
    (tmp_path / "my_lfs.py").write_text(LFS)
    (tmp_path / "raw").mkdir()
    return tmp_path


def ingest(folder: Path, name: str, content: bytes | str):
    path = folder / "raw" / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    outcome = run_stages(folder, "ingest")["ingest"]
    assert outcome.figures["unexplained"] == 0
    return outcome


def quarantined(folder: Path) -> list[dict]:
    """Records that were quarantined; remarks on a file as a whole have no line."""
    store = Project(folder).store
    return [
        row
        for place, manifest in store.under(Layout.DELIVERIES).items()
        if "quarantine" in manifest.files
        for row in read_table(store, place, manifest.files["quarantine"]).to_pylist()
        if row["line"] is not None
    ]


def kept(folder: Path, dt: str = "2026-01-02") -> list[str]:
    return Project(folder).rows("mails", dt, "arrow")["id"].to_pylist()


@pytest.mark.parametrize(
    ("bad", "code", "word"),
    [
        ("b1,too,many,2026,columns\n", "wrong_columns", "5"),
        ("b1,late free,not a time,1\n", "bad_time", "not a time"),
        ("b1,no time,,1\n", "no_time", "at"),
        ("b1,big,2026-01-02T10:00:00Z,huge\n", "bad_value", "size"),
        (",no id,2026-01-02T10:00:00Z,1\n", "no_id", "mid"),
        (f"b1,{'x' * 100_001},2026-01-02T10:00:00Z,1\n", "huge_text", "text"),
        (b"b1,caf\xe9,2026-01-02T10:00:00Z,1\n", "bad_encoding", "UTF-8"),
    ],
)
def test_a_bad_record_is_quarantined_with_file_line_and_reason(folder, bad, code, word):
    bad = bad if isinstance(bad, bytes) else bad.encode()
    lines = GOOD.encode().splitlines(keepends=True)
    ingest(folder, "2026-01-02.csv", HEADER.encode() + lines[0] + bad + lines[1])
    (row,) = quarantined(folder)
    assert (row["file"], row["line"], row["code"]) == ("raw/2026-01-02.csv", 3, code)
    assert word in row["message"]
    assert sorted(kept(folder)) == ["g1", "g2"]


def test_a_broken_json_line_and_a_null_text(folder):
    good = '{"mid": "g1", "text": "free", "at": "2026-01-02T10:00:00Z"}\n'
    outcome = ingest(
        folder, "2026-01-02.jsonl", good + '{"mid": \n' + '{"mid": "b", "text": null, "at": "2026-01-02"}\n'
    )
    assert [(row["line"], row["code"]) for row in quarantined(folder)] == [(2, "bad_json"), (3, "null_text")]
    assert kept(folder) == ["g1"]
    assert any("raw/2026-01-02.jsonl: 2 of 3" in warning for warning in outcome.warnings)


def test_a_missing_column_quarantines_the_file_s_rows_by_name(folder):
    ingest(folder, "2026-01-01.csv", "mid,body,at\nx,free,2026-01-01T00:00:00Z\n")
    ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    (row,) = quarantined(folder)
    assert row["code"] == "missing_column"
    assert "text" in row["message"]
    assert "body" in row["message"]
    assert sorted(kept(folder)) == ["g1", "g2"]
    with pytest.raises(GateError, match="mails/2026-01-01"):
        run_stages(folder, "apply", "merge", "fit", "label", "validate")
    assert len(Project(folder).labels("mails", "2026-01-02")) == 2


def test_a_truncated_gzip_keeps_what_came_before_the_break(folder):
    rows = "".join(f"g{i},free text number {i * i},2026-01-02T10:00:00Z,{i}\n" for i in range(5000))
    whole = gzip.compress((HEADER + rows).encode(), mtime=0)
    outcome = ingest(folder, "2026-01-02.csv.gz", whole[: len(whole) // 2])
    assert 500 < len(kept(folder)) < 5000
    assert any("raw/2026-01-02.csv.gz" in warning for warning in outcome.warnings)
    ingest(folder, "2026-01-02.csv.gz", whole)
    assert len(kept(folder)) == 5000


def test_a_truncated_parquet_file_is_named_and_the_others_go_on(folder):
    pq.write_table(pa.table({"mid": ["p"], "text": ["free"], "at": ["2026-01-02"], "size": [1]}), folder / "whole")
    (folder / "raw" / "2026-01-03.parquet").write_bytes((folder / "whole").read_bytes()[:-30])
    outcome = ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    assert sorted(kept(folder)) == ["g1", "g2"]
    assert any("raw/2026-01-03.parquet" in warning for warning in outcome.warnings)


def test_an_empty_file_and_a_header_alone(folder):
    ingest(folder, "2026-01-01.csv", "")
    ingest(folder, "2026-01-02.csv", HEADER)
    assert balance(Project(folder))["records"] == 0
    assert run_stages(folder, "ingest")["ingest"].done == 0


def test_undated_records_go_where_params_say(folder):
    write_params(folder, {**PARAMS, "streams": {"mails": {**PARAMS["streams"]["mails"], "undated": "delivery"}}})
    ingest(folder, "2026-01-02.csv", HEADER + "u1,free,,1\n" + GOOD)
    assert kept(folder) == ["g1", "g2", "u1"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("2026-13-45.csv", "name the delivery"),
        ("2026-02-30.csv", "name the delivery"),
        ("notes.csv", "no date where its pattern has {dt}"),
        ("2026-01-2.csv", "no date where its pattern has {dt}"),
        ("copy of 2026-01-02.csv", "no date where its pattern has {dt}"),
        ("2026-01-02.xlsx", "unknown file format"),
        ("2026-01-02.csv.bak", "unknown file format"),
        ("2026-01-02.parquet.gz", "unknown file format"),
    ],
)
def test_a_wrongly_named_file_is_set_aside_and_the_good_ones_go_on(folder, name, word):
    (folder / "raw" / name).write_text(HEADER + GOOD)
    outcome = ingest(folder, "2026-01-03.csv", HEADER + GOOD.replace("2026-01-02", "2026-01-03"))
    assert kept(folder, "2026-01-03") == ["g1", "g2"]
    (warning,) = outcome.warnings
    assert warning.startswith(f"raw/{name}: ")
    assert word in warning
    (record,) = [m for m in Project(folder).store.under(Layout.DELIVERIES).values() if m.facts["file"] == f"raw/{name}"]
    assert record.facts["codes"] == {"misnamed": 1}
    assert run_stages(folder, "ingest")["ingest"].done == 0
    (folder / "raw" / name).rename(folder / "raw" / "2026-01-02.csv")
    run_stages(folder, "ingest")
    assert kept(folder) == ["g1", "g2"]


def test_a_name_that_fits_after_a_change_of_params_is_read(folder):
    ingest(folder, "notes.csv", HEADER + GOOD)
    change_params(folder, streams={"mails": {"inputs": ["raw/*.csv"]}})
    run_stages(folder, "ingest")
    assert kept(folder) == ["g1", "g2"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise ValueError('boom')", "ValueError"),
        ("return None", "LabelingFunctionError"),
        ("return 0.5", "LabelingFunctionError"),
        ("return 7", "LabelingFunctionError"),
    ],
)
def test_an_lf_that_fails_loses_only_its_own_vote(folder, body, error):
    lf = f"\n@labeling_function()\ndef bad(row):\n    if row.id == 'g1':\n        {body}\n    return 0\n"
    (folder / "my_lfs.py").write_text(LFS + lf)
    ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    outcome = run_stages(folder, "apply")["apply"]
    project = Project(folder)
    votes = project.votes("mails", "2026-01-02").set_index("id")
    assert votes.loc["g1"].to_dict() == {"bad": -1, "free": 1, "short": -1}
    assert votes.loc["g2"].to_dict() == {"bad": 0, "free": -1, "short": 0}
    letters = project.dead_letters("mails", "2026-01-02").to_dict("records")
    assert [(letter["id"], letter["lf"], letter["error"]) for letter in letters] == [("g1", "bad", error)]
    assert any("bad failed on 1 rows" in warning for warning in outcome.warnings)
    with pytest.raises(GateError, match="bad"):
        run_stages(folder, "merge", "fit", "label", "validate")


def test_two_lfs_of_one_name_are_refused(folder):
    (folder / "my_lfs.py").write_text(LFS + 'again = length("short", max=3, label=0)\n')
    ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    with pytest.raises(CatalogueError, match="short"):
        run_stages(folder, "apply")


def test_an_lf_for_a_column_that_is_not_there_is_refused_before_any_work(folder):
    (folder / "my_lfs.py").write_text(LFS + 'other = length("other", max=3, label=0, field="body")\n')
    ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    with pytest.raises(LabelingFunctionError, match=r"(?s)other.*body.*text"):
        run_stages(folder, "apply")


def test_an_lf_for_a_class_that_is_not_there_is_refused(folder):
    (folder / "my_lfs.py").write_text(LFS + 'other = length("other", max=3, label=2)\n')
    ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    with pytest.raises(LabelingFunctionError, match="other"):
        run_stages(folder, "apply")


def test_an_lf_module_that_does_not_import_is_named_with_its_line(folder):
    (folder / "my_lfs.py").write_text(LFS + "1 / 0\n")
    ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    with pytest.raises(CatalogueError, match=r"my_lfs\.py:5"):
        run_stages(folder, "apply")


def test_a_snorkel_lf_works_as_it_is(folder):
    (folder / "my_lfs.py").write_text(
        LFS + "\nfrom snorkel.labeling import labeling_function as theirs\n\n"
        "@theirs()\ndef shouts(x):\n    return 1 if x.text.isupper() else -1\n"
    )
    ingest(folder, "2026-01-02.csv", HEADER + GOOD + "g3,LOUD,2026-01-02T12:00:00Z,3\n")
    run_stages(folder, "apply")
    assert Project(folder).votes("mails", "2026-01-02").set_index("id")["shouts"].to_dict() == {
        "g1": -1,
        "g2": -1,
        "g3": 1,
    }


def test_a_daily_delivery_of_a_monthly_stream(folder):
    change_params(folder, streams={"mails": {"grain": "month"}})
    outcome = ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    assert outcome.done == 1
    assert kept(folder, "2026-01") == ["g1", "g2"]


STATEFUL = """\
from beambell.labeling import keyword, stateful_labeling_function
from beambell.labeling.aggregates import count, total

free = keyword("free", any_of=["free"], label=1)

@stateful_labeling_function(key="size", aggregate=count(), fields=(), label=1)
def again(row, past):
    return past > 1
"""


@pytest.mark.parametrize(
    ("lfs", "message"),
    [
        (LFS.replace("label=0", "label=2"), "'short': label 2 is not one of the 2 classes"),
        (LFS.replace("label=0", 'label=0, streams=("mail",)'), "'short': votes on 'mail' only(.|\n)*there are: mails"),
        (LFS.replace("label=0", 'label=0, field="txt"'), "'short': reads 'txt', but(.|\n)*is 'text' meant"),
        (STATEFUL.replace('key="size"', 'key="sise"'), "'again': reads 'sise', but(.|\n)*is 'size' meant"),
        (STATEFUL.replace("count()", 'total("sizes")'), "'again': counts nothing: no stream has all(.|\n)*sizes"),
    ],
)
def test_a_mistake_in_a_labeling_function_is_told_before_anything_runs(folder, lfs, message):
    ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    (folder / "my_lfs.py").write_text(lfs)
    project = Project(folder)
    for stage in (stage for stage in STAGES if stage.name in ("aggregate", "apply")):
        for attempt in (stage.plan, stage.refresh):
            if stage.name == "apply" or "again" in message:
                with pytest.raises(LabelingFunctionError, match=message):
                    attempt(project, project.select())
    assert project.store.under(Layout.VOTES) == {}


def test_labeling_functions_may_name_streams_of_other_projects(folder):
    (folder / "my_lfs.py").write_text(LFS.replace("label=0", 'label=0, streams=("mails", "elsewhere")'))
    assert Project(folder).catalogue.names == ("free", "short")


def test_a_stream_that_was_taken_out_is_not_judged_any_more(folder):
    ingest(folder, "2026-01-02.csv", HEADER + GOOD)
    run_stages(folder, "apply", "merge", "fit", "label")
    project = Project(folder)
    deliveries = project.store.under(Layout.DELIVERIES)
    cases = find_cases(project, project.select(), deliveries)
    assert [str(case.partition) for case in cases] == ["mails/2026-01-02"]
    streams = {"letters": {**PARAMS["streams"]["mails"], "inputs": ["letters/{dt}.*"]}}
    write_params(folder, {**PARAMS, "streams": streams, "classes": ["ham", "spam", "praise"]})
    project = Project(folder)
    assert find_cases(project, project.select(), deliveries) == []
    assert run_stages(folder, "label", "validate")["validate"].done == 0
