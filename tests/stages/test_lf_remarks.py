"""What is wrong with a project's labeling functions as a set is said in `run`, `status`, `lf list` and by the gate."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from projects import change_params, run_stages

from beambell import Project
from beambell.workshop.starter import start

RULES = """
from pathlib import Path
from beambell.labeling import keyword, labeling_function

twice = [keyword(name, any_of=["refund"], label=1) for name in ("refund", "money_back")]
lazy = (keyword("late", any_of=["late"], label=1) for _ in range(1))


@labeling_function(label=1)
def listed(row):
    return row.text in Path(__file__).with_name("words.txt").read_text()
"""
SAID = ("refund and money_back|money_back and refund", "`lazy`", "reads a file while listed votes", "for class other")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remarks") / "project"
    start(folder)
    (folder / "labeling_functions" / "mails.py").write_text(RULES)
    (folder / "labeling_functions" / "words.txt").write_text("")
    change_params(folder, gate={"min_coverage": 0.0})
    return folder


def command(folder, *words: str) -> subprocess.CompletedProcess[str]:
    arguments, environment = [sys.executable, "-m", "beambell", *words], {**os.environ, "COLUMNS": "400"}
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def missing(text: str) -> list[str]:
    return [said for said in SAID if not any(part in text for part in said.split("|"))]


def test_status_run_and_list_say_it(folder):
    assert not missing(command(folder, "status").stderr)
    (plan,) = [p for p in json.loads(command(folder, "status", "--json").stdout)["plans"] if p["stage"] == "apply"]
    assert not missing("\n".join(plan["warnings"]))
    outcomes = run_stages(folder)
    assert not missing("\n".join(outcomes["apply"].warnings))
    again = run_stages(folder)
    assert again["apply"].done == 0
    assert not missing("\n".join(again["apply"].warnings))
    listed = command(folder, "lf", "list", "--json")
    assert not missing(listed.stderr)
    assert {lf["name"] for lf in json.loads(listed.stdout)} == {"refund", "money_back", "listed"}


def test_the_gate_warns_of_a_class_without_labeling_functions(folder):
    project = Project(folder)
    verdicts = project.store.partitions("verdicts").values()
    warned = [
        failure for verdict in verdicts for failure in verdict.facts["findings"] if failure["check"] == "class_votes"
    ]
    assert warned
    assert all(failure["severity"] == "warning" and "other" in failure["message"] for failure in warned)
