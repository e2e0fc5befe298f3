"""Answers as they arrive: rows with the same votes get another label within seconds, and batch takes the answers in."""

from __future__ import annotations

import json
import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from live_projects import TO_LABELS, labels, live_project, send
from projects import run_stages

from beambell import Project
from beambell.feedback.events import EVENTS_SCHEMA, check_events
from beambell.live.corrections import Corrections, read_corrections
from beambell.live.keeper import Keeper
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
    told = corrections(folder, "comments")
    assert all((told[row]["label"], told[row]["source"]) == (other, "feedback") for row in rows)  # at once
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


def corrections(folder, stream: str) -> dict[str, dict]:
    """The last label of each row that was said again."""
    return {one["id"]: one for one in read_corrections(Project(folder).store, stream)}


def test_a_row_has_its_answer_at_once_and_rows_with_its_votes_after_the_next_fit(live):
    folder, coming = live
    loop = Loop(Project(folder))
    half = len(coming["comments"]) // 2
    send(folder, "comments", coming["comments"][:half])
    step(loop, lambda: len(labels(folder, "comments")) >= half - 20)
    covered = [one for one in labels(folder, "comments") if one["source"] == "votes" and one["label"]]
    (pattern, label), _ = Counter((one["pattern"], one["label"]) for one in covered).most_common(1)[0]
    rows = [one["id"] for one in covered if one["pattern"] == pattern]
    other = "ham" if label == "spam" else "spam"
    many = [*rows[: len(rows) * 3 // 4]]
    answer(folder, *({"row_id": row, "stream": "comments", "label": other, "reviewer": "ann"} for row in many))
    step(loop, lambda: len(corrections(folder, "comments")) >= len(many))
    told = corrections(folder, "comments")
    assert {told[row]["label"] for row in many} == {other}
    assert {told[row]["source"] for row in many} == {"feedback"}
    assert told[many[0]]["p"] == {other: 1.0, label: 0.0}
    said = loop.desk.status(time.time())["feedback"]["said again"]

    # Somebody else contradicts, so that nobody knows; an answer for a row that never came is no harm.
    answer(
        folder,
        {"row_id": many[0], "stream": "comments", "label": label, "reviewer": "bob"},
        {"row_id": "never came", "stream": "comments", "label": label, "reviewer": "bob"},
    )
    step(loop, lambda: corrections(folder, "comments")[many[0]]["source"] == "votes")
    assert loop.desk.status(time.time())["feedback"]["of rows that are not recent"] == 1
    loop.close()
    again = Loop(Project(folder))
    step(again, lambda: again.desk.keeper.events.num_rows == len(many) + 2)
    assert again.desk.status(time.time())["feedback"]["said again"] == 0  # what was said is known
    assert said >= len(many)
    again.close()


class Meaning:
    """A labeler whose label model changes its mind."""

    lfs = "0" * 64

    def __init__(self) -> None:
        self.model, self.label = "live@1", 0

    def relabel(self, patterns):
        n = len(patterns)
        version = SimpleNamespace(name=self.model)
        return np.tile([1.0 - self.label, float(self.label)], (n, 1)), np.full(n, self.label), version


def test_rows_with_the_votes_of_an_answer_are_said_again_when_these_mean_another_class(live):
    folder, _ = live
    project, meaning = Project(folder), Meaning()
    found = Corrections(project, meaning)
    keeper = Keeper(tuple(project.catalogue.names), 2, project.params.live, {})
    one, other = np.zeros((1, 9), np.uint8), np.ones((1, 9), np.uint8)
    keeper.recent.add("comments", ["a", "b", "c"], ["2026-01-03"] * 3, np.concatenate([one, one, other]))
    event = {"row_id": "a", "stream": "comments", "label": "spam", "reviewer": "ann", "time": "2026-01-03T10:00:00Z"}
    checked = check_events(
        pa.Table.from_pylist([{name: event.get(name) for name in EVENTS_SCHEMA.names}], _TEXTS),
        classes=project.params.classes, streams=["comments"],
    )  # fmt: skip
    keeper.add_events(checked.events)
    found.answered(keeper)
    found.refitted(keeper)
    assert list(corrections(folder, "comments")) == ["a"]
    meaning.model, meaning.label = "live@2", 1
    found.refitted(keeper)
    told = corrections(folder, "comments")
    assert {name: (one["label"], one["source"], one["model"]) for name, one in told.items()} == {
        "a": ("spam", "feedback", "live@1"),
        "b": ("spam", "votes", "live@2"),
    }
    found.refitted(keeper)
    assert found.said == 2


_TEXTS = pa.schema([(name, pa.string()) for name in EVENTS_SCHEMA.names])


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
