"""``beambell verify``, ``gc`` and ``lineage``: is it whole, what is superfluous, what was made from what."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import DryRun, Folder, Json, open_project
from beambell.errors import ExitCode

Deep = Annotated[
    bool, typer.Option("--deep", help="Read every byte, and count the votes again; otherwise names and sizes only.")
]
KeepHistory = Annotated[
    str, typer.Option("--keep-history", help="Past revisions that keep their data files: a number, or 'all'.")
]
Grace = Annotated[float, typer.Option("--grace", min=0, help="Spare files younger than this many hours.")]
Subject = Annotated[
    str, typer.Argument(help="A file, a partition, a row (STREAM/DT/ID), an LF, a model version, or a digest.")
]

FINDINGS_SHOWN = 50


def add_upkeep(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("verify")(verify)
    app.command("gc")(gc)
    app.command("lineage")(lineage)


def verify(project: Folder = Path(), deep: Deep = False, json: Json = False) -> None:
    """Check every manifest, file and reference below the data root; exit with 1 if anything is damaged."""
    from beambell.stages.verification import verify_project

    console, opened = Console(as_json=json), open_project(project)
    found = verify_project(opened, deep=deep)
    if json:
        console.json({**asdict(found), "ok": not found.errors})
    else:
        for finding in found.findings[:FINDINGS_SHOWN]:
            console.finding(finding.severity, finding.where, finding.what, finding.fix)
        if len(found.findings) > FINDINGS_SHOWN:
            console.out.print(f"and {len(found.findings) - FINDINGS_SHOWN} more (see --json)")
        read = "every byte read" if deep else "names and sizes; --deep reads every byte"
        checked = f"{found.artefacts} manifests, {found.files} files, {found.bytes:,} bytes ({read})"
        console.out.print(f"[bold]verify[/] {len(found.errors)} damaged in {checked}")
    if found.errors:
        sys.exit(ExitCode.FAILED)


def gc(
    project: Folder = Path(),
    dry_run: DryRun = False,
    keep_history: KeepHistory = "all",
    grace: Grace = 1.0,
    json: Json = False,
) -> None:
    """Remove data files that no manifest names, and what dead jobs left; waits for a running job to end."""
    from beambell.artefacts.gc import find_garbage, remove_garbage

    console, opened = Console(as_json=json), open_project(project)
    keep = None if keep_history == "all" else _number(keep_history)
    with opened.writing(sweep=False):
        garbage = find_garbage(opened.store, keep_history=keep, grace_s=3600 * grace)
        if not dry_run:
            remove_garbage(opened.store, garbage)
    if json:
        console.json({**asdict(garbage), "bytes": garbage.bytes, "removed": not dry_run})
        return
    if dry_run:
        for name, size in garbage.files.items():
            console.out.print(f"  {name} ({size:,} bytes)", markup=False)
    verb = "would be removed" if dry_run else "removed"
    console.out.print(
        f"[bold]gc[/] {len(garbage.files)} files, {garbage.bytes:,} bytes {verb}; {garbage.spared} younger"
    )


def _number(text: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter("give a number, or 'all'", param_hint="--keep-history")
    return int(text)


def lineage(subject: Subject, project: Folder = Path(), json: Json = False) -> None:
    """Trace something both ways: to the raw files, LFs and parameters behind it, and to what was made with it."""
    from beambell.cli.lineage_text import lineage_text
    from beambell.views.lineage import trace

    console = Console(as_json=json)
    found = trace(open_project(project), subject)
    if json:
        console.json(asdict(found))
    else:
        for part in lineage_text(found):
            console.out.print(part)
