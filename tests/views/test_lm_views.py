"""Label models side by side."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from projects import change_params, run_stages, small_project

from beambell import label_model
from beambell.cli import main
from beambell.cli.lm_text import comparison_text
from beambell.model import evaluate
from beambell.state import FeedbackCounts, PatternCounts
from beambell.views.lm_views import compare

CLASSES = ["ham", "spam"]


def votes(n=400, m=5):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    L = np.where(rng.random((n, m)) < 0.8, y[:, None], 1 - y[:, None]).astype(np.int8)
    L[rng.random((n, m)) < 0.5] = -1
    return L, y


@pytest.fixture(scope="module")
def comparison():
    L, y = votes()
    known = FeedbackCounts.from_labels(L, np.where(np.arange(400) < 200, y, -1), 2)
    feedback = FeedbackCounts.from_labels(L, np.where(np.arange(400) >= 300, y, -1), 2)
    options = {"snorkel": {"n_epochs": 20}}
    return compare(PatternCounts.from_votes(L, 2), CLASSES, known=known, feedback=feedback, options=options)


def test_figures_are_those_of_the_rows(comparison):
    L, y = votes()
    assert comparison.models[0].kind == "dawid_skene"
    assert {model.kind for model in comparison.models} == set(label_model.kinds())
    feedback = FeedbackCounts.from_labels(L, np.where(np.arange(400) >= 300, y, -1), 2)
    covered = (L >= 0).any(axis=1)
    assert (comparison.rows, comparison.covered, comparison.feedback) == (400, covered.sum(), 100)
    judged = covered & (np.arange(400) < 200)
    counts = PatternCounts.from_votes(L, 2)
    weighted = label_model.WeightedVote().fit(counts, feedback)
    majority = label_model.MajorityVote().fit(counts, feedback)
    found = {model.kind: model for model in comparison.models}
    expected = evaluate(y[judged], weighted.predict_proba(L[judged]), classes=CLASSES)
    quality = found["weighted"].quality
    assert quality.rows == judged.sum()
    assert (quality.accuracy, quality.log_loss) == pytest.approx((expected.accuracy, expected.log_loss))
    assert (quality.low, quality.high) == pytest.approx(expected.accuracy_interval)
    same = (weighted.predict(L[covered]) == majority.predict(L[covered])).mean()
    assert found["weighted"].agreement["majority"] == pytest.approx(same)
    assert found["majority"].ties == pytest.approx((majority.predict(L[covered]) == -1).mean())


def test_one_that_cannot_be_fitted_says_why():
    view = compare(PatternCounts.from_votes(votes(50, 2)[0], 2), CLASSES)
    failures = {model.kind: model.failure for model in view.models if model.failure}
    assert list(failures) == ["snorkel"]
    lines = [part for part in comparison_text(view) if isinstance(part, str)]
    assert any("snorkel could not be fitted: it needs at least 3" in line for line in lines)
    assert any("quality cannot be told" in line for line in lines)


OWN = """
from dataclasses import dataclass
from beambell.label_model import MajorityVote, register

@register
@dataclass(eq=False)
class Mine(MajorityVote):
    kind = "mine"
"""


def test_the_command_and_a_label_model_of_ones_own(tmp_path):
    folder = small_project(tmp_path, label_model={"kind": "mine"})
    (folder / "labeling_functions" / "models.py").write_text(OWN)
    change_params(folder, lfs={"modules": ["labeling_functions.spam", "labeling_functions.models"]})
    run_stages(folder, "ingest", "apply", "merge")
    command = [sys.executable, "-m", "beambell"]
    where = ["--project", str(folder), "--json"]
    for stage in ("fit", "label"):  # processes of their own, which have not seen the module
        subprocess.run([*command, stage, *where], capture_output=True, check=True)
    code = f"from beambell import Project; print(type(Project({str(folder)!r}).label_model()).__name__)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "Mine"
    view = json.loads(subprocess.run([*command, "lm", "compare", *where], capture_output=True, check=True).stdout)
    assert view["models"][0]["kind"] == "mine"
    assert {model["kind"] for model in view["models"]} == {*label_model.kinds(), "mine"}
    assert all(0.5 < model["quality"]["accuracy"] <= 1 for model in view["models"])


def test_summary_and_comparison_have_the_same_figures_for_the_same_thing(tmp_path, capfd):
    folder = small_project(tmp_path, label_model={"kind": "majority"})
    run_stages(folder)
    for stream in ("comments", "messages"):  # what is not published is judged by neither
        shutil.rmtree(folder / "data" / "labels" / f"stream={stream}" / "dt=2026-01-02")
    run_stages(folder, "train", "evaluate")
    answers = []
    for words in (["summary"], ["lm", "compare"], ["lm", "compare", "--against", "gold"]):
        with pytest.raises(SystemExit):
            main([*words, "--json", "--project", str(folder)])
        answers.append(json.loads(capfd.readouterr().out))
    for made in answers[1:]:
        (mine,) = [model["quality"] for model in made["models"] if model["kind"] == "majority"]
        for name in ("majority_vote", "labels"):
            theirs = answers[0]["metrics"][name]
            assert mine["rows"] == theirs["rows"]
            for figure in ("accuracy", "log_loss", "calibration_error"):
                assert mine[figure] == pytest.approx(theirs[figure], abs=1e-5), (name, figure)
