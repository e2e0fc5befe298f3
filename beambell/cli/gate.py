"""``beambell gate``: what the gate found, now and before, and people's decisions about that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import Folder, Json, open_project
from beambell.visible import plain

if TYPE_CHECKING:
    from beambell.stages.rulings import Action

gate_app = typer.Typer(help="See what the gate found; accept or reject a partition.", no_args_is_help=True)

Where = Annotated[str, typer.Argument(help="Partition, such as comments/2026-01-03.")]
WhereOrStream = Annotated[str, typer.Argument(help="Partition, or a stream: all that is refused of it.")]
All = Annotated[bool, typer.Option("--all", help="Also what nobody needs to read: passed partitions, old findings.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the decision.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides; by default whom git or the system knows.")]
At = Annotated[str | None, typer.Option("--at", help="When it was decided; by default now.")]
Seen = Annotated[str | None, typer.Option("--verdict", help="Id of the verdict you looked at; any other is refused.")]


@gate_app.command("list")
def gate_list(everything: All = False, project: Folder = Path(), json: Json = False) -> None:
    """List the partitions that are refused or have warnings, the newest first."""
    from beambell.cli.gate_text import list_text
    from beambell.views.gate_views import list_verdicts

    views = list_verdicts(open_project(project), everything=everything)
    Console(as_json=json).show(views, list_text(views))


@gate_app.command("show")
def gate_show(where: Where, everything: All = False, project: Folder = Path(), json: Json = False) -> None:
    """Show what was found of one partition, what to do about it, and what was said of it before."""
    from beambell.cli.gate_text import case_text
    from beambell.views.gate_views import show_case

    view = show_case(open_project(project), where)
    Console(as_json=json).show(view, case_text(view, everything=everything))


@gate_app.command("accept")
def gate_accept(
    where: WhereOrStream,
    reason: Reason,
    by: By = None,
    at: At = None,
    verdict: Seen = None,
    project: Folder = Path(),
    json: Json = False,
) -> None:
    """Let a refused partition pass, though the gate found what it found; the next run goes on with it."""
    _decide("accept", where, reason, by, at, verdict, project, as_json=json)


@gate_app.command("reject")
def gate_reject(
    where: Where,
    reason: Reason,
    by: By = None,
    at: At = None,
    verdict: Seen = None,
    project: Folder = Path(),
    json: Json = False,
) -> None:
    """Refuse a partition that passed: it leaves the state and the training; labels published before stay."""
    _decide("reject", where, reason, by, at, verdict, project, as_json=json)


def _decide(
    action: Action,
    where: str,
    reason: str,
    by: str | None,
    at: str | None,
    verdict: str | None,
    folder: Path,
    *,
    as_json: bool,
) -> None:
    from beambell.stages.deciding import decide, decide_each, partition_named

    console, project = Console(as_json=as_json), open_project(folder)
    if verdict is not None:
        ruling = decide(project, action, where, reason=reason, by=by, at=at, verdict=verdict)
        made = [(partition_named(project, where), ruling)]
    else:
        made = decide_each(project, action, where, reason=reason, by=by, at=at)
    if as_json:
        documents = [
            {"partition": str(partition), **ruling.decided, "findings": [list(key) for key in ruling.findings]}
            for partition, ruling in made
        ]
        console.json(documents if "/" not in where else documents[0])
        return
    for partition, ruling in made:
        said = ruling.decided
        console.out.print(f"[bold]{action}ed[/] {plain(str(partition))} by {plain(said['by'])}, {plain(said['at'])}")
        for check, subject in ruling.findings:
            console.out.print(f"  {plain(check)}" + (f" of {plain(subject)}" if subject != check else ""))
    console.out.print("  `beambell run` goes on with it")
