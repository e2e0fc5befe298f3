"""The policy of promotion: bounds on figures, each judged by itself. Pure functions, no artefacts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from beambell.config.models import PromotionParams

LOWER_IS_BETTER = frozenset({"log_loss", "brier"})


@dataclass(frozen=True)
class Check:
    """One bound, and whether it holds.

    Attributes
    ----------
    name, passed
        Name of the bound, and whether it holds.
    message
        The figure and the bound, for people.
    """

    name: str
    passed: bool
    message: str


def gain(metric: str, challenger: float, champion: float) -> float:
    """Return by how much a figure is better than the other, whichever way the metric goes."""
    difference = champion - challenger if metric in LOWER_IS_BETTER else challenger - champion
    return round(difference, 6)


def judge(evidence: Mapping[str, Any], refused: Collection[str], params: PromotionParams) -> tuple[Check, ...]:
    """Judge a version by what is known of it.

    Parameters
    ----------
    evidence
        Figures as `beambell.stages.promote.gather` makes them: ``rows``, the figures of ``challenger`` and ``champion``
        on them, and the interval of the ``gain``.
    refused
        Partitions it was trained on that the gate refuses now.
    params
        The bounds.
    """
    rows, metric = evidence["rows"], params.metric
    mine, theirs = evidence["challenger"], evidence["champion"]
    checks = [
        Check(
            "gate", not refused, f"the gate refuses {_some(refused)}" if refused else "the gate passes what it learnt"
        ),
        Check(
            "rows", rows >= params.min_rows, f"{rows} gold rows to judge by, at least {params.min_rows} are asked for"
        ),
    ]
    if metric not in mine:
        return (*checks, Check("metric", passed=False, message=f"there is no {metric} of it"))
    if params.floor is not None:
        sign = -1 if metric in LOWER_IS_BETTER else 1
        bound = "at most" if sign < 0 else "at least"
        message = f"{metric} {mine[metric]:.4f}, {bound} {params.floor:g} is asked for"
        checks.append(Check("floor", sign * mine[metric] >= sign * params.floor, message))
    if theirs is not None and metric in theirs:
        better = gain(metric, mine[metric], theirs[metric])
        message = f"{metric} {mine[metric]:.4f}, the champion's {theirs[metric]:.4f}; asked for is {params.min_gain:+g}"
        checks.append(Check("gain", better >= params.min_gain, message))
        checks += _beyond_chance(evidence.get("gain"), params)
        checks += _recalls(mine["classes"], theirs["classes"], params.max_recall_drop)
    return tuple(checks)


def _beyond_chance(gain: Mapping[str, Any] | None, params: PromotionParams) -> list[Check]:
    """Say whether chance may hide a loss: of few rows, or of versions that disagree on many."""
    if gain is None or params.tolerance is None:
        return []
    allowed = max(params.tolerance, -params.min_gain)  # who lets a version be worse means it
    between = f"between {gain['lower']:+.4f} and {gain['upper']:+.4f}"
    message = (
        f"on {gain['rows']} rows the difference in {params.metric} lies {between} (90 %); a loss of at most "
        f"{allowed:g} is tolerated"
    )
    return [Check("chance", gain["lower"] >= -allowed, message)]


def _recalls(mine: Mapping[str, Any], theirs: Mapping[str, Any], bound: float) -> list[Check]:
    checks = []
    for name in mine:
        before, now = theirs[name]["recall"], mine[name]["recall"]
        message = f"recall of {name} {now:.4f}, the champion's {before:.4f}; it may lose {bound:g}"
        checks.append(Check(f"recall of {name}", round(before - now, 6) <= bound, message))
    return checks


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
