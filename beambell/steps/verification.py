"""Verify a project: its data root, and what only the stages know of it.

A check that needs more than manifests and bytes is a function that yields findings, in `_CHECKS` or `_DEEP_CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from beambell.errors import ArtefactError, BeamBellError
from beambell.project import Project
from beambell.steps.collect import find_new
from beambell.steps.verify_state import verify_state
from beambell.store import Layout
from beambell.store.manifest import FILE_NAME
from beambell.store.numbered import read_numbered
from beambell.store.verify import Finding, Severity, Verification, verify

Check = Callable[[Project], Iterator[Finding]]


def verify_project(project: Project, *, deep: bool = False) -> Verification:
    """Check every manifest, file and reference below a project's data root, and what follows from them.

    Parameters
    ----------
    deep
        Read every byte and compare digests, and make the state again from the votes to compare it.
    """
    found = verify(project.store, deep=deep)
    checks = (*_CHECKS, *_DEEP_CHECKS) if deep else _CHECKS
    findings = {*found.findings, *(finding for check in checks for finding in check(project))}
    ordered = sorted(findings, key=lambda finding: (finding.severity, finding.where, finding.what))
    return replace(found, findings=tuple(ordered))


def _state(project: Project) -> Iterator[Finding]:
    manifest = f"{Layout.STATE}/{FILE_NAME}"
    try:
        if project.store.read(Layout.STATE) is None:
            return
        for found in verify_state(project).findings:
            severity: Severity = "note" if found.cause == "behind" else "error"
            fix = (
                f"remove {manifest}, then `beambell merge` makes it anew" if severity == "error" else "`beambell merge`"
            )
            if found.cause != "damaged":  # whoever reads every byte names that file
                yield Finding(severity, manifest, f"{found.what}: {found.problem}", fix)
    except BeamBellError as error:  # what is damaged is a finding of its own
        yield Finding("note", manifest, f"not compared with the votes: {error.message}", error.fix or "")


def _series(project: Project) -> Iterator[Finding]:
    """Look for numbers that are missing, of versions and of decisions, and for batches of feedback that are."""
    for look in (
        lambda: read_numbered(project.store, Layout.REGISTRY, "v"),
        lambda: read_numbered(project.store, Layout.DECISIONS, "d"),
        lambda: find_new(project),
    ):
        try:
            look()
        except ArtefactError as error:
            where = (error.where or "").removeprefix(project.store.files.path("")).lstrip("/")
            yield Finding("error", where, error.message, error.fix or "")


_CHECKS: Final[tuple[Check, ...]] = (_series,)
_DEEP_CHECKS: Final[tuple[Check, ...]] = (_state,)
