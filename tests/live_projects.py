"""Projects in which some days are labelled by batch, and the records of a later day come live."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from projects import change_params, run_stages, small_project

from beambell import Project
from beambell.live.replay import raw_records

STREAMS = ("comments", "messages")
TIMES = {"comments": "created_at", "messages": "sent_at"}
TO_LABELS = (
    "ingest", "feedback", "aggregate", "apply", "merge", "count", "fit", "label", "validate",
)  # fmt: skip


def live_project(
    folder: Path, *, days: int = 3, live_days: int = 1, scale: float = 0.06, **live: Any
) -> tuple[Path, dict[str, list[bytes]]]:
    """Make a project whose last days have not come yet; return it, and the records of these days by stream."""
    small_project(folder, days=days, scale=scale, label_model={"kind": "dawid_skene", "options": {}})
    dates = [f"2026-01-{day:02d}" for day in range(days - live_days + 1, days + 1)]
    coming = {stream: [one for dt in dates for one in take_out(folder, stream, dt)] for stream in STREAMS}
    run_stages(folder, *TO_LABELS)
    folders = {stream: {"folder": f"incoming/{stream}/*.jsonl"} for stream in STREAMS}
    settings = {"streams": folders, "segment": {"rows": 50, "seconds": 0.5}, "refit_s": 0.2, "swap_s": 0.05, **live}
    change_params(folder, live={"runner": "loop", "batch": 40, "idle_s": 0.3, "lateness_s": 0, **settings})
    for stream in STREAMS:
        (folder / "incoming" / stream).mkdir(parents=True)
    return folder, coming


def take_out(folder: Path, stream: str, dt: str) -> list[bytes]:
    """Take the raw files of a day out of a project; return their records as JSON, in order."""
    records: list[bytes] = []
    for path in sorted((folder / "data/raw" / stream).glob(f"{dt}*")):
        records += _records(folder, stream, path)
        path.unlink()
    return records


def _records(folder: Path, stream: str, path: Path) -> list[bytes]:
    """Return the records of a file; of JSON lines the broken ones, too, byte by byte."""
    if ".jsonl" not in path.name:
        return list(raw_records(Project(folder), stream, [str(path)]))
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [line for line in data.split(b"\n") if line.strip()]


def send(folder: Path, stream: str, records: list[bytes], file: str = "a.jsonl") -> None:
    """Add records to the end of a file that a job reads."""
    with (folder / "incoming" / stream / file).open("ab") as opened:
        opened.write(b"".join(record + b"\n" for record in records))


def labels(folder: Path, stream: str) -> list[dict[str, Any]]:
    """Return the live labels of a stream, also those of the open segment."""
    at = folder / "data/live" / stream / "labels"
    paths = sorted([*at.glob("*.jsonl"), *at.glob("*.part")]) if at.is_dir() else []
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def copied_for_batch(folder: Path, to: Path) -> Path:
    """Copy a project with what was landed, and nothing that was made from it."""
    shutil.copytree(folder, to, ignore=lambda at, names: _made(Path(at), folder, names))
    return to


def _made(at: Path, folder: Path, names: list[str]) -> set[str]:
    kept = {"raw", "segments", "gold"}
    if at == folder:
        return set(names) & {".beambell", "incoming"}
    return set(names) - kept if at == folder / "data" else set()


def assert_same(one: Path, other: Path) -> None:
    """Compare every manifest of now, which names its files by digest, and every published label."""
    for kind in ("partitions", "deliveries", "aggregates", "votes", "candidates", "labels", "state", "label_models"):
        found = {path.relative_to(one): path.read_bytes() for path in _current(one / kind)}
        assert found == {path.relative_to(other): path.read_bytes() for path in _current(other / kind)}, kind
        assert found, kind


def _current(folder: Path) -> list[Path]:
    paths = [*folder.rglob("manifest.json"), *folder.rglob("labels.parquet")]
    return [path for path in paths if "history" not in path.parts]
