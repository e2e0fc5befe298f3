"""The declarations of stages: what `run` does with them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections import Counter
from contextlib import suppress

from beambell import Project
from beambell.artefacts.kind import kinds
from beambell.cli import main
from beambell.stages.order import STAGES
from tests.projects import small_project


def test_no_stage_is_planned_twice(tmp_path, monkeypatch):
    folder = small_project(tmp_path, days=2, scale=0.05)
    planned: Counter[str] = Counter()
    for stage in STAGES:
        module = importlib.import_module(f"beambell.stages.{stage.name}")

        def counted(*arguments, plan=module.plan, name=stage.name):
            planned[name] += 1
            return plan(*arguments)

        monkeypatch.setattr(module, "plan", counted)
    for _ in range(2):  # with work, and without
        planned.clear()
        with suppress(SystemExit):  # the gate may say no
            main(["run", "--project", str(folder)])
        assert planned == {stage.name: 1 for stage in STAGES}


def test_every_kind_of_artefact_is_written_by_one_stage():
    written = Counter(folder for stage in STAGES for folder in stage.writes)
    inner = {folder for folder in kinds() if folder.rpartition("/")[0] in written}  # lies in its kind's folder
    assert set(written) == {*kinds()} - inner | {"lfs", "labels"}  # what has no manifest
    assert set(written.values()) == {1}


def test_a_stage_does_what_was_planned(tmp_path):
    project = Project(small_project(tmp_path, days=2, scale=0.05))
    ingest = STAGES[0]
    plan = ingest.plan(project, project.select())
    assert ingest.run(project, plan).done == len(plan.tasks) > 0
    assert not ingest.plan(project, project.select()).tasks


def test_the_declarations_import_next_to_nothing():
    code = "import sys, beambell.stages.order; print([m for m in ('pyarrow', 'numpy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
