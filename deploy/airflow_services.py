"""A complete Airflow on this machine, for `make airflow`: PostgreSQL where it is installed, SQLite elsewhere.

API server, scheduler and DAG processor run in the background; no DAG here defers, so there is no triggerer. All state
is below one folder: database, logs, secrets, process ids. Passwords and keys are made at random the first time.

``python deploy/airflow_services.py start | stop | status``
"""

from __future__ import annotations

import argparse
import contextlib
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
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
SERVICES = ("api-server", "scheduler", "dag-processor")
POOL = {"name": "beambell_writer", "slots": 1, "description": "Whoever writes to the project; one at a time."}
CONNECTION = {
    "connection_id": "beambell_env",
    "conn_type": "generic",
    "description": "Environment variables for the stages, as JSON in `extra`.",
    "extra": "{}",
}
START_S, STOP_S, POLL_S = 300.0, 20.0, 0.5
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy never sees this machine's own port


class Postgres:
    """A PostgreSQL of its own, reached by a socket in its folder and by nothing else.

    Parameters
    ----------
    folder
        Its data and its socket.

    Notes
    -----
    PostgreSQL does not run as root. Whoever is root runs it as the user ``postgres``, whom Debian's package makes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._user = "postgres" if os.geteuid() == 0 else None

    @staticmethod
    def installed() -> Path | None:
        """Return the folder of the newest ``pg_ctl`` there is, if any."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
        on_path = shutil.which("pg_ctl")
        paths = [*([Path(on_path).resolve()] if on_path else []), *found]
        return next((path.parent for path in reversed(paths) if path.exists()), None)

    @property
    def url(self) -> str:
        """Address of the database, as SQLAlchemy has it."""
        return f"postgresql+psycopg2://postgres@/airflow?host={self.folder}"

    def start(self) -> None:
        """Make the database the first time, and start it."""
        data = self.folder / "data"
        if not data.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._user:
                shutil.chown(self.folder, self._user)
                self.folder.parent.chmod(0o711)  # that user has to get through, and sees nothing of it
            self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        if self._run("pg_ctl", "-D", data, "status", check=False).returncode:
            options = (
                f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' -c unix_socket_permissions=0700"
            )
            self._run("pg_ctl", "-D", data, "-l", self.folder / "log", "-o", options, "-w", "start")
        known = self._run("psql", "-h", self.folder, "-U", "postgres", "-Atc", "select datname from pg_database")
        if "airflow" not in known.stdout.split():
            self._run("psql", "-h", self.folder, "-U", "postgres", "-c", "create database airflow")

    def stop(self) -> None:
        """Stop it; nothing is lost."""
        if (self.folder / "data").exists():
            self._run("pg_ctl", "-D", self.folder / "data", "-m", "fast", "-w", "stop", check=False)

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        bin_folder = self.installed()
        assert bin_folder is not None
        # The server inherits what pg_ctl has, and would hold a pipe open for ever.
        output = subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE
        done = subprocess.run(
            [str(bin_folder / program), *map(str, arguments)],
            cwd="/",
            user=self._user,
            group=self._user,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise SystemExit(f"{program} failed: {done.stdout or ''}\nsee {self.folder / 'log'}")
        return done


class Services:
    """Airflow's services, known by their process ids.

    Parameters
    ----------
    home
        ``AIRFLOW_HOME``; all state is in it.
    project
        The project the DAGs work on.
    """

    def __init__(self, home: Path, project: Path) -> None:
        self.home, self.project = home, project
        self._record = home / "services.json"

    # -- commands --------------------------------------------------------------------------------------------------

    def start(self, port: int | None = None) -> None:
        """Start whatever does not run, and return when all of it is healthy."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._processes():
            print(f"Airflow runs already: {self._url()}")
            return
        known = self._secrets()
        port = port or _free_port(8080)
        database = "sqlite:///" + str(self.home / "airflow.db")
        if Postgres.installed():
            postgres = Postgres(self.home / "postgres")
            postgres.start()
            database = postgres.url
        environment = self.environment(port, database, known)
        self._airflow(environment, "db", "migrate")
        processes = {name: self._spawn(name, environment, port) for name in SERVICES}
        record = {"port": port, "processes": {name: [p.pid, p.create_time()] for name, p in processes.items()}}
        self._record.write_text(json.dumps(record))
        try:
            self._wait_until_healthy(processes)
            self._furnish(known["password"])
        except BaseException:
            self.stop()
            raise
        print(f"Airflow runs at {self._url()} ({database.partition(':')[0].partition('+')[0]}), project {self.project}")
        print(f"Logs and state: {self.home}. Stop it with `make airflow-stop`.")
        if not known["told"]:
            print(f"User: admin   password: {known['password']}   (this is shown once)")
            self._keep({**known, "told": True})

    def stop(self) -> None:
        """Stop every service and its tasks: politely, then for certain. PostgreSQL comes last."""
        services = self._processes()
        family = [child for service in services.values() for child in _children(service)]
        for service in services.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(service.pid, signal.SIGTERM)
        psutil.wait_procs(list(services.values()), timeout=STOP_S)
        for process in [*services.values(), *family]:
            if process.is_running():  # knows a reused process id from the process it met
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._record.unlink(missing_ok=True)
        if (self.home / "postgres").exists() and Postgres.installed():
            Postgres(self.home / "postgres").stop()
        print(f"stopped: {', '.join(services) or 'nothing was running'}")

    def status(self) -> bool:
        """Say what runs."""
        services = self._processes()
        for name in SERVICES:
            print(f"{name:<14} {f'process {services[name].pid}' if name in services else 'does not run'}")
        if services:
            print(self._url())
        return len(services) == len(SERVICES)

    # -- parts -----------------------------------------------------------------------------------------------------

    def environment(self, port: int, database: str, known: dict[str, Any]) -> dict[str, str]:
        """Settings of Airflow, as environment variables; those that are set already win."""
        passwords = self.home / "passwords.json"
        _write_secret(passwords, json.dumps({"admin": known["password"]}))
        sections = {
            "CORE": {
                "DAGS_FOLDER": REPOSITORY / "dags",
                "LOAD_EXAMPLES": False,
                "EXECUTOR": "LocalExecutor",
                "PARALLELISM": 4,
                "DAGS_ARE_PAUSED_AT_CREATION": True,
                "FERNET_KEY": known["fernet_key"],
                "SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
                "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": passwords,
                "EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            },
            "DATABASE": {"SQL_ALCHEMY_CONN": database},
            "API": {"SECRET_KEY": known["api_key"], "BASE_URL": f"http://127.0.0.1:{port}"},
            "API_AUTH": {"JWT_SECRET": known["jwt_secret"]},
            "WORKERS": {"MIN_HEARTBEAT_INTERVAL": 1},
            "SCHEDULER": {"SCHEDULER_IDLE_SLEEP_TIME": 0.5},
        }
        settings = {
            f"AIRFLOW__{section}__{option}": str(value)
            for section, options in sections.items()
            for option, value in options.items()
        }
        fixed = {"AIRFLOW_HOME": str(self.home), "BEAMBELL_PROJECT": str(self.project), "NO_PROXY": "*"}
        return settings | os.environ | fixed

    def _secrets(self) -> dict[str, Any]:
        """Read the secrets of this Airflow; make them the first time."""
        path = self.home / "secrets.json"
        if path.exists():
            known: dict[str, Any] = json.loads(path.read_text())
            return known
        import base64

        made = {
            "password": secrets.token_urlsafe(15),
            "api_key": secrets.token_hex(32),
            "jwt_secret": secrets.token_hex(64),
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "told": False,
        }
        self._keep(made)
        return made

    def _keep(self, known: dict[str, Any]) -> None:
        _write_secret(self.home / "secrets.json", json.dumps(known))

    def _airflow(self, environment: dict[str, str], *words: str) -> None:
        command = [sys.executable, "-m", "airflow", *words]
        done = subprocess.run(
            command,
            env=environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"airflow {' '.join(words)} failed:\n{done.stdout}{done.stderr}")

    def _spawn(self, name: str, environment: dict[str, str], port: int) -> psutil.Popen:
        arguments = {
            "api-server": ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            "scheduler": ["--skip-serve-logs"],
        }.get(name, [])
        with (self.home / f"{name}.log").open("ab") as log:
            return psutil.Popen(
                [sys.executable, "-m", "airflow", name, *arguments],
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_until_healthy(self, processes: dict[str, psutil.Popen]) -> None:
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError, ValueError, KeyError):
                health = _call(f"{self._url()}/api/v2/monitor/health")
                if all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")):
                    return
            dead = [name for name, process in processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                problem = f"{dead[0]} ended" if dead else f"not healthy after {START_S:.0f} s"
                raise SystemExit(f"Airflow does not start: {problem}; see {self.home / (dead or ['scheduler'])[0]}.log")
            time.sleep(POLL_S)

    def _furnish(self, password: str) -> None:
        """Make the pool and the connection the DAGs know."""
        login = {"username": "admin", "password": password}
        token = _call(f"{self._url()}/auth/token", login)["access_token"]
        for path, body in (("pools", POOL), ("connections", CONNECTION)):
            try:
                _call(f"{self._url()}/api/v2/{path}", body, token)
            except urllib.error.HTTPError as error:
                if error.code != 409:  # it is there already, perhaps changed by its owner
                    raise

    def _processes(self) -> dict[str, psutil.Process]:
        """The services that run, told from others that got their process ids."""
        if not self._record.exists():
            return {}
        found = {}
        for name, (pid, created) in json.loads(self._record.read_text())["processes"].items():
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                    found[name] = process
        return found

    def _url(self) -> str:
        return f"http://127.0.0.1:{json.loads(self._record.read_text())['port']}"


def _call(url: str, body: Any = None, token: str | None = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with _HTTP.open(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise SystemExit("no port is free")


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(description="A complete Airflow on this machine.")
    parser.add_argument("command", choices=["start", "stop", "status"])
    parser.add_argument("--home", type=Path, default=REPOSITORY / "airflow", help="folder of all its state")
    parser.add_argument("--project", type=Path, default=os.environ.get("BEAMBELL_PROJECT", REPOSITORY))
    parser.add_argument("--port", type=int, help="8080 by default, or another if that is taken")
    arguments = parser.parse_args()
    services = Services(arguments.home.resolve(), Path(arguments.project).resolve())
    if arguments.command == "start":
        services.start(arguments.port)
    elif arguments.command == "stop":
        services.stop()
    elif not services.status():
        sys.exit(1)


if __name__ == "__main__":
    main()
