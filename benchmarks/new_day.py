"""The cost of one new day, after a short and after a long history."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.timing import table

HISTORIES = (7, 28, 90)
STAGES = ("ingest", "apply", "merge", "fit", "label", "validate")
SCALE = 0.1


def measure() -> str:
    """Compare."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for days in HISTORIES:
            seconds = _new_day(Path(folder) / str(days), days)
            rows.append([days, *(f"{seconds[stage]:.2f}" for stage in STAGES), f"{sum(seconds.values()):.2f}"])
    title = f"## One new day after a history, seconds by stage (two streams, {int(7000 * SCALE):,} rows a day)\n\n"
    note = "\nA new label model labels all history again, which is most of `label`.\n"
    return title + table(["days before", *STAGES, "all"], rows) + note


def _new_day(folder: Path, days: int) -> dict[str, float]:
    from beambell import Project
    from beambell.cli.stages import STAGES as ALL
    from beambell.embedded import generate

    repository = Path(__file__).parents[1]
    params = yaml.safe_load((repository / "params.yaml").read_text())
    params["label_model"] = {"kind": "majority"}
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
        project = Project(folder)
        stage.run(project, project.select())
    for path in newest:
        (folder / path.name).rename(path)
    seconds = {}
    for stage in stages:
        start = time.perf_counter()
        project = Project(folder)
        assert stage.run(project, project.select()).done
        seconds[stage.name] = time.perf_counter() - start
    return seconds
