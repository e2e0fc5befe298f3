"""What of a run people are told: partitions that the gate refused, and champions that changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from beambell.credentials import masked
from beambell.errors import GateError

if TYPE_CHECKING:
    from beambell.cli.console import Console
    from beambell.cli.running import Ended
    from beambell.notify import Notice
    from beambell.project import Project
    from beambell.stages.stage import Outcome

_LINES = 5


def tell_of(console: Console, project: Project, ended: Iterable[Ended]) -> None:
    """Tell people of how stages ended. Nothing is raised; what did not reach them is a warning."""
    if project.params.notifications.to:
        _tell(console, project, lambda: [notice for one in ended for notice in _of_stage(project, one)])


def tell_of_decision(console: Console, project: Project, outcome: Outcome) -> None:
    """Tell people of a person's decision about the champion."""
    if project.params.notifications.to and outcome.done:
        _tell(console, project, lambda: _of_decision(project))


def _tell(console: Console, project: Project, find: Callable[[], Sequence[Notice]]) -> None:
    from beambell.notify import tell, unfinished

    files = project.store.files
    try:
        due = {notice.id: notice for notice in (*unfinished(files), *find())}
        for notice in due.values():
            console.warn(tell(files, project.params.notifications, notice).complaints)
    except Exception as error:  # noqa: BLE001 - the work is done, and how it ended must stay in sight
        console.warn([f"people could not be told of this run: {type(error).__name__}: {masked(str(error))}"])


def _of_stage(project: Project, ended: Ended) -> list[Notice]:
    if isinstance(ended.error, GateError) and ended.outcome.stage == "validate":
        return _of_gate(project, ended.outcome.details or {})
    if ended.outcome.stage == "promote" and ended.outcome.done:
        return _of_decision(project)
    return []


def _of_gate(project: Project, details: Mapping[str, Any]) -> list[Notice]:
    """Tell of what was judged in this run, and of streams that are missed; what was told before has the same key."""
    from beambell.notify import Notice
    from beambell.store import digest

    judged, failures, streams = (details.get(name) or {} for name in ("judged", "failures", "streams"))
    found = {name: findings for name, findings in failures.items() if name in judged}
    lines = [f"stream {name}: {why}" for name, why in streams.items()]
    lines += [f"{name}: {one['message']}" for name, some in found.items() for one in some if _blocks(one)]
    if not lines:
        return []
    names = [*found, *streams]
    title = f"{project.params.project}: the gate refuses {', '.join(names[:3])}"
    return [
        Notice(
            kind="gate",
            severity="critical",
            title=title + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
            figure=_some(lines),
            look=project.params.notifications.look or "beambell validate --json",
            key=digest({"partitions": found, "streams": dict(streams)}),
        )
    ]


def _of_decision(project: Project) -> list[Notice]:
    from beambell.notify import Notice
    from beambell.registry import decisions

    made = decisions(project, project.params.model.name)
    if not made or made[-1].action not in {"promote", "rollback"}:
        return []
    last = made[-1]
    verb = "was promoted" if last.action == "promote" else "is the champion again"
    figures = last.evidence.get("challenger") or {}
    measured = ", ".join(f"{name} {value}" for name, value in figures.items() if isinstance(value, int | float))
    return [
        Notice(
            kind="model",
            severity="info" if last.action == "promote" else "warning",
            title=f"{project.params.project}: {last.version} {verb} (before: {last.before or 'none'})",
            figure="\n".join(line for line in (f"by {last.by or 'the policy'}: {last.reason}", measured) if line),
            look=project.params.notifications.look or f"beambell models show {last.version}",
            key=f"{last.model}/{last.number}",
        )
    ]


def _blocks(finding: Mapping[str, Any]) -> bool:
    return finding.get("severity") == "critical"


def _some(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
    return "\n".join([*lines[:_LINES], *more])
