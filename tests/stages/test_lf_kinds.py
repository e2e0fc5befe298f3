"""Every way to write a labeling function, through the Beam job: YAML, combinations, batches; one that hangs."""

from __future__ import annotations

import pytest
from projects import change_params, run_stages, small_project

from beambell import Project
from beambell.labeling import evaluate
from beambell.stages.apply import find_work
from beambell.store import Selection

PYTHON = """
import pyarrow.compute as pc

from beambell.labeling import batch_labeling_function, keyword, labeling_function, length

HAM, SPAM = 0, 1
free = keyword("free", any_of=["free"], label=SPAM)
_brief = length("brief", max=30, label=HAM)
long_free = (free & ~_brief).named("long_free", label=SPAM)


@batch_labeling_function(label=SPAM)
def shouts(table):
    return pc.utf8_is_upper(table["text"])


@labeling_function(label=SPAM, streams=("messages",))
def hangs(row):
    while row.text:
        pass
"""
YAML = """
- {kind: regex, name: link, pattern: 'https?://', label: spam}
- {kind: combination, name: bare, when: ~link, label: ham}  # a comment
"""
NAMES = ("bare", "free", "hangs", "link", "long_free", "shouts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = small_project(tmp_path_factory.mktemp("kinds"), days=1)
    (made / "mine.py").write_text(PYTHON)
    (made / "mine.yaml").write_text(YAML)
    change_params(made, lfs={"modules": ["mine"], "files": ["mine.yaml"], "time_limit_s": 0.5})
    run_stages(made, "ingest", "apply")
    return made


def test_the_job_votes_as_the_plain_evaluation(folder):
    project = Project(folder)
    assert project.catalogue.names == NAMES
    rows = project.rows("comments", "2026-01-01", "arrow")
    expected = evaluate(project.catalogue.lfs, rows, cardinality=2, stream="comments").votes
    votes = project.votes("comments", "2026-01-01")[list(NAMES)].to_numpy()
    assert (votes == expected).all()
    columns = dict(zip(NAMES, votes.T, strict=True))
    assert ((columns["bare"] == 0) == (columns["link"] == -1)).all()
    assert ((columns["long_free"] == 1) <= (columns["free"] == 1)).all()


def test_one_that_hangs_is_dead_letters_and_not_a_hung_job(folder):
    project = Project(folder)
    letters = project.dead_letters("messages", "2026-01-01")
    rows = project.rows("messages", "2026-01-01")
    assert letters["id"].tolist() == sorted(rows["id"])
    assert set(letters["lf"]) == {"hangs"}
    assert set(letters["error"]) == {"TimeoutError"}
    assert (project.votes("messages", "2026-01-01")["shouts"] >= -1).all()


def test_an_edit_of_yaml_runs_that_function_alone(folder):
    file = folder / "mine.yaml"
    file.write_text(YAML.replace("# a comment", "# another"))
    assert find_work(Project(folder), Selection()) == ([], 2)
    file.write_text(YAML.replace("label: ham", "label: spam"))
    work, _ = find_work(Project(folder), Selection())
    assert [item.reuse.count(-1) for item in work] == [1, 1]
    assert {item.reason for item in work} == {"LFs: bare edited"}
    file.write_text(YAML.replace("https?", "http"))
    work, _ = find_work(Project(folder), Selection())
    assert {item.reason for item in work} == {"LFs: bare, link edited"}
    file.write_text(YAML)


def test_the_job_counts_votes_errors_and_time_for_each(tmp_path):
    made = small_project(tmp_path / "project", days=2)
    (made / "mine.py").write_text(PYTHON)
    (made / "mine.yaml").write_text(YAML + "- {kind: regex, name: twice, pattern: '(.)(.)\\1\\2', label: spam}\n")
    change_params(made, lfs={"modules": ["mine"], "files": ["mine.yaml"], "time_limit_s": 0.5})
    outcome = run_stages(made, "ingest", "apply")["apply"]
    store = Project(made).store
    facts = [manifest.facts["lfs"] for manifest in store.partitions("votes").values()]
    counted = outcome.details["lfs"]
    for kind in ("votes", "errors"):
        assert {name: of[kind] for name, of in counted.items()} == {
            name: sum(entry[kind] for entries in facts for entry in entries if entry["name"] == name)
            for name in (*NAMES, "twice")
        }
    assert counted["hangs"]["errors"] > 0
    assert counted["hangs"]["microseconds"] > 900_000 > counted["free"]["microseconds"] > 0
    assert [line for line in outcome.warnings if line.startswith("twice is searched by `re` in every row: ")]
