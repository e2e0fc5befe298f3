"""Predictions of a file: every row, every column as it was, in whatever format."""

from __future__ import annotations

import csv
import gzip
import io
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from handed_on import ODD, as_csv, read_all

from beambell import Project
from beambell.cli import main
from beambell.errors import UsageError
from beambell.exports.predicted import predict_file
from beambell.stages.promote import promote

TABLE = [["n", "text", "p_other"], *([f"{i:03}", text, "mine"] for i, text in enumerate(ODD))]


@pytest.fixture(scope="module")
def champion(handed, tmp_path_factory):
    import shutil

    project = Project(shutil.copytree(handed, tmp_path_factory.mktemp("champion") / "p"))
    promote(project, "v1", by="ann", reason="to be served", override=True)
    return project


def written(folder, name):
    path = folder / name
    if name.endswith(".parquet"):
        columns = list(zip(*TABLE[1:], strict=True))
        pq.write_table(pa.table(dict(zip(TABLE[0], map(list, columns), strict=True))), path)
    elif "jsonl" in name:
        path.write_text("".join(json.dumps(dict(zip(TABLE[0], row, strict=True))) + "\n" for row in TABLE[1:]))
    else:
        path.write_text(as_csv(TABLE), newline="", encoding="utf-8")
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "f.jsonl", "f.parquet"])
@pytest.mark.parametrize("out", ["o.csv", "o.jsonl", "o.parquet"])
def test_every_row_and_column_is_there(champion, tmp_path, name, out):
    done = predict_file(champion, str(written(tmp_path, name)), out=str(tmp_path / out))
    rows = read_all(tmp_path / out)
    assert (done.rows, done.skipped, sum(done.counts.values())) == (len(ODD), 0, len(ODD))
    assert [row["text"] for row in rows] == ODD
    assert [row["n"] for row in rows] == [f"{i:03}" for i in range(len(ODD))]
    assert {row["input_p_other"] for row in rows} == {"mine"}
    proba = champion.model().predict_proba(ODD)
    assert [float(row["p_complaint"]) for row in rows] == pytest.approx(proba[:, 1].tolist(), abs=1e-6)
    assert [row["predicted"] for row in rows] == champion.model().predict(ODD)
    assert {row["model"] for row in rows} == {"complaints@v1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, out])


def test_broken_lines_are_counted_and_said(champion, tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("text,n\nfine?,1\nnot,so,fine\nfine.,2\n")
    done = predict_file(champion, str(path), out=str(tmp_path / "o.csv"))
    assert (done.rows, done.skipped) == (2, 1)
    assert "line 3" in done.warnings[0]


@pytest.mark.parametrize(
    ("content", "out", "said"),
    [
        ("body,n\nx,1\n", "o.csv", "no column text"),
        ("text\nx\n", "o.xls", "ends in none of"),
        ("text\nx\n", "f.csv", "would be lost"),
    ],
)
def test_what_cannot_be_meant_is_refused(champion, tmp_path, content, out, said):
    (tmp_path / "f.csv").write_text(content)
    with pytest.raises(UsageError, match=said):
        predict_file(champion, str(tmp_path / "f.csv"), out=str(tmp_path / out))
    assert [path.name for path in tmp_path.iterdir()] == ["f.csv"]


def test_on_stdout_there_is_nothing_else(champion, tmp_path, capfdbinary):
    path = written(tmp_path, "f.csv")
    with pytest.raises(SystemExit) as exit_:
        main(["predict", str(path), "--project", str(champion.path)])
    assert exit_.value.code == 0
    rows = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode(), newline="")))
    assert [row["text"] for row in rows] == ODD


def test_as_json(champion, tmp_path, capsys):
    words = [str(written(tmp_path, "f.csv")), "--out", str(tmp_path / "o.csv"), "--json"]
    with pytest.raises(SystemExit):
        main(["predict", *words, "--project", str(champion.path)])
    assert json.loads(capsys.readouterr().out)["rows"] == len(pd.read_csv(tmp_path / "o.csv"))
