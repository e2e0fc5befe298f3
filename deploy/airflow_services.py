"""A complete Airflow on this machine, for `make airflow`: PostgreSQL where it is installed, SQLite elsewhere.

API server, scheduler and DAG processor run in the background; no DAG here defers, so there is no triggerer. All state
is below one folder, the ``AIRFLOW_HOME``: settings, database, logs, secrets, process ids. Passwords and keys are made
at random the first time. Since ``airflow.cfg`` is there, too, the ``airflow`` command needs that folder's name only.

``python deploy/airflow_services.py start | stop | status``
"""

from __future__ import annotations

import argparse
import base64
import configparser
import contextlib
import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from servers.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]
SERVICES = ("api-server", "scheduler", "dag-processor")
POOL = {"name": "beambell_writer", "slots": 1, "description": "Whoever writes to the project; one at a time."}
CONNECTION = {
    "connection_id": "beambell_env",
    "conn_type": "generic",
    "description": "Environment variables for the stages, as JSON in `extra`.",
    "extra": "{}",
}
PORT = 8080
START_S, STOP_S, POLL_S = 300.0, 20.0, 0.5
DAGS_S = 60.0
_SOCKET_NAME, _MOST_SOCKET_BYTES = ".s.PGSQL.5432", 107
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

    def obstacle(self) -> str | None:
        """Why PostgreSQL cannot be used for this folder, in words; None if it can."""
        if self.installed() is None:
            return "is not installed"
        if len(os.fsencode(self.folder / _SOCKET_NAME)) > _MOST_SOCKET_BYTES:
            return f"needs a socket, and the path {self.folder} is too long for one"
        if self._user is None:
            return None
        above = self.folder.parent.parent
        try:
            enters = subprocess.run(["test", "-x", str(above)], user=self._user, check=False)
        except (LookupError, PermissionError):
            return f"does not run as root, and the user {self._user} is not there"
        return f"runs as the user {self._user}, who cannot enter {above}" if enters.returncode else None

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
        self._processes = Processes(home, "services.json")

    # -- commands --------------------------------------------------------------------------------------------------

    def start(self, port: int | None = None) -> None:
        """Start all of it, and return when it is healthy; nothing if it runs, and anew if a part of it has died."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._alone():
            running = self._processes.running()
            if len(running) == len(SERVICES):
                print(f"Airflow runs already: {self._url()}")
                return
            if self._processes.left():
                print(f"dead: {', '.join(name for name in SERVICES if name not in running)}; all of it starts again")
                self._end()
            try:
                self._begin(_listenable(port), self._secrets())
            except BaseException:
                self._end()
                raise

    def stop(self) -> None:
        """Stop every service and its tasks: politely, then for certain. PostgreSQL comes last."""
        if not self.home.exists():
            print("stopped: nothing was running")
            return
        with self._alone():
            print(f"stopped: {', '.join(self._end()) or 'nothing was running'}")

    def status(self) -> bool:
        """Say what runs."""
        services = self._processes.running()
        for name in SERVICES:
            print(f"{name:<14} {f'process {services[name]}' if name in services else 'does not run'}")
        if services:
            print(self._url())
        return len(services) == len(SERVICES)

    # -- parts -----------------------------------------------------------------------------------------------------

    def _begin(self, port: int, known: dict[str, Any]) -> None:
        self._configure(port, self._database(), known)
        self._airflow("db", "migrate")
        self._processes.note(port=port)
        for name in SERVICES:
            self._spawn(name, port)
        self._wait_until_healthy()
        token = self._furnish(known["password"])
        print(f"Airflow runs at {self._url()}, project {self.project}")
        print(f"Logs and state: {self.home}. Stop it with `make airflow-stop`.")
        print(f"For the airflow command: export AIRFLOW_HOME={self.home}")
        self._tell_of_dags(token)
        if not known["told"]:
            print(f"User: admin   password: {known['password']}   (this is shown once)", flush=True)
            self._keep({**known, "told": True})

    def _end(self) -> list[str]:
        """End whatever runs, and say what that was: the names of the services, or what they had left."""
        family = self._processes.left()
        services = self._processes.end()
        postgres = Postgres(self.home / "postgres")
        if postgres.folder.exists() and postgres.installed():
            postgres.stop()
        return services or ["what killed services had left"] * family

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with FileLock(self.home / "lock", timeout=STOP_S):
                yield
        except Timeout:
            raise SystemExit(f"Another `make airflow` or `make airflow-stop` is at work on {self.home}.") from None

    def _database(self) -> str:
        """Address of the database: the one there is, or a new one. Starts it."""
        postgres, file = Postgres(self.home / "postgres"), self.home / "airflow.db"
        obstacle = None if postgres.folder.exists() else postgres.obstacle()
        if file.exists() and not postgres.folder.exists():
            obstacle = "was not there when this Airflow was made"
        if obstacle:
            print(f"Database: SQLite, for PostgreSQL {obstacle}")
            return f"sqlite:///{file}"
        postgres.start()
        print("Database: PostgreSQL")
        return postgres.url

    def _configure(self, port: int, database: str, known: dict[str, Any]) -> None:
        """Write ``airflow.cfg``. Settings in the environment win, as ever with Airflow."""
        passwords = self.home / "passwords.json"
        _write_whole(passwords, json.dumps({"admin": known["password"]}))
        sections = {
            "core": {
                "dags_folder": REPOSITORY / "dags",
                "load_examples": False,
                "executor": "LocalExecutor",
                "parallelism": 4,
                "dags_are_paused_at_creation": True,
                "fernet_key": known["fernet_key"],
                "simple_auth_manager_users": "admin:admin",
                "simple_auth_manager_passwords_file": passwords,
                "execution_api_server_url": f"http://127.0.0.1:{port}/execution/",
            },
            "database": {"sql_alchemy_conn": database},
            "api": {"secret_key": known["api_key"], "base_url": f"http://127.0.0.1:{port}"},
            "api_auth": {"jwt_secret": known["jwt_secret"]},
            "dag_processor": {"dag_bundle_storage_path": self.home / "bundles"},
            "workers": {"min_heartbeat_interval": 1},
            "scheduler": {"scheduler_idle_sleep_time": 0.5},
        }
        written = configparser.ConfigParser(interpolation=None)
        written.read_dict(
            {
                section: {option: str(value).replace("%", "%%") for option, value in options.items()}
                for section, options in sections.items()
            }
        )
        text = io.StringIO("# Written by `make airflow`, each time. Settings in the environment win.\n")
        text.seek(0, io.SEEK_END)
        written.write(text)
        _write_whole(self.home / "airflow.cfg", text.getvalue())

    def _environment(self) -> dict[str, str]:
        return os.environ | {"AIRFLOW_HOME": str(self.home), "BEAMBELL_PROJECT": str(self.project), "NO_PROXY": "*"}

    def _secrets(self) -> dict[str, Any]:
        """Read the secrets of this Airflow; make them the first time."""
        path = self.home / "secrets.json"
        if path.exists():
            known: dict[str, Any] = json.loads(path.read_text())
            return known
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
        _write_whole(self.home / "secrets.json", json.dumps(known))

    def _airflow(self, *words: str) -> None:
        command = [sys.executable, "-m", "airflow", *words]
        done = subprocess.run(
            command,
            env=self._environment(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"airflow {' '.join(words)} failed:\n{done.stdout}{done.stderr}")

    def _spawn(self, name: str, port: int) -> None:
        arguments = {
            "api-server": ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            "scheduler": ["--skip-serve-logs"],
        }.get(name, [])
        self._processes.spawn(name, [sys.executable, "-m", "airflow", name, *arguments], self._environment())

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError, ValueError, KeyError):
                health = _call(f"{self._url()}/api/v2/monitor/health")
                if all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")):
                    return
            running = self._processes.running()
            dead = [name for name in SERVICES if name not in running]
            if dead or time.monotonic() > deadline:
                problem = f"{dead[0]} ended" if dead else f"not healthy after {START_S:.0f} s"
                raise SystemExit(f"Airflow does not start: {problem}; see {self.home / (dead or ['scheduler'])[0]}.log")
            time.sleep(POLL_S)

    def _furnish(self, password: str) -> str:
        """Make the pool and the connection the DAGs know; returns a token for more."""
        login = {"username": "admin", "password": password}
        token: str = _call(f"{self._url()}/auth/token", login)["access_token"]
        for path, body in (("pools", POOL), ("connections", CONNECTION)):
            try:
                _call(f"{self._url()}/api/v2/{path}", body, token)
            except urllib.error.HTTPError as error:
                if error.code != 409:  # it is there already, perhaps changed by its owner
                    raise
        return token

    def _tell_of_dags(self, token: str) -> None:
        """Say how many DAGs there are, and which files have none because of an error."""
        deadline, dags = time.monotonic() + DAGS_S, 0
        errors: list[dict[str, str]] = []
        while not (dags or errors) and time.monotonic() < deadline:
            time.sleep(POLL_S)
            dags = _call(f"{self._url()}/api/v2/dags?limit=1", token=token)["total_entries"]
            errors = _call(f"{self._url()}/api/v2/importErrors", token=token)["import_errors"]
        print(f"{dags} DAGs; one with a schedule is paused until you switch it on.")
        for error in errors:
            print(f"Import error in {error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}")

    def _url(self) -> str:
        return f"http://127.0.0.1:{self._processes.noted('port')}"


def _call(url: str, body: Any = None, token: str | None = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with _HTTP.open(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def _listenable(wanted: int | None) -> int:
    """Return the port if it is free. Nobody named one: 8080, or else any, and say so."""
    for port in (wanted,) if wanted else (PORT, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found = int(probe.getsockname()[1])
            if found != (wanted or PORT):
                print(f"Port {PORT} is taken by another program; Airflow gets {found}.")
            return found
    raise SystemExit(f"Port {wanted} is taken by another program: name another, or none.")


def _write_whole(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and that is never seen half-written."""
    partial = path.with_name(f"{path.name}.partial")
    partial.touch(mode=0o600)
    partial.chmod(0o600)
    partial.write_text(text)
    partial.replace(path)


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(description="A complete Airflow on this machine.")
    parser.add_argument("command", choices=["start", "stop", "status"])
    parser.add_argument("--home", type=Path, default=REPOSITORY / "airflow", help="folder of all its state")
    parser.add_argument("--project", type=Path, default=os.environ.get("BEAMBELL_PROJECT", REPOSITORY))
    parser.add_argument("--port", type=int, help=f"{PORT} by default, or another if that is taken")
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
