"""The deployment settings on a real Airflow: DAGs from git, logs and data in an object store, and no secret told.

The story of one production: it starts with `deploy/airflow.env`, labels a partition, gets new DAGs, and tells of a
failure. Git repository, object store and webhook are on this machine; the settings that name a host are overridden.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow_local import LocalAirflow
from airflow_services import Postgres
from job_service import job_service
from object_store import object_store
from projects import REPOSITORY, change_params, small_project

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]

LABEL, DAY, BUCKET = "label_partition", "2026-01-01", "bucket"
RUN_S = 600.0
# A labeling function's author left this in: it shows whatever secret a stage can get at.
TELLTALE = """
import os, sys
print("seen:", os.environ["STORE_PHRASE"], file=sys.stderr)
print("environment:", *(f"{name}={value}" for name, value in os.environ.items()), file=sys.stderr)
"""


@dataclass(frozen=True)
class Secrets:
    """Each made at random, so that nothing else can look like it."""

    database: str = secrets.token_hex(16)
    fernet: str = ""
    jwt: str = secrets.token_hex(64)
    api: str = secrets.token_hex(32)
    git: str = secrets.token_hex(16)
    store: str = secrets.token_hex(16)
    phrase: str = secrets.token_hex(16)
    hook: str = secrets.token_hex(16)
    token: str = secrets.token_hex(16)


KNOWN = Secrets()


def git(repository: Path, *words: str) -> str:
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    done = subprocess.run(["git", *identity, *words], cwd=repository, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, dags_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(dags_folder, folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "The DAGs")
    return folder


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """Environment that leads to an S3 API on loopback with an empty bucket."""
    with object_store("ann", KNOWN.store) as environment:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            s3().create_bucket(Bucket=BUCKET)
        yield environment


def s3(store: dict[str, str] | None = None) -> Any:
    import boto3

    known = (
        {}
        if store is None
        else {
            "endpoint_url": store["AWS_ENDPOINT_URL"],
            "aws_access_key_id": store["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": store["AWS_SECRET_ACCESS_KEY"],
            "region_name": store["AWS_DEFAULT_REGION"],
        }
    )
    return boto3.client("s3", **known)


def objects(store: dict[str, str], prefix: str) -> dict[str, str]:
    """Text of every object below a prefix, by key."""
    client = s3(store)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode(errors="replace") for key in keys}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, store: dict[str, str]) -> Path:
    """A project whose raw files and whose data root are in the bucket."""
    folder = small_project(
        tmp_path_factory.mktemp("project"), days=1, scale=0.04, label_model={"kind": "majority", "options": {}}
    )
    streams = {name: {"inputs": [f"s3://{BUCKET}/raw/{name}/{{dt}}.*"]} for name in ("comments", "messages")}
    change_params(folder, data=f"s3://{BUCKET}/data", streams=streams, evaluation={"gold": []})
    for path in (folder / "data" / "raw").rglob("*.*"):
        s3(store).upload_file(str(path), BUCKET, f"raw/{path.relative_to(folder / 'data' / 'raw').as_posix()}")
    shutil.rmtree(folder / "data")
    (folder / "labeling_functions" / "telltale.py").write_text(TELLTALE)
    change_params(folder, lfs={"modules": ["labeling_functions.spam", "labeling_functions.telltale"]})
    return folder


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook on loopback, and what it was told."""
    heard: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.append({"path": self.path, "authorization": self.headers.get("Authorization"), **body})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hooks/{KNOWN.hook}", heard
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def database() -> Iterator[str | None]:
    """PostgreSQL with a password, where it is installed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a socket's path must be short
        Path(folder).chmod(0o711)
        postgres = Postgres(Path(folder) / "airflow" / "postgres")
        if postgres.obstacle():
            yield None
            return
        postgres.folder.parent.mkdir()
        postgres.start()
        yield postgres.url.replace("postgres@", f"postgres:{KNOWN.database}@")
        postgres.stop()


@pytest.fixture(scope="module")
def beam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[str], Path]]:
    """Options that send Beam's jobs to a service, and the service's log."""
    folder = tmp_path_factory.mktemp("beam")
    with job_service(folder) as options:
        yield options, folder / "service.log"


def deployed() -> dict[str, str]:
    """The settings as the file's first lines say that they are read."""
    script = "set -a; . ./airflow.env; set +a; env -0"
    done = subprocess.run(
        ["env", "-i", "bash", "-c", script], cwd=REPOSITORY / "deploy", capture_output=True, text=True, check=True
    )
    settings = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    return {name: value for name, value in settings.items() if name.startswith(("AIRFLOW", "BEAMBELL"))}


@pytest.fixture(scope="module")
def airflow(
    project: Path,
    repository: Path,
    store: dict[str, str],
    told: tuple[str, Any],
    database: str | None,
    beam: tuple[list[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LocalAirflow]:
    from cryptography.fernet import Fernet

    home = tmp_path_factory.mktemp("airflow")
    object.__setattr__(KNOWN, "fernet", Fernet.generate_key().decode())
    connections = {
        "GIT": {"conn_type": "git", "host": str(repository), "password": KNOWN.git},
        "LOGS": {
            "conn_type": "aws",
            "login": "ann",
            "password": KNOWN.store,
            "extra": {"endpoint_url": store["AWS_ENDPOINT_URL"], "region_name": store["AWS_DEFAULT_REGION"]},
        },
        "ENV": {"conn_type": "generic", "extra": {**store, "STORE_PHRASE": KNOWN.phrase}},
        "WEBHOOK": {"conn_type": "http", "host": told[0], "password": KNOWN.token},
    }
    here = {
        "BEAMBELL_PROJECT": str(project),
        "BEAMBELL__BEAM__RUNNER": "PortableRunner",  # a Flink master is told of in the same way
        "BEAMBELL__BEAM__OPTIONS": json.dumps(beam[0]),
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"s3://{BUCKET}/airflow/logs",
        "AIRFLOW__API_AUTH__JWT_SECRET": KNOWN.jwt,
        "AIRFLOW__API__SECRET_KEY": KNOWN.api,
        "AIRFLOW__CORE__FERNET_KEY": KNOWN.fernet,
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",  # a test does not wait five minutes for new DAGs
        **({"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database} if database else {}),
        **{f"AIRFLOW_CONN_BEAMBELL_{name}": json.dumps(about) for name, about in connections.items()},
    }
    elsewhere = {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW__API__BASE_URL"}  # their port is this test's
    elsewhere |= {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"}  # nothing is scheduled here
    settings = {name: value for name, value in deployed().items() if name not in elsewhere}
    with LocalAirflow(home, home / "no-dags-here", settings | here) as airflow:
        yield airflow


def test_a_run_has_the_version_of_its_dags_and_its_logs_are_in_the_store(
    airflow: LocalAirflow, repository: Path, store: dict[str, str], beam: tuple[list[str], Path]
) -> None:
    run_id = airflow.trigger(LABEL, DAY, timeout_s=180)
    assert airflow.wait(LABEL, run_id, timeout_s=RUN_S) == "success", airflow.explain(LABEL, run_id)
    (version,) = airflow.call("GET", f"/api/v2/dags/{LABEL}/dagRuns/{run_id}")["dag_versions"]
    assert (version["bundle_name"], version["bundle_version"]) == ("beambell", git(repository, "rev-parse", "HEAD"))

    assert beam[1].read_text().count("with state DONE") >= 3  # ingest, apply, label

    assert [key for key in objects(store, "data/labels/") if key.endswith("labels.parquet")]
    ran = {name for name, task in airflow.tasks(LABEL, run_id).items() if task["duration"]}

    def logs() -> dict[str, str]:
        found = objects(store, f"airflow/logs/dag_id={LABEL}/")
        return {key.split("/task_id=")[1].split("/")[0]: text for key, text in found.items()}

    airflow.wait_until(lambda: set(logs()) == ran, 60, "not every task's log arrives")  # it does after the task's end
    assert "-m beambell ingest" in logs()["deliveries.ingest"]
    shutil.rmtree(airflow.home / "logs" / f"dag_id={LABEL}")  # the machine is gone; the log is still to be seen
    shown = airflow.call("GET", f"/api/v2/dags/{LABEL}/dagRuns/{run_id}/taskInstances/labels.validate/logs/1")
    assert "-m beambell validate" in json.dumps(shown)


def test_new_dags_are_of_the_next_run_and_a_failure_is_told(
    airflow: LocalAirflow, repository: Path, told: tuple[str, list[dict[str, Any]]]
) -> None:
    old = git(repository, "rev-parse", "HEAD")
    file = repository / "dags" / "label_partition.py"
    file.write_text(file.read_text().replace("Ingest, vote, label", "Take in, vote, label"))
    git(repository, "commit", "--quiet", "--all", "--message", "Another word")
    new = git(repository, "rev-parse", "HEAD")
    assert new != old

    def arrived() -> bool:
        return bool(airflow.call("GET", f"/api/v2/dags/{LABEL}")["bundle_version"] == new)

    airflow.wait_until(arrived, 180, "the new DAGs do not arrive")
    run_id = airflow.trigger(LABEL)  # without a key
    assert airflow.wait(LABEL, run_id, timeout_s=RUN_S) == "failed"
    (version,) = airflow.call("GET", f"/api/v2/dags/{LABEL}/dagRuns/{run_id}")["dag_versions"]
    assert version["bundle_version"] == new
    (message,) = told[1]
    assert message["path"] == f"/hooks/{KNOWN.hook}"
    assert message["authorization"] == f"Bearer {KNOWN.token}"
    assert "This run has no partition key" in message["text"]


def test_no_secret_is_in_logs_xcoms_or_messages(
    airflow: LocalAirflow, store: dict[str, str], told: tuple[str, list[dict[str, Any]]]
) -> None:
    said = {f"s3 {key}": text for key, text in objects(store, "airflow/").items()}
    said |= {str(path): path.read_text(errors="replace") for path in airflow.home.rglob("*.log")}
    for run_id in airflow.runs(LABEL):
        for task_id in airflow.tasks(LABEL, run_id):
            path = f"/api/v2/dags/{LABEL}/dagRuns/{run_id}/taskInstances/{task_id}"
            said[path] = json.dumps(airflow.call("GET", path))  # with what its templates became
            for entry in airflow.call("GET", f"{path}/xcomEntries")["xcom_entries"]:
                said[f"{path} {entry['key']}"] = json.dumps(airflow.xcom(LABEL, run_id, task_id, entry["key"]))
    said |= {"webhook": json.dumps([message["text"] for message in told[1]])}
    assert sum("seen: ***" in text for text in said.values()) >= 1  # the telltale did speak
    leaks = {(name, where) for name, secret in vars(KNOWN).items() for where, text in said.items() if secret in text}
    assert not leaks
