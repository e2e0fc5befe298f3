"""Programs that the servers run: Java's own, and jars, which Maven or pip fetches once into BeamBell's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

from beambell.errors import BeamBellError
from beambell.live.prism import cache_folder

FETCH_S = 900.0
_LAST_LINES = 5

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>beambell</groupId><artifactId>servers</artifactId><version>1</version>
<dependencies>{dependencies}</dependencies></project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


class ServerError(BeamBellError):
    """A server cannot be started here: what it needs is missing, or it ended at once."""


class NotInstalledError(ServerError):
    """A program that a server needs is not on this machine and cannot be fetched: tests that need it are skipped."""


def java() -> str:
    """Find Java.

    Raises
    ------
    NotInstalledError
        If it is not on PATH, nor named by ``JAVA_HOME``.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    return found or shutil.which("java") or _missing("Java", "install a Java runtime, 17 or 11")


def jars(name: str, *coordinates: str) -> Path:
    """Return the folder of some artifacts' jars and all that they need; Maven fetches them the first time.

    Parameters
    ----------
    name
        First part of the folder's name.
    coordinates
        Artifacts as ``group:artifact:version``.

    Raises
    ------
    NotInstalledError
        If there is no Maven, or it cannot fetch them.
    """
    pom = _POM.format(dependencies="".join(_DEPENDENCY.format(*one.split(":")) for one in coordinates))

    def fetch(folder: Path) -> None:
        maven = shutil.which("mvn") or _missing("Maven", "install it (`mvn`): it fetches the jars")
        (folder / "pom.xml").write_text(pom)
        goal = ["dependency:copy-dependencies", "-DoutputDirectory=jars"]
        _run([maven, "--quiet", "--batch-mode", *goal], folder, what=f"Maven cannot fetch {', '.join(coordinates)}")

    return _fetched(f"{name}-{hashlib.sha256(pom.encode()).hexdigest()[:8]}", fetch) / "jars"


def python_package(name: str, version: str) -> Path:
    """Return a folder with one Python package and nothing that it needs; pip fetches it the first time.

    Raises
    ------
    NotInstalledError
        If pip cannot fetch it.
    """

    def fetch(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", "packages"]
        _run([*pip, f"{name}=={version}"], folder, what=f"pip cannot fetch {name} {version}")

    return _fetched(f"{name}-{version}", fetch) / "packages"


def _fetched(name: str, fetch: Callable[[Path], None]) -> Path:
    """Return a folder of the cache; one that is there is whole."""
    cache = cache_folder()
    folder = cache / name
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{name}.lock"):
        if not folder.exists():
            partial = Path(tempfile.mkdtemp(dir=cache, prefix=f"{name}.partial-"))
            try:
                fetch(partial)
                partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return folder


def _run(command: Sequence[str], folder: Path, what: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=FETCH_S, stdin=subprocess.DEVNULL
        )
        said, failed = done.stdout + done.stderr, done.returncode != 0
    except subprocess.TimeoutExpired:
        said, failed = f"it took longer than {FETCH_S:.0f} s", True
    if failed:
        last = "\n".join(said.strip().splitlines()[-_LAST_LINES:])
        raise NotInstalledError(f"{what}:\n{last}", fix="see that its repository can be reached, then run again")


def _missing(what: str, fix: str) -> str:
    raise NotInstalledError(f"{what} is not installed here", fix=fix)
