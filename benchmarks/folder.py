"""A project's folder to measure in: one partition of rows, and a module of labeling functions."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import yaml

from beambell.labeling import LabelingFunction
from beambell.labeling.core import meaning
from beambell.labeling.fingerprint import fingerprint
from beambell.project import Project
from beambell.records import row_schema
from beambell.store import Layout, Manifest, Partition
from beambell.store.tables import write_tables
from benchmarks.workload import REPOSITORY, STREAM, Workload

PARTITION = Partition(STREAM, "2026-01-03")
MODULE = "chosen"


def make_project(folder: Path, workload: Workload, lfs: Iterable[LabelingFunction]) -> Path:
    """Make a project whose rows are ingested and whose LFs have not voted yet."""
    folder.mkdir(parents=True)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["streams"] = {STREAM: params["streams"][STREAM]}
    params["lfs"] = {"modules": [MODULE]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    set_workers(folder, 1)
    write_lfs(folder, lfs)
    _publish(Project(folder), workload)
    return folder


def set_workers(folder: Path, workers: int) -> None:
    """Change the number of Beam's workers."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["beam"]["workers"] = workers
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def write_lfs(folder: Path, lfs: Iterable[LabelingFunction]) -> None:
    """Write declarative LFs down in the public language, as the project's only module of LFs."""
    lfs = list(lfs)
    kinds = ", ".join(sorted({lf.kind for lf in lfs}))
    lines = [f"from beambell.labeling import {kinds}", *(f"{lf.name} = {_spelled(lf)}" for lf in lfs)]
    (folder / f"{MODULE}.py").write_text("\n".join(lines) + "\n")
    assert Project(folder).catalogue.fingerprints == {lf.name: fingerprint(lf) for lf in lfs}


def _spelled(lf: LabelingFunction) -> str:
    given = {name: value for name, value in meaning(lf).items() if value is not None}
    if "values" in given:
        given["values"] = sorted(given["values"])
    if "weights" in given:
        given["weights"] = dict(given["weights"])
    return f"{lf.kind}({lf.name!r}, {', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _publish(project: Project, workload: Workload) -> None:
    store, place = project.store, Layout.of(Layout.PARTITIONS, PARTITION)
    with store.seal(place, "rows") as sealed:
        write_tables(sealed, row_schema(project.params.streams[STREAM]), workload.tables())
    store.publish(place, Manifest("partition", {"rows": sealed.ref}))


def rows_file(folder: Path) -> Path:
    """The Parquet file of the rows."""
    place, manifest = _read(folder, Layout.PARTITIONS)
    return place / manifest.files["rows"].name


def forget_votes(folder: Path) -> None:
    """As if no LF had ever voted; what was compiled stays."""
    shutil.rmtree(folder / "data" / Layout.VOTES, ignore_errors=True)


def votes_digest(folder: Path) -> str:
    """Digest of the published votes and pattern counts."""
    _, manifest = _read(folder, Layout.VOTES)
    return hashlib.sha256("".join(manifest.files[role].sha256 for role in ("votes", "patterns")).encode()).hexdigest()


def _read(folder: Path, kind: str) -> tuple[Path, Manifest]:
    place = Layout.of(kind, PARTITION)
    return folder / "data" / place, Project(folder).store.require(place, "")
