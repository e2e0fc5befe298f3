"""The state: what a merge costs after a long history, how large it is, and how it grows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import yaml

from beambell.state import PatternCounts
from beambell.store import Layout, Store
from beambell.store.tables import write_table
from benchmarks.timing import alternated, median_seconds, seconds, table

if TYPE_CHECKING:
    from beambell import Project

HISTORIES = (7, 365)
ROWS_A_DAY, POOL, NEW_DAYS = 20_000, 20_000, 9
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
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        policies: list[dict[str, object]] = [{"policy": "all"}, {"policy": "decay", "half_life_days": 7}]
        for policy in policies:
            histories = {
                days: _History(Path(folder) / f"{policy['policy']}-{days}", days, policy) for days in HISTORIES
            }
            for what, how in (
                ("the stage, in a process that runs", "merge_here"),
                ("`beambell merge`, from the shell", "merge_from_the_shell"),
            ):
                taken = alternated({days: getattr(of, how) for days, of in histories.items()}, rounds=NEW_DAYS)
                ratio = f"{taken[HISTORIES[1]] / taken[HISTORIES[0]]:.2f}"
                rows.append([policy["policy"], what, *(f"{taken[days]:.3f}" for days in HISTORIES), ratio])
    title = f"## Merging one partition ({ROWS_A_DAY:,} rows, {LFS} LFs) into a state, seconds\n\n"
    head = ["policy", "what", *(f"into {days} partitions" for days in HISTORIES), "ratio"]
    return title + table(head, rows)


class _History:
    """A project with a state of so many days, into which one more is merged at each call."""

    def __init__(self, folder: Path, days: int, policy: dict[str, object]) -> None:
        from beambell import Project

        self._folder, self._days = folder, days
        _make_project(folder, policy)
        for day in range(days):
            _vote(Project(folder), day)
        self._merge()

    def merge_here(self) -> float:
        """Return the seconds that the stage takes."""
        self._one_more()
        return seconds(self._merge)

    def merge_from_the_shell(self) -> float:
        """Return the seconds that the command takes."""
        self._one_more()
        command = [sys.executable, "-m", "beambell", "merge", "--project", str(self._folder)]
        repository = Path(__file__).parents[1]
        return seconds(lambda: subprocess.run(command, check=True, capture_output=True, cwd=repository))

    def _one_more(self) -> None:
        from beambell import Project

        _vote(Project(self._folder), self._days)
        self._days += 1

    def _merge(self) -> None:
        from beambell import Project
        from beambell.stages.order import STAGES

        merge = next(stage for stage in STAGES if stage.name == "merge")
        project = Project(self._folder)
        assert merge.refresh(project, project.select()).done


def _make_project(folder: Path, policy: dict[str, object]) -> None:
    stream = {"inputs": ["raw/*"], "grain": "day"}
    lfs = [{"kind": "keyword", "name": f"lf_{j}", "any_of": [f"word{j}"], "label": "b"} for j in range(LFS)]
    params = {"project": "bench", "classes": ["a", "b"], "streams": {"s": stream}, "lfs": {"files": ["lfs.yaml"]}}
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params | {"state": policy}))
    (folder / "lfs.yaml").write_text(yaml.safe_dump(lfs))


def _vote(project: Project, day: int) -> None:
    from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA
    from beambell.stages.apply import VotesWork, active_lfs, publish_votes
    from beambell.state import patterns as packing
    from beambell.store import FileRef, Partition

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

    L = votes(1_000_000, LFS, 1)
    million = PatternCounts.from_votes(L, 2)
    SnorkelLabelModel(n_epochs=1).fit(million)  # imports snorkel
    rows = []
    for factor in (1, 10, 100, 1000):
        counts = million * factor
        fit = SnorkelLabelModel(n_epochs=100)
        taken = median_seconds(partial(fit.fit, counts), repeats=1)
        size = _bytes(counts)
        rows.append([f"{counts.n_rows:,}", f"{counts.n_patterns:,}", f"{size:,}", f"{taken:.2f}"])
    title = f"## Size of the state on disk, {LFS} LFs; a million rows, and counts scaled up to a billion\n\n"
    return title + table(["rows", "patterns", "bytes", "fit, seconds"], rows)


def _bytes(counts: PatternCounts) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return write_table(Store(folder), Layout.STATE, "patterns", counts.to_table()).bytes


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
import numba
SnorkelLabelModel(n_epochs=1).fit(PatternCounts.from_votes(votes(10_000, {FEW_LFS}, 0), 2))
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
