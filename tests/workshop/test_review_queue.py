"""The review queue of real projects: what is drawn, what is not asked twice, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import change_params
from synthetic import LFS, draw, make_project, partition, vote_on_texts

from beambell import Project
from beambell.errors import UsageError
from beambell.feedback.tasks import TASKS_SCHEMA
from beambell.stages.order import stage_named
from beambell.store import Layout, Selection
from beambell.workshop.queue_record import read_queued
from beambell.workshop.review_queue import ReviewQueue, build_queue, estimate_gain, record_queue

EVERYTHING = Selection()


def project(
    folder: Path, sizes: Iterable[int] = (60, 40, 80), *, first: int = 0, repeat: int = 10**6, **params: Any
) -> Project:
    """A project of one stream, or two, whose days have so many rows; every ``repeat`` rows texts begin anew."""
    make_project(folder, label_model={"kind": "dawid_skene"})
    change_params(folder, **params)
    made = Project(folder)
    for day, rows in enumerate(sizes):
        stream = "comments" if day % 2 == 0 else "messages"
        texts = [f"text {(i % repeat)} of day {day}" for i in range(rows)]
        ids = [f"{day}-{i}" for i in range(rows)]
        vote_on_texts(made, partition(stream, first + day), draw(len(LFS), day, rows=rows, pool=12), ids, texts)
    stage_named("merge").refresh(made, EVERYTHING)
    stage_named("fit").refresh(made, EVERYTHING)
    return made


def ids(made: ReviewQueue) -> list[tuple[str, str]]:
    return list(zip(made.tasks["stream"].to_pylist(), made.tasks["row_id"].to_pylist(), strict=True))


def test_the_same_project_gives_the_same_queue_and_a_bigger_one_begins_with_it(tmp_path):
    made = project(tmp_path / "a")
    queues = {n: build_queue(made, EVERYTHING, size=n) for n in (1, 10, 40, 41, 120)}
    for n, found in queues.items():
        assert found.tasks.schema == TASKS_SCHEMA
        assert found.tasks.num_rows == n
        assert len(set(ids(found))) == n
        assert ids(queues[120])[:n] == ids(found)
    again = build_queue(project(tmp_path / "b"), EVERYTHING, size=40)
    assert again.tasks.equals(queues[40].tasks)


def test_asking_for_more_than_there_is_gives_all_of_it(tmp_path):
    made = build_queue(project(tmp_path / "p"), EVERYTHING, size=1000)
    assert made.tasks.num_rows == 180
    assert set(made.tasks["probability"].to_pylist()) == {1.0}
    assert "only 180 rows are left" in made.warnings[0]


def test_streams_and_days_can_be_selected(tmp_path):
    made = project(tmp_path / "p")
    assert set(build_queue(made, made.select(["messages"]), size=10).by_stream) == {"messages"}
    found = build_queue(made, made.select(None, "2026-01-03"), size=10)
    assert {row_id[0] for _, row_id in ids(found)} == {"2"}
    with pytest.raises(UsageError, match="no row to ask about"):
        build_queue(made, made.select(None, "2027-01-01"), size=10)


@pytest.mark.parametrize("size", [8, 60])
def test_estimates_from_a_queue_are_unbiased(tmp_path, size):
    """Partitions of other days are another draw of the same rows."""
    truth, estimates = {}, []
    for seed in range(30):
        made = project(tmp_path / f"{size} {seed}", first=3 * seed, sizes=(60, 30), feedback={"queue": {"size": size}})
        found = build_queue(made, EVERYTHING)
        weights = 1 / found.tasks["probability"].to_numpy()
        value = np.array([int(row_id.rpartition("-")[2]) % 3 == 0 for _, row_id in ids(found)])
        covered = np.array([v != "" for v in _votes(made, ids(found))])
        estimates.append([weights.sum(), weights @ value, weights @ covered, weights @ (covered & value)])
        truth = [90, 30, *_covered(made)]
    mean, error = np.mean(estimates, axis=0), np.std(estimates, axis=0) / np.sqrt(30)
    assert (np.abs(mean - truth) < 4.5 * error + 1e-9).all()


def _table(made: Project) -> dict[tuple[str, str], str]:
    found = {}
    for where, manifest in made.store.partitions(Layout.VOTES).items():
        votes = made.votes(where.stream, where.dt, form="arrow").to_pylist()
        assert manifest.facts["rows"] == len(votes)
        for row in votes:
            name = row.pop("id")
            found[where.stream, name] = "".join(str(v) for v in row.values() if v >= 0)
    return found


def _votes(made: Project, rows: list[tuple[str, str]]) -> list[str]:
    table = _table(made)
    return [table[row] for row in rows]


def _covered(made: Project) -> tuple[int, int]:
    covered = [int(name.rpartition("-")[2]) for (_, name), votes in _table(made).items() if votes]
    return len(covered), sum(i % 3 == 0 for i in covered)


def test_a_text_is_asked_about_once_and_stands_for_its_like(tmp_path):
    made = project(tmp_path / "p", sizes=(60, 40), repeat=20)
    everything = build_queue(made, EVERYTHING, size=10_000)
    assert everything.tasks.num_rows == 40  # 20 texts a day
    assert sum(1 / p for p in everything.tasks["probability"].to_pylist()) == pytest.approx(100)
    some = build_queue(made, EVERYTHING, size=30)
    assert some.figures["repeated"] > 0
    assert len(set(some.record["text_key"].to_pylist())) == 30
    assert ids(everything)[:30] == ids(some)


def test_what_was_given_out_is_not_asked_again(tmp_path):
    made = project(tmp_path / "p", repeat=30)
    first = build_queue(made, EVERYTHING, size=20)
    record_queue(made, first)
    second = build_queue(made, EVERYTHING, size=20)
    record_queue(made, second)
    assert not set(first.record["text_key"].to_pylist()) & set(second.record["text_key"].to_pylist())
    assert ids(build_queue(made, EVERYTHING, size=20, again=True)) == ids(first)
    rest = build_queue(made, EVERYTHING, size=10_000)
    assert rest.tasks.num_rows == 90 - 40
    assert rest.figures["known"] > 0
    record_queue(made, rest)
    with pytest.raises(UsageError, match="no row is left"):
        build_queue(made, EVERYTHING, size=1)


def test_recording_a_queue_twice_is_recording_it_once(tmp_path):
    made = project(tmp_path / "p")
    found = build_queue(made, EVERYTHING, size=20)
    assert record_queue(made, found) == record_queue(made, found)
    assert read_queued(made).num_rows == 20


def test_rows_drawn_at_random_are_shown_without_what_the_system_thinks(tmp_path):
    made = project(tmp_path / "p")
    for task in build_queue(made, EVERYTHING, size=60).tasks.to_pylist():
        if task["picked_by"] == "random":
            assert not task["votes_shown"]
            assert task["suggestion"] is task["votes"] is task["confidence"] is None
        else:
            assert task["votes_shown"]
            assert task["picked_by"] != "uncovered" or (task["votes"], task["suggestion"]) == ("", None)
    blind = project(tmp_path / "q", feedback={"queue": {"blind": "all"}})
    assert not any(build_queue(blind, EVERYTHING, size=60).tasks["votes_shown"].to_pylist())


def test_shares_can_be_configured(tmp_path):
    only = {"entropy": 0, "disagreement": 0, "random": 0, "uncovered": 1}
    made = project(tmp_path / "p", feedback={"queue": only})
    found = build_queue(made, EVERYTHING, size=1000)
    assert set(found.by_reason) == {"uncovered"}
    assert not any(_votes(made, ids(found)))
    assert found.tasks.num_rows == sum(not votes for votes in _table(made).values())


def test_shadow_lfs_do_not_count(tmp_path):
    made = project(tmp_path / "p", lfs={"shadow": ["links"]})
    everything = build_queue(made, EVERYTHING, size=10_000)
    assert everything.tasks.num_rows == 180
    assert not any("links" in (votes or "") for votes in everything.tasks["votes"].to_pylist())


def test_only_partitions_with_picked_rows_are_read(tmp_path):
    made = project(tmp_path / "p", sizes=(20,) * 24)
    small = build_queue(made, EVERYTHING, size=2)
    assert small.figures["partitions"] == 24
    assert small.figures["partitions_read"] <= 13  # a dozen arrivals are looked at, and the next
    assert small.figures["rows"] == 480


def test_a_partition_whose_votes_are_behind_is_left_out_and_said(tmp_path):
    made = project(tmp_path / "p")
    folder = Layout.of(Layout.VOTES, partition("comments", 0))
    votes = made.store.require(folder, "")
    made.store.publish(folder, type(votes)(votes.kind, votes.files, {**votes.inputs, "rows": "others"}, votes.facts))
    found = build_queue(made, EVERYTHING, size=10)
    assert found.figures["rows"] == 120
    assert "1 partitions are left out" in found.warnings[0]


def test_big_patterns_in_doubt_come_before_small_ones_and_before_sure_ones(tmp_path):
    made = Project(make_project(tmp_path / "p", lfs=("a", "b"), label_model={"kind": "majority"}))
    L = np.array([[0, 1]] * 80 + [[1, 1]] * 80 + [[1, 0]] * 8, np.int8)
    vote_on_texts(made, partition("comments", 0), L, [str(i) for i in range(168)], [f"t{i}" for i in range(168)])
    stage_named("merge").refresh(made, EVERYTHING)
    stage_named("fit").refresh(made, EVERYTHING)
    found = build_queue(made, EVERYTHING, size=40)
    doubt = [
        int(name)
        for (_, name), why in zip(ids(found), found.tasks["picked_by"].to_pylist(), strict=True)
        if why == "entropy"
    ]
    assert all(i < 80 or i >= 160 for i in doubt)
    assert sum(i < 80 for i in doubt) > 4 * sum(i >= 160 for i in doubt)


def test_the_end_model_s_objections_are_heard(finished):
    queues = {n: build_queue(finished, EVERYTHING, size=n) for n in (60, 400)}
    assert ids(queues[400])[:60] == ids(queues[60])
    assert queues[400].by_reason["disagreement"] > 0
    assert queues[400].figures["predicted"] > 400
    stands_for = (1 / queues[400].tasks["probability"].to_numpy()).sum()
    assert stands_for == pytest.approx(queues[400].figures["rows"], rel=0.15)


def test_what_the_answers_buy_is_estimated_for_the_selected_rows_only(tmp_path):
    made = project(tmp_path / "p")

    def gain(**selection):
        return estimate_gain(made, build_queue(made, made.select(**selection), size=50))

    everything, part = gain(), gain(streams=["messages"])
    assert 0 < everything.answers < 50
    assert everything.log_loss.low <= everything.log_loss.mean <= everything.log_loss.high
    assert part != everything
