"""Promotion: by policy on the same rows, by people with their names, and back again; decisions are never changed."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from projects import change_params, run_stages, small_project, tree_bytes

from beambell import Project
from beambell.artefacts.verify import verify
from beambell.cli import main
from beambell.config.models import PromotionParams
from beambell.errors import GateError, RegistryError, UsageError
from beambell.registry import Decision, champion, decisions, judge, past_champions
from beambell.stages import promote
from beambell.store import Manifest

ANN = {"by": "ann", "reason": "she looked at the errors"}
GOOD, POOR = {"C": 10.0, "features": 2**18}, {"C": 1e-4, "features": 256}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A project with one registered version, not decided about; not to be changed."""
    folder = small_project(tmp_path_factory.mktemp("promote"), label_model={"kind": "majority"})
    change_params(folder, promotion={"mode": "off", "min_rows": 10})
    run_stages(folder)
    change_params(folder, promotion={"mode": "policy"})
    return folder


@pytest.fixture
def project(first, tmp_path):
    return shutil.copytree(first, tmp_path / "project")


def another(folder, **model):
    """Register one more version, trained with other parameters."""
    change_params(folder, model=model)
    run_stages(folder, "train", "evaluate", "register")


def served(folder):
    best = champion(Project(folder), "spam")
    return best.name if best else None


def actions(folder):
    return [(d.action, d.version, d.by) for d in decisions(Project(folder), "spam")]


def by_policy(folder):
    return run_stages(folder, "promote")["promote"]


def test_the_first_version_that_meets_the_policy_is_promoted_once(project):
    assert [task.key for task in promote.plan(Project(project)).tasks] == ["spam@v1"]
    assert served(project) is None
    assert by_policy(project).figures["champion"] == "spam@v1"
    before = tree_bytes(project / "data")
    again = by_policy(project)
    assert (again.done, again.current) == (0, 1)
    assert promote.plan(Project(project)).tasks == ()
    assert tree_bytes(project / "data") == before
    (decision,) = decisions(Project(project), "spam")
    assert (decision.by, decision.at, decision.before) == (None, None, None)
    assert decision.evidence["rows"] >= 10
    assert verify(Project(project).store, deep=True).errors == ()


def test_a_worse_version_is_held_and_the_record_says_why(project):
    by_policy(project)
    another(project, **POOR)
    outcome = by_policy(project)
    assert served(project) == "spam@v1"
    assert actions(project)[1] == ("hold", "spam@v2", None)
    held = decisions(Project(project), "spam")[1]
    assert "the champion's" in held.reason
    assert held.evidence["only_champion_right"] > held.evidence["only_challenger_right"]
    assert outcome.figures["champion"] == "spam@v1"
    assert by_policy(project).done == 0  # nothing changed, so nothing is decided again

    change_params(project, promotion={"min_gain": -1.0, "max_recall_drop": 1.0})
    assert by_policy(project).figures["champion"] == "spam@v2"


def test_both_versions_are_judged_by_the_rows_that_both_saw(project):
    by_policy(project)
    another(project, C=9.0)
    opened = Project(project)
    evidence, _ = promote.judge_version(opened, promote.named_version(opened, "v2"))
    rows = evidence["challenger"]["rows"]
    assert rows == evidence["champion"]["rows"] == evidence["rows"] > 10
    again = promote.gather(opened, promote.named_version(opened, "v1"), None)
    assert again["challenger"] == evidence["champion"]


def test_what_a_person_declines_the_policy_leaves_alone(project):
    by_policy(project)
    another(project, C=9.0)
    promote.decline(Project(project), "spam@v2", **ANN)
    assert promote.decline(Project(project), "v2", **ANN).done == 0
    change_params(project, promotion={"min_gain": -1.0, "max_recall_drop": 1.0})
    assert by_policy(project).done == 0
    assert served(project) == "spam@v1"
    with pytest.raises(UsageError, match="is the champion"):
        promote.decline(Project(project), "v1", **ANN)

    promote.promote(Project(project), "v2", by="bob", reason="second thoughts", at="2026-01-09T08:00:00Z")
    assert served(project) == "spam@v2"
    assert actions(project)[-2:] == [("decline", "spam@v2", "ann"), ("promote", "spam@v2", "bob")]
    assert decisions(Project(project), "spam")[-1].at == "2026-01-09T08:00:00Z"


def test_a_person_needs_an_override_for_what_the_policy_refuses(project):
    by_policy(project)
    another(project, **POOR)
    with pytest.raises(GateError, match="says no to spam@v2"):
        promote.promote(Project(project), None, **ANN)
    assert served(project) == "spam@v1"
    promote.promote(Project(project), None, override=True, **ANN)
    assert served(project) == "spam@v2"
    assert decisions(Project(project), "spam")[-1].evidence["override"] is True


def test_a_rollback_goes_one_back_and_the_policy_does_not_undo_it(project):
    by_policy(project)
    with pytest.raises(UsageError, match="no champion to go back to"):
        promote.rollback(Project(project), None, **ANN)
    another(project, C=9.0)
    promote.promote(Project(project), None, override=True, **ANN)
    records = {name: data for name, data in tree_bytes(project / "data").items() if name.startswith("decisions/")}
    promote.rollback(Project(project), None, **ANN)
    assert served(project) == "spam@v1"
    assert by_policy(project).done == 0
    assert promote.rollback(Project(project), "spam@v1", **ANN).done == 0  # repeated by name: harmless
    now = tree_bytes(project / "data")
    assert {name: now[name] for name in records} == records
    with pytest.raises(RegistryError, match="no version 7"):
        promote.rollback(Project(project), "v7", **ANN)


def test_with_approval_the_policy_proposes_and_a_person_decides(project):
    change_params(project, promotion={"mode": "approval"})
    outcome = by_policy(project)
    assert (outcome.done, outcome.figures["proposed"]) == (0, "spam@v1")
    assert served(project) is None
    plan = promote.plan(Project(project))
    assert (plan.tasks, [task.key for task in plan.waiting]) == ((), ["spam@v1"])
    promote.promote(Project(project), "spam@v1", **ANN)
    assert "proposed" not in by_policy(project).figures


def test_what_the_gate_refuses_now_is_not_promoted(project):
    change_params(project, gate={"min_coverage": 0.9999})
    with pytest.raises(GateError):
        run_stages(project, "validate")
    by_policy(project)
    assert actions(project) == [("hold", "spam@v1", None)]
    assert "the gate refuses" in decisions(Project(project), "spam")[0].reason
    change_params(project, gate={"min_coverage": 0.3})
    run_stages(project, "validate")
    assert by_policy(project).figures["champion"] == "spam@v1"


def test_the_commands(project, capsys, monkeypatch):
    monkeypatch.chdir(project)

    def beambell(*words):
        with suppress(SystemExit):
            main(words)
        return capsys.readouterr().out

    seen = json.loads(beambell("models", "promote", "--by", "ann", "--reason", "look", "--dry-run", "--json"))
    assert (seen["figures"]["version"], seen["figures"]["policy"]) == ("spam@v1", "yes")
    assert served(project) is None
    answer = beambell("models", "promote", "--by", "ann", "--reason", "first", "--json")
    assert json.loads(answer)["figures"]["champion"] == "spam@v1"
    listed = json.loads(beambell("models", "list", "--json"))
    assert [(view["name"], view["stage"]) for view in listed] == [("spam@v1", "prod")]
    shown = json.loads(beambell("models", "show", "--json"))
    assert shown["decisions"][0]["reason"] == "first"
    assert "is served" in beambell("models", "show")
    refused = beambell("models", "rollback", "--by", "ann", "--reason", "x", "--json")
    assert json.loads(refused)["kind"] == "UsageError"
    assert "decision promote spam@v1" in beambell("lineage", "spam@v1")


# -- a person's decision lasts -------------------------------------------------------------------------------------

WORSE, BETTER = {"min_gain": 1.0}, {"min_gain": -1.0, "max_recall_drop": 1.0}
"""Policies that no newer version meets, and that any does: which of two models is better is not the matter here."""


@pytest.fixture(scope="module")
def three(first, tmp_path_factory):
    """Three versions: the first by policy, the third newest, and by the policy better; not to be changed."""
    folder = shutil.copytree(first, tmp_path_factory.mktemp("lasts") / "project")
    by_policy(folder)
    for C in (9.0, 8.0):
        another(folder, C=C)
    change_params(folder, promotion=BETTER)
    return folder


BOB = {"by": "bob", "reason": "legal asked for it"}
PERSONS = {
    "override": (lambda p: [promote.promote(p, "v1", override=True, **BOB)], "spam@v1"),
    "rollback": (lambda p: [promote.rollback(p, None, **BOB)], "spam@v1"),
    "rollback by name": (lambda p: [promote.rollback(p, "v2", **BOB)], "spam@v2"),
    "two overrides in a row": (
        lambda p: [promote.promote(p, name, override=True, **BOB) for name in ("v1", "v2")],
        "spam@v2",
    ),
    "override, then rollback": (
        lambda p: [promote.promote(p, "v2", override=True, **ANN), promote.rollback(p, None, **BOB)],
        "spam@v3",
    ),
    "promoted, and the newest declined": (
        lambda p: [promote.promote(p, "v2", override=True, **BOB), promote.decline(p, "v3", **ANN)],
        "spam@v2",
    ),
}


@pytest.mark.parametrize("mode", ["policy", "approval"])
@pytest.mark.parametrize("case", PERSONS)
def test_a_persons_decision_holds_until_a_newer_version_passes(three, tmp_path, case, mode):
    project = shutil.copytree(three, tmp_path / "project")
    by_policy(project)
    assert served(project) == "spam@v3"  # by policy, and better by its measure than those before
    decide, name = PERSONS[case]
    decide(Project(project))
    change_params(project, promotion={"mode": mode})

    def holds():
        outcome = by_policy(project)
        plan = promote.plan(Project(project))
        assert (served(project), outcome.done, outcome.figures.get("proposed")) == (name, 0, None)
        assert (plan.tasks, plan.waiting) == ((), ())
        assert "bob" in outcome.figures["held"]
        assert "legal asked for it" in plan.notes[0]
        assert "after spam@v3" in plan.notes[0]

    holds()
    change_params(project, promotion={"min_rows": 11})  # another policy, with the versions of then
    holds()
    another(project, C=7.0)
    change_params(project, promotion=WORSE)
    by_policy(project)
    assert served(project) == name  # a newer one, but it does not pass
    assert actions(project)[-1] == ("hold", "spam@v4", None)
    change_params(project, promotion=BETTER)
    if mode == "approval":
        assert by_policy(project).figures["proposed"] == "spam@v4"
        return
    assert by_policy(project).figures["champion"] == "spam@v4"
    assert "held" not in by_policy(project).figures


def test_decisions_that_do_not_say_what_was_registered_then_last_as_well(three, tmp_path):
    """Records of before `newest` was one of their facts: names and the ages of files tell."""
    project = shutil.copytree(three, tmp_path / "project")
    change_params(project, promotion={"mode": "off"})
    by_policy(project)
    promote.promote(Project(project), "v1", **ANN)  # it is: nothing is recorded
    promote.promote(Project(project), "v2", override=True, **ANN)
    for path in (project / "data" / "decisions").rglob("manifest.json"):
        manifest = json.loads(path.read_text()) | {"id": ""}  # it has another, without that fact
        del manifest["facts"]["newest"]
        Project(project).store.publish(
            path.parent.relative_to(project / "data").as_posix(), Manifest.from_tree(manifest)
        )
    change_params(project, promotion={"mode": "policy"})
    assert by_policy(project).done == 0
    assert served(project) == "spam@v2"
    time.sleep(0.05)
    another(project, C=7.0)
    assert by_policy(project).figures["champion"] == "spam@v4"


def test_status_and_the_list_say_whose_decision_holds(three, tmp_path, capsys):
    project = shutil.copytree(three, tmp_path / "project")
    promote.promote(Project(project), "v2", at="on Monday", override=True, **BOB)
    for words in (("status",), ("models", "list"), ("promote",), ("status", "--json"), ("models", "list", "--json")):
        with suppress(SystemExit):
            main([*words, "--project", str(project)])
        out = capsys.readouterr().out
        assert "spam@v2 is the champion by bob's promotion, on Monday (legal asked for it)" in out


# -- laws --------------------------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.sampled_from(["promote", "rollback", "hold", "decline"]), st.integers(1, 5)))


@given(STEPS)
def test_the_champion_is_what_was_promoted_or_gone_back_to_last(steps):
    made = [Decision("m", n, action, f"m@v{v}", None, "ann", None, "", {}) for n, (action, v) in enumerate(steps)]
    stack = past_champions(made)
    moves = [v for action, v in steps if action in {"promote", "rollback"}]
    assert stack[-1:] == moves[-1:]
    assert len(set(stack)) == len(stack)


FIGURES = st.floats(0, 1).map(lambda x: round(x, 6))


@given(FIGURES, FIGURES, FIGURES, st.sampled_from(["accuracy", "log_loss"]))
def test_no_version_that_is_worse_by_more_than_allowed_passes(mine, theirs, allowed, metric):
    def figures(value):
        return {metric: value, "classes": {"ham": {"recall": 0.5}}}

    evidence = {"rows": 100, "challenger": figures(mine), "champion": figures(theirs)}
    checks = judge(evidence, (), PromotionParams(metric=metric, min_gain=-allowed))
    better = theirs - mine if metric == "log_loss" else mine - theirs
    assert all(check.passed for check in checks) == (round(better, 6) >= -allowed)


def test_a_floor_holds_for_the_first_version_too():
    evidence = {"rows": 100, "challenger": {"accuracy": 0.8, "classes": {}}, "champion": None}
    (failed,) = [c for c in judge(evidence, (), PromotionParams(metric="accuracy", floor=0.9)) if not c.passed]
    assert "at least 0.9" in failed.message
