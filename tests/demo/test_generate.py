from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from beambell.demo import HAM, SPAM, STREAMS, generate
from beambell.errors import UsageError

# The CSV and JSON lines of a small data set. It changes when a phrase or a draw is changed on purpose; if it
# differs on some machine without that, the generator is not as deterministic as it promises.
DIGEST = "7d254f0c3109749b30d854b6da1c51d04d5b587f76bc413641d37314e533e28a"


def digest(root: Path, *patterns: str) -> str:
    found = hashlib.sha256()
    for path in sorted(path for pattern in patterns or ("*",) for path in root.rglob(pattern) if path.is_file()):
        found.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def test_same_bytes_again_and_in_another_process(tmp_path: Path) -> None:
    generate(tmp_path / "one" / "raw", scale=0.01)
    script = "import sys, pathlib, beambell.demo as e; e.generate(pathlib.Path(sys.argv[1]), scale=0.01)"
    for seed in ("1", "2"):
        there = tmp_path / f"other-{seed}"
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C"}
        subprocess.run([sys.executable, "-c", script, str(there / "raw")], check=True, env=environment)
        assert digest(there) == digest(tmp_path / "one")


def test_same_bytes_everywhere(tmp_path: Path) -> None:
    generate(tmp_path, gold=tmp_path / "gold.parquet", scale=0.01)
    assert digest(tmp_path, "*.csv", "*.jsonl", "*.gz") == DIGEST


def test_another_seed_is_another_data_set(tmp_path: Path) -> None:
    generate(tmp_path / "one" / "raw", scale=0.001)
    generate(tmp_path / "two" / "raw", scale=0.001, seed=7)
    assert digest(tmp_path / "one") != digest(tmp_path / "two")


def test_a_longer_run_begins_with_the_files_of_a_shorter_one(tmp_path: Path) -> None:
    short = generate(tmp_path / "short", gold=tmp_path / "s.parquet", scale=0.01, days=5)
    generate(tmp_path / "long", gold=tmp_path / "l.parquet", scale=0.01, days=9)
    for name in short.files:
        assert (tmp_path / "long" / name).read_bytes() == (tmp_path / "short" / name).read_bytes()


def test_a_rerun_touches_nothing_and_repairs_what_is_damaged(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    generate(raw, scale=0.001, days=3)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    whole = digest(tmp_path)
    damaged = raw / "comments" / "2026-01-02.csv"
    damaged.write_bytes(b"half a fi")
    (raw / "comments" / ".2026-01-02.csv.partial").write_bytes(b"left by a killed run")
    generate(raw, scale=0.001, days=3)
    assert digest(tmp_path) == whole
    assert {path for path, mtime in before.items() if path.stat().st_mtime_ns != mtime} == {damaged}


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"scale": float("nan")}, {"scale": float("inf")}, {"days": 0}])
def test_impossible_sizes_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="cannot generate"):
        generate(tmp_path / "raw", **wrong)
    assert not list(tmp_path.iterdir())


def test_the_smallest_data_set_is_one(tmp_path: Path) -> None:
    assert generate(tmp_path / "raw", scale=1e-6).rows >= 14


def test_full_size_and_speed(tmp_path: Path) -> None:
    start = time.process_time()
    summary = generate(tmp_path / "raw")
    assert time.process_time() - start < 15
    assert 95_000 < summary.rows < 105_000
    assert 0.32 < summary.spam / summary.rows < 0.38


def test_rows_are_counted_and_broken_ones_have_no_gold(data_set: Any) -> None:
    summary = data_set.summary
    assert summary.rows - summary.broken == len(data_set.gold) == len(data_set.records)
    assert 0.001 < summary.broken / summary.rows < 0.004
    assert summary.spam == sum(row["label"] == SPAM for row in data_set.gold)
    lines = [(row["file"], row["line"]) for row in data_set.gold]
    assert len(set(lines)) == len(lines)


def test_gold_points_at_its_record(data_set: Any) -> None:
    for row, record in zip(data_set.gold, data_set.records, strict=True):
        assert row["id"] == record.fields.get("comment_id")
        assert (row["id"] is None) == (row["stream"] == "messages")
    assert {name: str(type_) for name, type_ in _gold_schema(data_set.root)} == {
        "stream": "string",
        "id": "string",
        "file": "string",
        "line": "int64",
        "label": "int8",
    }


def _gold_schema(root: Path) -> list[tuple[str, Any]]:
    schema = pq.read_schema(root.parent / "gold" / "gold.parquet")
    return [(field.name, field.type) for field in schema]


def test_columns_do_not_tell_the_label(data_set: Any) -> None:
    columns = {stream: {tuple(r.fields) for r in data_set.records if r.stream == stream} for stream in STREAMS}
    assert columns == {
        "comments": {("comment_id", "video", "author", "text", "likes", "created_at")},
        "messages": {("author", "channel", "text", "recipients", "sent_at")},
    }


def test_all_formats_occur_and_nothing_else_is_there(data_set: Any) -> None:
    there = {path.relative_to(data_set.root).as_posix() for path in data_set.root.rglob("*") if path.is_file()}
    assert there == set(data_set.summary.files)
    kinds = Counter((Path(name).parts[0], Path(name).name.partition(".")[2]) for name in there)
    assert kinds == {
        ("comments", "csv"): 12,
        ("comments", "parquet"): 2,
        ("messages", "jsonl"): 8,
        ("messages", "jsonl.gz"): 4,
        ("messages", "parquet"): 2,
    }


def test_csv_texts_need_quoting(data_set: Any) -> None:
    texts = [r.fields["text"] for r in data_set.records if r.file.endswith(".csv")]
    for special in ("\n", ",", '"'):
        assert any(special in text for text in texts), special


def test_some_rows_are_late_by_one_to_three_days(data_set: Any) -> None:
    late = Counter((record.delivered - record.time.date()).days for record in data_set.records if _is_utc(record))
    assert set(late) == {0, 1, 2, 3}
    share = sum(n for days, n in late.items() if days) / sum(late.values())
    assert 0.02 < share < 0.06
    assert data_set.summary.late > 0


def _is_utc(record: Any) -> bool:
    return record.time.utcoffset() == timedelta(0)


def test_times_have_offsets_and_stay_within_the_fortnight(data_set: Any) -> None:
    offsets = {record.time.utcoffset() for record in data_set.records}
    assert len(offsets) > 3
    days = {(record.time - record.time.utcoffset()).date() for record in data_set.records}
    assert len(days) == 14


def test_edited_comments_come_again_with_id_and_time_of_the_first(data_set: Any) -> None:
    revisions = defaultdict(list)
    for record in data_set.records:
        if record.stream == "comments":
            revisions[record.fields["comment_id"]].append(record)
    twice = [records for records in revisions.values() if len(records) > 1]
    assert len(twice) > 20
    for first, second in twice:
        assert first.file < second.file
        assert first.time == second.time
        assert second.fields["text"].startswith(first.fields["text"])
        assert second.fields["text"] != first.fields["text"]
        assert first.label == second.label


def test_the_share_of_spam_climbs(data_set: Any) -> None:
    shares = _share_of_spam_by_day(data_set.records)
    assert 0.22 < sum(shares[:3]) / 3 < 0.32
    assert 0.40 < sum(shares[-3:]) / 3 < 0.50


def _share_of_spam_by_day(records: list[Any]) -> list[float]:
    labels = defaultdict(list)
    for record in records:
        labels[record.delivered].append(record.label)
    return [sum(labels[day]) / len(labels[day]) for day in sorted(labels)]


def test_campaigns_come_and_go(data_set: Any) -> None:
    days = {r.time.date().day for r in data_set.records if "Herbavita" in r.fields["text"] and _is_utc(r)}
    assert days <= set(range(3, 9))
    assert len(days) >= 4
    streams = {r.stream for r in data_set.records if "anniversary draw" in r.fields["text"]}
    assert streams == set(STREAMS)


def test_senders_repeat_and_some_were_hijacked(data_set: Any) -> None:
    rows = Counter(record.fields["author"] for record in data_set.records)
    busiest = sum(n for _, n in rows.most_common(len(rows) // 100))
    assert busiest > 0.1 * len(data_set.records)
    labels = defaultdict(Counter)
    streams = defaultdict(set)
    for record in data_set.records:
        labels[record.fields["author"]][record.label] += 1
        streams[record.fields["author"]].add(record.stream)
    assert sum(count[SPAM] >= 10 and count[SPAM] > 5 * count[HAM] for count in labels.values()) > 10
    assert sum(count[HAM] >= 5 and 0 < count[SPAM] < count[HAM] for count in labels.values()) > 5
    assert sum(len(where) == 2 for where in streams.values()) > 50


def test_texts_are_copied(data_set: Any) -> None:
    by_text = defaultdict(set)
    for record in data_set.records:
        by_text[record.fields["text"]].add(record.label)
    texts = Counter(record.fields["text"] for record in data_set.records if record.label == SPAM)
    repeated = sum(n for n in texts.values() if n > 1)
    assert 0.2 < repeated / sum(texts.values()) < 0.7
    # Some spam is a copy of what honest people wrote: no text alone can tell.
    assert sum(labels == {HAM, SPAM} for labels in by_text.values()) > 20


def test_copies_go_on_for_days_and_across_streams(data_set: Any) -> None:
    days, streams = defaultdict(set), defaultdict(set)
    for record in data_set.records:
        if record.label == SPAM and len(record.fields["text"]) > 30:
            days[record.fields["text"]].add(record.delivered)
            streams[record.fields["text"]].add(record.stream)
    assert sum(len(found) >= 4 for found in days.values()) > 50
    assert sum(len(found) == 2 for found in streams.values()) > 20


@pytest.mark.parametrize("trick", ["\u0430", "\u200b", "f r e e", "🎁", "é", "3"])
def test_there_are_several_ways_to_spell(data_set: Any, trick: str) -> None:
    assert any(trick in record.fields["text"] for record in data_set.records if record.label == SPAM)
