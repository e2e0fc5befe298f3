"""Decide: a person accepts or rejects a partition that the gate has judged, and that is written down for good."""

from __future__ import annotations

from beambell.artefacts.kinds.gate import Ruling
from beambell.errors import UsageError
from beambell.project import Project
from beambell.quality.verdict import Verdict
from beambell.stages import screen, validate
from beambell.stages.rulings import REJECTED, Action, read_rulings
from beambell.stages.who import right_now, who_decides
from beambell.store import Layout, Manifest, Partition

_LOOK = "look at it again: `beambell gate show {where}`"
_PAST = {"accept": "accepted", "reject": "rejected"}


def decide(
    project: Project,
    action: Action,
    where: str,
    *,
    reason: str,
    by: str | None = None,
    at: str | None = None,
    verdict: str | None = None,
) -> Ruling:
    """Accept or reject a partition; the next run acts on it.

    Parameters
    ----------
    where
        Partition, as ``comments/2026-01-03``.
    reason
        Reason in a sentence.
    by, at
        Person who decides, and when; by default whom git or the operating system knows, and now.
    verdict
        First digits of the id of the verdict that the person looked at; another one is refused.

    Raises
    ------
    UsageError
        If there is nothing to decide, if somebody has decided the same, or if rows, votes, labels or bounds changed
        since the partition was judged: the person has seen something else.
    """
    if not reason.strip():
        raise UsageError("a decision needs a reason", where="--reason", fix="say it in a sentence")
    with project.writing():
        partition = partition_named(project, where)
        rows, judged = _what_was_judged(project, partition, action, verdict)
        findings = [finding for finding in Verdict.from_dict(judged.facts).critical if finding.check != REJECTED]
        number = len(read_rulings(project).made.get(partition, ())) + 1
        facts = {
            "stream": partition.stream,
            "dt": partition.dt,
            "number": number,
            "action": action,
            "by": by or who_decides(project.path),
            "at": at or right_now(),
            "reason": reason.strip(),
            "findings": [list(finding.key) for finding in findings] if action == "accept" else [],
        }
        folder = Layout.ruling(partition, number)
        made = Manifest("ruling", {}, {"rows": rows, "verdict": judged.id}, facts)
        return Ruling(project.store.publish(folder, made), folder)


def decide_each(
    project: Project, action: Action, where: str, *, reason: str, by: str | None = None, at: str | None = None
) -> list[tuple[Partition, Ruling]]:
    """Accept all refused partitions of a stream, or decide on one partition; see `decide`.

    Raises
    ------
    UsageError
        If no partition of the stream is refused, or one of them cannot be decided on; nothing is decided then.
    """
    if "/" in where:
        return [(partition_named(project, where), decide(project, action, where, reason=reason, by=by, at=at))]
    with project.writing():
        project.select([where])
        verdicts = project.store.partitions(Layout.VERDICTS).items()
        refused = [p for p, judged in verdicts if p.stream == where and not Verdict.from_dict(judged.facts).passed]
        if not refused or action == "reject":
            what = f"no partition of {where} is refused" if not refused else "a stream is not rejected as a whole"
            raise UsageError(what, fix="name a partition, such as comments/2026-01-03")
        for partition in refused:
            _what_was_judged(project, partition, action, None)
        return [(p, decide(project, action, str(p), reason=reason, by=by, at=at)) for p in refused]


def partition_named(project: Project, where: str) -> Partition:
    """Read ``stream/dt``, and check it.

    Raises
    ------
    UsageError
        If it does not name a partition of the project's streams.
    """
    stream, _, dt = where.partition("/")
    if not dt:
        raise UsageError(f"{where!r} is not a partition", fix="write it as comments/2026-01-03")
    return project.partition(stream, dt)


def _what_was_judged(project: Project, partition: Partition, action: Action, seen: str | None) -> tuple[str, Manifest]:
    """Return the digest of the rows and the verdict, if that is of what there is now, and open to decide."""
    judged = project.store.read(Layout.of(Layout.VERDICTS, partition))
    made = project.store.read(Layout.of(Layout.PARTITIONS, partition))
    if judged is None or made is None:
        raise UsageError("the gate has not judged this partition", where=str(partition), fix="run `beambell run`")
    rows = made.files["rows"].sha256
    pending = _refuse_twice(project, partition, rows, action, judged)
    fix = _LOOK.format(where=partition)
    if seen is not None and not judged.id.startswith(seen):
        raise UsageError(f"it was judged again since verdict {seen[:12]}", where=str(partition), fix=fix)
    if pending:  # taken back before anything came of it
        return rows, judged
    only = project.select([partition.stream], partition.dt, partition.dt)
    plans = (screen.plan(project, only), validate.plan(project, only))
    if reasons := [task.reason for plan in plans for task in plan.tasks if task.key == str(partition)]:
        fix = f"run `beambell run`, then {fix}"
        raise UsageError(f"it changed since it was judged: {reasons[0]}", where=str(partition), fix=fix)
    if action == "accept" and Verdict.from_dict(judged.facts).passed:
        raise UsageError("it passed; there is nothing to accept", where=str(partition), fix=fix)
    return rows, judged


def _refuse_twice(project: Project, partition: Partition, rows: str, action: Action, judged: Manifest) -> bool:
    """Refuse what somebody has decided already; tell whether there is another decision that nothing has come of yet."""
    made = [one for one in read_rulings(project).made.get(partition, ()) if one.rows_digest == rows]
    if not made:
        return False
    said = made[-1].decided
    holds = judged.inputs.get(f"ruling {len(made)}") == made[-1].manifest.id
    if said["action"] == action and (action == "reject" or not holds):
        raise UsageError(
            f"it was {_PAST[action]} by {said['by']}, {said['at']}: {said['reason']}",
            where=str(partition),
            fix="there is nothing left to decide; `beambell run` goes on with it",
        )
    return not holds
