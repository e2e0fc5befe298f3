"""The policy of promotion: each bound is met by what lies on it, and missed by what lies beyond."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beambell.config.models import PromotionParams
from beambell.registry.policy import gain, judge


def figures(value: float = 0.9, *, metric: str = "accuracy", recall: float = 0.8) -> dict[str, Any]:
    return {metric: value, "classes": {"spam": {"recall": recall}}}


def failed(evidence: dict[str, Any], refused: tuple[str, ...] = (), **params: Any) -> list[str]:
    """Names of the checks that fail."""
    said = {"rows": 100, "champion": None, **evidence}
    checks = judge(said, refused, PromotionParams(**{"metric": "accuracy", "min_rows": 50, **params}))
    return [check.name for check in checks if not check.passed]


def test_a_first_version_on_enough_rows_passes():
    assert failed({"challenger": figures()}) == []


@pytest.mark.parametrize(("rows", "wrong"), [(49, ["rows"]), (50, []), (51, [])])
def test_rows(rows, wrong):
    assert failed({"challenger": figures(), "rows": rows}) == wrong


def test_a_version_that_learnt_what_the_gate_refuses_now_fails():
    assert failed({"challenger": figures()}, ("comments/2026-01-03",)) == ["gate"]


def test_a_metric_that_nobody_measured_fails():
    assert failed({"challenger": {"classes": {}}}) == ["metric"]


@pytest.mark.parametrize(("metric", "good", "bad"), [("accuracy", 0.8, 0.79), ("log_loss", 0.8, 0.81)])
def test_a_floor_is_a_ceiling_where_less_is_better(metric, good, bad):
    assert failed({"challenger": figures(good, metric=metric)}, metric=metric, floor=0.8) == []
    assert failed({"challenger": figures(bad, metric=metric)}, metric=metric, floor=0.8) == ["floor"]


@pytest.mark.parametrize(("now", "wrong"), [(0.91, []), (0.9099, ["gain"])])
def test_the_gain_over_the_champion(now, wrong):
    evidence = {"challenger": figures(now), "champion": figures(0.9)}
    assert failed(evidence, min_gain=0.01) == wrong


@pytest.mark.parametrize(("now", "wrong"), [(0.75, []), (0.7499, ["recall of spam"])])
def test_the_recall_of_a_class_may_fall_so_far(now, wrong):
    evidence = {"challenger": figures(0.95, recall=now), "champion": figures(0.9, recall=0.8)}
    assert failed(evidence, max_recall_drop=0.05) == wrong


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_gain_is_a_loss_seen_from_the_other_side(a, b):
    for metric in ("accuracy", "log_loss"):
        assert gain(metric, a, b) == -gain(metric, b, a)
    assert gain("accuracy", a, b) == -gain("log_loss", a, b)


@pytest.mark.parametrize(
    ("lower", "tolerance", "wrong"), [(-0.02, 0.02, []), (-0.021, 0.02, ["chance"]), (-0.5, None, [])]
)
def test_chance_may_hide_no_more_than_is_tolerated(lower, tolerance, wrong):
    evidence = {"challenger": figures(0.91), "champion": figures(0.9)}
    evidence["gain"] = {"lower": lower, "upper": 0.05, "rows": 100, "method": "bootstrap"}
    assert failed(evidence, tolerance=tolerance) == wrong
