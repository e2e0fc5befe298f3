"""The guide to labeling functions: its examples run, one after the other, and do what it says."""

from __future__ import annotations

import re
import subprocess
import sys

import pyarrow as pa
import yaml
from projects import REPOSITORY

from beambell.cli.lf import lf_app
from beambell.labeling import Catalogue, evaluate

GUIDE = (REPOSITORY / "docs" / "labeling-functions.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_examples_are_labeling_functions(tmp_path):
    (tmp_path / "guide.py").write_text("\n".join(blocks("python")))
    params, functions = blocks("yaml")
    assert set(yaml.safe_load(params)["lfs"]) == {"modules", "files"}
    (tmp_path / "guide.yaml").write_text(functions)
    catalogue = Catalogue.load(["guide"], files=["guide.yaml"], classes=["ham", "spam"], root=tmp_path)
    assert {lf.kind for lf in catalogue} == {
        "keyword", "regex", "count", "length", "numeric", "lookup", "lexicon", "combination", "python", "batch",
        "stateful",
    }  # fmt: skip
    assert "question" not in catalogue
    assert catalogue.fingerprints["money_back"] == catalogue.fingerprints["refund"]
    table = pa.table({
        "id": ["a", "b", "c"],
        "text": ["HURRY, GUARANTEED REFUND!!! HTTP://X.EXAMPLE https://y.example", "Ann was here", "beware, a scam?"],
        "author": ["x", "ann", None],
        "likes": [0, 9, None],
    })  # fmt: skip
    result = evaluate(catalogue.lfs, table, cardinality=2, stream="comments")
    votes = dict(zip(catalogue.names, result.votes.T.tolist(), strict=True))
    assert not result.dead_letters
    assert votes["pushy"] == votes["angry_refund"] == [1, -1, -1]
    assert votes["signs_own_text"] == [1, 1, -1]
    assert votes["scam"] == [-1, -1, 0]
    assert votes["popular"] == [-1, 0, -1]
    assert votes["always_complains"] == votes["well_liked"] == [-1, -1, -1]
    assert catalogue["always_complains"].vote({"author": "x", "text": "refund"}, past=3) == 1
    assert catalogue["said_before"].vote({"text": "a" * 99}, past=2) == 1
    assert catalogue["well_liked"].aggregate.of(table)["known"].to_pylist() == [1, 1, 0]
    past = pa.table({"key": ["ann"], "n": [3], "likes": [8], "known": [2]})
    liked = catalogue["well_liked"]
    assert (
        liked.votes(liked.with_history(table.append_column("stream", pa.repeat("comments", 3)), past, "comments"))[1]
        == 0
    )


def test_every_command_of_the_guide_is_there_and_none_is_left_out():
    named = set(re.findall(r"^\| `lf (\w+)", GUIDE, re.MULTILINE))
    assert named == {command.name for command in lf_app.registered_commands}
    answer = subprocess.run(
        [sys.executable, "-m", "beambell", "lf", "--help"], capture_output=True, text=True, check=True
    )
    assert all(name in answer.stdout for name in named)
