"""A new format of records is declared in one place: raw files, gold labels and answers are read by its class alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from projects import REPOSITORY

DECLARATION = '''
"""Lines of ``key=value``, parted by bars."""

from beambell.records.chunk import Chunk
from beambell.records.format import TextFile, register
from beambell.records.schema import Code, Reject


@register
class KeyValues(TextFile):
    """A file of lines of ``key=value``."""

    kind, title, suffixes = "keyvalues", "key-value", (".kv",)

    def names(self, known):
        lines, _ = self.lines.peek(1, 10_000)
        return tuple(_record(lines[0])) if lines else ()

    def chunks(self, wanted):
        while True:
            first = self.lines.taken + 1
            block = self.lines.take(self.batch_rows)
            if not block.lines and not block.rejects:
                return
            good, rejects = [], list(block.rejects)
            for number, line in enumerate(block.lines, first):
                try:
                    good.append((number, _record(line)))
                except ValueError:
                    rejects.append(Reject(number, Code.WRONG_COLUMNS, "a word without =; write key=value", line))
            cells = {name: [record.get(name) for _, record in good] for name in wanted.columns}
            yield Chunk(cells, [number for number, _ in good], rejects=rejects)


def _record(line):
    return dict(word.split("=", 1) for word in line.strip().split("|"))
'''

PARAMS = """
project: p
classes: [ham, spam]
streams: {s: {inputs: ["in/*.kv*"], id: id, time: ts}}
lfs: {files: [lfs.yaml]}
label_model: {kind: majority}
gate: {min_coverage: 0.0, min_class_share: 0.0}
evaluation: {gold: ["gold.kv"], holdout: 0.5}
"""
LFS = """
- {kind: keyword, name: s, any_of: [win], label: spam}
- {kind: keyword, name: h, any_of: [hello], label: ham}
"""
ROWS = 60
GOLD = 40


@pytest.fixture(scope="module")
def beambell(tmp_path_factory):
    """The command of a copy of the packages that has one more module, in a project of such files."""
    code = tmp_path_factory.mktemp("code")
    for package in ("beambell", "beam_jobs"):
        shutil.copytree(REPOSITORY / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "beambell" / "records" / "formats" / "key_values.py").write_text(DECLARATION)
    folder = tmp_path_factory.mktemp("project")
    (folder / "in").mkdir()
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "lfs.yaml").write_text(LFS)
    rows = [f"id={i}|text={'win now' if i % 2 else 'hello you'} {i}|ts=2026-01-03" for i in range(ROWS)]
    (folder / "in" / "a.kv").write_text("\n".join([*rows, "nothing here"]))
    gold = [f"stream=s|id={i}|label={'spam' if i % 2 else 'ham'}" for i in range(GOLD)]
    (folder / "gold.kv").write_text("\n".join(gold))

    def call(*words: str, code_of: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "beambell", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(code), "COLUMNS": "500"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code_of, done.stdout + done.stderr
        return done.stderr if code_of else done.stdout

    call.folder = folder
    call("run")
    return call


def quarantined(folder: Path) -> list[dict]:
    tables = (folder / "data" / "deliveries").rglob("quarantine-*.parquet")
    return [record for table in tables for record in pq.read_table(table).to_pylist()]


def test_raw_files_are_ingested_and_a_damaged_record_is_quarantined(beambell):
    (manifest,) = (beambell.folder / "data" / "partitions" / "stream=s").glob("dt=*/manifest.json")
    assert json.loads(manifest.read_text())["facts"]["rows"] == ROWS
    assert json.loads(beambell("ingest", "--json"))["done"] == 0
    (record,) = quarantined(beambell.folder)
    assert (record["file"], record["line"], record["code"]) == ("in/a.kv", ROWS + 1, "wrong_columns")


def test_gold_labels_judge_its_rows_and_a_damaged_one_is_an_error(beambell):
    metrics = json.loads((beambell.folder / "data" / "evaluation" / "manifest.json").read_text())["facts"]
    assert metrics["gold"]["matched"] == GOLD
    path = beambell.folder / "gold.kv"
    whole = path.read_text()
    path.write_text(f"{whole}\nnothing here")
    try:
        said = beambell("evaluate", code_of=1)
        assert f"gold.kv: not a whole key-value file (line {GOLD + 1}: a word without =" in said
    finally:
        path.write_text(whole)


def test_answers_are_taken_in_and_a_damaged_one_is_counted(beambell):
    said = [f"row_id={row}|label=ham|stream=s|time=2026-01-04" for row in (1, 2)]
    (beambell.folder / "answers.kv").write_text("\n".join([*said, "nothing here"]))
    (told,) = json.loads(beambell("feedback", "import", "answers.kv", "--reviewer", "ada", "--json"))
    assert (told["records"], told["answers"], told["not_understood"]) == (3, 2, 1)
    assert told["rejects"] == [[3, "a word without =; write key=value"]]


def test_messages_name_it_among_the_others(beambell):
    (beambell.folder / "answers.xls").write_text("a")
    assert ".json, .kv, or say" in beambell("feedback", "import", "answers.xls", code_of=1)
    (beambell.folder / "in" / "b.kv.xls").write_text("a")
    beambell("ingest")
    assert any(".json, .kv, .parquet" in record["message"] for record in quarantined(beambell.folder))
