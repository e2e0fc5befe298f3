"""The state: what a merge costs after a long history, how large it is, and how it grows."""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.timing import median_seconds, table

HISTORIES = (7, 365)
ROWS_A_DAY, POOL, NEW_DAYS = 20_000, 20_000, 5
FEW_LFS, LFS = 15, 18
MEMORY_ROWS = 10_000_000
CHUNK = 500_000


def votes(n: int, m: int, seed: int) -> np.ndarray:
    """Draw votes of LFs of different accuracy and coverage, int8 [n, m]; LFs are the same for every seed."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    fires, right = fixed.uniform(0.02, 0.2, m), fixed.uniform(0.6, 0.95, m)
    y = rng.integers(0, 2, (n, 1), np.int8)
    L = np.where(rng.random((n, m), np.float32) < right, y, 1 - y)
    return np.where(rng.random((n, m), np.float32) < fires, L, -1).astype(np.int8)


def measure() -> str:
    """Measure."""
    return f"{_merging()}\n{_size()}\n{_memory()}"


# -- merging one partition ------------------------------------------------------------------------------------------


def _merging() -> str:
    rows, seconds, process = [], {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for policy in ({"policy": "all"}, {"policy": "decay", "half_life_days": 7}):
            for days in HISTORIES:
                project = Path(folder) / f"{policy['policy']}-{days}"
                seconds[days], process[days] = _one_merge(project, days, policy)
            ratios = [f"{figures[HISTORIES[1]] / figures[HISTORIES[0]]:.2f}" for figures in (seconds, process)]
            for what, figures, ratio in zip(
                ("the stage, in a process that runs", "`beambell merge`, from the shell"),
                (seconds, process),
                ratios,
                strict=True,
            ):
                rows.append([policy["policy"], what, *(f"{figures[days]:.3f}" for days in HISTORIES), ratio])
    title = f"## Merging one partition ({ROWS_A_DAY:,} rows, {LFS} LFs) into a state, seconds\n\n"
    head = ["policy", "what", *(f"into {days} partitions" for days in HISTORIES), "ratio"]
    return title + table(head, rows)


def _one_merge(folder: Path, days: int, policy: dict[str, object]) -> tuple[float, float]:
    from beambell import Project
    from beambell.cli.stages import STAGES

    merge = next(stage for stage in STAGES if stage.name == "merge")
    _make_project(folder, policy)
    project = Project(folder)
    for day in range(days):
        _vote(project, day)
    merge.run(project, project.select())
    stage_s, process_s = [], []
    for step in range(NEW_DAYS):
        _vote(project, days + 2 * step)
        start = time.perf_counter()
        fresh = Project(folder)
        assert merge.run(fresh, fresh.select()).done
        stage_s.append(time.perf_counter() - start)
        _vote(project, days + 2 * step + 1)
        start = time.perf_counter()
        command = [sys.executable, "-m", "beambell", "merge", "--project", str(folder)]
        subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[1])
        process_s.append(time.perf_counter() - start)
    return statistics.median(stage_s), statistics.median(process_s)


def _make_project(folder: Path, policy: dict[str, object]) -> None:
    stream = {"inputs": ["raw/*"], "grain": "day"}
    lfs = [{"kind": "keyword", "name": f"lf_{j}", "any_of": [f"word{j}"], "label": "b"} for j in range(LFS)]
    params = {"project": "bench", "classes": ["a", "b"], "streams": {"s": stream}, "lfs": {"files": ["lfs.yaml"]}}
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params | {"state": policy}))
    (folder / "lfs.yaml").write_text(yaml.safe_dump(lfs))


def _vote(project: object, day: int) -> None:
    from beambell.labeling import patterns as packing
    from beambell.state import PatternCounts
    from beambell.steps.apply import DEAD_LETTERS_SCHEMA, VotesWork, active_lfs, publish_votes
    from beambell.store import FileRef, Layout, Partition
    from beambell.store.tables import write_table

    lfs = active_lfs(project)
    L = votes(POOL, LFS, 0)[np.random.default_rng(day).integers(0, POOL, ROWS_A_DAY)]
    where = Partition("s", (date(2025, 1, 1) + timedelta(days=day)).isoformat())
    ids = pa.array([str(i) for i in range(ROWS_A_DAY)])
    rows = pa.table({"id": ids, "pattern": packing.to_arrow(packing.pack(L, 2))})
    ref = write_table(project.store, Layout.of(Layout.VOTES, where), "votes", rows)
    work = VotesWork(where, FileRef("rows", str(day), 0), lfs, tuple(-1 for _ in lfs), None, 0, "new")
    counts = PatternCounts.from_votes(L, 2, [lf.name for lf in lfs])
    publish_votes(project, work, ref, counts, DEAD_LETTERS_SCHEMA.empty_table())


# -- size, and growth to a billion rows ----------------------------------------------------------------------------


def _size() -> str:
    from beambell.label_model import SnorkelLabelModel
    from beambell.state import PatternCounts

    L = votes(1_000_000, LFS, 1)
    million = PatternCounts.from_votes(L, 2)
    parts = [million]
    rows = []
    for factor in (1, 10, 100, 1000):
        counts = parts[0] * factor
        fit = SnorkelLabelModel(n_epochs=100)
        seconds = median_seconds(lambda fit=fit, counts=counts: fit.fit(counts), repeats=1)
        size = _bytes(counts)
        rows.append([f"{counts.n_rows:,}", f"{counts.n_patterns:,}", f"{size:,}", f"{seconds:.2f}"])
    title = f"## Size of the state on disk, {LFS} LFs; a million rows, and counts scaled up to a billion\n\n"
    return title + table(["rows", "patterns", "bytes", "fit, seconds"], rows)


def _bytes(counts: object) -> int:
    from beambell.store.tables import _WRITE_OPTIONS

    sink = io.BytesIO()
    pq.write_table(counts.to_table(), sink, **_WRITE_OPTIONS)
    return sink.tell()


# -- memory ------------------------------------------------------------------------------------------------------------


def _memory() -> str:
    program = f"""
from pathlib import Path
from benchmarks.state import votes
from beambell.state import PatternCounts
from beambell.label_model import SnorkelLabelModel
def memory(what):  # Linux: VmRSS now, VmHWM at the peak since it was reset
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))
SnorkelLabelModel(n_epochs=1).fit(PatternCounts.from_votes(votes(100, {FEW_LFS}, 0), 2))
imported = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
total = PatternCounts.from_votes(votes({CHUNK}, {FEW_LFS}, 0), 2)
for seed in range(1, {MEMORY_ROWS // CHUNK}):
    total = total + PatternCounts.from_votes(votes({CHUNK}, {FEW_LFS}, seed), 2)
SnorkelLabelModel(n_epochs=100).fit(total)
assert total.n_rows == {MEMORY_ROWS}
print(imported, memory("VmHWM") - imported, total.n_patterns)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    imported, above, patterns = done.stdout.split()[-3:]
    title = f"## Memory: counting {MEMORY_ROWS:,} rows x {FEW_LFS} LFs in partitions of {CHUNK:,}, and fitting\n\n"
    body = [[f"{float(imported):.0f}", f"{float(above):.0f}", f"{int(patterns):,}"]]
    return title + table(["MB at the start, all imported", "MB above that, at the peak", "patterns"], body)
