"""A labeling function that waits, or ends its process, is named and loses its votes; the command goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from projects import change_params, run_stages

from beambell import Project
from beambell.cli import main
from beambell.workshop.starter import start

RULES = """
import os, time
from beambell.labeling import keyword, labeling_function
from beambell.stages.order import stage_named

broken = keyword("broken", any_of=["broken", "refund"], label=1)


@labeling_function(label=0)
def ends(row):
    {ends}
    return "thank" in row.text


@labeling_function(label=0)
def fine(row):
    return "thank" in row.text
"""


def project(folder, ends: str) -> None:
    start(folder)
    (folder / "labeling_functions" / "mails.py").write_text(RULES.format(ends=ends))
    change_params(folder, lfs={"time_limit_s": 0.5}, gate={"min_coverage": 0.0})


def command(folder, *words: str) -> subprocess.CompletedProcess[str]:
    arguments, environment = [sys.executable, "-m", "beambell", *words], {**os.environ, "COLUMNS": "300"}
    return subprocess.run(
        arguments, cwd=folder, capture_output=True, text=True, check=False, env=environment, timeout=240
    )


@pytest.mark.parametrize("ends", ["os._exit(0)", pytest.param("time.sleep(1000)", marks=pytest.mark.heavy)])
def test_a_run_goes_on_without_it(tmp_path, ends, capsys):
    folder = tmp_path / "project"
    project(folder, ends)
    run_stages(folder, "ingest")
    done = command(folder, "apply", "--json")
    assert done.returncode == 0
    (document,) = [json.loads(done.stdout)]
    assert document["done"] == 3
    assert document["figures"]["dead_letters"] == 30
    assert any("ends failed on 10 rows" in warning for warning in document["warnings"])
    votes = Project(folder).votes("mails", "2026-01-02")
    assert set(votes["ends"]) == {-1}
    assert (votes["fine"] >= 0).any()
    for code, words in ((3, ["run"]), (1, ["lf", "test", "ends"])):
        with pytest.raises(SystemExit) as stop:
            main([*words, "--project", str(folder)])
        assert stop.value.code == code
    said = capsys.readouterr().err
    assert "ends: the share of rows on which it raised is 1" in " ".join(said.split())


def test_to_end_the_process_while_a_module_is_imported_is_an_error(tmp_path):
    folder = tmp_path / "project"
    project(folder, "pass")
    with (folder / "labeling_functions" / "mails.py").open("a") as module:
        module.write("\nos._exit(0)\n")
    done = command(folder, "lf", "list")
    assert done.returncode == 1
    assert "os._exit(0)" in done.stderr
    assert "mails.py" in done.stderr


def test_one_that_is_edited_while_votes_are_cast_is_said_and_stays_stale(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    project(folder, "pass")
    run_stages(folder, "ingest")
    opened = Project(folder)
    before = opened.catalogue.fingerprints
    from beam_jobs import apply_lfs
    from beambell.stages.order import stage_named

    counters = apply_lfs.counters

    def edit(result):
        text = RULES.format(ends="return False")
        time.sleep(0.01)
        (folder / "labeling_functions" / "mails.py").write_text(text)
        return counters(result)

    monkeypatch.setattr(apply_lfs, "counters", edit)
    outcome = stage_named("apply").refresh(opened, opened.select())
    assert any("labeling_functions/mails.py was changed while this ran" in warning for warning in outcome.warnings)
    facts = next(iter(opened.store.partitions("votes").values())).facts
    assert {lf["name"]: lf["fingerprint"] for lf in facts["lfs"]} == before
    plan = json.loads(command(folder, "apply", "--dry-run", "--json").stdout)["plans"][0]
    assert {task["reason"] for task in plan["tasks"]} == {"LFs: ends edited"}
