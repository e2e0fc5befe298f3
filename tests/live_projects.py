"""Projects in which some days are labelled by batch, and the records of a later day come live."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

from projects import change_params, run_stages, small_project

STREAMS = ("comments", "messages")
TIMES = {"comments": "created_at", "messages": "sent_at"}
TO_LABELS = (
    "ingest", "feedback", "aggregate", "apply", "merge", "count", "fit", "label", "validate",
)  # fmt: skip


def live_project(
    folder: Path, *, days: int = 3, scale: float = 0.06, **live: Any
) -> tuple[Path, dict[str, list[bytes]]]:
    """Make a project whose last day has not come yet; return it, and the records of that day by stream."""
    small_project(folder, days=days, scale=scale, label_model={"kind": "dawid_skene", "options": {}})
    last = f"2026-01-{days:02d}"
    coming = {stream: take_out(folder, stream, last) for stream in STREAMS}
    run_stages(folder, *TO_LABELS)
    sources = {stream: {"folder": f"incoming/{stream}/*.jsonl"} for stream in STREAMS}
    settings = {"streams": sources, "segment": {"rows": 50, "seconds": 0.5}, "refit_s": 0.2, "swap_s": 0.05, **live}
    change_params(folder, live={"runner": "loop", "batch": 40, "idle_s": 0.3, "lateness_s": 0, **settings})
    for stream in STREAMS:
        (folder / "incoming" / stream).mkdir(parents=True)
    return folder, coming


def take_out(folder: Path, stream: str, dt: str) -> list[bytes]:
    """Take the raw files of a day out of a project; return their records as JSON, in order."""
    records: list[bytes] = []
    for path in sorted((folder / "data/raw" / stream).glob(f"{dt}*")):
        records += _records(path)
        path.unlink()
    return records


def _records(path: Path) -> list[bytes]:
    """Return the records of a file, the broken ones, too."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if ".csv" in path.name:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
        return [json.dumps({key: value for key, value in row.items() if key}).encode() for row in rows]
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
