"""Churn and collapse: labels that turn though nobody decided anything, and a label model with one answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from projects import change_params
from synthetic import make_project, partition, vote_on_texts

from beambell import Project
from beambell.errors import GateError, UsageError
from beambell.quality.collapse import find_collapse
from beambell.quality.verdict import Verdict
from beambell.stages.deciding import decide_each
from beambell.stages.order import stage_named
from beambell.store import Layout

TO_VERDICT = ("feedback", "screen", "merge", "count", "fit", "label", "validate")
ROWS, WHERE = 2500, partition("comments", 0)


@pytest.fixture
def folder(tmp_path):
    """A project with one partition of published labels, by the majority of two LFs."""
    folder = make_project(tmp_path / "project", gate={"min_coverage": 0.0})
    rng = np.random.default_rng(0)
    L = np.full((ROWS, 4), -1, np.int8)
    L[:, 0] = rng.integers(0, 2, ROWS)
    L[rng.random(ROWS) < 0.3, 1] = 1
    ids = [f"row{i}" for i in range(ROWS)]
    vote_on_texts(Project(folder), WHERE, L, ids, [f"text {i}" for i in range(ROWS)])
    run(folder)
    return folder


def run(folder):
    project = Project(folder)
    return {name: stage_named(name).refresh(project, project.select()) for name in TO_VERDICT}


def answer(folder, share):
    """Let somebody say the opposite of what is published, of a share of the rows."""
    change_params(Path(folder), feedback={"inputs": ["said.csv"], "evaluate": 0.0})
    labels = Project(folder).labels("comments", WHERE.dt)
    lines = [
        f"comments,{row.id},{('ham', 'spam')[1 - row.label]},mallory,2026-02-01T00:00:00Z"
        for row in labels[labels["label"] >= 0].head(int(len(labels) * share)).itertuples()
    ]
    (Path(folder) / "said.csv").write_text("\n".join(["stream,row_id,label,reviewer,time", *lines]))


def files(folder):
    return Project(folder).store.read(Layout.of(Layout.LABELS, WHERE)).files


def judged(folder):
    return Verdict.from_dict(Project(folder).store.read(Layout.of(Layout.VERDICTS, WHERE)).facts)


def test_many_labels_that_turn_by_answers_are_refused_until_somebody_accepts(folder):
    before = files(folder)
    answer(folder, 0.4)
    with pytest.raises(GateError):
        run(folder)
    (finding,) = judged(folder).critical
    assert finding.check == "churn"
    assert "feedback" in finding.message
    assert files(folder) == before
    project = Project(folder)
    assert not stage_named("validate").plan(project, project.select()).tasks  # it is judged once
    decide_each(project, "accept", "comments", reason="mallory was right")
    with pytest.raises(UsageError, match="accepted by"):
        decide_each(project, "accept", "comments", reason="so say I")
    run(folder)
    assert files(folder) != before


def test_what_may_turn_is_said_all_the_same(folder):
    answer(folder, 0.05)
    change_params(Path(folder), gate={"max_churn": 1.0})
    outcome = run(folder)["validate"]
    assert any("published labels turn (feedback" in warning for warning in outcome.warnings)
    assert judged(folder).passed


def test_what_somebody_edited_may_turn_what_it_does(folder):
    change_params(Path(folder), lfs={"shadow": ["caps"]})
    outcome = run(folder)["validate"]
    assert any("other labeling functions or parameters" in warning for warning in outcome.warnings)
    assert judged(folder).passed


MAJORITIES = {"ham": (700.0, 1000.0), "spam": (300.0, 1000.0)}


def test_one_class_for_all_is_a_collapse_where_votes_say_otherwise():
    (finding,) = find_collapse({"ham": 1200, "spam": 0}, MAJORITIES)
    assert finding.blocks
    assert "ham" in finding.message


@pytest.mark.parametrize(
    ("labels", "majorities"),
    [
        ({"ham": 900, "spam": 300}, MAJORITIES),
        ({"ham": 1200, "spam": 0}, {"ham": (990.0, 1000.0), "spam": (10.0, 1000.0)}),
        ({"ham": 12, "spam": 0}, {"ham": (7.0, 10.0), "spam": (3.0, 10.0)}),
        ({"ham": 0, "spam": 0}, MAJORITIES),
        ({"ham": 1200, "spam": 0}, {}),
    ],
)
def test_what_is_no_collapse(labels, majorities):
    assert find_collapse(labels, majorities) == ()
