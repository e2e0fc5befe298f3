"""The cost of one new day, after a short and after a long history; on a disk, and in an object store."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.timing import table

if TYPE_CHECKING:
    from beambell.stages.order import Stage

HISTORIES = {"a disk": (7, 28, 90), "an object store": (7, 28)}
STAGES = ("ingest", "aggregate", "apply", "merge", "fit", "label", "validate", "train")
SCALE = 0.1
REQUEST_S = 0.03


@dataclass
class Slow:
    """A store that takes a while to answer.

    Attributes
    ----------
    seconds
        So long, before each request.
    requests
        How many there were.
    """

    seconds: float = 0.0
    requests: int = 0


def measure() -> str:
    """Compare."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, _object_store() as store:
        for where, histories in HISTORIES.items():
            for days in histories:
                data = "data" if where == "a disk" else f"s3://bucket/{days}"
                seconds, requests = _new_day(Path(folder) / f"{where} {days}", days, data, store)
                cells = [f"{seconds[stage]:.2f}" for stage in STAGES]
                rows.append([where, days, *cells, f"{sum(seconds.values()):.2f}", requests or ""])
    title = f"## One new day after a history, seconds by stage (two streams, {int(7000 * SCALE):,} rows a day)\n\n"
    note = (
        "\nA new label model labels all history again, which is most of `label` and `validate`. The object store is of "
        f"this machine (moto), and made to take {REQUEST_S * 1000:.0f} ms more for each request.\n"
    )
    return title + table(["data on", "days before", *STAGES, "all", "requests"], rows) + note


def _new_day(folder: Path, days: int, data: str, store: Slow) -> tuple[dict[str, float], int]:
    from beambell.demo import generate
    from beambell.stages.order import STAGES as ALL

    repository = Path(__file__).parents[1]
    params = yaml.safe_load((repository / "params.yaml").read_text())
    params |= {"label_model": {"kind": "majority"}, "data": data}
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copytree(repository / "labeling_functions", folder / "labeling_functions")
    raw = folder / "data" / "raw"
    generate(raw, scale=SCALE, days=days + 1)
    newest = sorted(raw.glob("*/*"), key=lambda path: path.name)[-2:]
    for path in newest:
        path.rename(folder / path.name)
    stages = [stage for stage in ALL if stage.name in STAGES]
    for stage in stages:
        _run(stage, folder)
    for path in newest:
        (folder / path.name).rename(path)
    store.seconds, store.requests = REQUEST_S, 0
    seconds = {stage.name: _run(stage, folder) for stage in stages}
    store.seconds = 0.0
    return seconds, store.requests


def _run(stage: Stage, folder: Path) -> float:
    from beambell import Project

    start = time.perf_counter()
    project = Project(folder)
    assert stage.refresh(project, project.select()).done
    return time.perf_counter() - start


@contextmanager
def _object_store() -> Iterator[Slow]:
    """Start an S3 API in a process of its own, with a bucket, and stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield _made_slow()
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    import fsspec

    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    fsspec.filesystem("s3").mkdir("bucket")


def _made_slow() -> Slow:
    from aiobotocore.client import AioBaseClient

    slow, call = Slow(), AioBaseClient._make_api_call

    async def late(self: Any, *args: Any) -> Any:
        slow.requests += 1
        await asyncio.sleep(slow.seconds)
        return await call(self, *args)

    AioBaseClient._make_api_call = late
    return slow


if __name__ == "__main__":
    print(measure())
