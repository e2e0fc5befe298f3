"""A data root in a folder: what lies behind a link is not its own, and what is handed over need not reach it."""

from __future__ import annotations

import pytest

from beambell.errors import ArtefactError
from beambell.store import Files, Store


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


def test_what_is_handed_over_is_held_up_to_a_bound_and_staged_beyond(tmp_path):
    files = Files(str(tmp_path))
    files.hand_over("job/before", b"staged")
    with files.holding(10):
        files.hand_over("job/first", b"12345678")
        files.hand_over("job/second", b"too much")
        files.hand_over("job/third", b"90")
        assert files.list(".staging/job") == ["before", "second"]
        for name, data in {"before": b"staged", "first": b"12345678", "second": b"too much", "third": b"90"}.items():
            assert bytes(files.staged(f"job/{name}")) == data
        with pytest.raises(ArtefactError, match="gone or damaged"):
            Files(str(tmp_path)).staged("job/first")  # of another process
    with pytest.raises(ArtefactError, match="gone or damaged"):
        files.staged("job/first")
