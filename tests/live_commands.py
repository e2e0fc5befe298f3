"""The command `beambell`, called as people call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def beambell(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call it for a project; its exit code and what it said."""
    return subprocess.run(
        [sys.executable, "-m", "beambell", *words, "--project", str(folder)],
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip


def status(folder: Path) -> dict[str, Any]:
    """What `beambell live status --json` says."""
    found: dict[str, Any] = json.loads(beambell(folder, "live", "status", "--json").stdout)
    return found
