"""Projects whose votes are drawn, not cast: what merge sees, without Beam."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from beambell import Project
from beambell.labeling.dead_letters import DEAD_LETTERS_SCHEMA
from beambell.stages.apply import VotesWork, active_lfs, publish_votes
from beambell.state import PatternCounts
from beambell.state import patterns as packing
from beambell.store import FileRef, Layout, Manifest, Partition
from beambell.store.tables import write_table

FIRST_DAY = date(2026, 1, 1)
LFS = ("links", "caps", "short", "money")


def make_project(folder: Path, lfs: tuple[str, ...] = LFS, **params: Any) -> Path:
    """Make a project of two streams with keyword LFs of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    stream = {"inputs": ["raw/*"], "grain": "day"}
    tree = {
        "project": "synthetic",
        "classes": ["ham", "spam"],
        "streams": {"comments": stream, "messages": stream},
        "lfs": {"files": ["lfs.yaml"]},
        "label_model": {"kind": "majority"},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(tree | params))
    write_lfs(folder, dict.fromkeys(lfs, 0))
    return folder


def write_lfs(folder: Path, versions: dict[str, int]) -> None:
    """Write the LFs, each of a version: another version is another fingerprint."""
    lfs = [
        {"kind": "keyword", "name": name, "any_of": [f"word{version}"], "label": "spam"}
        for name, version in versions.items()
    ]
    (folder / "lfs.yaml").write_text(json.dumps(lfs))


def partition(stream: str, day: int) -> Partition:
    """Name a partition by the number of its day."""
    return Partition(stream, (FIRST_DAY + timedelta(days=day)).isoformat())


def vote(project: Project, where: Partition, seed: int, *, rows: int = 30, pool: int = 12) -> np.ndarray:
    """Publish votes of today's LFs on a partition, drawn from a pool of patterns; returns them."""
    L = draw(len(active_lfs(project)), seed, rows=rows, pool=pool)
    ids = [f"{where}-{i}" for i in range(rows)]
    vote_on_texts(project, where, L, ids, [f"a text of {seed}"] * rows)
    return L


def vote_on_texts(project: Project, where: Partition, L: np.ndarray, ids: list[str], texts: list[str]) -> None:
    """Publish rows with these ids and texts, and these votes on them, [n, m]."""
    rows = pa.table({"id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.string())})
    _publish(project, where, L, ids, write_table(project.store, Layout.of(Layout.PARTITIONS, where), "rows", rows))


def _publish(project: Project, where: Partition, L: np.ndarray, ids: list[str], rows_ref: FileRef) -> None:
    lfs = active_lfs(project)
    manifest = Manifest("partition", {"rows": rows_ref}, {}, {"rows": len(ids), "duplicates": 0})
    project.store.publish(Layout.of(Layout.PARTITIONS, where), manifest)
    table = pa.table({"id": pa.array(ids, pa.string()), "pattern": packing.to_arrow(packing.pack(L, 2))})
    votes = write_table(project.store, Layout.of(Layout.VOTES, where), "votes", table)
    work = VotesWork(where, rows_ref, lfs, tuple(-1 for _ in lfs), None, 0, "new partition")
    counts = PatternCounts.from_votes(L, 2, [lf.name for lf in lfs])
    publish_votes(project, work, votes, counts, DEAD_LETTERS_SCHEMA.empty_table())


def vote_in(folder: Path, where: Partition, seed: int) -> None:
    """Publish votes in a process that knows no more than the folder."""
    vote(Project(folder), where, seed)


def draw(m: int, seed: int, *, rows: int, pool: int) -> np.ndarray:
    """Draw votes of m LFs: int8 [rows, m], of at most ``pool`` distinct patterns."""
    rng = np.random.default_rng(m)
    patterns = np.where(rng.random((pool, m)) < 0.3, rng.integers(0, 2, (pool, m)), -1).astype(np.int8)
    chosen = np.random.default_rng(seed).zipf(1.4, rows)
    return patterns[np.minimum(chosen, pool) - 1]


def remove(project: Project, where: Partition) -> None:
    """Remove a partition with its votes, as a person would."""
    for kind in (Layout.PARTITIONS, Layout.VOTES):
        shutil.rmtree(Path(project.store.files.path(Layout.of(kind, where))))
