"""Print the test files of what changed since a commit (``main`` unless given): what `make quick` runs.

A module's tests are in the file that mirrors it: those of ``beambell/store/lock.py`` in ``tests/store/test_lock.py``.
Pages have the tests of the documentation, and every module those of docstrings.
Changed modules without such a file are named on stderr: their tests are in `make test` alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePath

DOCUMENTATION, DOCSTRINGS = Path("tests/test_docs.py"), Path("tests/test_docstrings.py")


def changed_since(commit: str) -> list[PurePath]:
    """Files that differ from a commit, or are new."""
    words = [["diff", "--name-only", "--diff-filter=d", commit], ["ls-files", "--others", "--exclude-standard"]]
    said = [subprocess.run(["git", *w], check=True, capture_output=True, text=True).stdout for w in words]
    return [PurePath(line) for line in "".join(said).splitlines()]


def tests_of(file: PurePath) -> Path | None:
    """File of tests that mirrors a file; the file itself if it has tests; ``None`` if there is none."""
    if file.suffix == ".md":
        return DOCUMENTATION
    if file.parts[0] == "tests":
        return Path(file) if file.name.startswith("test_") else None
    rooms = file.parent.parts[1:] if file.parts[0] == "beambell" else file.parent.parts
    mirrored = Path("tests", *rooms, f"test_{file.stem}.py")
    return mirrored if mirrored.exists() else None


def main(commit: str = "main") -> None:
    """Print the files of tests, and name the modules that have none."""
    found = {file: tests_of(file) for file in changed_since(commit) if file.suffix in (".py", ".md")}
    said = {DOCSTRINGS} if any(file.parts[0] in ("beambell", "beam_jobs") for file in found) else set()
    print(*sorted({str(tests) for tests in [*found.values(), *said] if tests}))
    if alone := [str(file) for file, tests in found.items() if tests is None and file.parts[0] != "tests"]:
        print("no file of tests mirrors", *sorted(alone), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
