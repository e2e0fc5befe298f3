"""Decisions about versions: which one is the champion, who said so, why, and on what evidence. Never changed.

The champion is not stored anywhere: it follows from the decisions, read from the first to the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from beambell.project import Project
from beambell.registry.versions import ModelVersion, find_version, versions
from beambell.store import Layout, Manifest

Action = Literal["promote", "hold", "decline", "rollback"]


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes
    ----------
    model, number
        ``spam`` and 3: the third about that model.
    action
        ``promote`` and ``rollback`` make ``version`` the champion. ``hold``: the policy leaves the champion as it is;
        ``decline``: a person does.
    version, before
        Versions by name: the one it is about, and the champion until then.
    by, at
        Who decided, and when, as the caller said; ``by`` is ``None`` for the policy, which has no clock either.
    reason
        In a sentence.
    evidence
        The figures it rests on.
    """

    model: str
    number: int
    action: Action
    version: str
    before: str | None
    by: str | None
    at: str | None
    reason: str
    evidence: Mapping[str, Any]

    @property
    def version_number(self) -> int:
        """The version's number."""
        return int(self.version.rpartition("@v")[2])

    @property
    def turned_down(self) -> str | None:
        """The version that a person does not want as champion: the policy will not propose it again."""
        if self.by is None:
            return None
        return {"decline": self.version, "rollback": self.before}.get(self.action)


def decisions(project: Project, model: str) -> list[Decision]:
    """List the decisions about a model, oldest first."""
    return [_read(manifest, number) for number, manifest in _manifests(project, model)]


def last_by_policy(project: Project, model: str, version: str) -> Manifest | None:
    """Find what the policy decided last about a version; its inputs say from what."""
    found = [m for _, m in _manifests(project, model) if m.facts["by"] is None and m.facts["version"] == version]
    return found[-1] if found else None


def past_champions(made: Iterable[Decision]) -> list[int]:
    """List the versions that a rollback can go back to, oldest first; the last is the champion.

    A promotion adds one; a rollback takes away those after the one it goes back to.
    """
    stack: list[int] = []
    for decision in made:
        number = decision.version_number
        if decision.action == "rollback" and number in stack:
            del stack[stack.index(number) + 1 :]
        elif decision.action in {"promote", "rollback"}:
            if number in stack:
                stack.remove(number)
            stack.append(number)
    return stack


def champion(project: Project, model: str) -> ModelVersion | None:
    """Return the version that is served, or ``None`` while none was promoted."""
    stack = past_champions(decisions(project, model))
    return find_version(project, model, stack[-1]) if stack else None


def newest(project: Project, model: str) -> ModelVersion | None:
    """Return the version that was registered last."""
    known = versions(project, model)
    return known[-1] if known else None


def record(
    project: Project,
    action: Action,
    version: ModelVersion,
    before: ModelVersion | None,
    *,
    reason: str,
    evidence: Mapping[str, Any],
    inputs: Mapping[str, str],
    by: str | None = None,
    at: str | None = None,
) -> Decision:
    """Write a decision down, as the next one about its model.

    Parameters
    ----------
    inputs
        Digests of what it was decided from, beside the two versions.
    """
    known = _manifests(project, version.model)
    number = known[-1][0] + 1 if known else 1
    facts = {
        "action": action,
        "stage": project.params.promotion.stage,
        "version": version.name,
        "before": before.name if before else None,
        "by": by,
        "at": at,
        "reason": reason,
        "evidence": dict(evidence),
    }
    manifest = Manifest("decision", {}, decision_inputs(version, before) | dict(inputs), facts)
    project.store.publish(Layout.decision(version.model, number), manifest)
    return _read(manifest, number)


def decision_inputs(version: ModelVersion, before: ModelVersion | None) -> dict[str, str]:
    """Digests of the versions that a decision is about."""
    return {"version": version.manifest.id} | ({"champion": before.manifest.id} if before else {})


def _manifests(project: Project, model: str) -> list[tuple[int, Manifest]]:
    found = []
    for folder, manifest in project.store.under(f"{Layout.DECISIONS}/{model}").items():
        if match := re.search(r"/d(\d+)$", folder):
            found.append((int(match[1]), manifest))
    return sorted(found, key=lambda pair: pair[0])


def _read(manifest: Manifest, number: int) -> Decision:
    facts = manifest.facts
    names = ("action", "version", "before", "by", "at", "reason", "evidence")
    return Decision(facts["version"].rpartition("@v")[0], number, *(facts[name] for name in names))
