"""``beambell quarantine`` and ``dead-letters``: what was set aside, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import End, Folder, Json, Start, Streams, open_project
from beambell.visible import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from beambell.views.set_aside import DeadLettersView, QuarantineView

Codes = Annotated[list[str] | None, typer.Option("--code", help="Only this reason, such as bad_time (repeatable).")]
Files = Annotated[list[str] | None, typer.Option("--file", help="Only this raw file: a name or glob (repeatable).")]
Lfs = Annotated[list[str] | None, typer.Option("--lf", help="Only this labeling function (repeatable).")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="How many to show; all are counted.")]

_EXCERPT = 120


def add_set_aside(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("quarantine")(quarantine)
    app.command("dead-letters")(dead_letters)


def quarantine(
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    code: Codes = None,
    file: Files = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """Show records that did not become rows, with file, line and reason; --from and --to are days of delivery."""
    from beambell.views.set_aside import list_quarantine

    opened = open_project(project)
    selection = opened.select(stream, start, end)
    view = list_quarantine(opened, selection, codes=code or [], files=file or [], limit=limit)
    Console(as_json=json).show(view, _quarantine_text(view))


def dead_letters(
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    lf: Lfs = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """Show votes that failed, with row, labeling function and exception."""
    from beambell.views.set_aside import list_dead_letters

    opened = open_project(project)
    view = list_dead_letters(opened, opened.select(stream, start, end), lfs=lf or [], limit=limit)
    Console(as_json=json).show(view, _dead_letters_text(view))


def _quarantine_text(view: QuarantineView) -> Iterator[RenderableType]:
    from beambell.cli.tables import PlainTable

    lost = f", of which {view.not_kept:,} are counted only" if view.not_kept else ""
    codes = "; ".join(f"{plain(code)} {number:,}" for code, number in view.codes.items())
    yield f"{view.records:,} records set aside{lost}, {view.remarks:,} remarks on files" + (
        f": {codes}" if codes else ""
    )
    if not view.shown:
        return
    table = PlainTable(_title(len(view.shown), view.records + view.remarks - view.not_kept), "where", "why", "record")
    for one in view.shown:
        place = f"{one.stream} {one.file}" + ("" if one.line is None else f":{one.line}")
        table.add_row(place, f"{one.code}: {one.message}", one.raw[:_EXCERPT])
    yield table


def _dead_letters_text(view: DeadLettersView) -> Iterator[RenderableType]:
    from beambell.cli.tables import PlainTable

    lfs = "; ".join(
        f"{plain(lf)} " + ", ".join(f"{plain(error)} {number:,}" for error, number in errors.items())
        for lf, errors in view.lfs.items()
    )
    yield f"{view.failed:,} votes failed" + (f": {lfs}" if lfs else "")
    if not view.shown:
        return
    table = PlainTable(_title(len(view.shown), view.failed), "row", "lf", "error")
    for one in view.shown:
        table.add_row(f"{one.stream}/{one.dt}/{one.id}", one.lf, f"{one.error}: {one.message}"[:_EXCERPT])
    yield table
    for one in view.shown:
        if one.traceback:
            yield f"\n{plain(one.lf)} on {plain(one.stream)}/{plain(one.dt)}/{plain(one.id)}:\n{plain(one.traceback)}"


def _title(shown: int, of: int) -> str:
    return f"the first {shown:,} of {of:,} (--limit)" if shown < of else "all of them"
