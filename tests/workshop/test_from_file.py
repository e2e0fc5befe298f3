"""A project made of a file: what is proposed is right, works at once, and lies about nothing."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from datetime import UTC, datetime

import pandas as pd
import pytest
import yaml
from handed_on import as_csv
from projects import SHARED_DATA, run_stages

from beambell import Project
from beambell.errors import BeamBellError, UsageError
from beambell.workshop.starter import start_from
from beambell.workshop.starter.first_lfs import looked_at, suggest
from beambell.workshop.starter.profile import Chosen, look

GOOD, BAD = "lovely {0} thing, thank you, number {0}", "broken {0} thing, refund please, number {0}"


def reviews(n=80, **columns):
    """Rows of texts of two classes, with further columns by name."""
    rows = []
    for i in range(n):
        row = {"review_id": f"r{i:03}", "body": (GOOD, BAD)[i % 2].format(i), "stars": 5 - 4 * (i % 2)}
        row |= {"label": ("good", "bad")[i % 2], "created_at": f"2026-01-{1 + i % 3:02}T08:00:00Z", "shop": f"s{i % 4}"}
        rows.append({**row, **{name: value(i) for name, value in columns.items()}})
    return rows


def written(path, rows):
    names = list(rows[0])
    table = [names, *([row.get(name, "") for name in names] for row in rows)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(as_csv(table).encode()))
    else:
        path.write_text(as_csv(table), newline="")
    return path


@pytest.mark.parametrize("name", ["Shop reviews (2026).csv", "reviews.jsonl", "reviews.parquet", "reviews.csv.gz"])
def test_columns_and_classes_are_found(tmp_path, name):
    found = look(written(tmp_path / name, reviews()), Chosen())
    assert (found.text, found.id, found.time, found.label) == ("body", "review_id", "created_at", "label")
    assert found.fields == {"stars": "int", "shop": "string"}
    assert sorted(found.classes.values()) == ["bad", "good"]
    assert (found.rows, found.broken, found.days[-1]) == (80, 0, "2026-01-03")


def test_a_project_of_a_file_works_at_once(tmp_path):
    source = written(tmp_path / "Größe & so.csv", reviews())
    folder = tmp_path / "mein projekt"
    made = start_from(folder, source)
    assert made.next[1:3] == ("beambell run", "beambell lf list")
    done = run_stages(folder)
    assert done["ingest"].figures["quarantined"] == 0
    assert done["evaluate"].figures["labels_accuracy"] == 1.0
    project = Project(folder)
    assert project.params.streams["gr-e-so"].text == "body"
    assert project.labels().count_rows() == 80
    tested = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, check=False)
    assert tested.returncode == 0


def test_labels_that_suggested_labeling_functions_do_not_measure_them(tmp_path):
    """Copies of one text are on one side, too."""
    rows = reviews() + [{**row, "review_id": f"x{row['review_id']}"} for row in reviews()]
    start_from(tmp_path / "p", written(tmp_path / "r.csv", rows))
    with (tmp_path / "p/data/gold/labels.csv").open(newline="") as file:
        gold = list(csv.DictReader(file))
    lines = (next((tmp_path / "p/data/raw/r").iterdir())).read_text().splitlines()
    measured = {next(csv.reader(io.StringIO(lines[int(row["line"]) - 1])))[1] for row in gold}
    texts = [row["body"] for row in rows]
    suggested = {text for text, seen in zip(texts, looked_at(texts), strict=True) if seen}
    assert measured
    assert suggested
    assert not measured & suggested
    assert measured | suggested == set(texts)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (lambda i: i % 2, ["kind_0", "kind_1"]),
        (lambda i: float(i % 3), ["kind_0", "kind_1", "kind_2"]),
        (lambda i: ("yes", "no")[i % 2], ["no", "yes"]),
        (lambda i: (1, 0, -1)[i % 3], ["kind_0", "kind_1"]),
        (lambda i: ("Spam!", "", "ham")[i % 3], ["Spam!", "ham"]),
        (lambda i: (True, False)[i % 2], ["False", "True"]),
    ],
)
def test_values_of_a_label_become_classes(tmp_path, values, classes):
    rows = [{"kind": values(i), "text": (GOOD, BAD)[i % 2].format(i)} for i in range(40)]
    start_from(tmp_path / "p", written(tmp_path / "r.csv", rows), label="kind")
    assert list(Project(tmp_path / "p").params.classes) == classes
    run_stages(tmp_path / "p", "ingest", "apply")
    assert Project(tmp_path / "p").catalogue.names


def test_without_labels_times_or_ids(tmp_path):
    rows = [{"what was said": (GOOD, BAD)[i % 2].format(i), "n": i} for i in range(40)]
    made = start_from(tmp_path / "p", written(tmp_path / "r.csv", rows), classes=["fine", "angry"])
    assert any("no column is a label" in sentence for sentence in made.found)
    run_stages(tmp_path / "p")
    project = Project(tmp_path / "p")
    assert project.params.classes == ("fine", "angry")
    assert project.labels().count_rows() == 40
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    assert [p.dt for p in project.store.partitions("partitions")] == [today]


def test_many_days_become_months(tmp_path):
    rows = reviews(100)
    for i, row in enumerate(rows):
        row["created_at"] = f"20{10 + i // 12}-{1 + i % 12:02}-03"
    start_from(tmp_path / "p", written(tmp_path / "r.csv", rows))
    assert yaml.safe_load((tmp_path / "p/params.yaml").read_text())["streams"]["r"]["grain"] == "month"


def test_what_a_person_says_counts(tmp_path):
    source = written(
        tmp_path / "r.csv", reviews(title=lambda i: f"title {i} of some length that is longer than the body is")
    )
    found = look(source, Chosen(text="title", id="", time="", label=""))
    assert (found.text, found.id, found.time, found.label) == ("title", None, None, None)
    assert {"body", "review_id", "created_at"} <= {*found.fields}
    assert found.left_out == ("label",)  # a name that labels have themselves


@pytest.mark.parametrize(
    ("content", "asked", "said"),
    [
        ("", {}, "no row"),
        ("a,b\n", {}, "no row"),
        ("a,b\n1,2\n3,4\n", {}, "no column has texts"),
        ("a,text\n1,x y\n", {"label": "gone"}, "no column 'gone'"),
        ("text,kind\nx y,a\nz,a\n", {"label": "kind"}, "only one class"),
        ("text,kind\nx y,a\nz w,b\n", {"classes": ["one"], "label": ""}, "only one class"),
    ],
)
def test_bad_input_makes_nothing(tmp_path, content, asked, said):
    (tmp_path / "r.csv").write_text(content)
    with pytest.raises(BeamBellError, match=said):
        start_from(tmp_path / "p", tmp_path / "r.csv", **asked)
    assert not (tmp_path / "p").exists()


def test_a_file_that_is_missing_or_of_no_format(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        start_from(tmp_path / "p", tmp_path / "gone.csv")
    (tmp_path / "r.xlsx").write_text("x")
    with pytest.raises(BeamBellError, match="unknown file format"):
        start_from(tmp_path / "p", tmp_path / "r.xlsx")


def test_letters_of_windows_and_other_delimiters(tmp_path):
    text = "kind;text\n" + "".join(
        f"{'ja' if i % 2 else 'nein'};größe {i} {'gut' if i % 2 else 'übel'}\n" for i in range(40)
    )
    (tmp_path / "r.csv").write_bytes(text.encode("cp1252"))
    start_from(tmp_path / "p", tmp_path / "r.csv", label="kind")
    run_stages(tmp_path / "p", "ingest", "apply")
    project = Project(tmp_path / "p")
    (partition,) = project.store.partitions("partitions")
    assert "größe" in project.rows(partition.stream, partition.dt)["text"][0]


def test_odd_names_of_classes_are_names_in_python(tmp_path):
    kinds = ["a b", "A-B", 'quote "x"', "größe", "1st", "\\n"]
    rows = [{"label": kinds[i % 6], "text": f"word{'abcdef'[i % 6]} text {i}"} for i in range(60)]
    start_from(tmp_path / "p", written(tmp_path / "r.csv", rows))
    project = Project(tmp_path / "p")
    assert sorted(project.params.classes) == sorted(kinds)
    assert len(project.catalogue.names) == 6


def test_words_that_say_nothing_are_not_suggested():
    texts = [f"same words {i}" for i in range(50)]
    assert suggest(texts, [("a", "b")[i % 2] for i in range(50)], ["a", "b"]) == []


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="published data is not beside the repository")
@pytest.mark.parametrize("name", ["youtube", "sms"])
def test_published_data(tmp_path, name):
    data = pd.read_parquet(SHARED_DATA / f"{name}/train.parquet")
    data.drop(columns=[c for c in data.columns if c.startswith("lf_")]).to_csv(tmp_path / f"{name}.csv", index=False)
    start_from(tmp_path / "p", tmp_path / f"{name}.csv")
    done = run_stages(tmp_path / "p")
    assert done["evaluate"].figures["end_model_accuracy"] > 0.85


def test_in_a_worktree_of_git(tmp_path):
    """There, ``.git`` is a file."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q", tmp_path / "main"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], cwd=tmp_path / "main", check=True)
    subprocess.run([*git, "worktree", "add", "-q", tmp_path / "tree"], cwd=tmp_path / "main", check=True)
    start_from(tmp_path / "tree", written(tmp_path / "r.csv", reviews()))
    done = run_stages(tmp_path / "tree")
    assert done["register"].done == 1
    status = subprocess.run(
        ["git", "status", "--short"], cwd=tmp_path / "tree", capture_output=True, text=True, check=True
    )
    assert "data/" not in status.stdout
    assert ".beambell" not in status.stdout
