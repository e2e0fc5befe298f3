"""``beambell models``: registered versions, which one is served, and people's decisions about that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.notices import tell_of_decision
from beambell.cli.options import DryRun, Folder, Json, open_project

if TYPE_CHECKING:
    from beambell.stages.stage import Outcome

models_app = typer.Typer(help="Look at registered models; promote one, or roll back.", no_args_is_help=True)

Version = Annotated[str | None, typer.Argument(help="spam@v3, v3 or 3; the newest if left out.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Reason = Annotated[str, typer.Option("--reason", help="Why.")]
When = Annotated[str | None, typer.Option("--at", help="When it was decided, if that is to be on record.")]
Override = Annotated[bool, typer.Option("--override", help="Promote what the policy would not.")]
To = Annotated[str | None, typer.Option("--to", help="Which version; the champion before this one if left out.")]


@models_app.command("list")
def models_list(project: Folder = Path(), json: Json = False) -> None:
    """List the registered model versions, and which one is served."""
    from beambell.cli.text import models_text
    from beambell.views.views import list_models

    views = list_models(open_project(project))
    Console(as_json=json).show(views, models_text(views))


@models_app.command("show")
def models_show(version: Version = None, project: Folder = Path(), json: Json = False) -> None:
    """Show one version: figures, comparison with the champion, what the policy says, decisions."""
    from beambell.cli.model_text import detail_text
    from beambell.stages.promote import judge_version
    from beambell.views.model_views import show_model

    view = show_model(open_project(project), version, judge_version)
    Console(as_json=json).show(view, detail_text(view))


@models_app.command("promote")
def models_promote(
    by: By,
    reason: Reason,
    version: Version = None,
    at: When = None,
    override: Override = False,
    project: Folder = Path(),
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Make a version the champion."""
    from beambell.stages.promote import promote

    opened = open_project(project)
    outcome = promote(opened, version, by=by, reason=reason, at=at, override=override, dry_run=dry_run)
    _show(outcome, as_json=json)
    tell_of_decision(Console(as_json=json), opened, outcome)


@models_app.command("decline")
def models_decline(
    by: By, reason: Reason, version: Version = None, at: When = None, project: Folder = Path(), json: Json = False
) -> None:
    """Leave the champion as it is; the policy does not promote that version any more."""
    from beambell.stages.promote import decline

    _show(decline(open_project(project), version, by=by, reason=reason, at=at), as_json=json)


@models_app.command("rollback")
def models_rollback(
    by: By,
    reason: Reason,
    to: To = None,
    at: When = None,
    project: Folder = Path(),
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Make an earlier version the champion again."""
    from beambell.stages.promote import rollback

    opened = open_project(project)
    outcome = rollback(opened, to, by=by, reason=reason, at=at, dry_run=dry_run)
    _show(outcome, as_json=json)
    tell_of_decision(Console(as_json=json), opened, outcome)


@models_app.command("export")
def models_export(
    version: Annotated[str, typer.Argument(help="spam@v3, v3 or 3; champion, or newest.")],
    out: Annotated[str, typer.Option("--out", help="Folder to make.")],
    project: Folder = Path(),
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what lies there, though it was changed, or is no export.")
    ] = False,
    json: Json = False,
) -> None:
    """Write a version as a folder that predicts without BeamBell, with numpy and scikit-learn alone."""
    from beambell.exports.models import export_model
    from beambell.visible import plain

    made = export_model(open_project(project), version, out, replace=replace)
    lines = [f"[bold]export   [/] {plain(made.name)}: {plain(made.out)} ({plain(', '.join(made.files))})"]
    if not made.runs_alone:
        lines.append("its kind is the project's own: loading it needs the class that trained it")
    Console(as_json=json).show(made, lines)


def _show(outcome: Outcome, *, as_json: bool) -> None:
    console = Console(as_json=as_json)
    if as_json:
        console.json(outcome.to_dict())
    else:
        console.outcome(outcome)
