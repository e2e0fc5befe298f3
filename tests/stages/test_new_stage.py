"""A stage that is added: a module, its declaration in the order and its kind of artefact; all else follows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from projects import REPOSITORY, small_project

MODULE = '''
"""Sizes: how many rows a partition has."""

from dataclasses import dataclass

from beambell.stages.stage import Outcome, plan_units, staleness
from beambell.store import Layout, Manifest, Partition

KIND = "sizes"


@dataclass(frozen=True)
class Size:
    partition: Partition
    rows: Manifest

    @property
    def inputs(self):
        return {"rows": self.rows.files["rows"].sha256}


def plan(project, selection):
    before = project.store.partitions(KIND)
    rows = project.store.partitions(Layout.PARTITIONS)
    units = (Size(partition, manifest) for partition, manifest in rows.items() if partition in selection)
    return plan_units("sizes", units, lambda unit: staleness(before.get(unit.partition), unit.inputs))


def run(project, plan):
    for unit in plan.work:
        facts = {"rows": unit.rows.facts["rows"]}
        project.store.publish(Layout.of(KIND, unit.partition), Manifest("sizes", {}, unit.inputs, facts))
    return Outcome("sizes", len(plan.work), plan.current)
'''

KIND = """
from beambell.artefacts.kind import Artefact, Reference
from beambell.store.layout import Layout


class Size(Artefact):
    KIND, FOLDER, TITLE = "sizes", "sizes", "size"
    SENTENCE = "Number of rows of a partition."
    REFERENCES = (Reference("rows", Layout.PARTITIONS),)
"""

DECLARATION = """    Stage(
        "sizes",
        "Count the rows of each partition.",
        reads=("partitions",),
        writes=("sizes",),
        scope="partition",
    ),
    Stage(
        "aggregate",
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The commands of a copy that has one more stage, in a small project."""
    code = tmp_path_factory.mktemp("code")
    for package in ("beambell", "beam_jobs"):
        shutil.copytree(REPOSITORY / package, code / package)  # with what is compiled, or it is compiled again
    stages = code / "beambell" / "stages"
    (stages / "sizes.py").write_text(MODULE)
    (code / "beambell" / "artefacts" / "kinds" / "sizes.py").write_text(KIND)
    order = (stages / "order.py").read_text()
    place = '    Stage(\n        "aggregate",\n'
    assert order.count(place) == 1
    (stages / "order.py").write_text(order.replace(place, DECLARATION))
    project = small_project(tmp_path_factory.mktemp("project"), days=2, scale=0.05)

    def call(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "beambell", *words],
            cwd=project,
            env={**os.environ, "PYTHONPATH": f"{code}{os.pathsep}{project}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 3), done.stderr  # the gate may say no
        return done.stdout

    call.project = project
    return call


def test_status_and_run_have_it_in_its_place(command):
    plans = json.loads(command("status", "--json"))["plans"]
    assert [plan["stage"] for plan in plans[:4]] == ["ingest", "feedback", "sizes", "aggregate"]
    outcomes = {one["stage"]: one for one in json.loads(command("run", "--json"))["outcomes"]}
    made = sorted((command.project / "data" / "sizes").rglob("manifest.json"))
    assert outcomes["sizes"]["done"] == len(made) > 0
    assert json.loads(made[0].read_text())["facts"]["rows"] > 0
    plans = {plan["stage"]: plan for plan in json.loads(command("status", "--json"))["plans"]}
    assert plans["sizes"]["tasks"] == []
    assert plans["sizes"]["current"] == len(made)


def test_it_has_a_command_with_a_sentence(command):
    assert "Count the rows of each partition." in command("--help")
    document = json.loads(command("sizes", "--stream", "comments", "--json"))
    assert document["stage"] == "sizes"
    assert document["done"] == 0


def test_its_artefacts_are_verified_and_have_a_lineage(command):
    command("run")
    assert json.loads(command("verify", "--deep", "--json"))["ok"]
    assert not [name for name in json.loads(command("gc", "--dry-run", "--json"))["files"] if "sizes" in name]
    (first, *_) = sorted((command.project / "data" / "sizes").rglob("manifest.json"))
    found = command("lineage", json.loads(first.read_text())["id"])
    assert "size" in found
    assert "partition" in found


def test_dvc_has_it(command):
    command("dvc")
    made = yaml.safe_load((Path(command.project) / "dvc.yaml").read_text())["stages"]
    assert made["sizes"] == {
        "cmd": "beambell sizes",
        "deps": ["data/inputs/sizes.json", "data/partitions"],
        "outs": [{"data/sizes": {"persist": True}}],
    }
    assert "sizes" in json.loads(command("inputs", "--json"))["changed"]
    assert json.loads(command("inputs", "--json"))["changed"] == []


def test_the_dags_have_it(command, tmp_path):
    command("dags", "--folder", str(tmp_path))
    (made,) = (one for one in json.loads((tmp_path / "stages.json").read_text()) if one["name"] == "sizes")
    assert made["command"] == made["task"] == "sizes"
    assert made["summary"] == "Count the rows of each partition."
    assert made["group"]
