"""A data root of a newer version is neither read nor changed; an older one gets its version when it is written to."""

from __future__ import annotations

import json
import shutil

import pytest
from projects import run_stages, tree_bytes

from beambell import Project
from beambell.cli import main
from beambell.errors import ArtefactError, ConfigError
from beambell.store.version import DATA_VERSION
from beambell.workshop.starter import start


@pytest.fixture
def folder(tmp_path):
    start(tmp_path / "p")
    run_stages(tmp_path / "p", "ingest")
    return tmp_path / "p"


def test_whoever_writes_writes_it_down(folder):
    assert json.loads((folder / "data/version.json").read_text()) == {"data_version": DATA_VERSION}
    before = tree_bytes(folder / "data")
    run_stages(folder, "ingest")
    assert tree_bytes(folder / "data") == before


def test_an_older_data_root_has_none_and_is_read(folder):
    (folder / "data/version.json").unlink()
    assert len(Project(folder).rows("mails", "2026-01-01")) == 10
    run_stages(folder, "apply")
    assert (folder / "data/version.json").exists()


@pytest.mark.parametrize("words", [["status"], ["run"], ["verify"], ["gc"], ["lf", "list"]])
def test_a_newer_one_is_left_alone(folder, capsys, words):
    (folder / "data/version.json").write_text(json.dumps({"data_version": DATA_VERSION + 1}))
    before = tree_bytes(folder)
    with pytest.raises(SystemExit) as exit_:
        main([*words, "--project", str(folder)])
    err = capsys.readouterr().err
    assert exit_.value.code == 2
    assert f"version {DATA_VERSION + 1}, and this one knows {DATA_VERSION}" in err
    assert "upgrade" in err
    assert tree_bytes(folder) == before


def test_one_that_became_newer_in_mid_run_is_left_alone(folder):
    project = Project(folder)
    (folder / "data/version.json").write_text(json.dumps({"data_version": DATA_VERSION + 1}))
    with pytest.raises(ConfigError, match="newer"), project.writing():
        pass


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"data_version": "1"}', '{"data_version": true}', '{"data_version": 0}']
)
def test_damage_is_said(folder, text):
    (folder / "data/version.json").write_text(text)
    with pytest.raises(ArtefactError, match="not the version"):
        Project(folder)


def test_elsewhere_writers_ask(folder, s3, tmp_path):
    elsewhere = shutil.copytree(folder, tmp_path / "q")
    (elsewhere / "params.yaml").write_text(
        (folder / "params.yaml").read_text().replace("data: data", "data: s3://bucket/v")
    )
    run_stages(elsewhere, "ingest")
    assert json.loads(s3.cat("bucket/v/version.json")) == {"data_version": DATA_VERSION}
    s3.pipe("bucket/v/version.json", b'{"data_version": 99}')
    with pytest.raises(ConfigError, match="version 99"):
        run_stages(elsewhere, "apply")
