"""Screening: partitions beside the last good ones; what is broken stays out of the state until somebody accepts it."""

from __future__ import annotations

import random
import shutil

import numpy as np
import pytest
from projects import change_params
from synthetic import make_project, partition, vote_on_texts

from beambell import Project
from beambell.artefacts.kinds.gate import Screening
from beambell.artefacts.kinds.votes import State
from beambell.errors import ConfigError
from beambell.quality.verdict import Verdict
from beambell.stages.order import stage_named
from beambell.store import Layout

DAYS = 12
SHARES = (0.2, 0.1, 0.3, 0.05)


def deliver(project, day, *, rows=400, texts=None, flip=None, shares=SHARES, seed=None):
    """Publish rows and votes of one day: the LFs follow a hidden class, each with its share."""
    rng = np.random.default_rng(day if seed is None else seed)
    spam = rng.random(rows) < 0.4
    L = np.full((rows, len(shares)), -1, np.int8)
    for j, share in enumerate(shares):
        fires = rng.random(rows) < share * 2 * np.where(spam, 0.9, 0.1)
        L[fires, j] = 1
        L[~spam & (rng.random(rows) < 0.5), j] = 0
    if flip is not None:
        L[:, flip] = np.where(L[:, flip] >= 0, 1 - L[:, flip], -1)
    where = partition("comments", day)
    words = [f"{rng.integers(0, 10**9)} " * int(rng.integers(1, 20)) for _ in range(rows)]
    vote_on_texts(project, where, L, [f"{where}-{i}" for i in range(rows)], texts(words) if texts else words)
    return where


def screen(project, *stages):
    return {name: stage_named(name).refresh(project, project.select()) for name in ("screen", *stages)}


def verdict(project, where):
    return Verdict.from_dict(Screening.read(project.store, where).manifest.facts)


def checks(project, where):
    return {(finding.check, finding.severity) for finding in verdict(project, where).told}


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A project with some good days; copied, not changed."""
    folder = make_project(tmp_path_factory.mktemp("known") / "project")
    project = Project(folder)
    for day in range(DAYS):
        deliver(project, day)
    screen(project, "merge")
    return folder


@pytest.fixture
def project(known, tmp_path):
    return Project(shutil.copytree(known, tmp_path / "project"))


def test_good_days_have_no_findings(project):
    assert [where for where, one in Screening.each(project.store).items() if one.findings] == []


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ({"rows": 120}, ("volume", "critical")),
        ({"rows": 270}, ("volume", "warning")),
        ({"rows": 1200}, ("volume", "warning")),
        ({"texts": lambda words: [""] * len(words)}, ("text", "critical")),
        ({"texts": lambda words: [word[:8] for word in words]}, ("text", "critical")),
        ({"texts": lambda words: ["привет " + word for word in words]}, ("text", "critical")),
        ({"texts": lambda words: ["buy now"] * (len(words) // 2) + words[len(words) // 2 :]}, ("repeats", "critical")),
        ({"shares": (0.2, 0.1, 0.3, 0.5)}, ("lf_fired", "critical")),
        ({"flip": 0}, ("lf_agreement", "warning")),
        ({"seed": 3}, ("same_again", "critical")),
    ],
)
def test_a_failure_is_found_and_named(project, broken, expected):
    where = deliver(project, DAYS, **broken)
    screen(project)
    assert expected in checks(project, where)
    for finding in verdict(project, where).told:
        assert finding.fix
        assert finding.z is None or finding.low <= finding.high


def test_a_field_that_is_missing_is_found(project):
    change_params(project.path, streams={"comments": {"fields": {"channel": "string"}}})
    # rows without the column have no value in it, on all days: nothing is new on this one
    project = Project(project.path)
    screen(project)
    assert verdict(project, partition("comments", DAYS - 1)).passed


def test_a_refused_partition_is_not_counted_and_no_reference(project):
    before = State.read(project.store).rows
    where = deliver(project, DAYS, rows=50)
    outcomes = screen(project, "merge")
    assert outcomes["screen"].details["refused"] == [str(where)]
    assert State.read(project.store).rows == before
    later = deliver(project, DAYS + 1)
    screen(project, "merge")
    assert f"reference {where.dt}" not in Screening.read(project.store, later).manifest.inputs
    assert State.read(project.store).rows == before + 400


def test_what_counted_before_is_subtracted_when_it_is_refused(project):
    last = partition("comments", DAYS - 1)
    before = State.read(project.store).rows
    deliver(project, DAYS - 1, rows=30)
    screen(project, "merge")
    assert not verdict(project, last).passed
    assert State.read(project.store).rows == before - 400
    deliver(project, DAYS - 1)
    screen(project, "merge")
    assert State.read(project.store).rows == before


def test_in_any_order_the_screenings_are_the_same(known, tmp_path):
    expected = {where: one.manifest.id for where, one in Screening.each(Project(known).store).items()}
    for seed in range(2):
        project = Project(make_project(tmp_path / str(seed)))
        days = list(range(DAYS))
        random.Random(seed).shuffle(days)
        for first in range(0, DAYS, 4):
            for day in days[first : first + 4]:
                deliver(project, day)
            screen(project)
        assert {where: one.manifest.id for where, one in Screening.each(project.store).items()} == expected


def test_only_what_changed_is_screened_again(project):
    assert screen(project)["screen"].done == 0
    where = deliver(project, DAYS)
    outcome = screen(project)["screen"]
    assert (outcome.done, outcome.current) == (1, DAYS)
    inputs = Screening.read(project.store, where).manifest.inputs
    assert sum(name.startswith("reference ") for name in inputs) == DAYS


def test_a_first_partition_is_judged_by_absolute_bounds_alone(tmp_path):
    project = Project(make_project(tmp_path / "project"))
    for day, rows in enumerate((400, 3, 4000)):
        deliver(project, day, rows=rows)
    screen(project)
    assert all(one.passed for one in Screening.each(project.store).values())


def test_without_memory_nothing_is_compared(project):
    change_params(project.path, gate={"memory": 0})
    project = Project(project.path)
    where = deliver(project, DAYS, rows=50)
    screen(project)
    assert verdict(project, where).passed


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"warn_z": 7.0}, "warn_z (7) is above block_z (6)"),
        ({"min_rows": 9, "max_rows": 3}, "min_rows (9) is above max_rows (3)"),
        ({"min_rows": 9, "streams": {"comments": {"max_rows": 3}}}, "streams.comments: min_rows (9)"),
        ({"streams": {"nobody": {}}}, "unknown streams: nobody"),
    ],
)
def test_bounds_that_contradict_each_other_are_refused(known, tmp_path, gate, message):
    folder = shutil.copytree(known, tmp_path / "project")
    change_params(folder, gate=gate)
    with pytest.raises(ConfigError) as error:
        Project(folder)
    assert message in str(error.value)


def test_a_stream_that_params_forget_is_not_screened(project):
    assert {where.stream for where in project.store.partitions(Layout.SCREENINGS)} == {"comments"}
