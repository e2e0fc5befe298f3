"""A merge reads what changed: not the history, and not less than it must."""

from __future__ import annotations

import shutil

import pytest
from synthetic import make_project, partition, remove, vote, write_lfs

from beambell import Project
from beambell.stages import merge
from beambell.stages.order import stage_named
from beambell.stages.votes_index import read_votes
from beambell.state import read_members
from beambell.store import Layout
from beambell.store.local import LocalFolder

LONG = 130


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A state of 130 days; not to be changed."""
    folder = make_project(tmp_path_factory.mktemp("long") / "project")
    project = Project(folder)
    for day in range(LONG):
        vote(project, partition("comments", day), day % 5)
    stage_named("merge").refresh(project, project.select())
    return folder


@pytest.fixture
def folder(history, tmp_path):
    shutil.copytree(history, tmp_path / "project")
    project = Project(tmp_path / "project")
    read_votes(project)  # a copy has stamps of its own
    return tmp_path / "project"


@pytest.fixture
def names(monkeypatch):
    """Names of the files that are read from now on."""
    read, names = LocalFolder.read, []

    def noted(self, name):
        names.append(name)
        return read(self, name)

    monkeypatch.setattr(LocalFolder, "read", noted)
    return names


def merged(folder):
    project = Project(folder)
    return stage_named("merge").refresh(project, project.select())


def of(names, start):
    return [name for name in names if name.startswith(start)]


def test_one_new_partition_opens_the_list_it_is_in(folder, names):
    vote(Project(folder), partition("comments", LONG), 3)
    names.clear()
    assert merged(folder).done == 1
    month = f"{Layout.VOTES}/stream=comments/dt=2026-05"
    assert set(of(names, "votes/")) == {f"{month}-{day:02d}/manifest.json" for day in range(1, 12)}
    assert len(of(names, "state/members")) == 1
    names.clear()
    assert merged(folder).done == 0
    assert of(names, "votes/") == of(names, "state/members") == []


def test_a_status_opens_none(folder, names):
    names.clear()
    project = Project(folder)
    assert merge.plan(project).current == LONG
    assert of(names, "votes/") == of(names, "state/members") == []


def test_a_window_opens_what_enters_and_what_leaves(folder, names):
    params = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(params + "state: {policy: window, days: 40}\n")
    merged(folder)
    vote(Project(folder), partition("comments", LONG), 3)
    names.clear()
    assert merged(folder).done == 2
    assert {name.rpartition("-")[0] for name in of(names, "votes/")} == {
        f"{Layout.VOTES}/stream=comments/dt=2026-{month}" for month in ("04", "05")
    }
    assert len(of(names, "state/members")) == 2


def test_an_old_partition_is_replaced_or_removed(folder):
    vote(Project(folder), partition("comments", 40), 4)
    assert merged(folder).done == 1
    remove(Project(folder), partition("comments", 70))
    assert merged(folder).done == 1
    project = Project(folder)
    assert len(read_members(project.store, project.store.read(Layout.STATE))) == LONG - 1
    assert not merge.find_work(project).stale


def test_without_the_index_and_from_scratch_it_is_the_same(folder):
    state = Project(folder).store.read(Layout.STATE)
    shutil.rmtree(folder / ".beambell")
    assert merged(folder).done == 0
    shutil.rmtree(folder / "data" / "state")
    assert merged(folder).done == LONG
    assert Project(folder).store.read(Layout.STATE) == state


def test_one_partition_of_other_lfs_is_named(folder):
    write_lfs(folder, {"links": 0, "caps": 0, "short": 0, "money": 1})
    for day in range(LONG):
        if day != 77:
            vote(Project(folder), partition("comments", day), day % 5)
    (warning,) = merged(folder).warnings
    assert str(partition("comments", 77)) in warning
    work = merge.find_work(Project(folder))
    assert work.held
    assert work.waiting == (partition("comments", 77),)
