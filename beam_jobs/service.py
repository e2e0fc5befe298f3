"""Runners beyond this process: whether the job service is there, and what is said of a job that fails.

Beam asks a job service that is away for five minutes, in silence, and again for each job.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import grpc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from beambell.errors import BeamBellError, ConfigError, JobServiceError

WAIT_S = 30.0
"""Longest wait for a job service; ``--job_server_timeout``, if it is shorter, holds."""

_HERE = frozenset({"FnApiRunner", "DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner", "PrismRunner"})
_ENDPOINT = "name it in beam.options (params.yaml, or BEAMBELL__BEAM__OPTIONS) as --job_endpoint=HOST:PORT"
_STAYS = "what was published stays, and running again goes on"
_MOST = 2_000  # characters of what a runner says of a failure


def runs_here(options: PipelineOptions) -> bool:
    """Whether the runner works in this process, or in one that it starts: what fails then is ours."""
    return options.view_as(StandardOptions).runner in _HERE


def check_service(options: PipelineOptions) -> None:
    """Ask the job service for its options, as Beam does before it sends a job; return at once if there is none to ask.

    Raises
    ------
    JobServiceError
        If it is away, silent, or something else.
    ConfigError
        If the runner is ``PortableRunner``, and no job service is named.
    """
    portable = options.view_as(PortableOptions)
    endpoint = portable.job_endpoint
    if not endpoint and options.view_as(StandardOptions).runner == "PortableRunner":
        raise ConfigError("PortableRunner needs a job service", where="beam.options", fix=_ENDPOINT)
    if runs_here(options) or not endpoint or endpoint == "embed":
        return
    limit = max(1.0, min(WAIT_S, portable.job_server_timeout))
    deadline = time.monotonic() + limit
    with grpc.insecure_channel(endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=limit)
            beam_job_api_pb2_grpc.JobServiceStub(channel).DescribePipelineOptions(
                beam_job_api_pb2.DescribePipelineOptionsRequest(), timeout=max(1.0, deadline - time.monotonic())
            )
        except grpc.FutureTimeoutError:
            what = f"no Beam job service answers at {endpoint} within {limit:.0f} s"
        except grpc.RpcError as error:
            what = f"what answers at {endpoint} is no Beam job service ({_said(error)})"
        else:
            return
    raise JobServiceError(
        what,
        where=f"--job_endpoint={endpoint}",
        fix=f"start it; or, if it is not at {endpoint}, {_ENDPOINT}. {_STAYS.capitalize()}",
    )


@contextmanager
def failures_of(options: PipelineOptions) -> Iterator[None]:
    """Say where a job was sent, if its runner is not in this process and the job fails there.

    Raises
    ------
    JobServiceError
        With what the runner said.
    """
    here, runner = runs_here(options), options.view_as(StandardOptions).runner  # Beam takes the name out on its way
    try:
        yield
    except BeamBellError:
        raise
    except Exception as error:
        if here:
            raise
        endpoint = options.view_as(PortableOptions).job_endpoint
        where = f"--job_endpoint={endpoint}" if endpoint else f"beam.runner: {runner}"
        raise JobServiceError(
            f"the job failed there: {_said(error)}",
            where=where,
            fix=f"see the logs of the runner and of its workers; {_STAYS}",
        ) from None


@contextmanager
def complaints_about_options() -> Iterator[None]:
    """Say which parameter it is that Beam cannot use.

    Raises
    ------
    ConfigError
        For a runner that is not installed, and for options that its parser refuses.
    """
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):  # argparse prints all options there are
            yield
    except SystemExit:
        problem = complaint.getvalue().strip().rpartition("error: ")[2]
        raise ConfigError(f"Beam refuses an option: {problem}", where="beam.options") from None
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the runner cannot be used: {_said(error)}",
            where="beam.runner",
            fix="install what it needs, or name another: FnApiRunner works in this process",
        ) from None
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ConfigError(f"Beam refuses its options: {_said(error)}", where="beam.options") from None


def _said(error: Exception) -> str:
    if isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        return f"{error.code().name}: {error.details()}"[:_MOST]
    text = str(error).strip() or type(error).__name__
    return text if len(text) <= _MOST else f"... {text[-_MOST:]}"
