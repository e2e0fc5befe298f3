"""What happens when a task has failed for good: a line in the log, and a message to a webhook if there is one."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

WEBHOOK = "beambell_webhook"
"""Airflow connection of the webhook: the address in its host, a bearer token, if one is asked for, in its password."""

_TIMEOUT_S = 10.0
_NOTIFY_S = 60.0

log = logging.getLogger(__name__)


def on_failure(context: Context) -> None:
    """Tell that a task has failed; what goes wrong here is logged, and nothing else."""
    message = describe(context)
    log.error("%s", message["text"])
    try:
        _post(message)
    except Exception as error:  # noqa: BLE001 - whatever it is, the task's own failure must stay in sight
        log.warning("The webhook of connection %s was not told: %s", WEBHOOK, type(error).__name__)
    try:
        _notify(message)
    except Exception as error:  # noqa: BLE001 - as above
        log.warning("The channels of notifications were not told: %s", type(error).__name__)


def _notify(message: dict[str, Any]) -> None:
    """Tell the channels of ``notifications`` in params.yaml, if there are some; each try of a task once."""
    import yaml
    from schedule import project_dir
    from stages import _without_airflow, stage_environment

    project = project_dir()
    tree = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    if not (tree.get("notifications") or {}).get("to"):
        return
    names = ("dag_id", "task_id", "run_id", "try_number")
    told = {
        "--kind": "task",
        "--severity": "critical",
        "--title": f"{message['dag_id']}.{message['task_id']} failed",
        "--figure": message["text"],
        "--look": message["log_url"],
        "--event": "/".join(str(message[name]) for name in names),
    }
    words = [word for option, value in told.items() for word in (option, str(value))]
    done = subprocess.run(
        [sys.executable, "-m", "beambell", "notify", "send", *words, "--project", str(project)],
        env={**_without_airflow(os.environ), **stage_environment()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_NOTIFY_S,
        check=False,
    )
    if done.returncode:
        log.warning("A channel of notifications was not told; `beambell notify list` says why")


def describe(context: Context) -> dict[str, Any]:
    """Say what failed, where, and where to look; ``text`` is what chat programs show."""
    ti, run = context["ti"], context["dag_run"]
    key = getattr(run, "partition_key", None)
    lines = str(context.get("exception") or "see its log").strip().splitlines()
    error = "\n".join(line for line in lines if not line.startswith("stage="))  # progress is no news
    url = getattr(ti, "log_url", "")
    where = f"{ti.dag_id}.{ti.task_id}" + (f" of partition {key}" if key else "")
    text = f"BeamBell: {where} failed (try {ti.try_number}): {error}\n{url}".rstrip()
    return {
        "text": text,
        "dag_id": ti.dag_id,
        "task_id": ti.task_id,
        "run_id": run.run_id,
        "partition_key": key,
        "try_number": ti.try_number,
        "log_url": url,
    }


def _post(message: dict[str, Any]) -> None:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = Connection.get(WEBHOOK)
    except AirflowNotFoundException:
        return
    address = connection.host or ""
    if not address.startswith(("https://", "http://")):
        raise ValueError("the connection's host must be a whole URL")
    headers = {"Content-Type": "application/json"}
    if connection.password:
        headers["Authorization"] = f"Bearer {connection.password}"
    request = urllib.request.Request(address, json.dumps(message).encode(), headers)  # noqa: S310 - checked above
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
        pass
