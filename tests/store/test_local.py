"""A data root in a folder: what lies behind a link is not the data root's."""

from __future__ import annotations

import pytest

from beambell.store import Store


@pytest.fixture
def store(tmp_path):
    """A data root with a link to a folder elsewhere, one upwards, and one to nothing."""
    elsewhere = tmp_path / "elsewhere" / "stream=x" / "dt=2026-01-01"
    elsewhere.mkdir(parents=True)
    (elsewhere / "manifest.json").write_text("{}")
    mine = tmp_path / "data" / "votes" / "stream=mine" / "dt=2026-01-01"
    mine.mkdir(parents=True)
    (mine / "manifest.json").write_text("{}")
    (tmp_path / "data" / "votes" / "stream=x").symlink_to(elsewhere.parent, target_is_directory=True)
    (tmp_path / "data" / "votes" / "up").symlink_to(tmp_path / "data", target_is_directory=True)
    (tmp_path / "data" / "votes" / "nothing").symlink_to(tmp_path / "gone")
    return Store(str(tmp_path / "data"))


def test_folders_behind_links_are_not_walked(store):
    assert list(store.files.walk("votes")) == ["votes/stream=mine/dt=2026-01-01/manifest.json"]


def test_artefacts_behind_links_are_not_found(store):
    assert list(store.stamps("votes")) == ["votes/stream=mine/dt=2026-01-01"]
