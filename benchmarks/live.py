"""Live labeling: what it costs beside batch, how fast it works off a backlog, and how late a label is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from beambell.demo import generate
from beambell.live.prism import find_prism
from beambell.live.supervisor import read_status
from beambell.project import Project
from benchmarks.timing import table
from benchmarks.workload import REPOSITORY

DAYS, BATCH_DAYS = 8, 2
STREAMS = ("comments", "messages")
RATE, SECONDS = 300, 30
RUNNERS = ("loop", "prism")


def measure() -> str:
    """Compare runners of a live job with the batch stages on the same records."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        made, records = _make(Path(folder) / "made")
        for runner in RUNNERS:
            if runner == "prism" and find_prism().path is None:
                rows.append([runner, "not here", "", "", "", ""])
                continue
            rows.append(
                [
                    runner,
                    *_backlog(made, Path(folder) / f"{runner}-1", runner, records),
                    *_late(made, Path(folder) / f"{runner}-2", runner),
                ]
            )
        batch = _batch(made, Path(folder) / "batch", records)
    head = ["", "rows/s of a backlog", "CPU, µs a row", f"p50 at {RATE} rows/s, ms", "p99, ms", "idle, cores"]
    title = f"## Live labeling: {records:,} records of two streams, 33 LFs\n\n"
    return title + table(head, [*rows, ["batch: ingest to label", "", batch, "", "", ""]])


def _make(folder: Path) -> tuple[Path, int]:
    """Make a project in which batch has labelled some days, and the records of the next ones are at hand."""
    folder.mkdir()
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["live"] = {"streams": {s: {"folder": f"incoming/{s}/*.jsonl"} for s in STREAMS}, "idle_s": 2, "close": False}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    shutil.copytree(REPOSITORY / "labeling_functions", folder / "labeling_functions")
    generate(folder / "data" / "raw", days=DAYS, scale=1.0)
    coming, records = folder / "coming", 0
    for stream in STREAMS:
        for path in sorted((folder / "data/raw" / stream).glob("*")):
            if path.name[:10] > f"2026-01-{BATCH_DAYS:02d}":
                (coming / stream).mkdir(parents=True, exist_ok=True)
                path.rename(coming / stream / path.name)
    _run(folder, "run")
    for stream in STREAMS:
        _run(folder, "live", "replay", *(str(path) for path in sorted((coming / stream).glob("*"))), "--stream", stream)
        records += len((folder / "incoming" / stream / "replayed.jsonl").read_bytes().splitlines())
        (folder / "incoming" / stream).rename(folder / f"records-{stream}")
    return folder, records


def _backlog(made: Path, folder: Path, runner: str, records: int) -> list[str]:
    """Work off all records; rows a second from the first label to the last, and CPU of the whole group of processes."""
    shutil.copytree(made, folder)
    for stream in STREAMS:
        shutil.copytree(folder / f"records-{stream}", folder / "incoming" / stream)
    _start(folder, runner)
    began = _wait(folder, lambda status: _rows(status) > 0)
    first, before = _rows(began), _cpu(began)
    since = time.monotonic()
    ended = _wait(folder, lambda status: _rows(status) >= 0.99 * records)
    took, cpu = time.monotonic() - since, _cpu(ended) - before
    _run(folder, "live", "stop")
    done = _rows(ended) - first
    return [f"{done / took:,.0f}", f"{1e6 * cpu / done:.0f}"] if done else ["at once", ""]


def _late(made: Path, folder: Path, runner: str) -> list[str]:
    """Send records at a steady rate; delays from arrival to label, and what the job costs when nothing comes."""
    shutil.copytree(made, folder)
    _start(folder, runner)
    lines = (folder / "records-comments" / "replayed.jsonl").read_bytes().splitlines(keepends=True)
    target = folder / "incoming" / "comments"
    target.mkdir(parents=True)
    began, sent, times = time.monotonic(), 0, []
    with (target / "a.jsonl").open("ab") as file:
        while sent < min(len(lines), RATE * SECONDS):
            due = int((time.monotonic() - began) * RATE)
            times += [time.time_ns() // 1_000_000] * len(lines[sent:due])
            file.write(b"".join(lines[sent:due]))
            file.flush()
            sent = max(sent, due)
            time.sleep(0.01)
    delays = _delays(folder, times)
    time.sleep(3)
    before, since = _cpu(read_status(Project(folder))), time.monotonic()
    time.sleep(10)
    idle = (_cpu(read_status(Project(folder))) - before) / (time.monotonic() - since)
    _run(folder, "live", "stop")
    return [f"{np.quantile(delays, 0.5):.0f}", f"{np.quantile(delays, 0.99):.0f}", f"{idle:.2f}"]


def _delays(folder: Path, times: list[int]) -> list[int]:
    """Milliseconds from when each record was written to its label: labels are in the order of the log."""
    at = folder / "data/live/comments/labels"
    deadline = time.monotonic() + 30
    while True:
        paths = sorted([*at.glob("*.jsonl"), *at.glob("*.part")])
        labelled = [
            json.loads(line)
            for path in paths
            for line in path.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        ]
        if len(labelled) == len(times):
            labelled.sort(key=lambda one: one["offset"])
            return [one["labelled"] - sent for one, sent in zip(labelled, times, strict=True)][
                RATE:
            ]  # it has just begun
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(labelled)} of {len(times)} records are labelled")
        time.sleep(0.2)


def _batch(made: Path, folder: Path, records: int) -> str:
    """CPU of the stages from `ingest` to `label`, start included, for a row of the same records."""
    shutil.copytree(made, folder)
    for stream in STREAMS:
        for path in (made / "coming" / stream).glob("*"):
            shutil.copy(path, folder / "data" / "raw" / stream / path.name)
    before = os.times()
    for stage in ("ingest", "aggregate", "apply", "merge", "fit", "label"):
        _run(folder, stage)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return f"{1e6 * cpu / records:.0f}"


def _start(folder: Path, runner: str) -> None:
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["live"]["runner"] = runner
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    _run(folder, "live", "start", "--detach")


def _wait(folder: Path, done: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        status = read_status(Project(folder))
        if status.get("state") == "running" and done(status):
            return status
        if time.monotonic() > deadline:
            raise TimeoutError(json.dumps(status)[:500])
        time.sleep(0.1)


def _rows(status: dict[str, Any]) -> int:
    return sum(stream["rows"] for stream in status["streams"].values())


def _cpu(status: dict[str, Any]) -> float:
    """CPU seconds of all processes of a job's group."""
    group, ticks = os.getpgid(status["process"]), 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    ticks += int(fields[11]) + int(fields[12])
            except (ProcessLookupError, FileNotFoundError):
                continue
    return ticks / os.sysconf("SC_CLK_TCK")


def _run(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "beambell", *words, "--project", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-1000:]}")
