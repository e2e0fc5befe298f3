"""``dvc repro`` on a fresh clone: the same stages, the same bytes, and nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from projects import REPOSITORY, change_params, run_stages, tree_bytes

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "true"}


FORCE = ("--override", "--json")  # few gold rows are in so little data


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of the working tree, as its own git repository, with few rows to generate."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=REPOSITORY).splitlines()
    for name in files:
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    change_params(
        folder, embedded={"days": 2, "scale": 0.03}, label_model={"kind": "snorkel", "options": {"n_epochs": 20}}
    )
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
    stages = ("generate", "ingest", "collect", "aggregate", "apply", "merge", "feedback", "fit", "label", "validate")
    for stage in (*stages, "train", "evaluate", "register", "promote"):
        assert f"Running stage '{stage}'" in reproduced
    assert (clone / "data" / "models" / "registry" / "spam" / "v0001" / "manifest.json").exists()
    assert run("git", "status", "--short", cwd=clone).split() == ["??", "dvc.lock"]


def test_a_second_repro_runs_nothing(clone, reproduced):
    assert "Data and pipelines are up to date." in run("dvc", "repro", cwd=clone)


def test_the_command_leaves_the_same_bytes(clone, reproduced, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(clone, folder, ignore=shutil.ignore_patterns("data", ".dvc", ".git", ".beambell", "dvc.lock"))
    run("beambell", "generate", cwd=folder)
    run_stages(folder)
    without = ("README.md", ".gitignore")
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
    assert run("git", "tag", cwd=clone).split() == ["spam@v1.0.0"]
    assert "v1.0.0" in run("gto", "show", cwd=clone)

    decided = json.loads(run("beambell", "models", "promote", "--by", "ann", "--reason", "first", *FORCE, cwd=clone))
    assert decided["figures"]["tag"] == "assigned spam v1.0.0 to prod"
    assert "spam#prod#1" in run("git", "tag", cwd=clone).split()
    again = json.loads(run("beambell", "promote", "--json", cwd=clone))
    assert again["figures"]["tag"] == "spam v1.0.0 is prod"
