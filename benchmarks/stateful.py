"""The cost of a stateful labeling function, beside one in Python that sees the row alone."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import yaml

from benchmarks.timing import table

if TYPE_CHECKING:
    from beambell import Project

ROWS = 1_000_000
KEYS = 100_000
DAYS = 8

STATELESS = """
from beambell.labeling import labeling_function

@labeling_function(fields=("text", "author"), label=1)
def alone(row):
    return row.author.endswith("77") and "free" in row.text
"""
STATEFUL = """
from beambell.labeling import stateful_labeling_function
from beambell.labeling.aggregates import count

@stateful_labeling_function(key="author", aggregate=count(), window_days=30, fields=("text", "author"), label=1)
def busy(row, past):
    return past >= 5 and "free" in row.text
"""


def measure() -> str:
    """Compare."""
    with tempfile.TemporaryDirectory() as folder:
        alone = _seconds(Path(folder) / "alone", STATELESS)
        stateful = _seconds(Path(folder) / "stateful", STATEFUL)
    rows = [
        ["row alone", "-", f"{alone['apply']:.2f}", "1.0"],
        [
            "stateful",
            f"{stateful['aggregate']:.2f}",
            f"{stateful['apply']:.2f}",
            f"{sum(stateful.values()) / alone['apply']:.1f}",
        ],
    ]
    title = (
        f"## A new day of {ROWS:,} rows and {KEYS:,} keys after {DAYS} days of {ROWS // 10:,}, one labeling "
        "function in Python, seconds by stage\n\n"
    )
    return title + table(["labeling function", "aggregate", "apply", "relative"], rows)


def _seconds(folder: Path, lfs: str) -> dict[str, float]:
    from beambell import Project

    folder.mkdir()
    params = {
        "project": "stateful",
        "classes": ["ham", "spam"],
        "streams": {"posts": {"inputs": ["raw/{dt}.csv"], "fields": {"author": "string"}}},
        "lfs": {"modules": ["posts_lfs"]},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "posts_lfs.py").write_text(lfs)
    for day in range(1, DAYS + 1):
        _put(Project(folder), f"2026-01-{day:02d}", ROWS // 10, day)
    _run(folder)
    _put(Project(folder), f"2026-01-{DAYS + 1:02d}", ROWS, 0)
    return _run(folder)


def _run(folder: Path) -> dict[str, float]:
    from beambell import Project
    from beambell.stages.order import STAGES

    seconds = {}
    for stage in STAGES:
        if stage.name in ("aggregate", "apply"):
            start = time.perf_counter()
            project = Project(folder)
            stage.refresh(project, project.select())
            seconds[stage.name] = time.perf_counter() - start
    return seconds


def _put(project: Project, dt: str, n: int, seed: int) -> None:
    """Publish a partition of n generated rows."""
    from beambell.records import row_schema
    from beambell.store import Layout, Manifest, Partition
    from beambell.store.tables import write_table

    rng = np.random.default_rng(seed)
    words = pa.array(["thank you for the video", "a free gift for everybody who writes", "see you on monday then"])
    authors = pa.array([f"author_{number}" for number in range(KEYS)])
    start = np.datetime64(dt, "us").astype(np.int64)
    columns = {
        "id": pa.array(np.arange(n)).cast(pa.string()),
        "ts": pa.array(start + np.arange(n)).cast(pa.timestamp("us", "UTC")),
        "text": words.take(pa.array(rng.integers(0, len(words), n))),
        "author": authors.take(pa.array(rng.integers(0, KEYS, n))),
        "_file": pa.repeat("generated", n),
        "_line": pa.array(np.arange(n)),
    }
    partition = Partition("posts", dt)
    folder = Layout.of(Layout.PARTITIONS, partition)
    rows = write_table(
        project.store, folder, "rows", pa.table(columns, schema=row_schema(project.params.streams["posts"]))
    )
    project.store.publish(folder, Manifest("partition", {"rows": rows}, {"raw": rows.sha256}, {}))
