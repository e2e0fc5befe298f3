"""What Airflow adds: from a trigger to published labels, against the same partition by the command alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.timing import table

REPOSITORY = Path(__file__).parents[1]
STAGES = ("ingest", "aggregate", "apply", "merge", "feedback", "fit", "label", "validate")
OF_ALL_DAYS = {"merge": (), "feedback": ("sync",), "fit": ()}
ROUNDS = 3
SCALE = 10_000 / 7_000  # a day of scale 1 has about 7,000 rows
BEFORE, DAY = "2026-01-01", "2026-01-02"
RUN_S = 600.0


def measure() -> str:
    """Compare."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from airflow_local import LocalAirflow
    from projects import small_project

    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        ready = small_project(Path(folder) / "ready", days=2, scale=SCALE, label_model={"kind": "dawid_skene"})
        _command(ready, "run", "--to", BEFORE)
        project = Path(folder) / "project"
        shutil.copytree(ready, project)
        settings = {"BEAMBELL_PROJECT": str(project)}
        with LocalAirflow(Path(folder) / "airflow", REPOSITORY / "dags", settings) as airflow:
            for _ in range(ROUNDS):
                for contender in (_alone, _commands, _in_airflow):
                    shutil.rmtree(project)
                    shutil.copytree(ready, project)
                    for name, value in contender(project, airflow).items():
                        seconds.setdefault(name, []).append(value)
        rows = sum(json.loads(path.read_text())["facts"]["rows"] for path in _manifests(project))
    best = {name: sorted(values)[len(values) // 2] for name, values in seconds.items()}
    shown = [[name, f"{value:.1f}", f"{value / best['`beambell run`']:.2f}"] for name, value in best.items()]
    title = f"## Airflow: from a trigger to the published labels of a day of {rows:,} rows, seconds\n\n"
    return title + table(["", "s", "to `beambell run`"], shown) + NOTE


NOTE = """
`beambell run` also trains, evaluates and registers, which this DAG leaves to another. The commands are the eight stages
up to the gate, one process each, as the DAG runs them. SQLite, LocalExecutor; Airflow's services were running.
"""


def _manifests(project: Path) -> list[Path]:
    return sorted((project / "data" / "partitions").glob(f"stream=*/dt={DAY}/manifest.json"))


def _alone(project: Path, _: Any) -> dict[str, float]:
    start = time.perf_counter()
    _command(project, "run", "--to", DAY)
    return {"`beambell run`": time.perf_counter() - start}


def _commands(project: Path, _: Any) -> dict[str, float]:
    start = time.perf_counter()
    for stage in STAGES:
        _command(project, stage, *OF_ALL_DAYS.get(stage, ("--to", DAY)))
    return {"the stages as commands": time.perf_counter() - start}


def _in_airflow(_: Path, airflow: Any) -> dict[str, float]:
    start = time.perf_counter()
    run = airflow.trigger("label_partition", DAY)
    state = airflow.wait("label_partition", run, timeout_s=RUN_S)
    whole = time.perf_counter() - start
    assert state == "success", airflow.explain("label_partition", run)
    tasks = airflow.tasks("label_partition", run)
    busy = sum(task["duration"] or 0.0 for task in tasks.values())
    return {"Airflow, trigger to labels": whole, "of that, within its tasks": busy, "between them": whole - busy}


def _command(project: Path, *words: str) -> None:
    command = [sys.executable, "-m", "beambell", *words, "--project", str(project), "--json"]
    subprocess.run(command, check=True, capture_output=True)
