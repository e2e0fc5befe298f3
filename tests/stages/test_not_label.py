""" "Not this class" from the command line to published labels, in a project of three classes."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from projects import run_stages

from beambell import Project
from beambell.cli import main
from beambell.store import Layout

PARAMS = """
project: p
classes: [ham, spam, news]
streams: {s: {inputs: ["in/*.csv"], id: id, time: ts}}
lfs: {files: [lfs.yaml]}
feedback: {inputs: ["reviews/*"], evaluate: 0.5}
gate: {min_coverage: 0.0, min_class_share: 0.0}
"""
LFS = """
- {kind: keyword, name: s, any_of: [win], label: spam}
- {kind: keyword, name: n, any_of: [today], label: news}
- {kind: keyword, name: h, any_of: [hello], label: ham}
"""
TEXTS = ["win", "win today", "hello", "today", "win hello", "nothing"]
STAGES = ("ingest", "feedback", "apply", "merge", "count", "fit", "label", "validate")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "reviews").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "lfs.yaml").write_text(LFS)
    rows = [f"r{i},{TEXTS[i % len(TEXTS)]},2026-01-03" for i in range(60)]
    (tmp_path / "in" / "a.csv").write_text("\n".join(["id,text,ts", *rows]))
    run_stages(tmp_path, *STAGES)
    return tmp_path


def labels(folder) -> pd.DataFrame:
    return Project(folder).labels("s", "2026-01-03").set_index("id")


def reject(folder, *rows: str, label: str = "spam", name: str = "a.jsonl") -> None:
    records = [
        {"row_id": row, "label": label, "answer": "reject", "_session_id": "ada", "_timestamp": 1767600000}
        for row in rows
    ]
    (folder / "reviews" / name).write_text("".join(json.dumps(record) + "\n" for record in records))


def test_a_published_label_is_never_the_class_that_was_rejected(folder):
    before = labels(folder)
    reviewed = [f"r{i}" for i in range(30)]
    reject(folder, *reviewed)
    outcome = run_stages(folder, "feedback", "count", "fit", "label", "validate")
    assert outcome["feedback"].figures["rows"] == len(reviewed)
    after = labels(folder)
    mine = after.loc[reviewed]
    assert (mine["label"] != 1).all()
    assert (mine["p_spam"].fillna(0) == 0).all()
    covered = mine[mine["covered"]]
    assert covered[["p_ham", "p_spam", "p_news"]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
    assert (mine["feedback"] == "row").all()
    assert set(mine["split"]) == {"fit", "evaluate"}
    assert mine.loc[~mine["covered"], "p_ham"].isna().all()
    # Among those that are left, the label model's word stands, in proportion.
    odds = before.loc[covered.index, "p_news"] / before.loc[covered.index, "p_ham"]
    assert (covered["p_news"] / covered["p_ham"]).to_numpy() == pytest.approx(odds.to_numpy(), rel=1e-3)
    others = [row for row in before.index if row not in reviewed]
    pd.testing.assert_frame_equal(before.loc[others], after.loc[others])  # nobody said of what class any row is
    rows = Project(folder).feedback().set_index("row_id")
    assert set(rows["verdict"]) == {"not_label"}
    assert [list(names) for names in rows["excluded"]] == [["spam"]] * len(reviewed)


def test_an_answer_later_takes_the_place_of_what_it_is_not(folder, capsys):
    reject(folder, "r0", "r1")
    reject(folder, "r0", label="ham", name="b.jsonl")
    run_stages(folder, "feedback", "count", "fit", "label", "validate")
    found = labels(folder)
    assert found.loc["r0", ["label", "source"]].tolist() == [2, "feedback"]  # of three classes, one is left
    assert found.loc["r1", "label"] != 1
    add = ("feedback", "add", "r1", "--stream", "s", "--reviewer", "ada", "--time", "2026-02-01")
    for words in (("--label", "spam"), ("--not-label", "ham")):
        with pytest.raises(SystemExit) as end:
            main([*add, *words, "--project", str(folder)])
        assert not end.value.code
    run_stages(folder, "feedback", "count", "fit", "label", "validate")
    assert labels(folder).loc["r1", ["label", "source"]].tolist() == [1, "feedback"]
    with pytest.raises(SystemExit):
        main(["feedback", "status", "--project", str(folder)])
    assert "2 labelled, 0 not of a class" in capsys.readouterr().out


def test_labels_are_made_anew_when_what_was_said_changes_and_only_then(folder):
    reject(folder, "r0")
    run_stages(folder, "feedback", "count", "fit", "label", "validate")
    again = run_stages(folder, "feedback", "count", "fit", "label", "validate")
    assert all(outcome.done == 0 for outcome in again.values())
    reject(folder, "r0", label="news", name="b.jsonl")
    assert run_stages(folder, "feedback", "count", "fit", "label")["label"].done == 1


def test_a_consensus_of_before_is_read(folder, tmp_path):
    """Files of reviewed rows that were made before anybody could say what a row is not lack a column."""
    from beambell.feedback.stored import OF_LABELS, read_reviewed, reviewed_in
    from beambell.store import Manifest, Partition
    from beambell.store.tables import read_table, write_table

    (folder / "reviews" / "a.csv").write_text("row_id,label,reviewer,time\nr0,ham,ada,2026-01-05\n")
    run_stages(folder, "feedback", "count", "fit", "label")
    store = Project(folder).store
    manifest = store.require(Layout.FEEDBACK, "")
    rows = read_table(store, Layout.FEEDBACK, manifest.files["rows"]).drop_columns(["excluded"])
    files = {**manifest.files, "rows": write_table(store, Layout.FEEDBACK, "rows", rows)}
    old = Manifest("feedback", files, manifest.inputs, manifest.facts)
    where = reviewed_in(old, Partition("s", "2026-01-03"))
    (row,) = read_reviewed(store, old, where, OF_LABELS).to_pylist()
    assert (row["label"], row["excluded"]) == ("ham", None)
