"""Bad input while live: the job lives, nothing landed is lost, what was wrong is counted, and batch says the same."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from live_projects import TO_LABELS, assert_same, copied_for_batch, labels, live_project, send
from projects import change_params, run_stages

from beambell import Project
from beambell.live.closed import closed_partitions
from beambell.live.loop import Loop

DAY = "2026-01-03"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return live_project(tmp_path_factory.mktemp("bad") / "p", scale=0.04, idle_s=60.0, model={"on": False})


@pytest.fixture
def live(made, tmp_path):
    folder, coming = made
    return shutil.copytree(folder, tmp_path / "p"), coming


def until(loop: Loop, done, most_s: float = 40.0) -> None:
    deadline = time.monotonic() + most_s
    while not done():
        assert time.monotonic() < deadline, "it was not done in time"
        loop.step()
        time.sleep(0.02)


def good(record: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(record), **changes}).encode()


def test_records_that_cannot_be_labelled_stop_nobody(live, tmp_path):
    folder, coming = live
    first = coming["comments"][0]
    bad = [
        b"no JSON at all",
        b'["a", "list"]',
        b'{"comment_id": "cut off", "text": "abc',
        b"\xff\xfe\x00 not text",
        b"null",
        good(first, comment_id="no time", created_at=None),
        good(first, comment_id="odd time", created_at="yesterday, I think"),
        good(first, comment_id="far future", created_at="2999-01-01T00:00:00Z"),
        good(first, comment_id="overflow", created_at=10**30),
        good(first, comment_id="big", text="free " * 2_000_000),
        good(first, comment_id=None),
        good(first, comment_id="nul", text="a\x00b"),
        good(first, comment_id="lone surrogate").replace(b"lone surrogate", b"lone \\ud800"),
        good(first, comment_id="deep").replace(b'"text"', b'"x": ' + b"[" * 2_000 + b"]" * 2_000 + b', "text"'),
    ]
    loop = Loop(Project(folder))
    send(folder, "comments", [*coming["comments"][:20], *bad, *coming["comments"][20:]])
    send(folder, "messages", coming["messages"])
    ids = {json.loads(one)["comment_id"] for one in coming["comments"][-5:]}
    until(loop, lambda: ids <= {one["id"] for one in labels(folder, "comments")})
    status = loop.desk.status(time.time())
    assert sum(n for what, n in status["streams"]["comments"]["figures"].items() if "quarantined" in what) >= 8
    assert status["trouble"] == []
    assert "nul" in {one["id"] for one in labels(folder, "comments")}
    assert status["streams"]["comments"]["low"] < "2026-02"  # one time of the far future closes nothing
    loop.close()
    landed = b"".join(path.read_bytes() for path in sorted((folder / "data/segments/comments").glob("*.jsonl")))
    assert landed.splitlines() == [*coming["comments"][:20], *bad, *coming["comments"][20:]]
    change_params(folder, gate={"max_quarantined": 1.0})
    run_stages(folder, *TO_LABELS)
    batch = copied_for_batch(folder, tmp_path / "batch")
    run_stages(batch, *TO_LABELS)
    assert_same(folder / "data", batch / "data")
    told = {one["id"]: one["pattern"] for one in labels(folder, "comments")}
    assert set(Project(folder).votes("comments", DAY)["id"]) <= told.keys()


def test_a_folder_that_vanishes_is_waited_for(live):
    folder, coming = live
    loop = Loop(Project(folder))
    half = len(coming["comments"]) // 2
    send(folder, "comments", coming["comments"][:half])
    until(loop, lambda: len(labels(folder, "comments")) > half // 2)
    away = folder / "incoming" / "elsewhere"
    (folder / "incoming" / "comments").rename(away)
    for _ in range(20):
        loop.step()
        time.sleep(0.02)
    away.rename(folder / "incoming" / "comments")
    send(folder, "comments", coming["comments"][half:])
    last = json.loads(coming["comments"][-1])["comment_id"]
    until(loop, lambda: last in {one["id"] for one in labels(folder, "comments")})
    loop.close()


def test_a_file_that_was_cut_off_is_an_alarm_and_the_other_files_are_read(live):
    folder, coming = live
    loop = Loop(Project(folder))
    send(folder, "comments", coming["comments"][:30])
    until(loop, lambda: len(labels(folder, "comments")) >= 15)
    (folder / "incoming/comments/a.jsonl").write_bytes(b"")
    send(folder, "comments", coming["comments"][30:60], "b.jsonl")
    wanted = {json.loads(one)["comment_id"] for one in coming["comments"][40:60]}
    until(loop, lambda: len(wanted & {one["id"] for one in labels(folder, "comments")}) > 5)

    def errors() -> list[str]:
        parts = loop.desk.status(time.time())["streams"]["comments"]["parts"]
        return [part["error"] for part in parts.values() if part["error"]]

    until(loop, errors)
    assert "ends at byte 0" in errors()[0]
    loop.close()


def test_a_label_model_that_vanishes_leaves_the_one_before_in_force(live):
    folder, coming = live
    loop = Loop(Project(folder))
    send(folder, "comments", coming["comments"][:20])
    until(loop, lambda: len(labels(folder, "comments")) > 5)
    kept = folder / "gone"
    (folder / "data/label_models").rename(kept)
    before = len(labels(folder, "comments"))
    send(folder, "comments", coming["comments"][20:60])
    until(loop, lambda: len(labels(folder, "comments")) > before + 10)
    assert any("label model" in said for said in loop.desk.status(time.time())["trouble"])
    kept.rename(folder / "data/label_models")
    until(loop, lambda: not loop.desk.status(time.time())["trouble"])
    loop.close()


LFS = """
import os, time
from beambell.labeling import labeling_function

@labeling_function()
def raises(row):
    raise ValueError("not on my watch")

@labeling_function()
def hangs(row):
    time.sleep(3600)

@labeling_function()
def ends(row):
    os._exit(3)
"""


@pytest.mark.heavy
def test_functions_that_raise_hang_or_end_their_process_are_counted_and_the_others_vote(tmp_path):
    folder, coming = live_project(tmp_path / "p", scale=0.03, idle_s=60.0, model={"on": False}, lf_time_limit_s=0.3)
    send(folder, "comments", coming["comments"][:5])
    (folder / "labeling_functions" / "spam.py").open("a").write(LFS)
    change_params(folder, lfs={"time_limit_s": 0.3})
    run_stages(folder, *TO_LABELS[:-1])  # the gate refuses such labels
    loop = Loop(Project(folder))
    until(loop, lambda: len(labels(folder, "comments")) >= 3, most_s=120)
    figures = loop.desk.status(time.time())["streams"]["comments"]["figures"]
    assert {"failed: raises", "failed: hangs", "failed: ends"} <= figures.keys()
    assert any(one["source"] == "votes" for one in labels(folder, "comments"))
    loop.close()


def test_functions_that_were_edited_are_taken_when_the_job_starts_again(live):
    folder, coming = live
    loop = Loop(Project(folder))
    send(folder, "comments", coming["comments"][:30])
    until(loop, lambda: len(labels(folder, "comments")) >= 15)
    ran = loop.desk.status(time.time())["lfs"]
    source = folder / "labeling_functions" / "spam.py"
    source.write_text(
        source.read_text()
        + LFS.replace("raise ValueError", "return 1  # ")
        .replace("time.sleep(3600)", "return -1")
        .replace("os._exit(3)", "return -1")
    )
    send(folder, "comments", coming["comments"][30:60])
    until(loop, lambda: len(labels(folder, "comments")) >= 40)
    assert loop.desk.status(time.time())["lfs"] == ran
    assert {one["lfs"] for one in labels(folder, "comments")} == {ran}
    loop.close()
    assert DAY not in closed_partitions(Project(folder).store, "comments")
    again = Loop(Project(folder))
    until(again, lambda: again.desk.status(time.time())["open"].get(f"comments/{DAY}", 0) >= 40)
    now = again.desk.status(time.time())
    assert now["lfs"] != ran
    assert any("restart" in said or "state" in said for said in now["trouble"])  # batch has not voted with these yet
    again.close()
