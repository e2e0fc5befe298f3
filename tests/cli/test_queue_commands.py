"""``beambell feedback queue`` and ``export`` as a user types them, and the way back."""

from __future__ import annotations

import csv
import json

import pytest
from synthetic import LFS, draw, make_project, partition, vote_on_texts

from beambell import Project
from beambell.cli import main
from beambell.stages.order import stage_named


@pytest.fixture
def folder(tmp_path):
    made = make_project(tmp_path / "project", label_model={"kind": "dawid_skene"}, feedback={"queue": {"size": 30}})
    project = Project(made)
    for day in range(3):
        texts = [f"=text {i} of day {day}" for i in range(50)]
        ids = [f"{day}-{i}" for i in range(50)]
        vote_on_texts(project, partition("comments", day), draw(len(LFS), day, rows=50, pool=12), ids, texts)
    stage_named("merge").refresh(project, project.select())
    stage_named("fit").refresh(project, project.select())
    return made


@pytest.fixture
def command(folder, capsys):
    def command(*words):
        code = 0
        try:
            main([*words, "--project", str(folder)])
        except SystemExit as exit_:
            code = exit_.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return command


def test_queue_shows_and_writes_nothing(folder, command):
    before = sorted(folder.rglob("*"))
    code, out, _ = command("feedback", "queue")
    assert code == 0
    assert "30 rows to review" in out
    assert "drawn from 150 rows" in out
    assert "expected to make" in out
    assert "not measurements" in out
    _, again, _ = command("feedback", "queue")
    assert again == out
    assert [path for path in sorted(folder.rglob("*")) if ".beambell" not in path.parts] == [
        path for path in before if ".beambell" not in path.parts
    ]


def test_queue_as_json(command):
    code, out, _ = command("feedback", "queue", "--json", "--size", "7", "--from", "2026-01-02")
    view = json.loads(out)
    assert code == 0
    assert len(view["tasks"]) == 7
    assert {task["row_id"][0] for task in view["tasks"]} <= {"1", "2"}
    assert set(view["gain"]) == {"answers", "accuracy", "log_loss", "changed", "surprises"}
    _, out, _ = command("feedback", "queue", "--json", "--no-estimate")
    assert json.loads(out)["gain"] is None


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_exported_answered_imported(folder, tmp_path, command, suffix):
    path = tmp_path / f"tasks.{suffix}"
    code, _, _ = command("feedback", "export", "--out", str(path), "--size", "20")
    assert code == 0
    if suffix == "csv":
        with path.open(newline="") as file:
            tasks = list(csv.DictReader(file))
        assert all(task["text"].startswith("'=") for task in tasks)
    else:
        tasks = [json.loads(line) for line in path.read_text().splitlines()]
    for task in tasks[:15]:
        task |= {"label": "spam", "reviewer": "ann", "time": "2026-01-09T08:00:00Z"}
    with path.open("w", newline="") as file:
        if suffix == "csv":
            writer = csv.DictWriter(file, list(tasks[0]))
            writer.writeheader()
            writer.writerows(tasks)
        else:
            file.writelines(json.dumps(task) + "\n" for task in tasks)
    code, out, _ = command("feedback", "import", str(path), "--json")
    assert code == 0
    assert [(one["events"], one["quarantined"]) for one in json.loads(out)] == [(15, 0)]
    project = Project(folder)
    found = stage_named("feedback").refresh(project, project.select()).figures
    assert (found["rows"], found["labelled"], found["unknown"]) == (15, 15, 0)
    # None of these is asked about again; with --again the five without an answer are.
    given_out = {task["row_id"] for task in tasks}
    _, out, _ = command("feedback", "queue", "--json", "--size", "200", "--no-estimate")
    assert not given_out & {task["row_id"] for task in json.loads(out)["tasks"]}
    _, out, _ = command("feedback", "queue", "--json", "--size", "200", "--no-estimate", "--again")
    assert given_out & {task["row_id"] for task in json.loads(out)["tasks"]} == {t["row_id"] for t in tasks[15:]}
    code, out, _ = command("feedback", "queue", "--json", "--size", "20")
    assert json.loads(out)["gain"]["answers"] > 0


def test_label_studio_gets_its_interface_too(tmp_path, command):
    path = tmp_path / "out" / "tasks.json"
    code, out, _ = command("feedback", "export", "--out", str(path))
    assert code == 0
    assert "tasks.config.xml" in out
    assert len(json.loads(path.read_text())) == 30
    assert '<Choice value="spam"/>' in path.with_suffix(".config.xml").read_text()
    code, _, _ = command("feedback", "export", "--out", str(tmp_path / "x.txt"), "--format", "label-studio")
    assert code == 0
    assert len(json.loads((tmp_path / "x.txt").read_text())) == 30


def test_a_file_that_may_be_being_filled_in_is_left_alone(tmp_path, command):
    path = tmp_path / "tasks.csv"
    path.write_text("mine")
    code, _, err = command("feedback", "export", "--out", str(path))
    assert code == 2
    assert "--force" in err
    assert path.read_text() == "mine"
    code, _, _ = command("feedback", "export", "--out", str(path), "--force")
    assert code == 0
    assert path.read_text() != "mine"


def test_what_cannot_be_done_is_told(tmp_path, command):
    for words, said in (
        (("export", "--out", str(tmp_path / "tasks.xlsx")), "--format csv|jsonl|label-studio"),
        (("export", "--out", str(tmp_path / "t.csv"), "--format", "pdf"), "there is no format 'pdf'"),
        (("queue", "--stream", "letters"), "there is no stream"),
        (("queue", "--stream", "messages"), "no row to ask about"),
    ):
        code, _, err = command("feedback", *words)
        assert code
        assert said in err
    assert not list(tmp_path.glob("t*"))
