"""One labeling function edited: what voting again costs."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from beambell.labeling import LabelingFunction
from benchmarks import contenders
from benchmarks.folder import make_project, votes_digest, write_lfs
from benchmarks.lf_sets import lf_set
from benchmarks.processes import Isolated
from benchmarks.timing import alternated, table
from benchmarks.workload import Workload

WORKLOAD = Workload(rows=1_000_000)
EDITED: dict[str, tuple[str, dict[str, Any]]] = {
    "a keyword": ("free_stuff", {"any_of": ("free", "giveaway", "gift card", "winner", "prize", "coupon")}),
    "a lookup": ("moderator", {"values": frozenset({"rimshot_rosa", "stationmaster", "compost_carl"})}),
}
ALL = "nothing is there yet"


def measure() -> str:
    """Compare."""
    with tempfile.TemporaryDirectory() as temporary, Isolated() as process:
        folder = make_project(Path(temporary) / "project", WORKLOAD, lf_set(18))
        taken = process(full_and_edits, folder)
    rows = [[what, f"{seconds:.2f}", f"{100 * seconds / taken[ALL]:.0f} %"] for what, seconds in taken.items()]
    title = f"## One LF of 18 edited: {WORKLOAD.rows:,} rows applied again, one core, the votes of a full run\n\n"
    return title + table(["edited", "seconds", "of all"], rows)


def full_and_edits(folder: Path) -> dict[str, float]:
    """Seconds of the job by what was edited since the votes that are there."""
    lfs, digests = lf_set(18), {}

    def full(edited: list[LabelingFunction]) -> float:
        write_lfs(folder, edited)
        return contenders.beam_job(folder)

    def edit(what: str) -> float:
        full(lfs)
        write_lfs(folder, _edited(lfs, what))
        taken = contenders.beam_job(folder, afresh=False)
        digests[what] = votes_digest(folder)
        return taken

    def check() -> None:
        for what, digest in digests.items():
            full(_edited(lfs, what))
            assert digest == votes_digest(folder), what

    return alternated({ALL: lambda: full(lfs)} | {what: lambda what=what: edit(what) for what in EDITED}, check)


def _edited(lfs: list[LabelingFunction], what: str) -> list[LabelingFunction]:
    name, changes = EDITED[what]
    return [dataclasses.replace(lf, **changes) if lf.name == name else lf for lf in lfs]
