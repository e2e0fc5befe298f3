"""``dvc repro`` on a fresh clone: the same stages, the same bytes, and nothing twice."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from projects import REPOSITORY, change_params, run_stages, tree_bytes

from beambell import Project
from beambell.stages.order import STAGES

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "true"}


FORCE = ("--override", "--json")  # few gold rows are in so little data


def run(*command: str, cwd: Path, **environment: str) -> str:
    everything = {**ENVIRONMENT, **environment}
    done = subprocess.run(command, cwd=cwd, env=everything, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


ELSEWHERE = {
    "lists/words.txt": "subscribe\n",
    "lists/authors.txt": "nobody\n",
    "lists/weights.txt": "channel\t2\n",
    "lists/rules.yaml": "- {kind: keyword, name: written, any_of: [written], label: ham}\n",
    "more/lfs.py": """
from beambell.labeling import Resource, labeling_function, lexicon, lookup

LIMIT = 40


@labeling_function(label=1, resources={"words": Resource("lists/words.txt")})
def listed(row, words):
    return len(row.text) < LIMIT and any(word in row.text for word in words.split())


weighed = lexicon("weighed", file="lists/weights.txt", threshold=1, label=1)
known = lookup("known", field="author", file="lists/authors.txt", label=0)
""",
    "answers/first.csv": "stream,row_id,label,reviewer,time\n",
    "truth/gold.csv": "text,label\nsubscribe to my channel,spam\nthank you for this,ham\n",
    "drop/2026-01-01.csv": "comment_id,text,created_at,author,video,likes\nx1,hello,2026-01-01T10:00:00Z,ann,v,1\n",
}
"""Files outside of the folders that a clone has, of each kind that a stage reads."""


def put_elsewhere(folder: Path) -> None:
    for name, text in ELSEWHERE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    streams = {"comments": {"inputs": [*params["streams"]["comments"]["inputs"], "drop/{dt}.csv"]}}
    change_params(
        folder,
        demo={"days": 2, "scale": 0.03},
        label_model={"kind": "snorkel", "options": {"n_epochs": 20}},
        streams=streams,
        lfs={"modules": ["labeling_functions.spam", "more.lfs"], "files": ["lists/*.yaml"]},
        evaluation={"gold": ["data/gold/*.parquet", "truth/*.csv"]},
        feedback={"inputs": ["data/reviews/*.csv", "answers/*.csv"]},
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of the working tree, as its own git repository, with few rows to generate."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=REPOSITORY).splitlines()
    for name in files:
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    put_elsewhere(folder)
    run("git", "init", "-q", cwd=folder)
    run("git", "config", "user.email", "test@beambell.invalid", cwd=folder)
    run("git", "config", "user.name", "test", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    run("git", "commit", "-qm", "clone", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def reproduced(clone):
    return run("dvc", "repro", cwd=clone)


def test_repro_runs_every_stage(clone, reproduced):
    stages = ("generate", "ingest", "feedback", "aggregate", "apply", "merge", "count", "fit", "label", "validate")
    for stage in (*stages, "train", "evaluate", "register", "promote"):
        assert f"Running stage '{stage}'" in reproduced
    assert (clone / "data" / "models" / "registry" / "spam" / "v0001" / "manifest.json").exists()
    assert run("git", "status", "--short", cwd=clone).split() == ["??", "dvc.lock"]


def test_a_second_repro_only_looks(clone, reproduced):
    assert stages_run(run("dvc", "repro", cwd=clone)) == ["inputs"]
    assert stale(clone) == set()


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def stale(clone: Path, **environment: str) -> set[str]:
    """Stages that have something to do by themselves, as `beambell status` says."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        project = Project(clone)
        plans = [stage.plan(project, project.select()) for stage in STAGES]
    return {plan.stage for plan in plans if plan.tasks or plan.waiting}


def stale_for_dvc(clone: Path, **environment: str) -> set[str]:
    """The same, as DVC says once the stage that looks has run."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, **environment}.items():
            patch.setenv(name, value)
        with Repo(str(clone)) as repository:  # in this process: a start of DVC takes longer than what it does here
            patch.chdir(clone)
            repository.reproduce(["inputs"])
            return set(repository.status()) - {"inputs"}


CHANGES = {
    "a file of resources": ("lists/words.txt", "channel\n", {"apply", "merge"}),
    "a file of lookup": ("lists/authors.txt", "ann\n", {"apply", "merge"}),
    "a file of lexicon": ("lists/weights.txt", "video\t2\n", {"apply", "merge"}),
    "a YAML file": (
        "lists/rules.yaml", ELSEWHERE["lists/rules.yaml"].replace("[written]", "[reads]"), {"apply", "merge"}
    ),
    "a second module": ("more/lfs.py", ELSEWHERE["more/lfs.py"].replace("40", "41"), {"apply", "merge"}),
    "gold": ("truth/gold.csv", ELSEWHERE["truth/gold.csv"] + "cheap shoes,spam\n", {"evaluate"}),
    "feedback": ("answers/second.csv", "stream,row_id,label,reviewer,time\ncomments,x1,ham,ann,2026-01-02\n",
                 {"feedback"}),
    "a raw file": ("drop/2026-01-02.csv", ELSEWHERE["drop/2026-01-01.csv"].replace("x1", "x2"), {"ingest"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_dvc_sees_each_file_that_a_stage_reads(clone, reproduced, kind):
    name, text, stages = CHANGES[kind]
    (clone / name).write_text(text)
    try:
        seen, seen_by_dvc = stale(clone), stale_for_dvc(clone)
        assert stages <= seen
        assert stages <= seen_by_dvc <= seen
    finally:
        (clone / name).unlink()
        if name in ELSEWHERE:
            (clone / name).write_text(ELSEWHERE[name])


@pytest.mark.parametrize(
    ("variable", "value", "stages"),
    [
        ("BEAMBELL__GATE__MIN_COVERAGE", "0.01", {"validate"}),
        ("BEAMBELL__MODEL__SEED", "8", {"train"}),
        ("BEAMBELL__STATE__MAX_PATTERNS", "1000", {"merge"}),
        ("BEAMBELL__LFS__SHADOW", '["listed"]', {"fit"}),
    ],
)
def test_dvc_sees_the_environment(clone, reproduced, variable, value, stages):
    assert stages <= stale(clone, **{variable: value})
    assert stages <= stale_for_dvc(clone, **{variable: value})


def test_dvc_sees_that_beambell_changed(clone, reproduced):
    """Of a stage whose number was raised, everything is made again."""
    formats = clone / "beambell" / "config" / "formats.py"
    text = formats.read_text()
    formats.write_text(text.replace('"label": 1', '"label": 2'))
    try:
        environment = {"PYTHONPATH": str(clone)}
        plans = json.loads(run("beambell", "status", "--json", cwd=clone, **environment))["plans"]
        assert {plan["stage"] for plan in plans if plan["tasks"]} == {"label"}
        assert stale_for_dvc(clone, **environment) == {"label"}
    finally:
        formats.write_text(text)


def test_what_changed_and_changed_back_is_no_change(clone, reproduced):
    assert stale_for_dvc(clone) == set()


def test_the_command_leaves_the_same_bytes(clone, reproduced, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(clone, folder, ignore=shutil.ignore_patterns("data", ".dvc", ".git", ".beambell", "dvc.lock"))
    run("beambell", "generate", cwd=folder)
    run_stages(folder)
    without = ("README.md", ".gitignore", "inputs")
    assert tree_bytes(folder / "data", without=without) == tree_bytes(clone / "data", without=without)


def test_metrics_and_plots_are_declared(clone, reproduced):
    metrics = json.loads(run("dvc", "metrics", "show", "--json", cwd=clone))
    assert metrics[""]["data"]["data/evaluation/metrics.json"]["data"]["end_model"]["rows"] > 0
    plots = json.loads(run("dvc", "plots", "show", "--json", "-o", "plots", cwd=clone))
    assert set(plots["data"]) == {"Confusion matrix on held-out gold rows", "Calibration on held-out gold rows"}


def test_a_version_is_tagged_once_its_commit_says_which_data_it_is(clone, reproduced):
    before = json.loads(run("beambell", "register", "--json", cwd=clone))["figures"]["tag"]
    assert before.startswith("not tagged")
    assert "commit dvc.lock" in before
    run("git", "add", "dvc.lock", cwd=clone)
    run("git", "commit", "-qm", "reproduced", cwd=clone)
    after = json.loads(run("beambell", "register", "--json", cwd=clone))["figures"]["tag"]
    assert after == "tagged spam@v1.0.0"
    # it was promoted within dvc repro, without a tag: so it gets the stage together with the tag
    assert run("git", "tag", cwd=clone).split() == ["spam#prod#1", "spam@v1.0.0"]
    assert "v1.0.0" in run("gto", "show", cwd=clone)

    decided = json.loads(run("beambell", "models", "promote", "--by", "ann", "--reason", "first", *FORCE, cwd=clone))
    assert decided["figures"]["tag"] == "spam v1.0.0 is prod"
    again = json.loads(run("beambell", "promote", "--json", cwd=clone))
    assert again["figures"]["tag"] == "spam v1.0.0 is prod"


@pytest.mark.heavy
def test_after_repro_the_command_has_nothing_to_do(clone, reproduced, tmp_path):
    """Whatever changed, both ways end with the same bytes, and neither leaves the other anything to do."""
    other = tmp_path / "project"
    shutil.copytree(clone, other, ignore=shutil.ignore_patterns(".dvc", ".git", "dvc.lock"), symlinks=False)
    for folder in (clone, other):
        for name, text, _ in CHANGES.values():
            (folder / name).write_text(text)
    ran = stages_run(run("dvc", "repro", cwd=clone))
    assert {"ingest", "feedback", "apply", "merge", "evaluate"} <= set(ran)
    assert stale(clone) == set()
    run("beambell", "run", cwd=other)
    without = ("README.md", ".gitignore", "inputs")
    assert tree_bytes(other / "data", without=without) == tree_bytes(clone / "data", without=without)
    assert stages_run(run("dvc", "repro", cwd=clone)) == ["inputs"]
