"""``make live``, for some seconds: labels stream, an answer acts, and nothing is left running."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from beambell import Project
from beambell.live.supervisor import running

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.heavy
def test_labels_stream_the_label_model_changes_and_an_answer_acts(tmp_path):
    folder = tmp_path / "live-demo"
    done = subprocess.run(
        [sys.executable, "-m", "deploy.live_demo", "--folder", str(folder), "--seconds", "45"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "a reviewer answers" in done.stdout
    assert "live-1@" in done.stdout
    assert "feedback: 0 events" in done.stdout.partition("a reviewer answers")[0]
    assert "feedback: 0 events" not in done.stdout.rpartition("running, as of")[2]
    assert running(Project(folder)) is None
