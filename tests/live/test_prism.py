"""Where Prism is looked for, and what is said where it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from beambell.errors import ConfigError
from beambell.live.prism import cache_folder, find_prism


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with an empty cache, and a PATH without Prism and Go."""
    monkeypatch.setenv("BEAMBELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_one_that_is_named_comes_first(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "prism")
    named = program(tmp_path / "mine")
    assert find_prism(str(named)).path == named


def test_then_the_one_on_path(tmp_path: Path) -> None:
    cached = program(tmp_path / "cache" / "prism-2.77.0")
    on_path = program(tmp_path / "bin" / "prism")
    assert find_prism(beam_version="2.77.0").path == on_path
    on_path.unlink()
    assert find_prism(beam_version="2.77.0").path == cached


def test_go_builds_the_version_of_beam_into_the_cache(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "go", '#!/bin/sh\necho "$@" > "$GOBIN/prism"\n')
    found = find_prism(beam_version="2.77.0")
    assert found.path == cache_folder() / "prism-2.77.0"
    assert found.path.read_text() == "install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0\n"
    assert [path.name for path in cache_folder().iterdir()] == ["prism-2.77.0"]


def test_without_it_and_without_go_it_says_what_to_do() -> None:
    found = find_prism(beam_version="2.77.0")
    assert found.path is None
    for words in ("there is no Go", "Beam fetches it by itself", "prism@v2.77.0", "live.prism"):
        assert words in found.advice


def test_what_go_says_is_passed_on(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "go", "#!/bin/sh\necho 'no route to host' >&2\nexit 1\n")
    found = find_prism(beam_version="2.77.0")
    assert found.path is None
    assert "no route to host" in found.advice
    assert not list(cache_folder().iterdir())


@pytest.mark.parametrize(("make", "problem"), [(False, "is not there"), (True, "cannot be run")])
def test_one_that_is_named_must_be_there(tmp_path: Path, make: bool, problem: str) -> None:
    if make:
        (tmp_path / "mine").write_text("text")
    with pytest.raises(ConfigError, match=problem) as caught:
        find_prism(str(tmp_path / "mine"))
    assert caught.value.where == "live.prism"


@pytest.mark.heavy
def test_go_really_builds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if not shutil.which("go"):
        pytest.skip("there is no Go here")
    found = find_prism()
    if found.path is None:
        pytest.skip(found.advice)
    done = subprocess.run([str(found.path), "-help"], capture_output=True, text=True, check=False, timeout=60)
    assert "job_port" in done.stdout + done.stderr
    assert os.access(found.path, os.X_OK)
