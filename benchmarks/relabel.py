"""New feedback on all history, beside applying the labeling functions again; and a million events of feedback."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from benchmarks.timing import alternated, table

if TYPE_CHECKING:
    from beambell import Project

GRAINS = {"month": 3.0, "day": 1.0}
DAYS = 14
ROUNDS = 3
EVENTS = 1_000_000


def measure() -> str:
    """Compare."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for grain, scale in GRAINS.items():
            rows.append(_compare(Path(folder) / grain, grain, scale))
        million = _million(Path(folder) / "day")
    head = ("partitions", "rows", "apply", "consensus and fit", "label", "apply / label", "apply / all three")
    return (
        "## Relabelling all history after new feedback, beside applying the labeling functions again, CPU seconds\n\n"
        + table(head, rows)
        + "\nThe demo's streams and their labeling functions; 400 more rows are reviewed in each round.\n\n"
        + million
    )


def _million(folder: Path) -> str:
    """Take in a million answers on 400,000 rows, one in ten of them wrong, and find the consensus."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    from beambell import Project
    from beambell.stages.feedback import plan, run
    from beambell.stages.import_answers import import_file

    random, project = np.random.default_rng(1), Project(folder)
    rows = random.integers(0, 400_000, EVENTS)
    known = [f"elsewhere-{i}" for i in range(400_000)]
    known[:100] = project.rows("comments", "2026-01-01")["id"].tolist()[:100]
    labels = np.where((rows % 3 == 0) ^ (random.random(EVENTS) < 0.1), "spam", "ham")
    events = {
        "row_id": np.array(known)[rows],
        "stream": np.full(EVENTS, "comments"),
        "label": labels,
        "reviewer": np.char.add("reviewer-", random.integers(0, 50, EVENTS).astype(str)),
        "time": 1_767_424_500 + random.integers(0, 1_000_000, EVENTS),
    }
    pyarrow.csv.write_csv(pa.table(events), folder / "events.csv")
    start = time.process_time()
    import_file(project, folder / "events.csv")
    taken = time.process_time()
    outcome = run(project, plan(project))
    found = time.process_time()
    cells = [f"{EVENTS:,}", f"{outcome.figures['rows']:,}", f"{taken - start:.1f}", f"{found - taken:.1f}"]
    head = ("events", "rows", "read, checked and stored", "consensus found, rows looked up")
    return "### A million events of feedback in one CSV file, CPU seconds\n\n" + table(head, [cells])


def _compare(folder: Path, grain: str, scale: float) -> list[object]:
    from beambell import Project
    from beambell.demo import generate
    from beambell.stages.order import STAGES
    from beambell.store import Layout

    repository = Path(__file__).parents[1]
    params = yaml.safe_load((repository / "params.yaml").read_text())
    for stream in params["streams"].values():
        stream |= {"grain": grain, "first": None}
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copytree(repository / "labeling_functions", folder / "labeling_functions")
    generate(folder / "data" / "raw", scale=scale, days=DAYS)
    stages = {stage.name: stage for stage in STAGES}

    def run(*names: str) -> float:
        start = time.process_time()
        for name in names:
            project = Project(folder)
            assert stages[name].refresh(project, project.select()).done, name
        return time.process_time() - start

    def apply() -> float:
        _forget(Project(folder), Layout.VOTES)
        return run("apply")

    def fit() -> float:
        _review(Project(folder), next(rounds))
        return run("feedback", "count", "fit")

    run("ingest", "aggregate", "apply", "merge", "fit", "label")
    rounds = iter(range(100))
    contenders: dict[str, Callable[[], float]] = {"apply": apply, "fit": fit, "label": lambda: run("label")}
    seconds = alternated(contenders, rounds=ROUNDS)
    votes = Project(folder).store.partitions(Layout.VOTES).values()
    three = seconds["fit"] + seconds["label"]
    return [
        len(votes),
        f"{sum(manifest.facts['rows'] for manifest in votes):,}",
        *(f"{seconds[name]:.2f}" for name in ("apply", "fit", "label")),
        f"{seconds['apply'] / seconds['label']:.1f}",
        f"{seconds['apply'] / three:.1f}",
    ]


def _forget(project: Project, kind: str) -> None:
    for folder in list(project.store.under(kind)):
        project.store.files.remove(f"{folder}/manifest.json")


def _review(project: Project, number: int) -> None:
    """Give 400 rows a label, other rows each time."""
    import pyarrow as pa

    from beambell.feedback.batches import publish_batch
    from beambell.feedback.events import check_events
    from beambell.workshop.sample import draw

    size = 400 * (number + 1)
    said = []
    for part in draw(project, project.select(), size):
        said += [
            {"row_id": row, "stream": part.partition.stream, "label": "spam", "reviewer": "ada", "time": "2026-03-01"}
            for row in part.rows["id"].to_pylist()
        ]
    checked = check_events(pa.Table.from_pylist(said), classes=project.params.classes)
    publish_batch(project.store, [checked], {"round": str(number)})
