"""``beambell gate`` as a person types it: what was found, and decisions that are kept, refused and acted on."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from synthetic import make_project, partition, vote_on_texts

from beambell import Project
from beambell.cli import main
from beambell.errors import GateError, UsageError
from beambell.stages.deciding import decide
from beambell.stages.order import stage_named
from beambell.store import Layout

DAYS = 8
LAST = partition("comments", DAYS - 1)
TO_VERDICT = ("screen", "merge", "fit", "label", "validate")


def deliver(folder, day, rows):
    rng, where = np.random.default_rng(day), partition("comments", day)
    L = np.where(rng.random((rows, 4)) < 0.4, rng.integers(0, 2, (rows, 1)), -1).astype(np.int8)
    ids = [f"{where}-{i}" for i in range(rows)]
    vote_on_texts(Project(folder), where, L, ids, [f"text {day} {i}" for i in range(rows)])


def run(folder):
    project = Project(folder)
    for name in TO_VERDICT:
        stage_named(name).refresh(project, project.select())


@pytest.fixture
def folder(tmp_path):
    """A project whose last day misses most of its rows."""
    folder = make_project(tmp_path / "project")
    for day in range(DAYS):
        deliver(folder, day, 60 if day == DAYS - 1 else 400)
    with pytest.raises(GateError):
        run(folder)
    return folder


@pytest.fixture
def command(folder, capsys):
    def command(*words):
        try:
            main([*words, "--project", str(folder)])
        except SystemExit as end:
            return end.code, capsys.readouterr()
        raise AssertionError

    return command


def test_a_refused_partition_is_listed_with_its_finding(command):
    code, said = command("gate", "list", "--json")
    assert code == 0
    (view,) = [view for view in json.loads(said.out) if not view["passed"]]
    assert view["partition"] == str(LAST)
    assert view["in_state"] is False
    assert "volume" in {finding["check"] for finding in view["findings"]}
    _, said = command("gate", "show", str(LAST))
    assert "the number of rows is 60" in said.out
    assert "what to do" in said.out
    _, said = command("validate", "--explain")
    assert "the number of rows is 60" in said.out


def test_what_is_accepted_passes_and_counts(folder, command):
    code, said = command("gate", "accept", str(LAST), "--reason", "a holiday", "--json")
    made = json.loads(said.out)
    assert (code, made["action"], made["reason"]) == (0, "accept", "a holiday")
    assert None not in (made["by"], made["at"])
    run(folder)
    assert Project(folder).store.read(Layout.of(Layout.LABELS, LAST))
    _, said = command("gate", "show", str(LAST), "--json")
    view = json.loads(said.out)
    assert view["now"]["in_state"] is view["now"]["passed"] is True
    assert [past["passed"] for past in view["past"]] == [False]  # the verdict of before is readable


def test_what_changed_meanwhile_is_not_accepted(folder, command):
    deliver(folder, DAYS - 1, 50)
    code, said = command("gate", "accept", str(LAST), "--reason", "a holiday")
    assert code == 2
    assert "changed since it was judged" in said.err
    with pytest.raises(GateError):
        run(folder)
    code, said = command("gate", "accept", str(LAST), "--reason", "a holiday", "--verdict", "0000")
    assert "judged again" in said.err


def test_an_acceptance_is_of_the_rows_that_were_seen(folder):
    decide(Project(folder), "accept", str(LAST), reason="a holiday")
    deliver(folder, DAYS - 1, 40)
    with pytest.raises(GateError):
        run(folder)


def test_of_two_who_accept_at_once_one_is_told_of_the_other(folder):
    ends: list[object] = []

    def accept(who):
        try:
            ends.append(decide(Project(folder), "accept", str(LAST), reason="so say I", by=who))
        except UsageError as error:
            ends.append(error)

    both = [threading.Thread(target=accept, args=(who,)) for who in ("ann", "bob")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    (refused,) = [end for end in ends if isinstance(end, UsageError)]
    assert "accepted by" in str(refused)


def test_what_passed_can_be_rejected(folder, command):
    where = str(partition("comments", 2))
    code, _ = command("gate", "reject", where, "--reason", "the exporter was broken")
    assert code == 0
    with pytest.raises(GateError) as error:
        run(folder)
    assert where in error.value.details["refused"]


@pytest.mark.parametrize("where", ["comments", "nobody/2026-01-01", "comments/2031-01-01", "comments/today"])
def test_what_cannot_be_decided_is_refused(command, where):
    code, _ = command("gate", "reject", where, "--reason", "x")
    assert code == 2
