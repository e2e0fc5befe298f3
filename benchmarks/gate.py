"""The gate's figures: false alarms on stationary partitions, failures found, and the cost of a long history."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.timing import table

if TYPE_CHECKING:
    import numpy as np

    from beambell.quality.check import Measures
    from beambell.quality.finding import Finding

SIZES = (10, 100, 1000, 10_000)
REFERENCE = 14
RUNS = 150
LFS = 20
CLASSES = ("ham", "spam")


@dataclass(frozen=True)
class World:
    """Source of partitions: each row has a hidden class, and each function votes by it.

    Attributes
    ----------
    spam
        Share of the second class.
    fires
        Share of rows on which each function votes.
    right
        Share of its votes that are right.
    between
        Standard deviation of the share of spam between partitions.
    """

    spam: float
    fires: np.ndarray
    right: np.ndarray
    between: float = 0.0


def measure() -> str:
    """Simulate, and run the gate over long histories."""
    return f"{_alarms()}\n{_failures()}\n{_history()}"


def _alarms() -> str:
    import numpy as np

    rows = []
    for between in (0.0, 0.02):
        for size in SIZES:
            rng = np.random.default_rng(size)
            blocked = warned = 0
            for _ in range(RUNS):
                world = _world(rng, between=between)
                found = _judge(rng, [world] * (REFERENCE + 1), [size] * (REFERENCE + 1))
                blocked += any(finding.blocks for finding in found)
                warned += bool(found)
            rows.append((f"{size:,}", f"{between:g}", str(RUNS), f"{blocked / RUNS:.2%}", f"{warned / RUNS:.2%}"))
    head = ("rows", "spread of a class", "partitions", "refused", "with a finding")
    return f"## The gate on stationary partitions: {LFS} labeling functions, {REFERENCE} partitions before\n\n" + table(
        head, rows
    )


def _failures() -> str:
    from dataclasses import replace

    import numpy as np

    def doubled(world: World) -> World:
        return replace(world, spam=2 * world.spam)

    def flipped(world: World) -> World:
        return replace(world, right=np.where(np.arange(LFS) == 0, 1 - world.right, world.right))

    def thrice(world: World) -> World:
        return replace(world, fires=np.where(np.arange(LFS) == 0, 3 * world.fires, world.fires))

    def same(world: World) -> World:
        return world

    kinds = {
        "class share doubled": (doubled, 500, {"class_votes_share"}),
        "30 % of the rows lost": (same, 350, {"volume"}),
        "a function flips its class": (flipped, 500, {"lf_agreement"}),
        "a function fires three times as often": (thrice, 500, {"lf_fired"}),
    }
    rows = []
    for name, (change, size, wanted) in kinds.items():
        rng, hits = np.random.default_rng(1), 0
        for _ in range(RUNS):
            world = _world(rng)
            found = False
            for _ in range(2):
                sizes = [*rng.poisson(500, REFERENCE).tolist(), int(rng.poisson(size))]
                findings = _judge(rng, [world] * REFERENCE + [change(world)], sizes)
                found = found or any(finding.check in wanted for finding in findings)
            hits += found
        rows.append((name, f"{hits / RUNS:.1%}"))
    return "## Failures found within two partitions of 500 rows\n\n" + table(("failure", "found"), rows)


def _world(rng: np.random.Generator, between: float = 0.0) -> World:
    return World(0.25, rng.uniform(0.08, 0.3, LFS), rng.uniform(0.7, 0.95, LFS), between)


def _judge(rng: np.random.Generator, worlds: Sequence[World], sizes: Sequence[int]) -> list[Finding]:
    """Judge the last of some partitions by those before it."""
    from beambell.quality.check import Law
    from beambell.quality.checks import checks
    from beambell.quality.memory import Remembered, compare

    days = [_measures(rng, world, size, day) for day, (world, size) in enumerate(zip(worlds, sizes, strict=True))]
    reference = [Remembered(f"2026-02-{day + 1:02d}", True, measures, "") for day, measures in enumerate(days[:-1])]
    return [one for one in compare(checks().values(), days[-1], reference, Law()) if one.severity != "info"]


def _measures(rng: np.random.Generator, world: World, size: int, day: int) -> Measures:
    from beambell.quality.checks import checks

    sight = _sight(rng, world, size, day)
    return {kind: check.measure(sight) for kind, check in checks().items()}


def _sight(rng: np.random.Generator, world: World, size: int, day: int) -> Any:
    import numpy as np
    import pyarrow as pa

    from beambell.quality.sight import CastVotes, Sight
    from beambell.state import PatternCounts

    share = float(np.clip(rng.normal(world.spam, world.between), 0.001, 0.999))
    classes = (rng.random(size) < share).astype(np.int8)
    votes = np.where(rng.random((size, LFS)) < world.right, classes[:, None], 1 - classes[:, None])
    L = np.where(rng.random((size, LFS)) < world.fires, votes, -1).astype(np.int8)
    names = [f"lf_{j}" for j in range(LFS)]
    lengths = rng.geometric(0.02, size)
    rows = pa.table(
        {
            "text": [f"{rng.integers(1 << 40)} ".ljust(int(n), "x") for n in lengths],
            "channel": rng.choice(["app", "web", "mail"], size, p=[0.6, 0.3, 0.1]).tolist(),
        }
    )
    return Sight(
        stream="simulated",
        dt=f"2026-02-{day + 1:02d}",
        rows=size,
        text="text",
        classes=CLASSES,
        fields={"channel": "string"},
        read_rows=lambda _: rows,
        lfs=tuple(CastVotes(name, "0" * 64, int((L[:, j] >= 0).sum()), 0) for j, name in enumerate(names)),
        read_counts=lambda: PatternCounts.from_votes(L, 2, names),
    )


def _history() -> str:
    """Time a new day after a short and after a long history; and the screening of a million rows."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        rows = [(f"{days}", f"{_new_day(Path(folder) / str(days), days):.2f}") for days in (7, 365)]
    rng = np.random.default_rng(0)
    sight = _sight(rng, _world(rng), 1_000_000, 0)
    _ = sight.table, sight.counts
    from beambell.quality.checks import checks

    start = time.perf_counter()
    for check in checks().values():
        check.measure(sight)
    million = time.perf_counter() - start
    return (
        "## A new day before the gate, after a history of so many, seconds of `screen`\n\n"
        + table(("days", "seconds"), rows)
        + f"\nAll checks measure a partition of 1,000,000 rows in {million:.1f} s.\n"
    )


def _new_day(folder: Path, days: int) -> float:
    from beambell import Project
    from beambell.stages.order import stage_named
    from tests.synthetic import make_project, partition, vote

    make_project(folder)
    screen, project = stage_named("screen"), Project(folder)
    for day in range(days):
        vote(project, partition("comments", day), day % 5)
    screen.refresh(project, project.select())
    times = []
    for day in range(days, days + 3):
        vote(project, partition("comments", day), day % 5)
        project = Project(folder)
        start = time.perf_counter()
        screen.refresh(project, project.select())
        times.append(time.perf_counter() - start)
    return sorted(times)[1]
