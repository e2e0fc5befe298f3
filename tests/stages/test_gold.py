"""Gold labels as people have them: names of classes or numbers, in Parquet, CSV or JSON lines."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from projects import change_params, run_stages, small_project

from beambell import Project
from beambell.cli import main
from beambell.errors import InputError
from beambell.stages.gold import read_gold_file
from beambell.stages.gold_rows import gold_of
from beambell.store import Layout, Selection
from beambell.workshop.sample import draw

CLASSES = ("other", "billing")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = small_project(tmp_path_factory.mktemp("gold"), days=1)
    run_stages(made, "ingest")
    return made


def found(folder):
    project = Project(folder)
    find = gold_of(project)
    return np.concatenate([find(part) for part in draw(project, Selection(), 10**9)])


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv", "csv.gz", "jsonl", "ndjson.gz"])
def test_gold_is_the_same_in_every_format(folder, suffix, named):
    expected = found(folder)
    assert {0, 1} <= set(expected.tolist())
    gold = pd.read_parquet(folder / "data" / "gold" / "gold.parquet")[["file", "line", "label"]]
    if named:
        gold["label"] = gold["label"].map({0: "ham", 1: "spam"}).astype("category")
    path = folder / f"gold.{suffix}"
    if suffix == "parquet":
        gold.to_parquet(path)
    elif "json" in suffix:
        gold.to_json(path, orient="records", lines=True)
    else:
        gold.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    change_params(folder, evaluation={"gold": [path.name]})
    try:
        assert (found(folder) == expected).all()
    finally:
        change_params(folder, evaluation={"gold": ["data/gold/*.parquet"]})
        path.unlink()


def read(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_gold_file(str(path), path.name, CLASSES).to_pydict()


def test_ids_stay_as_they_are_written_and_what_is_unknown_is_left_out(tmp_path):
    data = 'stream,id,label\na,007,billing\na,2026-01-02,0\na,x,\na,y,-1\na,"new\nline",1\n'
    expected = {"stream": ["a"] * 3, "id": ["007", "2026-01-02", "new\nline"], "label": [1, 0, 1]}
    assert read(tmp_path / "gold.csv", data) == expected
    assert read(tmp_path / "bom.csv", b"\xef\xbb\xbf" + data.encode()) == expected
    rows = [("007", "billing"), ("2026-01-02", 0), ("x", None), ("y", -1), ("new\nline", 1.0)]
    lines = "\n".join(json.dumps({"stream": "a", "id": id_, "label": label}) for id_, label in rows)
    assert read(tmp_path / "gold.jsonl", lines) == expected
    assert read(tmp_path / "own.jsonl", '{"text": "2026-01-02", "label": "other"}') == {
        "text": ["2026-01-02"],
        "label": [0],
    }


@pytest.mark.parametrize(
    ("suffix", "ids", "expected"),
    [
        ("csv", ["1.0", "2", "007"], ["1", "2", "007"]),
        ("jsonl", [1.0, "2", "007"], ["1", "2", "007"]),
        ("parquet", [1.0, 2.0, 7.0], ["1", "2", "7"]),
    ],
)
def test_ids_are_spelled_as_those_of_rows_are(tmp_path, suffix, ids, expected):
    path = tmp_path / f"gold.{suffix}"
    gold = pd.DataFrame({"stream": "a", "id": ids, "label": 1})
    if suffix == "csv":
        gold.to_csv(path, index=False)
    elif suffix == "jsonl":
        gold.to_json(path, orient="records", lines=True)
    else:
        gold.to_parquet(path)
    assert read_gold_file(str(path), path.name, CLASSES)["id"].to_pylist() == expected


def test_an_id_whose_digits_are_lost_is_told(tmp_path):
    with pytest.raises(InputError, match=r"row 2.*1\.2E\+17"):
        read(tmp_path / "gold.csv", "stream,id,label\na,1,1\na,1.2E+17,0\n")


@pytest.mark.parametrize(
    "data",
    [
        'text;label\n"he said ""no"", twice";1\n',
        'text\tlabel\n"he said \\"no\\", twice"\t1\n',
        'sep=|\r\ntext|label\r\n"he said ""no"", twice"|1\r\n',
        'text,label,more\n"he said \\"no\\", twice",1,x\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_gold_is_read_in_the_dialects_that_rows_are_read_in(tmp_path, data, encoding):
    found = read(tmp_path / "gold.csv", data.encode(encoding))
    assert (found["text"], found["label"]) == (['he said "no", twice'], [1])


def test_a_header_alone_is_gold_of_no_row(tmp_path):
    assert read(tmp_path / "gold.csv", "text,label\n") == {"text": [], "label": []}


def test_nothing_but_unknown_labels_is_no_error(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "label": pa.array([None], pa.int64())}), tmp_path / "gold.parquet")
    assert read_gold_file(str(tmp_path / "gold.parquet"), "gold.parquet", CLASSES).num_rows == 0


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "a.csv",
            "text,label\nx,bills\n",
            r"a.csv: gold labels are 'bills', which are no classes\n.*\(other, billing\)",
        ),
        ("a.csv", "text,label\nx,7\n", "a.csv: gold labels run from 7 to 7\n.*other, billing"),
        ("a.csv", "text,label\nx,1,2\n", "a.csv: not a whole CSV file"),
        ("a.csv", "", "a.csv: not a whole CSV file"),
        ("a.csv", "text;klass\nx;1\n", "a.csv: gold labels have columns text, klass"),
        ("a.csv", "text,label,label\nx,1,0\n", "a.csv: not a whole CSV file .line 2: 2 columns are called 'label'"),
        ("a.csv", 'text,label\n"a" b,1\n', "a.csv: not a whole CSV file .line 2: .*double the quotes"),
        ("a.csv", b"text,label\n\xff\xfe,1\n", "a.csv: not a whole CSV file"),
        ("a.csv.gz", gzip.compress(b"text,label\nx,1\n" * 50, mtime=0)[:-12], "a.csv.gz: not a whole CSV file"),
        ("a.jsonl", '{"text": "x", "label": 1}\n{"text": ', "a.jsonl:2: not JSON"),
        ("a.jsonl", "[1]", "a.jsonl:1: not a JSON object"),
        ("a.jsonl", b'{"text": "\xff", "label": 1}', "a.jsonl: not a whole JSON file"),
        ("a.jsonl", '{"text": "x", "label": true}', "a.jsonl: gold labels are 'true'"),
        ("a.parquet", "text,label\nx,1\n", "a.parquet: not a whole Parquet file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, name, data, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path / name, data)


def test_parquet_with_labels_of_another_type(tmp_path):
    table = pa.table({"text": ["a"], "label": pa.array([[1]])})
    pq.write_table(table, tmp_path / "gold.parquet")
    with pytest.raises(InputError, match="gold labels are of the type list"):
        read_gold_file(str(tmp_path / "gold.parquet"), "gold.parquet", CLASSES)
    table = pa.table({"text": pa.array([["a"]]), "label": [1]})
    pq.write_table(table, tmp_path / "gold.parquet")
    with pytest.raises(InputError, match="a column text of the type list"):
        read_gold_file(str(tmp_path / "gold.parquet"), "gold.parquet", CLASSES)


# -- what does not fit -----------------------------------------------------------------------------------------------

GOLD_PARAMS = """
project: p
classes: [ham, spam]
streams: {s: {inputs: ["in/*.csv"], id: id, time: ts}}
lfs: {files: [lfs.yaml]}
gate: {min_coverage: 0.0, min_class_share: 0.0}
evaluation: {gold: [%s], holdout: 0.5}
"""
GOLD_LFS = """
- {kind: keyword, name: s, any_of: [win], label: spam}
- {kind: keyword, name: h, any_of: [hello], label: ham}
"""
WAY = ("ingest", "feedback", "apply", "merge", "count", "fit", "label", "validate", "train", "evaluate")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "project"
    (folder / "in").mkdir(parents=True)
    (folder / "params.yaml").write_text(GOLD_PARAMS % "")
    (folder / "lfs.yaml").write_text(GOLD_LFS)
    rows = [f"{i},{'win now' if i % 2 else 'hello you'} {i},2026-01-03" for i in range(60)]
    (folder / "in" / "a.csv").write_text("\n".join(["id,text,ts", *rows]))
    run_stages(folder, *WAY[:-1])
    return folder


def said(capsys, *words: str) -> str:
    with contextlib.suppress(SystemExit):
        main(list(words))
    captured = capsys.readouterr()
    return captured.out + captured.err


GOOD = "stream,id,label\n" + "".join(f"s,{i},{'spam' if i % 2 else 'ham'}\n" for i in range(40))


@pytest.mark.parametrize(
    ("files", "patterns", "told", "rows"),
    [
        ({"gold/a.csv": GOOD}, ["golden/*.csv"], ["'golden/*.csv' fits no file"], None),
        ({"gold/a.csv": GOOD}, ["gold/*.csv", "nope.parquet"], ["'nope.parquet' fits no file"], 40),
        ({"gold/a.csv": GOOD.replace("s,", "S,")}, ["gold/*"], ["none of 40 labels", "S/0 of gold/a.csv"], 0),
        ({"gold/a.csv": GOOD + "s,x9,ham\n"}, ["gold/*"], ["40 of 41 labels", "1 match none", "s/x9"], 40),
        ({"gold/a.csv": GOOD + "s,3,ham\n"}, ["gold/*"], ["1 rows have labels that contradict", "s/3"], 39),
        ({"gold/a.csv": GOOD + "s,3,spam\n"}, ["gold/*"], [], 40),
        ({"gold/a.csv": GOOD, "gold/b.csv": GOOD}, ["gold/*"], [], 40),
        ({"gold/a.csv": GOOD, "gold/b.csv": GOOD + "s,4,spam\n"}, ["gold/*"], ["contradict", "s/4"], 39),
        ({"gold/a.csv": GOOD, "gold/b.csv": "stream,id,label\ns,4,spam\n"}, ["gold/*"], ["contradict", "s/4"], 39),
        ({"gold/a.csv": GOOD, "gold/b.csv": "file,line,label\na.csv,6,spam\n"}, ["gold/*"], ["contradict", "s/4"], 39),
        ({"gold/a.csv": "file,line,label\na.csv,2,ham\nb.csv,2,ham\n"}, ["gold/*"], ["1 of 2 labels", "b.csv:2"], 1),
        (
            {"gold/a.csv": "stream,id,file,line,label\ns,1,a.csv,3,ham\ns,,b.csv,7,ham\n"},
            ["gold/*"],
            ["1 of 2 labels", "b.csv:7"],
            1,
        ),
    ],
)  # fmt: skip
def test_gold_that_fits_no_row_or_contradicts_itself_is_said(trained, tmp_path, capsys, files, patterns, told, rows):
    folder = shutil.copytree(trained, tmp_path / "project")
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    change_params(folder, evaluation={"gold": patterns})
    outcome = run_stages(folder, "evaluate")["evaluate"]
    for words in (outcome.warnings, run_stages(folder, "evaluate")["evaluate"].warnings):
        assert len(words) == (1 if told else 0)
        assert all(any(part in word for word in words) for part in told)
    where = ("--project", str(folder))
    for command in ("status", "summary", "evaluate", "run"):
        shown = said(capsys, command, *where)
        assert all(part in shown.replace("\n", " ") for part in told), command
        assert ("gold:" in shown or "fits no file" in shown) == bool(told)
    manifest = Project(folder).store.read(Layout.EVALUATION)
    if rows is None:
        assert manifest is None
    else:
        assert manifest.facts["metrics"].get("labels", {}).get("rows", 0) == rows
        assert manifest.facts["gold"]["labels"] >= rows
    documents = json.loads(said(capsys, "status", "--json", *where))
    (mine,) = [plan for plan in documents["plans"] if plan["stage"] == "evaluate"]
    assert len(mine["warnings"]) == len(json.loads(said(capsys, "summary", "--json", *where))["warnings"]) == bool(told)
