"""Runners that are not there, or not what they seem: named, in time, without a traceback."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import apache_beam as beam
import grpc
import pytest
from job_service import job_service
from projects import run_stages, small_project

from beam_jobs.pipeline import new_pipeline, run_pipeline
from beam_jobs.service import check_service
from beambell import Project
from beambell.config.beam import RUNNERS, BeamParams
from beambell.errors import ConfigError, JobServiceError
from beambell.stages.order import stage_named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def nobody() -> Iterator[int]:
    """Give a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def silence() -> Iterator[int]:
    """Take connections, and say nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


@contextmanager
def web_server() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def other_service() -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(0)


@contextmanager
def nowhere() -> Iterator[str]:
    yield "no-such-host.invalid:8099"


@contextmanager
def no_port() -> Iterator[str]:
    yield "http://localhost"


AWAY = [nobody, silence, web_server, other_service, nowhere, no_port]
CASES = [*((place, "PortableRunner") for place in AWAY), (nobody, "FlinkRunner"), (nobody, "SparkRunner")]


@pytest.mark.parametrize(("place", "runner"), CASES)
def test_a_job_service_that_is_none_is_named_in_time(place, runner: str) -> None:
    with place() as port:
        endpoint = port if isinstance(port, str) else f"127.0.0.1:{port}"
        params = BeamParams(runner=runner, options=(f"--job_endpoint={endpoint}", "--job_server_timeout=2"))
        pipeline = new_pipeline(params)
        started = time.monotonic()
        with pytest.raises(JobServiceError) as caught:
            check_service(pipeline.options)
        assert time.monotonic() - started < 4
    message = str(caught.value)
    assert all(endpoint in line for line in message.splitlines())
    assert "no Beam job service" in message
    assert "--job_endpoint=HOST:PORT" in message


def test_half_a_minute_is_the_longest_wait(monkeypatch) -> None:
    asked = []

    def ready(_channel: object) -> ThreadPoolExecutor:
        class Never:
            def result(self, timeout: float) -> None:
                asked.append(timeout)
                raise grpc.FutureTimeoutError

        return Never()

    monkeypatch.setattr(grpc, "channel_ready_future", ready)
    for more, limit in ((), 30), (("--job_server_timeout=5",), 5), (("--job_server_timeout=900",), 30):
        params = BeamParams(runner="PortableRunner", options=("--job_endpoint=127.0.0.1:1", *more))
        with pytest.raises(JobServiceError, match=f"within {limit} s"):
            check_service(new_pipeline(params).options)
        assert asked.pop() == limit


@pytest.mark.parametrize("runner", ["FnApiRunner", "DirectRunner"])
def test_who_works_here_asks_nobody(runner: str) -> None:
    check_service(new_pipeline(BeamParams(runner=runner, options=("--job_endpoint=127.0.0.1:1",))).options)


@pytest.mark.parametrize(
    "command", [["beambell", "ingest"], ["beam_jobs.ingest", "--json"], ["beambell", "run", "--json"]]
)
def test_the_command_ends_with_1_and_names_the_endpoint(tmp_path: Path, command: list[str]) -> None:
    project = small_project(tmp_path, days=1, scale=0.01)
    options = json.dumps(["--job_endpoint=127.0.0.1:1", "--job_server_timeout=2"])
    environment = {"BEAMBELL__BEAM__RUNNER": "PortableRunner", "BEAMBELL__BEAM__OPTIONS": options}
    done = subprocess.run(
        [sys.executable, "-m", *command, "--project", str(project)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "127.0.0.1:1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    if "--json" in command:
        assert json.loads(done.stdout)["kind"] == "JobServiceError"


@pytest.mark.parametrize("stage", ["ingest", "aggregate", "apply", "label"])
def test_every_job_asks_first(tmp_path: Path, stage: str, monkeypatch) -> None:
    asked = []
    project = Project(small_project(tmp_path, days=1, scale=0.01))
    if stage != "ingest":
        run_stages(project.path, "ingest")
    if stage == "label":
        run_stages(project.path, "aggregate", "apply", "merge", "fit")
    monkeypatch.setattr("beam_jobs.pipeline.check_service", asked.append)
    stage_named(stage).refresh(project, project.select())
    assert asked


def test_a_job_that_fails_at_the_service_says_where(tmp_path: Path) -> None:
    project = Project(small_project(tmp_path, days=1, scale=0.01))
    with job_service(tmp_path) as options:
        pipeline = new_pipeline(BeamParams(runner="PortableRunner", options=tuple(options)))
        _ = pipeline | beam.Create([0]) | beam.Map(lambda number: 1 // number)
        with pytest.raises(JobServiceError, match="the job failed there") as caught:
            run_pipeline(project, "job", pipeline)
    assert caught.value.where == options[0]


def test_the_runners_are_beam_s() -> None:
    from apache_beam.options.pipeline_options import StandardOptions

    assert set(RUNNERS) == set(StandardOptions.KNOWN_RUNNER_NAMES)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--direct_num_workers=many"], ["beam.options", "--direct_num_workers", "'many'"]),
        (["--flink_version", "0.1"], ["beam.options", "flink_version", "0.1"]),
        (["--job_server_timeout=soon"], ["beam.options", "job_server_timeout", "soon"]),
    ],
)
def test_an_option_that_beam_refuses_is_named(capfd, options: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        new_pipeline(BeamParams(options=tuple(options)))
    for word in words:
        assert word in str(caught.value)
    assert "usage:" not in capfd.readouterr().err


@pytest.mark.parametrize("runner", ["no.such.Runner", "json.NoRunner", "PortableRunner"])
def test_a_runner_that_cannot_be_used_is_said(tmp_path: Path, runner: str) -> None:
    project = Project(small_project(tmp_path, days=1, scale=0.01))
    with pytest.raises(ConfigError, match=r"beam\.(runner|options)"):
        run_pipeline(project, "job", new_pipeline(BeamParams(runner=runner)))
