"""A Beam worker as a plain process, for ``--environment_type=PROCESS``: no Docker, no pool of workers.

A runner, such as a task manager of Flink, starts the command ``beambell-worker`` and tells it where to report. Beam's
own program for this is written in Go and is part of its container image.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import grpc
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc, endpoints_pb2
from google.protobuf import json_format

PROVISION_S = 60.0


def environment(arguments: Sequence[str]) -> dict[str, str]:
    """Ask the runner what this worker is to know; return it as the variables that Beam's worker reads.

    Parameters
    ----------
    arguments
        Words after the command, from the runner: ``--id=1-1 --provision_endpoint=HOST:PORT`` and others.
    """
    parser = argparse.ArgumentParser(prog="beambell-worker", description="Started by a runner of Beam, not by people.")
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    parser.add_argument("--control_endpoint")
    parser.add_argument("--logging_endpoint")
    told, _ = parser.parse_known_args(arguments)
    with grpc.insecure_channel(told.provision_endpoint) as channel:
        info = (
            beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
            .GetProvisionInfo(
                beam_provision_api_pb2.GetProvisionInfoRequest(),
                metadata=(("worker_id", told.id),),
                timeout=PROVISION_S,
                wait_for_ready=True,
            )
            .info
        )
    control = told.control_endpoint or info.control_endpoint.url
    logs = told.logging_endpoint or info.logging_endpoint.url
    return {
        "WORKER_ID": told.id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "CONTROL_API_SERVICE_DESCRIPTOR": str(endpoints_pb2.ApiServiceDescriptor(url=control)),
        "LOGGING_API_SERVICE_DESCRIPTOR": str(endpoints_pb2.ApiServiceDescriptor(url=logs)),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


def main() -> None:
    """Run the worker until the runner ends it."""
    os.environ.update(environment(sys.argv[1:]))
    sys.argv = sys.argv[:1]
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()
