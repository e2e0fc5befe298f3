"""Answers as they arrive: rows with the same votes get another label within seconds, and batch takes the answers in."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from live_projects import TO_LABELS, labels, live_project, send
from projects import run_stages

from beambell import Project
from beambell.live.loop import Loop


@pytest.fixture
def live(tmp_path):
    folder, coming = live_project(
        tmp_path / "project", refit_s=0.3, feedback={"folder": "incoming/answers/*.jsonl"}, idle_s=60.0
    )
    (folder / "incoming/answers").mkdir()
    return folder, coming


def step(loop: Loop, done, most_s: float = 30.0) -> None:
    deadline = time.monotonic() + most_s
    while not done():
        assert time.monotonic() < deadline, "it was not done in time"
        loop.step()
        time.sleep(0.02)


def answer(folder, *events) -> None:
    with (folder / "incoming/answers/a.jsonl").open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


def test_answers_change_what_the_same_votes_mean_and_are_taken_in_by_batch(live):
    folder, coming = live
    loop = Loop(Project(folder))
    half = len(coming["comments"]) // 2
    send(folder, "comments", coming["comments"][:half])
    step(loop, lambda: len(labels(folder, "comments")) >= half - 20)
    before = labels(folder, "comments")
    covered = [one for one in before if one["source"] == "votes" and one["label"]]
    (pattern, label), _ = Counter((one["pattern"], one["label"]) for one in covered).most_common(1)[0]
    other = "ham" if label == "spam" else "spam"
    rows = [one["id"] for one in covered if one["pattern"] == pattern]
    answer(
        folder,
        {"row_id": rows[0], "stream": "comments", "label": "no such class"},
        *({"row_id": row, "stream": "comments", "label": other, "reviewer": "ann"} for row in rows),
    )
    sent = time.monotonic()
    step(loop, lambda: loop.desk.keeper.events.num_rows == len(rows))
    fitted = loop.desk._version.number
    step(loop, lambda: loop.desk._version.number > fitted and loop.desk._version.feedback > 0)
    assert time.monotonic() - sent < 10
    again = [
        record for record, one in zip(coming["comments"][:half], before, strict=False) if one["pattern"] == pattern
    ]
    fresh = []
    for i, record in enumerate(again[:10]):
        told = json.loads(record)
        fresh.append(json.dumps({**told, "comment_id": f"fresh{i}"}).encode())
    send(folder, "comments", fresh)
    step(loop, lambda: any(one["id"].startswith("fresh") for one in labels(folder, "comments")))
    new = [one for one in labels(folder, "comments") if one["id"].startswith("fresh") and one["pattern"] == pattern]
    assert new
    # A label model takes twenty reviewed rows of a pattern for as much as all that the votes say (OWN_ROWS).
    sure = next(one["p"][other] for one in covered if one["pattern"] == pattern)
    assert all(one["p"][other] > sure + 0.1 for one in new)
    status = loop.desk.status(time.time())
    assert status["feedback"]["taken in"] == len(rows)
    assert status["feedback"]["refused"] == 1
    loop.close()

    outcomes = run_stages(folder, *TO_LABELS)
    assert outcomes["feedback"].figures["rows"] == len(rows)
    assert set(Project(folder).feedback()["row_id"]) == set(rows)


def test_answers_that_batch_has_counted_do_not_count_twice(live):
    folder, coming = live
    send(folder, "comments", coming["comments"])
    loop = Loop(Project(folder))
    step(loop, lambda: len(labels(folder, "comments")) > 100)
    rows = [one["id"] for one in labels(folder, "comments")[:40]]
    answer(folder, *({"row_id": row, "stream": "comments", "label": "spam", "reviewer": "ann"} for row in rows))
    step(loop, lambda: loop.desk.keeper.events.num_rows == len(rows))
    loop.close()
    run_stages(folder, *TO_LABELS)
    again = Loop(Project(folder))
    step(again, lambda: again.desk.keeper.events.num_rows == len(rows))
    version = again.desk._refitter.fit(again.desk.keeper)
    counted = Project(folder).feedback()
    assert (version or again.desk._version).feedback <= int((~counted["evaluate"]).sum())
    again.close()
