"""Prism, the runner that serves streams on one machine: one program, written in Go, which Beam does not bring along."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from beambell.errors import ConfigError

MODULE = "github.com/apache/beam/sdks/v2/go/cmd/prism"
BUILD_S = 600.0
_LAST_LINES = 5


def cache_folder() -> Path:
    """Return the folder of what was fetched once for this user: ``BEAMBELL_CACHE``, or ``~/.cache/beambell``."""
    named = os.environ.get("BEAMBELL_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "beambell"


@dataclass(frozen=True)
class Prism:
    """Where the program is, or what to do about it.

    Attributes
    ----------
    path
        The program; None if there is none, and Beam is left to fetch it.
    advice
        Help for where Beam cannot fetch it; empty if there is a path.
    """

    path: Path | None
    advice: str = ""


def find_prism(named: str | None = None, *, beam_version: str | None = None) -> Prism:
    """Find Prism: as named, on PATH, in the cache, or built by Go into the cache.

    Parameters
    ----------
    named
        Path of the program, as in ``live.prism`` of ``params.yaml``.
    beam_version
        Version of Beam that it has to fit, by default the one installed.

    Raises
    ------
    ConfigError
        If the program that was named is not there, or is none.
    """
    if named:
        program = shutil.which(named)
        if program is None:
            problem = "cannot be run" if Path(named).exists() else "is not there"
            raise ConfigError(f"{named} {problem}", where="live.prism", fix="name Prism's program, or leave it out")
        return Prism(Path(program).resolve())
    if on_path := shutil.which("prism"):
        return Prism(Path(on_path))
    release = beam_version or version("apache-beam")
    built = cache_folder() / f"prism-{release}"
    if built.exists():
        return Prism(built)
    go = shutil.which("go")
    trouble = _build(go, release, built) if go else "there is no Go here to build it"
    return Prism(None, _advice(release, trouble)) if trouble else Prism(built)


def _build(go: str, release: str, built: Path) -> str:
    """Build it; return what went wrong, if anything did."""
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=built.parent, prefix="prism.partial-") as folder:
        command = [go, "install", f"{MODULE}@v{release}"]
        environment = {**os.environ, "GOBIN": folder}
        try:
            done = subprocess.run(
                command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=BUILD_S
            )
        except subprocess.TimeoutExpired:
            return f"Go could not build it within {BUILD_S:.0f} s"
        if done.returncode:
            return f"Go could not build it: {' '.join(done.stderr.strip().splitlines()[-_LAST_LINES:])}"
        (Path(folder) / "prism").rename(built)
    return ""


def _advice(release: str, trouble: str) -> str:
    return (
        f"Prism {release} is not on this machine, and {trouble}. Where the network is open, Beam fetches it by itself. "
        f"Elsewhere: install Go, or build it on another machine (`go install {MODULE}@v{release}`), then name the "
        "program in live.prism of params.yaml, or put it on PATH."
    )
