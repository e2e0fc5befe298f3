"""``beambell state``: what the state is, was, and whether it is what its partitions make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import Folder, Json, open_project

state_app = typer.Typer(help="Look at the state: the sum of all partitions' vote patterns.", no_args_is_help=True)

OneStream = Annotated[str | None, typer.Option("--stream", help="Only the rows of this stream.")]
At = Annotated[str | None, typer.Option("--at", help="A state of the past: its number in the log, or its id.")]
Before = Annotated[str, typer.Argument(help="The earlier state: its number in the log, or its id.")]
After = Annotated[str | None, typer.Argument(help="The later one; the current state if left out.")]
Last = Annotated[int, typer.Option("--last", min=1, help="How many to list.")]


@state_app.command("show")
def state_show(project: Folder = Path(), stream: OneStream = None, at: At = None, json: Json = False) -> None:
    """Show rows, patterns and what the labeling functions did, as the state weighs them."""
    from beambell.cli.state_text import state_text
    from beambell.views.state_views import show_state

    opened = open_project(project)
    opened.select([stream] if stream else None)
    view = show_state(opened, stream, at)
    Console(as_json=json).show(view, state_text(view))


@state_app.command("log")
def state_log(project: Folder = Path(), last: Last = 20, json: Json = False) -> None:
    """List the states there were, newest first."""
    from beambell.cli.state_text import log_text
    from beambell.views.state_views import log_states

    entries = log_states(open_project(project), last)
    Console(as_json=json).show(entries, log_text(entries))


@state_app.command("diff")
def state_diff(before: Before, after: After = None, project: Folder = Path(), json: Json = False) -> None:
    """Compare two states: partitions, rows, labeling functions, patterns."""
    from beambell.cli.state_text import diff_text
    from beambell.views.state_views import diff_states

    diff = diff_states(open_project(project), before, after)
    Console(as_json=json).show(diff, diff_text(diff))


@state_app.command("verify")
def state_verify(project: Folder = Path(), json: Json = False) -> None:
    """Make the state again from all votes and compare bytes; exit with 1 if it differs, and say where."""
    from beambell.stages.verify_state import verify_state

    found = verify_state(open_project(project))
    lines = [f"{finding.what}: {finding.problem}" for finding in found.findings]
    well = f"{found.partitions:,} partitions, {found.rows:,} rows: counted again, the same bytes"
    Console(as_json=json).show(found, lines or [well])
    if lines:
        raise typer.Exit(1)
