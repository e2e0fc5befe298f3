"""The command that a runner starts for each worker: it asks for its orders, and hands them to Beam's own worker."""

from __future__ import annotations

import importlib
import json
import tomllib
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from apache_beam.portability.api import beam_provision_api_pb2 as provision
from apache_beam.portability.api import beam_provision_api_pb2_grpc as provision_grpc
from google.protobuf import text_format
from google.protobuf.struct_pb2 import Struct
from projects import REPOSITORY

from beam_jobs.worker import environment, main


class Orders(provision_grpc.ProvisionServiceServicer):
    def __init__(self) -> None:
        self.asked_by: list[str] = []

    def GetProvisionInfo(self, request: object, context: grpc.ServicerContext) -> object:  # noqa: N802 - gRPC's name
        self.asked_by.append(dict(context.invocation_metadata())["worker_id"])
        options = Struct()
        options.update({"beam:option:parallelism:v1": 2})
        info = provision.ProvisionInfo(pipeline_options=options, runner_capabilities=["one", "two"])
        info.control_endpoint.url = "localhost:1"
        info.logging_endpoint.url = "localhost:2"
        return provision.GetProvisionInfoResponse(info=info)


@pytest.mark.parametrize(
    ("told", "control"), [([], "localhost:1"), (["--control_endpoint=localhost:3"], "localhost:3")]
)
def test_a_worker_asks_for_its_orders(told: list[str], control: str) -> None:
    orders = Orders()
    server = grpc.server(ThreadPoolExecutor(1))
    provision_grpc.add_ProvisionServiceServicer_to_server(orders, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        words = ["--id=2-1", f"--provision_endpoint=127.0.0.1:{port}", "--semi_persist_dir=/tmp", *told]
        found = environment(words)
    finally:
        server.stop(0)
    assert orders.asked_by == ["2-1"]
    assert found["WORKER_ID"] == "2-1"
    assert json.loads(found["PIPELINE_OPTIONS"]) == {"beam:option:parallelism:v1": 2.0}
    assert found["RUNNER_CAPABILITIES"] == "one two"
    from apache_beam.portability.api import endpoints_pb2

    for name, url in (("CONTROL", control), ("LOGGING", "localhost:2")):
        endpoint = endpoints_pb2.ApiServiceDescriptor()
        text_format.Parse(found[f"{name}_API_SERVICE_DESCRIPTOR"], endpoint)
        assert endpoint.url == url


def test_the_command_that_is_installed_is_this_one() -> None:
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts["beambell-worker"].partition(":")
    assert getattr(importlib.import_module(module), name) is main
