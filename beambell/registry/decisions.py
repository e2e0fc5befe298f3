"""Decisions about versions: which one is the champion, who said so, why, and on what evidence. Never changed.

The champion is not stored anywhere: it follows from the decisions, read from the first to the last.

A person's decision lasts: what was registered when it was made, the policy does not put in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from beambell.artefacts.kinds.models import Decision as Kind
from beambell.project import Project
from beambell.registry.versions import ModelVersion, find_version, versions
from beambell.store import Layout, Manifest
from beambell.store.manifest import FILE_NAME
from beambell.store.numbered import read_numbered

Action = Literal["promote", "hold", "decline", "rollback"]
_NOUNS = {"promote": "promotion", "rollback": "rollback"}


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
        Person who decided, and time, as the caller said; ``by`` is ``None`` for the policy, which has no clock either.
    reason
        Reason in a sentence.
    evidence
        The figures it rests on.
    newest
        Number of the version that was registered last when it was made; whatever comes later was not known to it.
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
    newest: int = 0

    @property
    def version_number(self) -> int:
        """The version's number."""
        return _number(self.version)

    @property
    def turned_down(self) -> str | None:
        """The version that a person does not want as champion: the policy will not propose it again."""
        if self.by is None:
            return None
        return {"decline": self.version, "rollback": self.before}.get(self.action)


def decisions(project: Project, model: str) -> list[Decision]:
    """List the decisions about a model, oldest first.

    Raises
    ------
    ArtefactError
        If one of them is missing or damaged.
    """
    made = [_read(manifest, number) for number, manifest in _manifests(project, model)]
    return made if all(decision.newest for decision in made) else _with_newest(project, model, made)


def standing(made: Iterable[Decision]) -> Decision | None:
    """Find the person's decision by which the champion is what it is; ``None`` if the policy made it, or nobody."""
    moves = [decision for decision in made if decision.action in {"promote", "rollback"}]
    return moves[-1] if moves and moves[-1].by is not None else None


def last_by_policy(project: Project, model: str, version: str) -> Manifest | None:
    """Find what the policy decided last about a version; its inputs say from what."""
    found = [Kind.of(manifest) for _, manifest in _manifests(project, model)]
    mine = [one.manifest for one in found if one.by is None and one.version == version]
    return mine[-1] if mine else None


def what_holds(made: Iterable[Decision]) -> str | None:
    """Say whose decision holds, why, and until when; ``None`` if it is the policy's."""
    held = standing(made)
    if held is None:
        return None
    when = f", {held.at}" if held.at else ""
    return (
        f"{held.version} is the champion by {held.by}'s {_NOUNS[held.action]}{when} ({held.reason}); "
        f"that holds until a version registered after {held.model}@v{held.newest} passes the policy"
    )


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
        "number": number,
        "stage": project.params.promotion.stage,
        "version": version.name,
        "before": before.name if before else None,
        "by": by,
        "at": at,
        "reason": reason,
        "evidence": dict(evidence),
        "newest": versions(project, version.model)[-1].number,
    }
    manifest = Manifest("decision", {}, decision_inputs(version, before) | dict(inputs), facts)
    project.store.publish(Layout.decision(version.model, number), manifest)
    return _read(manifest, number)


def decision_inputs(version: ModelVersion, before: ModelVersion | None) -> dict[str, str]:
    """Digests of the versions that a decision is about."""
    return {"version": version.manifest.id} | ({"champion": before.manifest.id} if before else {})


def _manifests(project: Project, model: str) -> list[tuple[int, Manifest]]:
    found = read_numbered(project.store, f"{Layout.DECISIONS}/{model}", "d")
    return [(decision.number, decision.manifest) for decision in found]


def _read(manifest: Manifest, number: int) -> Decision:
    record = Kind.of(manifest)
    return Decision(record.model, number, **record.decided, newest=record.newest)


def _with_newest(project: Project, model: str, made: list[Decision]) -> list[Decision]:
    """Find out, of records that do not say it, what was registered then: what was named by then, or is no younger.

    Records have not always named the newest version. How old files are is the only other witness.
    """
    walk = project.store.files.walk
    ages = {
        name: entry.modified for place in (Layout.DECISIONS, Layout.REGISTRY) for name, entry in walk(place).items()
    }
    known = {v.number: ages.get(f"{v.folder}/{FILE_NAME}", 0.0) for v in versions(project, model)}
    found, named = [], 0
    for one in made:
        named = max(named, one.version_number, _number(one.before))
        then = ages.get(f"{Layout.decision(model, one.number)}/{FILE_NAME}", 0.0)
        older = [number for number, age in known.items() if age <= then]
        found.append(one if one.newest else replace(one, newest=max(named, *older, 0)))
    return found


def _number(version: str | None) -> int:
    return int(version.rpartition("@v")[2]) if version else 0
