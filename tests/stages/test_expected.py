"""Expected partitions: gaps, streams that stop, habits of the week, and the clock where it is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from projects import change_params
from synthetic import make_project, partition, vote

from beambell import Project
from beambell.errors import GateError
from beambell.stages.expected import find_missing
from beambell.stages.order import stage_named


def project_of(folder, days, **params):
    project = Project(make_project(folder, **params))
    for stream, numbers in days.items():
        for day in numbers:
            vote(project, partition(stream, day), day)
    return project


def missing(project, now=None):
    return {one.stream: one.partitions for one in find_missing(project, project.select(), now)}


def test_a_gap_is_named(tmp_path):
    project = project_of(tmp_path, {"comments": [0, 1, 3], "messages": range(4)})
    assert missing(project) == {"comments": ("2026-01-03",)}


def test_a_stream_that_stops_is_named_with_what_is_missing(tmp_path):
    project = project_of(tmp_path, {"comments": range(6), "messages": range(3)})
    (found,) = find_missing(project, project.select())
    assert found.stopped
    assert found.sentence.startswith("the stream stopped: its last partition is 2026-01-03; 3 partitions")
    assert missing(project) == {"messages": ("2026-01-04", "2026-01-05", "2026-01-06")}


def test_a_stream_that_never_has_sundays_is_not_asked_for_them(tmp_path):
    sundays = {3, 10, 17, 24}
    project = project_of(tmp_path, {"comments": range(25), "messages": sorted({*range(25)} - sundays)})
    assert missing(project) == {"messages": ("2026-01-04", "2026-01-11")}  # before there was a habit


def test_by_the_clock_a_single_stream_stops_too(tmp_path):
    project = project_of(tmp_path, {"comments": range(3)}, gate={"streams": {"comments": {"lateness": "6 hours"}}})
    end = datetime(2026, 1, 5, tzinfo=UTC)
    assert missing(project, end + timedelta(hours=5)) == {}
    assert missing(project, end + timedelta(hours=7)) == {"comments": ("2026-01-04",)}


def test_a_clock_that_goes_backwards_expects_nothing_new(tmp_path):
    project = project_of(tmp_path, {"comments": range(3)}, gate={"streams": {"comments": {"lateness": "6 hours"}}})
    assert missing(project, datetime(2020, 1, 1, tzinfo=UTC)) == {}


def test_it_warns_blocks_or_is_off(tmp_path):
    project = project_of(tmp_path, {"comments": range(6), "messages": range(3)})
    validate = stage_named("validate")
    assert any("the stream stopped" in warning for warning in validate.plan(project, project.select()).warnings)
    change_params(tmp_path, gate={"expected": "block"})
    project = Project(tmp_path)
    with pytest.raises(GateError) as error:
        validate.refresh(project, project.select())
    assert "messages" in error.value.details["streams"]
    change_params(tmp_path, gate={"streams": {"messages": {"expected": "off"}}})
    assert missing(Project(tmp_path)) == {}
