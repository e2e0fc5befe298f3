"""Promote: the newest version takes the champion's place, by policy or because a person says so; and back again."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from beambell.artefacts.kinds.labels import Verdict
from beambell.config.formats import with_format
from beambell.errors import GateError, UsageError
from beambell.model import evaluate
from beambell.project import Project
from beambell.registry import (
    Check,
    Decision,
    ModelVersion,
    assign_stage,
    champion,
    decision_inputs,
    decisions,
    judge,
    last_by_policy,
    named_version,
    newest,
    past_champions,
    record,
    standing,
    what_holds,
)
from beambell.registry.paired import gain_interval
from beambell.stages.stage import Outcome, Plan, Task
from beambell.store import Layout, digest
from beambell.store.tables import read_table

STAGE = "promote"


@dataclass(frozen=True)
class Proposal:
    """A version that the policy has something to decide about.

    Attributes
    ----------
    version
        Version that may become the champion.
    evidence
        Measures of the version and of the champion, as a decision records them.
    checks
        Checks of the policy, each passed or not.
    """

    version: ModelVersion
    evidence: dict[str, Any]
    checks: tuple[Check, ...]

    @property
    def passes(self) -> bool:
        """Whether the policy says yes."""
        return all(check.passed for check in self.checks)


def plan(project: Project) -> Plan[Proposal | None]:
    """Say whether there is a version to decide about, and whether that waits for a person."""
    version = newest(project, project.params.model.name)
    if version is None:
        return Plan(STAGE)
    reason = _undecided(project, version)
    notes = (held,) if (held := what_holds(decisions(project, version.model))) else ()
    if reason is None:
        return Plan(STAGE, current=1, notes=notes)
    proposal = Proposal(version, *judge_version(project, version))
    if project.params.promotion.mode != "approval" or not proposal.passes:
        return Plan(STAGE, (Task(version.name, reason),), notes=notes, work=proposal)
    waits = Task(version.name, "meets the policy; waits for a person: `beambell models promote` or `decline`")
    return Plan(STAGE, (), 0, (waits,), notes=notes, work=proposal)


def outer_inputs(project: Project) -> dict[str, Any]:
    """Return what the stage reads that no other stage makes."""
    params = project.params
    return {**params.in_force("promotion"), "model": params.model.name, **params.names()}


def run(project: Project, plan: Plan[Proposal | None]) -> Outcome:
    """Decide about the newest version, unless it was decided about already."""
    proposal = plan.work
    if proposal is None:
        version = newest(project, project.params.model.name)
        return _outcome(project, version, 0) if version else Outcome(STAGE)
    if plan.waiting:
        return _outcome(project, proposal.version, 0, proposed=proposal.version.name)
    _record_policy(project, proposal)
    return _outcome(project, proposal.version, 1)


def promote(
    project: Project,
    name: str | None,
    *,
    by: str,
    reason: str,
    at: str | None = None,
    override: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Make a version the champion because a person says so.

    Parameters
    ----------
    name
        ``spam@v3``, ``v3`` or ``3``; the newest if ``None``.
    by, reason, at
        Person who decides, the reason, and the time if it matters: all of it goes on record.
    override
        Promote what the policy would not.
    dry_run
        Whether only what speaks for it and against it is said, and nothing changed.

    Raises
    ------
    GateError
        If the policy says no, and nobody overrides it.
    """
    with project.writing():
        version, before = named_version(project, name), champion(project, project.params.model.name)
        evidence, checks = judge_version(project, version)
        if dry_run:
            return _preview(project, version, before, evidence, checks)
        if before and before.number == version.number:
            return _outcome(project, version, 0)
        failed = [check.message for check in checks if not check.passed]
        if failed and not override:
            raise GateError(
                f"the policy of promotion says no to {version.name}: {'; '.join(failed)}",
                where="promotion in params.yaml",
                fix="leave the champion as it is, or promote all the same with --override",
            )
        evidence = {**evidence, "override": True} if failed else evidence
        _record(project, "promote", version, before, evidence, by=by, reason=reason, at=at)
        return _outcome(project, version, 1)


def decline(project: Project, name: str | None, *, by: str, reason: str, at: str | None = None) -> Outcome:
    """Leave the champion as it is because a person says so; the policy does not promote that version any more.

    Raises
    ------
    UsageError
        If that version is the champion: it has to be rolled back.
    """
    with project.writing():
        version, before = named_version(project, name), champion(project, project.params.model.name)
        if before and before.number == version.number:
            raise UsageError(f"{version.name} is the champion", fix="roll it back: `beambell models rollback`")
        if _by_person(project, version):
            return _outcome(project, version, 0)
        evidence, _ = judge_version(project, version)
        _record(project, "decline", version, before, evidence, by=by, reason=reason, at=at)
        return _outcome(project, version, 1)


def rollback(
    project: Project, name: str | None, *, by: str, reason: str, at: str | None = None, dry_run: bool = False
) -> Outcome:
    """Make an earlier version the champion again.

    Parameters
    ----------
    name
        Name of the version; ``None`` for the champion before this one. Name it where a command may be repeated: twice
        the one before goes back two.
    dry_run
        Whether only the version is named that it would be, and nothing changed.

    Raises
    ------
    UsageError
        If there is no champion, or none before it.
    """
    with project.writing():
        model = project.params.model.name
        before = champion(project, model)
        version = named_version(project, name) if name else _previous(project)
        evidence = gather(project, version, before)
        if dry_run:
            return _preview(project, version, before, evidence, ())
        if before and before.number == version.number:
            return _outcome(project, version, 0)
        _record(project, "rollback", version, before, evidence, by=by, reason=reason, at=at)
        return _outcome(project, version, 1)


def _previous(project: Project) -> ModelVersion:
    model = project.params.model.name
    stack = past_champions(decisions(project, model))
    if len(stack) < 2:
        raise UsageError(
            f"{model} has no champion to go back to",
            where=", ".join(f"v{number}" for number in stack) or "no version was promoted yet",
            fix="name a version: `beambell models rollback --to v1`; `beambell models list` shows them",
        )
    return named_version(project, str(stack[-2]))


# -- evidence ------------------------------------------------------------------------------------------------------


def judge_version(project: Project, version: ModelVersion) -> tuple[dict[str, Any], tuple[Check, ...]]:
    """Gather what speaks for a version and against it, and judge it by the policy."""
    evidence = gather(project, version, champion(project, version.model))
    checks = judge(evidence, refused_partitions(project, version), project.params.promotion)
    return {**evidence, "checks": [asdict(check) for check in checks]}, checks


def gather(project: Project, version: ModelVersion, against: ModelVersion | None) -> dict[str, Any]:
    """Measure two versions on the gold rows that both were judged by.

    Returns
    -------
    dict
        ``rows``; ``challenger`` and ``champion``, each with its figures (``champion`` is ``None`` without one); and
        how many rows only one of them has right, and the interval of the gain in the metric of the policy.
    """
    mine = _predictions(project, version)
    theirs = _predictions(project, against) if against and against.number != version.number else None
    if theirs is None or mine is None:
        return {"rows": mine.num_rows if mine else 0, "challenger": _measure(project, mine), "champion": None}
    mine, theirs = _same_rows(mine, theirs)
    right = [_right(table) for table in (mine, theirs)]
    return {
        "rows": mine.num_rows,
        "challenger": _measure(project, mine),
        "champion": _measure(project, theirs),
        "against": against.name if against else None,
        "only_challenger_right": int((right[0] & ~right[1]).sum()),
        "only_champion_right": int((right[1] & ~right[0]).sum()),
        "gain": _gain(project, mine, theirs),
    }


def _gain(project: Project, mine: pa.Table, theirs: pa.Table) -> dict[str, Any] | None:
    """Bound the gain in the metric of the policy; ``None`` where nothing can be said."""
    names, y = project.params.classes, mine["label"].to_numpy().astype(np.int64)
    found = gain_interval(project.params.promotion.metric, y, _proba(mine, names), _proba(theirs, names))
    if found is None:
        return None
    return {**asdict(found), "lower": round(found.lower, 6), "upper": round(found.upper, 6)}


def refused_partitions(project: Project, version: ModelVersion) -> list[str]:
    """List the partitions a version was trained on that the gate refuses now."""
    learnt = version.lineage["labels"]
    verdicts = project.store.partitions(Layout.VERDICTS)
    return [str(p) for p, verdict in verdicts.items() if str(p) in learnt and not Verdict.of(verdict).passed]


def _predictions(project: Project, version: ModelVersion) -> pa.Table | None:
    """Gold rows with what a version said of them; ``None`` if there are none, or their classes are others."""
    ref = version.manifest.files.get("predictions")
    if ref is None:
        return None
    table = read_table(project.store, version.folder, ref)
    fits = {f"p_{name}" for name in project.params.classes} == {n for n in table.column_names if n.startswith("p_")}
    return table if fits and table.num_rows else None


def _same_rows(mine: pa.Table, theirs: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Rows of both, in one order; rows without an id are known by their turn. The newer gold label counts."""
    at = {key: row for row, key in enumerate(_keys(theirs))}
    pairs = [(row, at[key]) for row, key in enumerate(_keys(mine)) if key in at]
    left = mine.take(pa.array([row for row, _ in pairs], pa.int64()))
    right = theirs.take(pa.array([row for _, row in pairs], pa.int64()))
    return left, right.set_column(right.schema.get_field_index("label"), "label", left["label"])


def _keys(table: pa.Table) -> list[tuple[str, str, int]]:
    seen: Counter[tuple[str, str]] = Counter()
    keys = []
    for key in zip(table["stream"].to_pylist(), table["id"].to_pylist(), strict=True):
        keys.append((*key, seen[key]))
        seen[key] += 1
    return keys


def _measure(project: Project, table: pa.Table | None) -> dict[str, Any]:
    if table is None or not table.num_rows:
        return {}
    names = project.params.classes
    y, proba = table["label"].to_numpy().astype(np.int64), _proba(table, names)
    return evaluate(y, proba, classes=names, bins=project.params.evaluation.bins).to_metrics()


def _right(table: pa.Table) -> Any:
    names = [name.removeprefix("p_") for name in table.column_names if name.startswith("p_")]
    return _proba(table, tuple(names)).argmax(axis=1) == table["label"].to_numpy()


def _proba(table: pa.Table, names: tuple[str, ...]) -> Any:
    return np.column_stack([table[f"p_{name}"].to_numpy() for name in names])


# -- records -------------------------------------------------------------------------------------------------------


def _undecided(project: Project, version: ModelVersion) -> str | None:
    """Say why the policy has something to decide about a version; ``None`` if it has not."""
    params = project.params.promotion
    best = champion(project, version.model)
    if params.mode == "off" or (best and best.number == version.number) or _by_person(project, version):
        return None
    if (held := standing(decisions(project, version.model))) and version.number <= held.newest:
        return None
    last = last_by_policy(project, version.model, version.name)
    if last is None:
        return "newly registered"
    return None if dict(last.inputs) == _inputs(project, version, best) else "champion, gate or policy changed"


def _by_person(project: Project, version: ModelVersion) -> bool:
    """Whether a person's last word about a version was no: the policy leaves it alone then."""
    mine = [d for d in decisions(project, version.model) if version.name in (d.version, d.turned_down)]
    return bool(mine) and mine[-1].turned_down == version.name


def _inputs(project: Project, version: ModelVersion, before: ModelVersion | None) -> dict[str, str]:
    made_from = {
        **decision_inputs(version, before),
        "policy": digest(project.params.promotion.model_dump(mode="json")),
        "gate": digest(refused_partitions(project, version)),
    }
    return with_format(STAGE, made_from)


def _record_policy(project: Project, proposal: Proposal) -> Decision:
    version, passes = proposal.version, proposal.passes
    reason = "; ".join(check.message for check in proposal.checks if check.passed == passes)
    before = champion(project, version.model)
    return _record(project, "promote" if passes else "hold", version, before, proposal.evidence, reason=reason)


def _record(
    project: Project,
    action: Any,
    version: ModelVersion,
    before: ModelVersion | None,
    evidence: dict[str, Any],
    *,
    reason: str,
    by: str | None = None,
    at: str | None = None,
) -> Decision:
    inputs = _inputs(project, version, before)
    return record(project, action, version, before, reason=reason, evidence=evidence, inputs=inputs, by=by, at=at)


def _preview(
    project: Project,
    version: ModelVersion,
    before: ModelVersion | None,
    evidence: dict[str, Any],
    checks: tuple[Check, ...],
) -> Outcome:
    metric = project.params.promotion.metric
    figures = {"version": version.name, "champion": before.name if before else "none", "gold rows": evidence["rows"]}
    for whose in ("challenger", "champion"):
        if metric in (evidence[whose] or {}):
            figures[f"{whose}'s {metric}"] = evidence[whose][metric]
    failed = [check.message for check in checks if not check.passed]
    if checks:
        figures["policy"] = f"no: {'; '.join(failed)}" if failed else "yes"
    return Outcome(STAGE, 0, 1, figures)


def _outcome(project: Project, version: ModelVersion, done: int, proposed: str | None = None) -> Outcome:
    """Tell who is champion, what was said last of a version, and whether git has the tag: it is made again if not."""
    best = champion(project, version.model)
    about = [d for d in decisions(project, version.model) if d.version == version.name]
    figures: dict[str, Any] = {"champion": best.name if best else "none"}
    if about and not proposed:
        figures |= {"decision": f"{about[-1].action} {version.name}", "reason": about[-1].reason}
    if proposed:
        figures |= {"proposed": proposed, "reason": "meets the policy; waits for a person"}
    if held := what_holds(decisions(project, version.model)):
        figures["held"] = held
    warnings: tuple[str, ...] = ()
    if best:
        tagging = assign_stage(project, best, project.params.promotion.stage)
        figures["tag"] = tagging.text
        warnings = (tagging.text,) if tagging.wrong else ()
    stands = bool(proposed or "held" in figures)
    return Outcome(STAGE, done, 0 if done or proposed else 1, figures, warnings, stands=stands)
