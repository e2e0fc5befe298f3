"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from beambell.project import Project

Folder = Annotated[Path, typer.Option("--project", help="Folder with params.yaml.")]
Streams = Annotated[list[str] | None, typer.Option("--stream", help="Only this stream (repeatable).")]
Start = Annotated[str | None, typer.Option("--from", help="First partition, such as 2026-01-03.")]
End = Annotated[str | None, typer.Option("--to", help="Last partition, included.")]
Until = Annotated[
    str | None,
    typer.Option("--until", help="Last day, such as 2026-01-20, or: yesterday. By default demo.days says."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and why, and do nothing.")]
Withdraw = Annotated[
    list[str] | None,
    typer.Option("--withdraw", help="Take this raw file's rows out, and keep it out (a name or glob; repeatable)."),
]
Restore = Annotated[
    list[str] | None, typer.Option("--restore", help="Let a raw file in again that was withdrawn (repeatable).")
]
Sample = Annotated[int, typer.Option("--sample", min=1, help="Rows to look at, chosen by a hash of the data.")]


def open_project(folder: Path) -> Project:
    """Open the project in a folder."""
    from beambell.project import Project

    return Project(folder)
