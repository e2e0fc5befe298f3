"""The file for the DAGs that is made from the declarations of the stages."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from beambell.errors import UsageError
from beambell.stages.dags import FILE, stages_text, write_stages
from beambell.stages.order import STAGES

DAGS = Path(__file__).parents[2] / "dags"


def test_the_file_of_the_clone_is_not_stale():
    assert (DAGS / FILE).read_text() == stages_text(), "run `beambell dags`"


def test_every_stage_has_a_task_of_its_own_in_a_group_that_is_in_one_piece():
    told = json.loads(stages_text())
    assert [stage["name"] for stage in told] == [stage.name for stage in STAGES]
    groups = [stage["group"] for stage in told]
    assert all(groups)
    assert len({*groups}) == 1 + sum(one != other for one, other in pairwise(groups))
    assert len({stage["task"] for stage in told}) == len(told)


def test_it_is_written_where_it_changed_and_where_there_are_dags(tmp_path):
    assert write_stages(tmp_path)
    assert not write_stages(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        write_stages(tmp_path / "none")
