"""A new kind of artefact is declared in one place: every command knows it from its class alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DECLARATION = '''
"""Notes about the state."""

from beambell.artefacts.kind import Artefact, Reference


class Note(Artefact):
    """A note about a state."""

    KIND, FOLDER, TITLE = "note", "notes", "note"
    BELOW = ""
    SENTENCE = "A note about the state."
    FILES = ("text",)
    REFERENCES = (Reference("state", "state"),)
    MEND = "write {where} again"
'''

PUBLISH = """
from beambell import Project
from beambell.store import Manifest

project = Project(".")
store = project.store
ref = store.put("notes", "text", ".txt", b"well done")
store.put("notes", "text", ".txt", b"never named")
print(store.publish("notes", Manifest("note", {"text": ref}, {"state": store.read("state").id})).id)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the packages with one more module: no other file is changed."""
    tree = tmp_path_factory.mktemp("tree")
    for package in ("beambell", "beam_jobs"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "beambell/artefacts/kinds/notes.py").write_text(DECLARATION)
    return tree


def python(tree: Path, *words: str, cwd: Path, code: int = 0) -> str:
    env = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200"}
    done = subprocess.run([sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def beambell(tree: Path, *words: str, cwd: Path, code: int = 0) -> str:
    return python(tree, "-c", "import sys; from beambell.cli import main; sys.exit(main())", *words, cwd=cwd, code=code)


def test_a_class_is_all_that_a_new_kind_needs(tree, tmp_path):
    folder = tmp_path / "p"
    beambell(tree, "init", str(folder), cwd=tmp_path)
    beambell(tree, "run", cwd=folder)
    note = python(tree, "-c", PUBLISH, cwd=folder).strip()

    beambell(tree, "status", cwd=folder)
    beambell(tree, "run", cwd=folder)
    beambell(tree, "verify", "--deep", cwd=folder)
    lineage = beambell(tree, "lineage", note[:16], cwd=folder)
    assert f"note {note[:16]}" in lineage
    assert "state" in lineage
    beambell(tree, "gc", "--grace", "0", cwd=folder)
    (file,) = (folder / "data/notes").glob("text-*.txt")
    assert file.read_bytes() == b"well done"

    file.write_bytes(b"well done?")
    found = beambell(tree, "verify", cwd=folder, code=1)
    assert f"write notes/{file.name} again" in " ".join(found.split())
    says = "from beambell.artefacts.readme import readme; print(readme())"
    assert "A note about the state." in python(tree, "-c", says, cwd=folder)
