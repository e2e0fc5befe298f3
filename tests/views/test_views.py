"""A project summed up: each figure is what a count over its artefacts gives."""

from __future__ import annotations

import pytest
from projects import run_stages, small_project

from beambell import Project
from beambell.views.views import list_lfs, list_models, summarise


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = small_project(tmp_path_factory.mktemp("views") / "p", days=2, scale=0.03)
    run_stages(folder)
    return Project(folder)


def test_the_streams_of_a_summary(project):
    summary = summarise(project)
    for view in summary.streams:
        days = [partition.dt for partition in project.store.partitions("partitions") if partition.stream == view.stream]
        assert (view.first, view.last, view.partitions) == (min(days), max(days), len(days))
        assert view.published == len([p for p in project.store.partitions("published") if p.stream == view.stream]) > 0
        assert view.rows == sum(len(project.rows(view.stream, dt)) for dt in days)
        votes = [project.votes(view.stream, dt).drop(columns="id") for dt in days]
        assert view.coverage == pytest.approx(sum((v >= 0).any(axis=1).sum() for v in votes) / view.rows)
    assert summary.rows == sum(view.rows for view in summary.streams)
    assert summary.lfs == len(project.catalogue.names)
    assert summary.gate.passed + len(summary.gate.failed) == sum(view.partitions for view in summary.streams)


def test_labeling_functions_are_listed_with_what_they_did(project):
    days = list(project.store.partitions("votes"))
    votes = {p: project.votes(p.stream, p.dt) for p in days}
    for view in list_lfs(project):
        assert view.votes == sum(int((table[view.name] >= 0).sum()) for table in votes.values())
        assert view.errors == 0


def test_the_version_of_the_model_is_listed(project):
    (view,) = list_models(project)
    assert view.name == "spam@v1"
    assert view.partitions == len(project.store.partitions("published"))
