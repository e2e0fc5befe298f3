"""The file for DVC that is made from the declarations of the stages."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from beambell import Project
from beambell.errors import UsageError
from beambell.stages.dvc import FILE, dvc_text, write_dvc
from beambell.stages.order import STAGES
from tests.projects import change_params, small_project, write_params

ROOT = Path(__file__).parents[2]


def test_the_file_of_the_clone_is_not_stale():
    assert (ROOT / FILE).read_text() == dvc_text(Project(ROOT)), "run `beambell dvc`"


def test_what_a_stage_reads_is_written_by_one_before_it():
    written: set[str] = set()
    for stage in STAGES:
        assert set(stage.reads) <= written, stage.name
        assert written.isdisjoint(stage.writes)
        written |= set(stage.writes)


def test_a_project_of_one_s_own(tmp_path):
    folder = small_project(tmp_path / "project", days=1, scale=0.01)
    change_params(folder, data="kept/here", model={"name": "mine"})
    params = yaml.safe_load((folder / "params.yaml").read_text())
    write_params(folder, {name: section for name, section in params.items() if name != "demo"})
    assert write_dvc(Project(folder))
    assert not write_dvc(Project(folder))
    made = yaml.safe_load((folder / FILE).read_text())
    assert [*made["stages"]] == ["inputs", *(stage.name for stage in STAGES)]
    assert made["stages"]["merge"] == {
        "cmd": "beambell merge",
        "deps": ["kept/here/inputs/merge.json", "kept/here/votes", "kept/here/screenings"],
        "outs": [{"kept/here/state": {"persist": True}}],
    }
    assert made["artifacts"]["mine"]["path"] == "kept/here/models/candidate"


def test_what_a_person_wrote_stays(tmp_path):
    folder = small_project(tmp_path / "project", days=1, scale=0.01)
    (folder / FILE).write_text("stages: {}\n")
    with pytest.raises(UsageError, match="was not made"):
        write_dvc(Project(folder))
    change_params(folder, data="s3://bucket/data")
    with pytest.raises(UsageError, match="cannot track"):
        dvc_text(Project(folder))
