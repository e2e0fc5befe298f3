"""`make airflow`: it starts, keeps its secrets to itself, tells the password once, and leaves no process."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from airflow_services import Postgres, _call
from projects import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a socket's path must be short
        Path(folder).chmod(0o711)
        yield Path(folder) / "airflow"
        services(Path(folder) / "airflow", "stop")


def services(home: Path, command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(REPOSITORY / "deploy" / "airflow_services.py"), command, "--home", str(home)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_airflow_starts_stops_and_goes_on(home: Path) -> None:
    first = services(home, "start")
    assert first.returncode == 0, first.stdout + first.stderr
    assert ("postgresql" if Postgres.installed() else "sqlite") in first.stdout
    known = json.loads((home / "secrets.json").read_text())
    assert known["password"] in first.stdout
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
    assert "runs already" in services(home, "start").stdout

    record = json.loads((home / "services.json").read_text())
    url = f"http://127.0.0.1:{record['port']}"
    token = _call(f"{url}/auth/token", {"username": "admin", "password": known["password"]})["access_token"]
    pools = {pool["name"]: pool["slots"] for pool in _call(f"{url}/api/v2/pools", token=token)["pools"]}
    assert pools["beambell_writer"] == 1
    assert _call(f"{url}/api/v2/connections/beambell_env", token=token)["connection_id"] == "beambell_env"
    with pytest.raises(OSError, match="401"):
        _call(f"{url}/api/v2/pools")

    started = [psutil.Process(pid) for pid, _ in record["processes"].values()]
    family = [*started, *(child for process in started for child in process.children(recursive=True))]
    assert services(home, "status").returncode == 0
    assert services(home, "stop").returncode == 0
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert services(home, "status").returncode == 1

    again = services(home, "start")
    assert again.returncode == 0, again.stdout + again.stderr
    assert known["password"] not in again.stdout
