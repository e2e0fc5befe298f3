"""One small project, run the whole way once, for all tests that only look."""

from __future__ import annotations

import pytest
from projects import run_stages, small_project

from beambell import Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project of three days, run to the end; not to be changed."""
    folder = small_project(tmp_path_factory.mktemp("finished"))
    run_stages(folder)
    return Project(folder)
