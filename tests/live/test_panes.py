"""Labeling functions with panes, live: a burst within the hour is seen as it happens, and as batch sees it."""

from __future__ import annotations

import json
import time

import pytest
from live_projects import TO_LABELS, labels, send
from projects import run_stages, write_params

from beambell import Project
from beambell.live.audit import audit
from beambell.live.loop import Loop
from beambell.store import Partition

LFS = """
from beambell.labeling import labeling_function, stateful_labeling_function
from beambell.labeling.aggregates import count

@labeling_function(label=0)
def brief(row):
    return len(row["text"]) < 30

@stateful_labeling_function(key="author", aggregate=count(), pane="hour", fields=("text",), label=1)
def burst(row, past):
    return past >= 3
"""


@pytest.fixture
def folder(tmp_path):
    """Two days of a stream in which nobody writes much."""
    write_params(
        tmp_path,
        {
            "project": "bursts",
            "classes": ["ham", "spam"],
            "streams": {
                "notes": {
                    "inputs": ["raw/*.jsonl"], "id": "id", "time": "at", "fields": {"author": "string"},
                }
            },
            "lfs": {"modules": ["rules"]},
            "label_model": {"kind": "majority"},
            "live": {
                "runner": "loop", "batch": 5, "idle_s": 0.2, "lateness_s": 0, "refit_s": 0.2,
                "segment": {"rows": 1_000, "seconds": 0.3}, "streams": {"notes": {"folder": "incoming/notes/*.jsonl"}},
            },
        },
    )  # fmt: skip
    (tmp_path / "rules.py").write_text(LFS)
    (tmp_path / "raw").mkdir()
    (tmp_path / "incoming/notes").mkdir(parents=True)
    first = [record(day, hour, f"a{hour}", f"{day}-{hour}") for day in (1, 2) for hour in range(5)]
    (tmp_path / "raw/a.jsonl").write_bytes(b"".join(one + b"\n" for one in first))
    run_stages(tmp_path, *TO_LABELS)
    return tmp_path


def record(day: int, hour: int, author: str, name: str) -> bytes:
    return json.dumps(
        {"id": name, "text": f"note {name}", "at": f"2026-01-{day:02d}T{hour:02d}:10:00Z", "author": author}
    ).encode()


def test_a_burst_within_the_day_is_seen_live_and_by_batch_alike(folder):
    coming = [record(3, hour, "bot", f"{hour}-{i}") for hour in (8, 9, 10) for i in range(4)]
    loop = Loop(Project(folder))
    send(folder, "notes", coming[:7])
    _until(loop, folder, 7)
    # It dies, and another goes on: what it had counted of the day is counted again, once.
    again = Loop(Project(folder))
    send(folder, "notes", coming[7:])
    _until(again, folder, 12)
    deadline = time.monotonic() + 20
    while again.desk.status(time.time())["open"] and time.monotonic() < deadline:
        again.step()
    again.close()
    run_stages(folder, *TO_LABELS)
    found = audit(Project(folder), Partition("notes", "2026-01-03"))
    assert (found.rows, found.differences) == (12, 0)
    votes = Project(folder).votes("notes", "2026-01-03").set_index("id")["burst"]
    assert {name for name, vote in votes.items() if vote == 1} == {f"{hour}-{i}" for hour in (9, 10) for i in range(4)}


def _until(loop: Loop, folder, rows: int) -> None:
    deadline = time.monotonic() + 20
    while len({one["id"] for one in labels(folder, "notes")}) < rows:
        assert time.monotonic() < deadline
        loop.step()
