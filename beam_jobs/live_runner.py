"""Runners of a live job: their options, and a job on a cluster, which goes on without the process that sent it."""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from typing import Any

from apache_beam.options.pipeline_options import FlinkRunnerOptions, GoogleCloudOptions, PipelineOptions

from beam_jobs.service import check_service
from beambell.errors import LiveError
from beambell.live import fence
from beambell.live.desk import STATUS
from beambell.live.folder import LiveFolder
from beambell.live.prism import find_prism
from beambell.project import Project
from beambell.store import Layout

_LANDING_S, _ANSWER_S, _LOOK_S = 12.0, 10.0, 0.2
_ON_FLINK = (
    "--runner=PortableRunner", "--streaming", "--checkpointing_interval=1000", "--max_bundle_time_mills=100",
    "--max_bundle_size=1000",
)  # fmt: skip

_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # clusters are inside, proxies lead outside
_OVER = ("FINISHED", "CANCELED", "FAILED")
_NAME_IT = "name its REST address in live.options, as --flink_master=HOST:8081"

_logger = logging.getLogger(__name__)


def options_of(project: Project) -> PipelineOptions:
    """Return Beam's options for the runner that ``live.runner`` names; what ``live.options`` says comes last, and wins.

    Raises
    ------
    LiveError
        If that runner cannot serve streams.
    """
    live = project.params.live
    if any(word.replace("-", "").lower().startswith("runner=fnapi") for word in live.options):
        raise LiveError(
            "FnApiRunner cannot run a live job: it fires timers at once, holds groups back until the source ends, and "
            "never returns",
            where="live.options in params.yaml",
            fix="set live.runner to prism, flink or loop",
        )
    if live.runner == "flink":
        words = [*_ON_FLINK, f"--job_name=beambell-live-{project.params.project}", *live.options]
        return PipelineOptions(words, save_main_session=False)
    prism = find_prism(live.prism)
    if prism.advice:
        _logger.warning(prism.advice)
    located = [] if prism.path is None else [f"--prism_location={prism.path}"]
    words = ["--runner=PrismRunner", "--environment_type=LOOPBACK", "--streaming", *located, *live.options]
    return PipelineOptions(words, save_main_session=False)


def cancel(options: PipelineOptions) -> int:
    """Cancel the jobs of this name that a cluster still runs, those of drivers that died among them; return how many.

    The fence keeps them silent in any case; this gives their slots back. Beam's job service only lets go of a
    streaming job when it is asked to cancel it, so Flink itself is asked.

    Raises
    ------
    ConfigError
        If no job service is named.
    JobServiceError
        If it does not answer.
    LiveError
        If Flink does not answer.
    """
    check_service(options)
    master, name = options.view_as(FlinkRunnerOptions).flink_master, options.view_as(GoogleCloudOptions).job_name
    if ":" not in master:
        _logger.warning("nobody says where Flink is, so its job %s cannot be cancelled: %s", name, _NAME_IT)
        return 0
    ours = [job["jid"] for job in _ask(master, "/jobs/overview")["jobs"] if job["name"] == name and _lives(job)]
    for job in ours:
        _logger.warning("cancelling the Flink job %s", job)
        _ask(master, f"/jobs/{job}?mode=cancel", "PATCH")
    deadline = time.monotonic() + _ANSWER_S
    while any(_lives(_ask(master, f"/jobs/{job}")) for job in ours) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return len(ours)


def end_on_cluster(project: Project, number: int) -> None:
    """Let the workers, on whichever machines, land what they have read, then cancel the job.

    What is not landed in time is read again by the next job.

    Parameters
    ----------
    project
        Project of the job.
    number
        Number of the job.
    """
    fence.end(project.store, number)
    folder, deadline = LiveFolder(project.store.files, Layout.LIVE), time.monotonic() + _LANDING_S
    while (folder.read_json(STATUS) or {}).get("state") == "running" and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    cancel(options_of(project))


def _ask(master: str, path: str, method: str = "GET") -> Any:
    request = urllib.request.Request(f"http://{master.rpartition('://')[2]}{path}", method=method)
    try:
        with _HTTP.open(request, timeout=_ANSWER_S) as answer:
            return json.loads(answer.read() or b"null")
    except (OSError, ValueError) as error:
        raise LiveError(f"Flink does not answer: {error}", where=f"--flink_master={master}", fix=_NAME_IT) from error


def _lives(job: dict[str, Any]) -> bool:
    return job["state"] not in _OVER
