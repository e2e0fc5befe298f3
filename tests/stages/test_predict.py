"""The champion over partitions: every row once, by the version that is served, and nothing twice."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from projects import change_params, run_stages, tree_bytes

from beambell import Project
from beambell.cli import main
from beambell.errors import RegistryError
from beambell.stages.order import stage_named
from beambell.stages.promote import promote
from beambell.stages.verification import verify_project
from beambell.store import Selection

PREDICT = stage_named("predict")
DAY = Selection(frozenset({"comments"}), "2026-01-02", "2026-01-02")


def served(project, version="v1"):
    promote(project, version, by="ann", reason="to be served", override=True)
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A project with a champion."""
    return served(Project(shutil.copytree(finished.path, tmp_path / "p")))


def predict(project, selection=DAY, model="champion"):
    from beambell.stages.predict import plan_asked

    with project.writing():
        return PREDICT.run(project, plan_asked(project, selection, model))


def test_every_row_is_predicted_whether_anything_voted_on_it_or_not(project):
    predict(project)
    found, rows = project.predictions("comments", "2026-01-02"), project.rows("comments", "2026-01-02")
    assert found["id"].tolist() == rows["id"].tolist()
    assert (project.labels("comments", "2026-01-02")["label"] == -1).any()
    proba = project.model().predict_proba(rows)
    assert found["p_spam"].tolist() == proba[:, 1].astype(np.float32).tolist()
    assert found["label"].tolist() == proba.argmax(axis=1).tolist()


def test_pieces_of_a_partition_give_the_same_bytes(project, tmp_path):
    predict(project)
    whole = tree_bytes(project.path / "data/predictions")
    other = Project(shutil.copytree(project.path, tmp_path / "pieces", ignore=shutil.ignore_patterns("predictions")))
    change_params(other.path, beam={"rows_per_item": 100, "workers": 2})
    predict(Project(other.path))
    assert tree_bytes(other.path / "data/predictions") == whole


def test_the_same_again_is_nothing_and_another_champion_is_all(project):
    assert predict(project).done == 1
    assert predict(project).done == 0
    change_params(project.path, model={"C": 1.0})
    run_stages(project.path, "train", "evaluate", "register")
    again = served(Project(project.path), "v2")
    assert again.model().name == "spam@v2"
    assert predict(again).done == 1
    assert predict(again, model="v1").figures["model"] == "spam@v1"


def test_params_ask_for_it_in_every_run(project):
    assert run_stages(project.path, "predict")["predict"].done == 0
    change_params(project.path, predictions={"mode": "champion", "streams": ["messages"], "days": 1})
    assert run_stages(project.path, "predict")["predict"].done == 2  # the newest day, and the one that is a day before
    assert {p.stream for p in Project(project.path).store.partitions("predictions")} == {"messages"}
    assert run_stages(project.path, "predict")["predict"].done == 0
    assert [f for f in verify_project(Project(project.path), deep=True).findings if f.severity == "error"] == []


def test_nobody_is_champion(finished, tmp_path):
    folder = shutil.copytree(finished.path, tmp_path / "p", ignore=shutil.ignore_patterns("decisions"))
    with pytest.raises(RegistryError, match="champion yet"):
        Project(folder).model()
    with pytest.raises(RegistryError, match="champion yet"):
        predict(Project(folder))
    assert Project(folder).model("newest").name == "spam@v1"
    change_params(folder, predictions={"mode": "champion"})
    assert run_stages(folder, "predict")["predict"].done == 0


def test_rows_that_are_gone_take_their_predictions_along(project):
    predict(project, Selection(frozenset({"comments"})))
    assert project.store.partitions("predictions")
    with pytest.raises(SystemExit):
        main(["ingest", "--project", str(project.path), "--stream", "comments", "--withdraw", "*"])
    assert Project(project.path).store.partitions("predictions") == {}


def test_the_command(project, capsys):
    for words, said in (
        ([], "asks for no predictions"),
        (["--stream", "comments", "--from", "2026-01-02", "--to", "2026-01-02", "--dry-run"], "1 to do"),
        (["--stream", "comments", "--from", "2026-01-02", "--to", "2026-01-02"], "1 done"),
    ):
        with pytest.raises(SystemExit) as exit_:
            main(["predict", "--project", str(project.path), *words])
        assert (exit_.value.code, said in capsys.readouterr().out) == (0, True)
