"""A project with texts that are hard to hand on, run once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from handed_on import ODD, as_csv
from projects import change_params, run_stages

from beambell import Project
from beambell.workshop.starter import start


@pytest.fixture(scope="session")
def handed(tmp_path_factory) -> Path:
    """A project of four days with published labels; not to be changed."""
    folder = tmp_path_factory.mktemp("handed") / "größe und so"
    start(folder)
    change_params(folder, gate={"min_coverage": 0.0, "max_quarantined": 0.9})
    rows = [[f"o{i:02}", f"2026-01-04T{i:02}:00:00Z", "ann", i, text] for i, text in enumerate(ODD)]
    header = ["mail_id", "received_at", "sender", "attachments", "text"]
    (folder / "data/raw/mails/2026-01-04.csv").write_text(as_csv([header, *rows]), newline="")
    run_stages(folder)
    assert len(Project(folder).labels("mails", "2026-01-04")) == len(ODD)
    return folder


@pytest.fixture
def project(handed, tmp_path) -> Project:
    """A copy of it that may be changed."""
    return Project(shutil.copytree(handed, tmp_path / "project"))
