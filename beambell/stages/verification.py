"""Verify a project: its data root, and what only the stages know of it.

A check that needs more than manifests and bytes is a function in `_CHECKS`: given whether to read every byte, it yields
findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Final

from beambell.artefacts.lf_records import damaged_records
from beambell.artefacts.stored import damaged_log
from beambell.artefacts.verify import Finding, Severity, Verification, verify
from beambell.errors import ArtefactError, BeamBellError
from beambell.project import Project
from beambell.stages.feedback_files import find_new
from beambell.stages.public_labels import PublicLabels
from beambell.stages.verify_state import verify_state
from beambell.store import Layout
from beambell.store.manifest import FILE_NAME
from beambell.store.numbered import read_numbered

Check = Callable[[Project, bool], Iterator[Finding]]


def verify_project(project: Project, *, deep: bool = False) -> Verification:
    """Check every manifest, file and reference below a project's data root, and what follows from them.

    Parameters
    ----------
    deep
        Whether every byte is read and digests are compared, and the state is made again from the votes to compare it.
    """
    found = verify(project.store, deep=deep)
    findings = {*found.findings, *(finding for check in _CHECKS for finding in check(project, deep))}
    ordered = sorted(findings, key=lambda finding: (finding.severity, finding.where, finding.what))
    return replace(found, findings=tuple(ordered))


def _state(project: Project, deep: bool) -> Iterator[Finding]:
    """Make the state again from the votes."""
    manifest = f"{Layout.STATE}/{FILE_NAME}"
    try:
        if not deep or project.store.read(Layout.STATE) is None:
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


def _series(project: Project, deep: bool) -> Iterator[Finding]:  # noqa: ARG001
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


def _public(project: Project, deep: bool) -> Iterator[Finding]:
    """Compare the files for everybody with the labels that are published."""
    with suppress(BeamBellError):  # manifests that cannot be read are findings of their own
        for partition, why in PublicLabels(project).wrong(deep=deep).items():
            yield Finding("error", Layout.public(partition), why, "`beambell run` puts it right")


def _records(project: Project, deep: bool) -> Iterator[Finding]:
    """Read what has no manifest: records of labeling functions, and the log of states, whose names say all."""
    if not deep:
        return
    for path, error in damaged_records(project.store):
        yield Finding("error", path, error.message, error.fix or "")
    for path in damaged_log(project.store):
        yield Finding("error", path, "changed: it is not as it was written", "remove it: its name says all of it")


_CHECKS: Final[tuple[Check, ...]] = (_series, _state, _public, _records)
