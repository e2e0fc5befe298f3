"""The demo made as a project in an empty folder."""

from __future__ import annotations

import tomllib

from projects import REPOSITORY

from beambell import Project
from beambell.demo.files import FILES, make_project


def test_an_empty_folder_becomes_the_demo(tmp_path):
    assert make_project(tmp_path / "new") == FILES
    made = Project(tmp_path / "new").catalogue
    assert made.fingerprints == Project(REPOSITORY).catalogue.fingerprints


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert make_project(tmp_path) == ()
    assert make_project(tmp_path / "mine.txt") == ()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_wheel_brings_the_demo_inside_the_package():
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["beambell", "beam_jobs"]
    assert wheel["force-include"] == {file: f"beambell/demo/project/{file}" for file in FILES}
