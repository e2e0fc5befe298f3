"""`make airflow`: it starts, keeps its secrets to itself, tells the password once, and leaves no process."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def services(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "deploy" / "airflow_services.py"), *words, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def started(home: Path) -> dict[str, Any]:
    done = services(home, "start")
    assert done.returncode == 0, done.stdout + done.stderr
    return {**json.loads((home / "services.json").read_text()), "said": done.stdout}


def left_over(record: dict[str, Any]) -> list[psutil.Process]:
    """Who is left of the services' sessions."""
    leaders, found = {pid for pid, _ in record["processes"].values()}, []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in leaders and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.NoSuchProcess):
            continue
    return found


def test_airflow_starts_stops_and_goes_on(home: Path) -> None:
    first = started(home)
    assert ("PostgreSQL" if Postgres.installed() else "SQLite") in first["said"]
    assert "6 DAGs" in first["said"]
    assert "Import error" not in first["said"]
    known = json.loads((home / "secrets.json").read_text())
    assert known["password"] in first["said"]
    for name in ("secrets.json", "passwords.json", "airflow.cfg"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
    again = services(home, "start")
    assert "runs already" in again.stdout
    assert known["password"] not in again.stdout

    url = f"http://127.0.0.1:{first['port']}"
    token = _call(f"{url}/auth/token", {"username": "admin", "password": known["password"]})["access_token"]
    pools = {pool["name"]: pool["slots"] for pool in _call(f"{url}/api/v2/pools", token=token)["pools"]}
    assert pools["beambell_writer"] == 1
    assert _call(f"{url}/api/v2/connections/beambell_env", token=token)["connection_id"] == "beambell_env"
    with pytest.raises(OSError, match="401"):
        _call(f"{url}/api/v2/pools")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    pools_told = subprocess.run(
        [sys.executable, "-m", "airflow", "pools", "list", "--output", "json"],
        env={**environment, "AIRFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "beambell_writer" in pools_told.stdout  # the command meets the same database, by its home alone

    assert services(home, "status").returncode == 0
    assert services(home, "stop").returncode == 0
    assert not left_over(first)
    assert services(home, "status").returncode == 1

    second = started(home)
    assert known["password"] not in second["said"]


def test_what_was_killed_starts_again_and_stops_whole(home: Path) -> None:
    first = started(home)
    os.kill(first["processes"]["scheduler"][0], signal.SIGKILL)
    second = started(home)
    assert "dead: scheduler" in second["said"]
    assert not left_over(first)

    killed = [psutil.Process(pid) for pid, _ in second["processes"].values()]
    for process in killed:
        process.kill()
    psutil.wait_procs(killed, timeout=10)  # a process of many threads takes a while to be gone
    assert left_over(second)  # the scheduler's workers do not notice
    assert "what killed services had left" in services(home, "stop").stdout
    assert not left_over(second)
    assert "nothing was running" in services(home, "stop").stdout

    stale = {**second["processes"], "scheduler": [os.getpid(), 1.0]}  # somebody else has got its process id since
    (home / "services.json").write_text(json.dumps({"port": 1, "processes": stale}))
    assert services(home, "stop").returncode == 0
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = services(home, "start", "--port", str(other.getsockname()[1]))
    assert taken.returncode == 1
    assert "is taken by another program" in taken.stderr
    assert "Traceback" not in taken.stderr
    (home / "services.json").write_text("{")
    assert services(home, "status").returncode == 1


def test_postgresql_is_left_where_its_socket_cannot_be(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-of-a-long-name"] * 4)
    reason = Postgres(deep / "postgres").obstacle()
    assert reason is not None
    assert "too long" in reason or not Postgres.installed()
