"""Sources and data roots that cannot be reached: named with their key, in time, and nothing is taken for removed."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from object_store import object_store
from projects import change_params, published, run_stages, small_project
from s3fs import S3FileSystem

from beambell import Project
from beambell.errors import BeamBellError, InputError, StorageError, as_remote
from beambell.stages.sources import glob_files
from beambell.store import Store, reaching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def nobody() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def silence() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


@contextmanager
def refusing(status: int) -> Iterator[int]:
    class Refusal(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(autouse=True)
def _short_and_forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    S3FileSystem.clear_instance_cache()  # it would go on to ask where the test before it did
    monkeypatch.setattr(reaching, "WAIT_S", 3.0)
    monkeypatch.setattr(reaching, "_reached", set())
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


AWAY = [(nobody, "Cannot connect|Could not connect|refused|no answer"), (silence, "no answer within 3 s")]


@pytest.mark.parametrize(("place", "why"), AWAY)
@pytest.mark.parametrize("glob", ["raw/*.csv", "raw/{dt}.csv", "raw.csv"])
@pytest.mark.parametrize("scheme", ["http", "ftp", "s3"])
def test_a_source_that_is_away_is_named_in_time(tmp_path, monkeypatch, scheme, glob, place, why):
    with place() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        pattern = f"s3://bucket/{glob}" if scheme == "s3" else f"{scheme}://127.0.0.1:{port}/{glob}"
        started = time.monotonic()
        with pytest.raises(InputError, match=why) as caught:
            glob_files(tmp_path, pattern, "streams.mails.inputs")
        assert time.monotonic() - started < 6
    assert caught.value.where == f"streams.mails.inputs in params.yaml: {pattern}"


@pytest.mark.parametrize("url", ["https://no-such-host.invalid/x.csv", "https://no-such-host.invalid/*.csv"])
def test_a_host_that_does_not_resolve_is_named(tmp_path, url):
    with pytest.raises(InputError, match=r"no-such-host\.invalid"):
        glob_files(tmp_path, url, "evaluation.gold")


@pytest.mark.parametrize("glob", ["x.csv", "raw/*.csv"])
@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_refusal_is_not_taken_for_no_files(tmp_path, status, glob):
    with refusing(status) as port, pytest.raises(InputError, match=str(status)) as caught:
        glob_files(tmp_path, f"http://127.0.0.1:{port}/{glob}", "feedback.inputs")
    assert ("credentials" in str(caught.value.fix)) == (status < 500)


def test_what_is_not_there_yet_is_no_error(tmp_path):
    with refusing(404) as port:
        assert glob_files(tmp_path, f"http://127.0.0.1:{port}/x.csv", "feedback.inputs") == []
    assert glob_files(tmp_path, "memory://nothing/yet/*.csv", "feedback.inputs") == []
    assert glob_files(tmp_path, f"file://{tmp_path}/none/*.csv", "feedback.inputs") == []


def test_a_bucket_that_is_not_there_is_named(tmp_path, monkeypatch):
    import boto3

    monkeypatch.setattr(reaching, "WAIT_S", 20.0)
    with object_store("key", "secret") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="mine")
        assert glob_files(tmp_path, "s3://mine/raw/{dt}.csv", "streams.mails.inputs") == []
        with pytest.raises(InputError, match="bucket does not exist"):
            glob_files(tmp_path, "s3://yours/raw/{dt}.csv", "streams.mails.inputs")
        with pytest.raises(StorageError, match="bucket does not exist"):
            Store("s3://yours/data").files.list("votes")


@pytest.mark.parametrize("place", [nobody, silence])
def test_a_data_root_that_is_away_is_named(monkeypatch, place):
    with place() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(StorageError, match=r"data in params\.yaml: s3://bucket/data: it cannot be reached"):
            Store("s3://bucket/data").files.list("votes")


def test_a_stream_that_is_away_loses_nothing_and_keeps_no_other(tmp_path: Path):
    project = small_project(tmp_path, days=1, scale=0.01)
    with nobody() as port:
        url = f"http://127.0.0.1:{port}/comments/2026-01-01.csv"
        change_params(project, streams={"comments": {"inputs": [url]}})
        for as_json in ([], ["--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "beambell", "ingest", "--project", str(project), *as_json],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            assert f"streams.comments.inputs in params.yaml: {url}" in done.stderr
            if as_json:
                assert json.loads(done.stdout)
        assert {partition.stream for partition in Project(project).store.partitions("partitions")} == {"messages"}
        change_params(project, streams={"comments": {"inputs": ["data/raw/comments/{dt}.*"]}})
        run_stages(project, "ingest")
        before = published(project)
        change_params(project, streams={"comments": {"inputs": [url]}})
        with pytest.raises(BeamBellError, match="it cannot be reached"):
            run_stages(project, "ingest")
    assert any("stream=comments" in name for name in before)
    assert published(project) == before


def test_what_a_client_raises_is_one_error():
    from aiohttp import ClientError
    from botocore.exceptions import EndpointConnectionError

    for error in (ClientError("x"), EndpointConnectionError(endpoint_url="http://x"), PermissionError("Access Denied")):
        assert isinstance(as_remote(error), StorageError)
    assert as_remote(TimeoutError("x"))
    assert as_remote(ConnectionResetError("x"))
    for error in (BrokenPipeError(), KeyError("x"), ValueError("x"), PermissionError(13, "no", "/x")):
        assert as_remote(error) is None
