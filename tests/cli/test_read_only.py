"""A project that one may only look at: commands that read say what they say elsewhere, and write nothing."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from every_kind import project_of_every_kind
from projects import tree_bytes

from beambell import Project
from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_FOWNER = 24, 1, 3
READING = (
    ("status",),
    ("lineage", "mails/2026-01-02"),
    ("verify",),
    ("verify", "--deep"),
    ("summary",),
    ("lf", "list"),
    ("lf", "show", "broken"),
    ("models", "list"),
    ("models", "show", "complaints@v1"),
    ("feedback", "status"),
    ("state", "show"),
    ("state", "verify"),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A project with artefacts of every kind; not to be changed."""
    return project_of_every_kind(tmp_path_factory.mktemp("reading") / "p")


@pytest.fixture(params=["with caches", "without caches"])
def read_only(base, tmp_path, request):
    folder = shutil.copytree(base, tmp_path / "p")
    if request.param == "without caches":
        shutil.rmtree(folder / ".beambell")
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    yield folder
    for path in paths:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


# Root may write everywhere: take that from what is run next. (Others may not, as it is.) The child does so itself: what
# is done between fork and exec can end it, if other tests left threads of gRPC in this process.
AS_ONE_WHO_MAY_NOT_WRITE = f"""
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in ({CAP_DAC_OVERRIDE}, {CAP_FOWNER}):
        if ctypes.CDLL(None).prctl({PR_CAPBSET_DROP}, capability, 0, 0, 0):
            raise OSError("this process may not give up its rights")
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""


def call(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AS_ONE_WHO_MAY_NOT_WRITE, code], cwd=folder, capture_output=True, text=True, check=False
    )


def test_nobody_may_write_there(read_only):
    for name in ("x", "data/x", "data/labels/x"):
        assert "PermissionError" in call(read_only, f"open({name!r}, 'w')").stderr


def test_commands_that_read(read_only, base):
    before = tree_bytes(read_only)
    lines = [
        "import sys",
        "from beambell.cli import main",
        f"for words in {READING!r}:",
        "    try: main(words)",
        "    except SystemExit as stop: assert not stop.code, (words, stop.code)",
    ]
    done = call(read_only, "\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("is read-only") <= 2
    assert tree_bytes(read_only) == before


def test_what_writes_says_that_it_may_not(read_only):
    done = call(read_only, "from beambell.cli import main; main(['run'])")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "may not write here" in "".join(done.stderr.splitlines())


def test_dead_letters_of_none_are_an_empty_table(base):
    table = Project(base).dead_letters("mails", "2026-01-02", "arrow")
    assert (table.num_rows, table.schema) == (0, DEAD_LETTERS_SCHEMA)
    assert list(Project(base).dead_letters("mails", "2026-01-02").columns) == DEAD_LETTERS_SCHEMA.names
