"""The tutorial, as it is written: every command of it is run, on published data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from projects import REPOSITORY, SHARED_DATA

PAGE = REPOSITORY / "docs/from-a-csv.md"
BLOCK = re.compile(r"(?:<!-- (?P<remark>.*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
TRAIN = SHARED_DATA / "youtube/train.parquet"
needs_data = pytest.mark.skipif(not TRAIN.exists(), reason="published data is not beside the repository")


def environment() -> dict[str, str]:
    """Give this clone's own command, whatever is installed."""
    here = Path(sys.executable).parent
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    return {**os.environ, **names, "PATH": f"{here}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}


def run(line: str, folder: Path) -> str:
    done = subprocess.run(line, shell=True, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def follow(folder: Path, skip: tuple[str, ...] = ()) -> dict[str, str]:
    """Do what the page says, block by block; returns what each command said."""
    said = {}
    for block in BLOCK.finditer(PAGE.read_text()):
        remark, text = block["remark"] or "", block["text"]
        if remark in skip:
            continue
        if remark.startswith("append to "):
            with (folder / remark.removeprefix("append to ")).open("a") as file:
                file.write(f"\n{text}")
            continue
        assert block["language"] == "", f"nobody runs this block: {text}"
        if remark == "a person fills in tasks.csv":
            answer(folder)
        for line in text.splitlines():
            if line.startswith("cd "):
                folder = folder / line.removeprefix("cd ")
            else:
                said[line] = run(line, folder)
    return said


def answer(folder: Path) -> None:
    """Answer as a person would who knows."""
    known = pd.read_parquet(TRAIN).set_index("id")["label"]
    tasks = pd.read_csv(folder / "tasks.csv", dtype=str, keep_default_na=False)
    tasks["label"] = [f"label_{known[row]}" for row in tasks["row_id"]]
    tasks["reviewer"], tasks["time"] = "ann", "2026-02-01T00:00:00Z"
    tasks.to_csv(folder / "tasks.csv", index=False)


def accuracy(table: pd.DataFrame) -> float:
    known = pd.read_parquet(TRAIN).set_index("id")["label"]
    table = table[table["label"] >= 0]
    return float((table["label"] == known[table["id"]].to_numpy()).mean())


@needs_data
@pytest.mark.heavy
def test_the_tutorial(tmp_path):
    data = pd.read_parquet(TRAIN)
    data[["id", "text", "label", "ts"]].to_csv(tmp_path / "comments.csv", index=False)
    said = follow(tmp_path)
    folder = tmp_path / "spam"
    assert "the text is 'text', the id 'id', the time 'ts'" in said["beambell init spam --from comments.csv"]
    labels = pd.read_csv(folder / "labels.csv")
    assert len(labels) == len(data)
    assert accuracy(labels) > 0.88
    assert (labels["source"] == "feedback").sum() == 30
    sure = pd.read_parquet(folder / "for-training")
    assert set(sure["split"]) == {"train", "valid", "test"}
    assert sure.groupby("text")["split"].nunique().max() == 1
    assert len(pd.read_csv(folder / "predicted.csv")) == 30
    assert (folder / "spam-model/load_model.py").exists()
    assert len(list((folder / "data/predictions").rglob("manifest.json"))) > 1
    assert "Stage 'predict'" in said["dvc repro"] or "predict" in said["dvc repro"]


def test_every_block_is_of_a_kind_that_the_test_runs():
    blocks = [*BLOCK.finditer(PAGE.read_text())]
    assert len(blocks) >= 8
    assert {block["language"] for block in blocks} == {"", "python"}
    assert all((block["remark"] or "").startswith("append to ") for block in blocks if block["language"] == "python")
    assert len(PAGE.read_text().splitlines()) <= 130
