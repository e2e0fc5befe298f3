"""A new view is a dataclass with the function that makes it, and a command that shows it: no table knows of views."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

VIEW = '''
"""How many streams there are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamCount:
    """Number of streams."""

    project: str
    streams: int


def count_streams(project):
    """Count the streams of a project."""
    return StreamCount(project.params.project, len(project.params.streams))
'''

COMMAND = '''

@app.command("count-streams")
def count_streams(project: Folder = Path(), json: Json = False) -> None:
    """Count the streams."""
    from beambell.views.stream_count import count_streams

    view = count_streams(open_project(project))
    Console(as_json=json).show(view, [f"{view.streams} streams"])
'''


def test_a_view_is_added_in_one_place_and_shown_by_its_command(tmp_path):
    shutil.copytree(ROOT / "beambell", tmp_path / "beambell", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "beambell/views/stream_count.py").write_text(VIEW)
    with (tmp_path / "beambell/cli/app.py").open("a") as commands:
        commands.write(COMMAND)
    assert beambell(tmp_path, "count-streams") == "2 streams\n"
    assert json.loads(beambell(tmp_path, "count-streams", "--json")) == {"project": "demo", "streams": 2}


def beambell(tree: Path, *words: str) -> str:
    command = [sys.executable, "-c", "from beambell.cli import main; main()", *words, "--project", str(ROOT)]
    env = {**os.environ, "PYTHONPATH": str(tree)}
    return subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=True).stdout
