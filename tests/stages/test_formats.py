"""The number of a stage: to raise it makes stale what the stage made, in `status` and `run`."""

from __future__ import annotations

import shutil

import pytest
from projects import change_params, run_stages

from beambell import Project
from beambell.artefacts.verify import verify
from beambell.config import formats
from beambell.config.formats import FORMATS, has_other_format, with_format
from beambell.stages.order import STAGES
from beambell.stages.promote import promote

ORDER = [stage.name for stage in STAGES]
MAY_FOLLOW = {"aggregate": ("apply",)}
"""A plan says of these that they may have more to do."""


def stale(folder) -> set[str]:
    project = Project(folder)
    return {stage.name for stage in STAGES if stage.plan(project, project.select()).tasks}


def test_only_stages_have_a_number():
    assert set(FORMATS) <= {*ORDER, "batch"}
    assert formats.number_of("a new stage") == 1


def test_the_first_number_is_not_written():
    assert with_format("apply", {"rows": "r"}) == {"rows": "r"}
    assert not has_other_format("apply", {"rows": "r"})


@pytest.fixture(scope="module")
def reviewed(finished, tmp_path_factory):
    """A project in which somebody answered, and whose champion predicts; not to be changed."""
    folder = shutil.copytree(finished.path, tmp_path_factory.mktemp("reviewed") / "project")
    row = finished.rows("comments", "2026-01-01")["id"][0]
    reviews = folder / "data" / "reviews"
    reviews.mkdir()
    (reviews / "one.csv").write_text(f"stream,row_id,label,reviewer,time\ncomments,{row},ham,ann,2026-01-05\n")
    change_params(folder, predictions={"mode": "champion"})
    promote(Project(folder), "v1", by="ann", reason="to be served", override=True)
    run_stages(folder)
    return folder


@pytest.fixture
def folder(reviewed, tmp_path):
    return shutil.copytree(reviewed, tmp_path / "project")


@pytest.mark.parametrize("stage", [name for name in ORDER if name != "promote"])
def test_to_raise_a_number_makes_the_stage_s_artefacts_stale(folder, stage, monkeypatch):
    assert stale(folder) == set()
    monkeypatch.setattr(formats, "FORMATS", {**FORMATS, stage: FORMATS[stage] + 1})
    assert stale(folder) == {stage, *MAY_FOLLOW.get(stage, ())}
    run_stages(folder)
    assert stale(folder) == set()
    assert not verify(Project(folder).store).errors
    monkeypatch.undo()
    # An older BeamBell does not take the newer one's for its own.
    assert stale(folder) == {stage, *MAY_FOLLOW.get(stage, ())}
