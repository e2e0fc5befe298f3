"""The online end model in a job: begun by batch, taught by live labels, shown beside the champion, never promoted."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pytest
from live_projects import TO_LABELS, labels, live_project, send
from projects import change_params, run_stages, tree_bytes

from beambell import Project
from beambell.live.learner import Learner, Lesson
from beambell.live.loop import Loop
from beambell.live.online_model import OnlineModel
from beambell.store import Layout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder, coming = live_project(
        tmp_path_factory.mktemp("online") / "p", idle_s=60.0, model={"publish_s": 0.2, "features": 2**14}
    )
    run_stages(folder, "train", "evaluate", "register")
    run_stages(folder, "promote")
    return folder, coming


def test_it_learns_live_labels_once_and_is_shown_beside_the_champion(made):
    folder, coming = made
    champions = tree_bytes(folder / "data/models")
    loop = Loop(Project(folder))
    learner = loop.desk._learner
    start = learner.model.rows
    assert start > 100  # from published labels
    half = len(coming["comments"]) // 2
    send(folder, "comments", coming["comments"][:half])
    _until(loop, lambda: learner.model.rows > start + half // 2)
    time.sleep(0.3)
    send(folder, "comments", coming["comments"][half:])
    _until(loop, lambda: any("models" in one and len(one["models"]) == 2 for one in labels(folder, "comments")))
    told = next(one for one in reversed(labels(folder, "comments")) if "models" in one)
    assert {name.partition("@")[0].rstrip("0123456789") for name in told["models"]} == {"online-", "spam"}
    assert all(abs(sum(p.values()) - 1) < 1e-5 for p in told["models"].values())
    status = loop.desk.status(time.time())["online_model"]
    covered = [one for one in labels(folder, "comments") if one["source"] == "votes"]
    assert 0 < status["rows"] <= len(covered)  # the holdout is left out
    assert status["recent_accuracy"] > 0.5
    loop.close()
    assert tree_bytes(folder / "data/models") == champions

    again = Loop(Project(folder))  # the open day is read again: learnt from, not tested on
    _until(again, lambda: again.desk._learner.model.rows >= start + status["rows"])
    assert again.desk._learner.model.rows == start + status["rows"]
    assert again.desk.status(time.time())["online_model"]["rows"] == 0
    again.close()


def test_batch_corrects_it_and_what_it_learnt_before_is_not_learnt_again(made):
    folder, _ = made
    one = Learner(Project(folder))
    rows = one.model.rows
    assert one.teach() == 0
    run_stages(folder, *TO_LABELS)
    one.look(b"another run")
    assert one.model.rows > rows
    assert Learner(Project(folder)).model.to_bytes() == Learner(Project(folder)).model.to_bytes()


def test_it_begins_with_the_newest_rows_only(made, tmp_path):
    folder, _ = made
    change_params(folder, live={"model": {"start_rows": 30}})
    try:
        assert 0 < Learner(Project(folder)).model.rows <= 30
        change_params(folder, live={"model": {"start_rows": 0}})
        assert Learner(Project(folder)).model.rows == 0
    finally:
        change_params(folder, live={"model": {"start_rows": 20_000}})


def test_answers_are_compared_with_what_it_said(made):
    folder, _ = made
    learner = Learner(Project(folder))
    features = learner.model.features(["free phone"])
    guess = int(learner.model.predict_proba(features).argmax())
    learner.learn("comments", Lesson(np.array([1]), ("x",), features, np.eye(2)[[guess]]), is_replayed=False)
    import pyarrow as pa

    said = Project(folder).params.classes[guess]
    learner.answered(pa.table({"stream": ["comments"] * 2, "row_id": ["x", "unknown"], "label": [said, said]}))
    assert (learner.status()["answers"], learner.status()["answers_right"]) == (1, 1)


def test_a_damaged_file_of_it_changes_no_label(made):
    folder, coming = made
    project = Project(folder)
    at = folder / "data" / Layout.LIVE / "online_model"
    for path in at.glob("*.npz"):
        path.write_bytes(b"no arrays")
    loop = Loop(project)
    before = len(labels(folder, "messages"))
    send(folder, "messages", coming["messages"][:30])
    _until(loop, lambda: len(labels(folder, "messages")) > before)
    loop.close()
    assert OnlineModel.from_bytes(max(at.glob("*.npz")).read_bytes(), "here").rows > 0


def test_damaged_labels_stop_neither_the_job_nor_its_labels(made, tmp_path):
    folder = shutil.copytree(made[0], tmp_path / "p")
    for path in (folder / "data/published").rglob("*.parquet"):
        path.write_bytes(b"no table")
    loop = Loop(Project(folder))
    assert any("online end model" in said for said in loop.desk.status(time.time())["trouble"])
    before = len(labels(folder, "messages"))
    send(folder, "messages", made[1]["messages"][30:60])
    _until(loop, lambda: len(labels(folder, "messages")) > before)
    loop.close()


def _until(loop: Loop, done, most_s: float = 30.0) -> None:
    deadline = time.monotonic() + most_s
    while not done():
        assert time.monotonic() < deadline, "it was not done in time"
        loop.step()
        time.sleep(0.02)
