"""An event cannot be later than its delivery: one that claims to be moves no window and empties no state."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import pytest
from projects import change_params, run_stages, write_params

from beambell import Project
from beambell.store.tables import read_table

MODULE = """
from beambell.labeling import keyword

begs = keyword("begs", any_of=["free"], label=1)
"""


def project(folder, pattern, **stream):
    (folder / "mine.py").write_text(MODULE)
    its = {"inputs": [pattern], "id": "key", "time": "at", **stream}
    tree = {"project": "p", "classes": ["a", "b"], "streams": {"s": its}, "lfs": {"modules": ["mine"]}}
    write_params(folder, tree | {"state": {"policy": "window", "days": 3}})
    return folder


def deliver(folder, name, *ats, modified=None):
    path = folder / "raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps({"key": f"{name} {n}", "text": "x", "at": at}) + "\n" for n, at in enumerate(ats))
    )
    if modified:
        os.utime(path, (modified.timestamp(),) * 2)
    return path


def found(folder) -> tuple[dict[str, int], list[str]]:
    """Rows by partition, and what was set aside as from the future."""
    it = Project(folder)
    rows = {partition.dt: manifest.facts["rows"] for partition, manifest in it.store.partitions("partitions").items()}
    messages = []
    for place, manifest in it.store.under("deliveries").items():
        if "quarantine" in manifest.files:
            entries = read_table(it.store, place, manifest.files["quarantine"]).to_pylist()
            messages += [entry["message"] for entry in entries if entry["code"] == "from_the_future"]
        assert manifest.facts["codes"].get("from_the_future", 0) <= manifest.facts["quarantined"]
    return rows, messages


@pytest.mark.parametrize(
    "at", ["2026-01-10T00:00:01Z", "2612-01-07", "20270107071500", 4_070_908_800, "9999-12-31T00:00Z"]
)
def test_one_event_of_the_future_moves_no_window(tmp_path, at):
    folder = project(tmp_path, "raw/{dt}.jsonl")
    for day in range(3, 8):
        deliver(folder, f"2026-01-0{day}.jsonl", *[f"2026-01-0{day}T0{hour}:00:00Z" for hour in range(4)])
    deliver(folder, "2026-01-07.jsonl", "2026-01-07", "2026-01-09T23:59:59Z", at)
    outcome = run_stages(folder, "ingest", "apply", "merge")
    rows, (message,) = found(folder)
    assert rows == {
        "2026-01-03": 4,
        "2026-01-04": 4,
        "2026-01-05": 4,
        "2026-01-06": 4,
        "2026-01-07": 1,
        "2026-01-09": 1,
    }
    assert "delivered by 2026-01-08T00:00:00Z" in message
    assert "an event may be 2 days later" in message
    assert "streams.s.future" in message
    assert outcome["ingest"].figures["unexplained"] == 0
    assert any("1 from_the_future" in warning for warning in outcome["ingest"].warnings)
    change_params(folder, streams={"s": {"future": "off"}})
    run_stages(folder, "ingest")
    assert sum(found(folder)[0].values()) == 19


@pytest.mark.parametrize("grain", ["hour", "day", "month"])
@pytest.mark.parametrize(
    ("name", "last", "after"),
    [
        ("2026-01.jsonl", "2026-01-31T23:00:00Z", "2026-02-01T00:00:01Z"),
        ("2026-01-31.jsonl", "2026-01-31T23:59:59Z", "2026-02-01T00:00:01Z"),
        ("2026-01-31T07.jsonl", "2026-01-31T07:59:59Z", "2026-01-31T08:00:01Z"),
    ],
)
def test_a_delivery_ends_when_its_name_says_whatever_the_grain(tmp_path, grain, name, last, after):
    folder = project(tmp_path, "raw/{dt}.jsonl", grain=grain, future="0 hours")
    deliver(folder, name, last, after)
    run_stages(folder, "ingest")
    rows, (message,) = found(folder)
    assert sum(rows.values()) == 1
    assert datetime.fromisoformat(after).isoformat() in message


def test_without_a_date_in_its_name_a_file_was_delivered_when_it_was_modified(tmp_path):
    folder = project(tmp_path, "raw/*.jsonl")
    then = datetime(2026, 1, 4, 12, tzinfo=UTC)
    path = deliver(folder, "a.jsonl", "2026-01-06T12:00:00Z", "2026-01-06T12:00:01Z", modified=then)
    deliver(folder, "b.jsonl", "2026-01-01", "2612-01-01", modified=datetime(1980, 1, 1, tzinfo=UTC))
    run_stages(folder, "ingest")
    assert found(folder)[0] == {"2026-01-01": 1, "2026-01-06": 1, "2612-01-01": 1}  # nobody knows when b was delivered
    # A copy of the same bytes is later, and changes nothing; another file under that name is another delivery.
    os.utime(path)
    change_params(folder, streams={"s": {"max_text_chars": 99}})
    assert run_stages(folder, "ingest")["ingest"].done == 2
    assert found(folder)[0]["2026-01-06"] == 1
    deliver(folder, "a.jsonl", "2026-01-06T12:00:01Z", modified=datetime(2026, 1, 5, tzinfo=UTC))
    run_stages(folder, "ingest")
    assert found(folder) == ({"2026-01-01": 1, "2026-01-06": 1, "2612-01-01": 1}, [])
