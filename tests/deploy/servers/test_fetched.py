"""What servers need is found or fetched once; where it cannot be, that is said, and tests are skipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from projects import REPOSITORY
from servers.fetched import NotInstalledError, jars, java, python_package


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with an empty cache, and a PATH without Java and Maven."""
    monkeypatch.setenv("BEAMBELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    (tmp_path / "bin").mkdir()


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock")


def test_java_is_on_path_or_at_java_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotInstalledError, match="Java is not installed"):
        java()
    program(tmp_path / "bin" / "java", "")
    assert java() == str(tmp_path / "bin" / "java")
    (tmp_path / "home").mkdir()
    program(tmp_path / "home" / "bin" / "java", "")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert java() == str(tmp_path / "home" / "bin" / "java")


def test_jars_are_fetched_once(tmp_path: Path) -> None:
    with pytest.raises(NotInstalledError, match="Maven is not installed"):
        jars("name", "a.group:artifact:1.0")
    log = tmp_path / "asked"
    program(tmp_path / "bin" / "mvn", f'echo asked >> {log}; /bin/mkdir jars; echo "$@" > jars/one.jar')
    folder = jars("name", "a.group:artifact:1.0")
    assert "dependency:copy-dependencies" in (folder / "one.jar").read_text()
    assert "<artifactId>artifact</artifactId><version>1.0</version>" in (folder.parent / "pom.xml").read_text()
    assert jars("name", "a.group:artifact:1.0") == folder
    assert log.read_text() == "asked\n"
    assert jars("name", "a.group:artifact:1.1") != folder


def test_what_could_not_be_fetched_is_not_there_in_part(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "mvn", "/bin/mkdir jars; echo 'no route to host'; exit 1")
    for _ in range(2):
        with pytest.raises(NotInstalledError, match="no route to host") as caught:
            jars("name", "a.group:artifact:1.0")
        assert caught.value.fix
    assert cached(tmp_path) == []


def test_a_package_that_pip_cannot_fetch_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(NotInstalledError, match=r"pip cannot fetch no-such-package 1\.0"):
        python_package("no-such-package", "1.0")
    assert cached(tmp_path) == []


@pytest.mark.parametrize("server", ["kafka", "flink"])
def test_the_command_says_what_is_missing(tmp_path: Path, server: str) -> None:
    command = [sys.executable, "-m", "deploy.servers", server, "start", "--folder", str(tmp_path / "state")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "Java is not installed here" in done.stderr
    assert "Traceback" not in done.stderr
    again = subprocess.run([*command[:4], "status", *command[5:]], cwd=REPOSITORY, check=False, timeout=120)
    assert again.returncode == 1
