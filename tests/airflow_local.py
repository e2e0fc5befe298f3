"""A real Airflow for tests: API server, scheduler and DAG processor, in a folder of its own, on a free port.

with LocalAirflow(tmp_path / "airflow", dags_folder, {"BEAMBELL_PROJECT": str(project)}) as airflow:
    run_id = airflow.trigger("label_partition", "2026-01-03")
    assert airflow.wait("label_partition", run_id, timeout_s=90) == "success"
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SERVICES = {
    "api-server": ["api-server", "--host", "127.0.0.1", "--workers", "1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}
_FINAL_STATES = {"success", "failed"}
_STOP_S = 15.0
_FIRST_POLL_S, _LAST_POLL_S = 0.1, 1.0  # each a little later than the one before: a poll costs the server 25 ms
_TAIL_LINES, _TAIL_WIDTH = 30, 300
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy never sees this machine's own port


class LocalAirflow:
    """An Airflow with SQLite and LocalExecutor that lives as long as its ``with`` block.

    Parameters
    ----------
    home
        ``AIRFLOW_HOME``: the database and every log. It is left behind for whoever wants to look.
    dags_folder
        The DAGs.
    env
        More environment for Airflow and its tasks; wins over what is set here.
    database
        A migrated database to start from, as :func:`migrate` makes it; it is copied. None migrates a new one (14 s).
    scheduled
        Whether schedules fire, and assets start the DAGs that listen to them: of those that the test unpauses. Off,
        only what the test triggers will run.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        env: Mapping[str, str] | None = None,
        *,
        database: Path | None = None,
        scheduled: bool = False,
    ) -> None:
        self.home = home
        self.port = _free_port()
        self.env = _environment(home, dags_folder, self.port, scheduled=scheduled) | dict(env or {})
        self._database = database
        self._services: dict[str, psutil.Popen] = {}
        self._killed: list[psutil.Popen] = []
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._triggered = 0

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, timeout_s: float = 120.0) -> None:
        """Start the services and return when all of them are healthy."""
        self.home.mkdir(parents=True, exist_ok=True)
        if self._database is None:
            migrate(self.home, self.env)
        else:
            shutil.copy(self._database, self.home / "airflow.db")
        deadline = time.monotonic() + timeout_s
        for name in _SERVICES:
            self.start_service(name)
        self._until(self._listening, deadline, "the API server does not answer")
        self._until(self._healthy, deadline, "Airflow is not healthy")
        self._headers["Authorization"] = f"Bearer {self.call('GET', '/auth/token')['access_token']}"
        if self._database is None:
            self.call("POST", "/api/v2/pools", {"name": "beambell_writer", "slots": 1, "description": "One writes."})

    def start_service(self, name: str) -> None:
        """Start one service, or start it again after a test killed it (``airflow.pid_of(name)``)."""
        if name in self._services:
            self._services[name].wait(_STOP_S)
            self._killed.append(self._services[name])
        arguments = [*_SERVICES[name], *(["--port", str(self.port)] if name == "api-server" else [])]
        with (self.home / f"{name}.log").open("ab") as log:
            self._services[name] = psutil.Popen(
                [sys.executable, "-m", "airflow", *arguments],
                env=self.env,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def pid_of(self, name: str) -> int:
        """Return the process id of a service: ``api-server``, ``scheduler`` or ``dag-processor``."""
        return self._services[name].pid

    def stop(self) -> None:
        """Stop every service and whatever it left running: politely, then for certain."""
        # Tasks have process groups of their own, so they are found as descendants, while their parents still live.
        family = [process for service in self._services.values() for process in _family(service)]
        for service in self._services.values():
            _signal_group(service, signal.SIGTERM)
        psutil.wait_procs(list(self._services.values()), timeout=_STOP_S)
        for service in [*self._services.values(), *self._killed]:  # a killed scheduler leaves workers behind
            _signal_group(service, signal.SIGKILL)
        for process in family:
            if process.is_running():  # knows a reused process id from the process it met
                process.kill()
        psutil.wait_procs(list(self._services.values()), timeout=_STOP_S)
        self._services.clear()

    def trigger(self, dag_id: str, partition_key: str | None = None, *, timeout_s: float = 60.0, **body: Any) -> str:
        """Trigger a run over REST, as soon as the DAG is known, and return its id.

        Parameters
        ----------
        dag_id
            The DAG.
        partition_key
            The partition; None triggers without one.
        timeout_s
            How long the DAG may take to appear.
        **body
            More of the request, such as ``conf``.
        """
        self._until(lambda: self._knows(dag_id), time.monotonic() + timeout_s, f"the DAG {dag_id} does not appear")
        self._triggered += 1
        run_id = f"test-{self._triggered}-{partition_key or 'no-key'}"
        request = {"dag_run_id": run_id, "logical_date": None, **body}
        if partition_key is not None:
            request["partition_key"] = partition_key
        self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", request)
        return run_id

    def unpause(self, *dag_ids: str, timeout_s: float = 60.0) -> None:
        """Let DAGs run by their schedules, as soon as they are known."""
        for dag_id in dag_ids:
            complaint = f"the DAG {dag_id} does not appear"
            self._until(lambda dag_id=dag_id: self._knows(dag_id), time.monotonic() + timeout_s, complaint)
            self.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def airflow(self, *words: str) -> str:
        """Run an ``airflow`` command and return what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *words],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def wait(self, dag_id: str, run_id: str, timeout_s: float) -> str:
        """Wait for a run to end and return how: ``success`` or ``failed``."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}"
        state = ""

        def ended() -> bool:
            nonlocal state
            state = self.call("GET", path)["state"]
            return state in _FINAL_STATES

        try:
            self._until(ended, time.monotonic() + timeout_s, f"{dag_id} {run_id} did not end in {timeout_s:g} s")
        except AssertionError as late:
            late.add_note(self.explain(dag_id, run_id))
            raise
        return state

    def runs(self, dag_id: str) -> dict[str, str]:
        """Return the runs of a DAG and their states, oldest first."""
        found = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=run_after&limit=100")["dag_runs"]
        return {run["dag_run_id"]: run["state"] for run in found}

    def wait_until(self, done: Callable[[], bool], timeout_s: float, complaint: str) -> None:
        """Wait for something to become true."""
        self._until(done, time.monotonic() + timeout_s, complaint)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Return what the API knows of each task of a run, by task id: ``state``, ``try_number``, ``duration``, ..."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        return {task["task_id"]: task for task in self.call("GET", path)["task_instances"]}

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return what a task handed on."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.call("GET", f"{path}?stringify=false")["value"]

    def task_log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> str:
        """Return the log of one try of a task, read from disk: it is there when the server is not."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        log = folder / f"attempt={attempt}.log"
        return "\n".join(map(_log_line, log.read_text().splitlines())) if log.exists() else f"(no {log})"

    def explain(self, dag_id: str, run_id: str) -> str:
        """Tell what a person needs who reads a failed test: each task's state, and the log of those that went wrong."""
        story = [f"AIRFLOW_HOME={self.home}"]
        for task_id, task in self.tasks(dag_id, run_id).items():
            story.append(f"--- {task_id}: {task['state']}, try {task['try_number']}")
            if task["state"] not in {"success", "upstream_failed", None}:
                story.append(_tail(self.task_log(dag_id, run_id, task_id, max(task["try_number"], 1))))
        return "\n".join(story)

    def service_logs(self) -> str:
        """Return the last words of every service."""
        logs = {name: (self.home / f"{name}.log").read_text(errors="replace") for name in self._services}
        return "\n".join([f"AIRFLOW_HOME={self.home}", *(f"--- {name}\n{_tail(log)}" for name, log in logs.items())])

    def call(self, method: str, path: str, body: Any = None, *, timeout_s: float = 30.0) -> Any:
        """Call the API and return its JSON.

        Raises
        ------
        AssertionError
            The API refused; the message holds its answer.
        """
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        for patience in (True, True, False):
            request = urllib.request.Request(url, data, self._headers, method=method)
            try:
                with _HTTP.open(request, timeout=timeout_s) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                if error.code != 500 or not patience:  # SQLite under several writers answers 500 now and then
                    raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error
            time.sleep(1.0)
        return None

    def _listening(self) -> bool:
        # The first call to the tasks' own API builds it, which held up the server for 18 to 32 s on a busy machine.
        # It happens here, while the scheduler starts, and not under the first task, which would give up.
        try:
            self.call("GET", "/execution/health/ping", timeout_s=90.0)
        except urllib.error.URLError:
            return False
        return True

    def _healthy(self) -> bool:
        health = self.call("GET", "/api/v2/monitor/health")
        return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))

    def _knows(self, dag_id: str) -> bool:
        if broken := self.call("GET", "/api/v2/importErrors")["import_errors"]:
            raise AssertionError("\n".join(error["stack_trace"] for error in broken))
        return any(dag["dag_id"] == dag_id for dag in self.call("GET", "/api/v2/dags")["dags"])

    def _until(self, done: Callable[[], bool], deadline: float, complaint: str) -> None:
        pause = _FIRST_POLL_S
        while not done():
            dead = [name for name, service in self._services.items() if service.poll() is not None]
            if dead or time.monotonic() > deadline:
                died = f" ({', '.join(dead)} died)" if dead else ""
                raise AssertionError(f"{complaint}{died}\n{self.service_logs()}")
            time.sleep(pause)
            pause = min(1.1 * pause, _LAST_POLL_S)


def migrate(home: Path, env: Mapping[str, str]) -> Path:
    """Make a migrated SQLite database in ``home`` and return its path."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=dict(env),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "airflow.db"


def _environment(home: Path, dags_folder: Path, port: int, *, scheduled: bool) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    sections = {
        "CORE": {
            "DAGS_FOLDER": dags_folder,
            "LOAD_EXAMPLES": False,
            "EXECUTOR": "LocalExecutor",
            "PARALLELISM": 2,
            "DAGS_ARE_PAUSED_AT_CREATION": scheduled,
            "SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
            "EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        },
        "DATABASE": {"SQL_ALCHEMY_CONN": f"sqlite:///{home.resolve() / 'airflow.db'}"},
        "API": {"SECRET_KEY": secrets.token_hex(32)},
        "API_AUTH": {"JWT_SECRET": secrets.token_hex(64)},
        "SCHEDULER": {
            "USE_JOB_SCHEDULE": scheduled,
            "SCHEDULER_IDLE_SLEEP_TIME": 0.2,
            "SCHEDULER_HEARTBEAT_SEC": 1,
        },
        "DAG_PROCESSOR": {"MIN_FILE_PROCESS_INTERVAL": 600},  # DAGs do not change during a test
        "WORKERS": {
            "MIN_HEARTBEAT_INTERVAL": 1,  # a kill is noticed within a second
            "EXECUTION_API_TIMEOUT": 60,  # a busy machine is slow, not broken
        },
    }
    settings = {
        f"AIRFLOW__{section}__{option}": str(value)
        for section, options in sections.items()
        for option, value in options.items()
    }
    return inherited | settings | {"AIRFLOW_HOME": str(home.resolve()), "NO_PROXY": "*", "no_proxy": "*"}


def _free_port() -> int:
    """Return a port that stays free until the API server takes it: not of those that the system gives to anyone."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _family(service: psutil.Popen) -> list[psutil.Process]:
    try:
        return service.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _signal_group(service: psutil.Popen, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # all of it has ended
        os.killpg(service.pid, signum)


def _log_line(line: str) -> str:
    """Make one structured log line readable."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
    return "\n".join([f"{entry.get('level', '')}: {entry.get('event', '')}", *errors])


def _tail(text: str) -> str:
    return "\n".join(line[:_TAIL_WIDTH] for line in text.splitlines()[-_TAIL_LINES:])
