"""Processes of servers: all of them end, however the one that started them does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from servers.fetched import ServerError
from servers.processes import Processes, Server, free_ports, listens

#: Starts a child in the same session, and ignores SIGTERM.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


class Sleeper(Server):
    parts = ("one", "two")

    def prepare(self) -> None:
        (self.folder / "prepared").touch()

    def resume(self) -> None:
        assert (self.folder / "prepared").exists()

    def restart(self, part: str) -> None:
        self.processes.log(part).unlink(missing_ok=True)
        self.processes.spawn(part, [sys.executable, "-c", STUBBORN])
        self.processes.wait(part, lambda: self.processes.log(part).read_text().endswith("\n"), 30)


def children(folder: Path) -> list[int]:
    return [int((folder / f"{name}.log").read_text()) for name in Sleeper.parts]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servers.processes.STOP_S", 0.5)


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 30
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_with_a_server_end_the_children_of_its_parts(tmp_path: Path) -> None:
    with Sleeper(tmp_path) as server:
        assert set(server.processes.running()) == {"one", "two"}
        pids = children(tmp_path)
        assert not gone_now(pids)
    assert gone(pids)
    assert not server.processes.running()
    assert not server.processes.left()


def gone_now(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) for pid in pids)


def test_one_part_is_killed_and_started_again(tmp_path: Path) -> None:
    with Sleeper(tmp_path) as server:
        first, second = children(tmp_path)
        server.kill("one")
        assert gone([first])
        assert psutil.pid_exists(second)
        assert set(server.processes.running()) == {"two"}
        server.restart("one")
        assert set(server.processes.running()) == {"one", "two"}


def test_who_starts_twice_has_one_and_another_process_can_stop_it(tmp_path: Path) -> None:
    Sleeper(tmp_path).start()
    pids = children(tmp_path)
    Sleeper(tmp_path).start()
    assert children(tmp_path) == pids
    Sleeper(tmp_path).kill("two")
    Sleeper(tmp_path).start()  # a part has died: all of it begins anew
    assert gone(pids)
    pids = children(tmp_path)
    assert Sleeper(tmp_path).stop() == ["one", "two"]
    assert gone(pids)
    assert Sleeper(tmp_path).stop() == []


@pytest.mark.heavy
def test_when_the_one_that_started_it_is_killed_nothing_is_left(tmp_path: Path) -> None:
    code = f"""
import sys, os, signal
from pathlib import Path
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from test_processes import Sleeper
Sleeper(Path({str(tmp_path)!r})).__enter__()
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert gone(children(tmp_path))


def test_one_that_ends_at_once_names_its_log(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.spawn("part", [sys.executable, "-c", "print('no, thanks')"])
    with pytest.raises(ServerError, match="part ended at once") as caught:
        processes.wait("part", lambda: False, 30)
    assert caught.value.where is not None
    assert "no, thanks" in Path(caught.value.where).read_text()


def test_ports_are_free_and_different() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert not any(map(listens, ports))
