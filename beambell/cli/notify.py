"""``beambell notify``: the channels of ``notifications``, tried and used."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from beambell.cli.console import Console
from beambell.cli.options import Folder, Json, open_project
from beambell.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from beambell.config.notifications import NoticeKind, NotificationsParams, Severity
    from beambell.notify import Notice
    from beambell.project import Project

notify_app = typer.Typer(help="Tell people what they should know; see docs/operating.md.", no_args_is_help=True)

Kind = Annotated[str, typer.Option("--kind", help="gate, model, live or task.")]
Severe = Annotated[str, typer.Option("--severity", help="info, warning or critical.")]
Title = Annotated[str, typer.Option("--title", help="What happened, in one line.")]
Figure = Annotated[str, typer.Option("--figure", help="Figures it rests on.")]
Look = Annotated[str, typer.Option("--look", help="Command or address that shows more.")]
Key = Annotated[str, typer.Option("--event", help="Name of the event: the same one is sent once.")]


@notify_app.command("test")
def notify_test(project: Folder = Path(), json: Json = False) -> None:
    """Send a test to every channel; exit with 1 if one was not reached."""
    from beambell.notify import Notice

    opened = open_project(project)
    channels = opened.params.notifications.to
    if not channels:
        raise ConfigError(
            "nobody is told anything",
            where="notifications.to in params.yaml",
            fix="name a channel, such as notifications: {to: {ops: {url: '${BEAMBELL_NOTIFY_OPS}'}}}",
        )
    every = {name: channel.model_copy(update={"severity": "info", "kinds": ()}) for name, channel in channels.items()}
    wide = opened.params.notifications.model_copy(update={"to": every})
    project_name, key = opened.params.project, f"test {time.time_ns()}"
    notice = Notice("task", "info", f"{project_name}: a test", "Nothing happened.", "beambell notify list", key)
    _send(opened, notice, wide, as_json=json)


@notify_app.command("send")
def notify_send(
    kind: Kind,
    severity: Severe,
    title: Title,
    key: Key,
    figure: Figure = "",
    look: Look = "",
    project: Folder = Path(),
    json: Json = False,
) -> None:
    """Send a notice, as Airflow does; exit with 1 if a channel that wants it was not reached."""
    from beambell.notify import Notice
    from beambell.notify.notice import KINDS, SEVERITIES

    for word, known, option in ((kind, KINDS, "--kind"), (severity, SEVERITIES, "--severity")):
        if word not in known:
            raise UsageError(f"{option} {word} is not known", fix=f"one of {', '.join(known)}")
    notice = Notice(cast("NoticeKind", kind), cast("Severity", severity), title, figure, look, key)
    _send(open_project(project), notice, as_json=json)


@notify_app.command("list")
def notify_list(project: Folder = Path(), json: Json = False) -> None:
    """List what was told, who got it, and whom it did not reach."""
    from beambell.notify import told_before
    from beambell.visible import plain

    told = told_before(open_project(project).store.files)
    lines = [
        f"{datetime.fromtimestamp(one['at'], UTC):%Y-%m-%d %H:%M} [{one['notice']['severity']}] "
        f"{one['notice']['title']}: sent to {', '.join(one['sent']) or 'nobody'}"
        + "".join(f"; {name}: {why}" for name, why in one["failed"].items())
        for one in told
    ]
    Console(as_json=json).show({"told": told}, [plain(line) for line in lines] or ["nobody was told anything"])


def _send(project: Project, notice: Notice, params: NotificationsParams | None = None, *, as_json: bool) -> None:
    from beambell.notify import tell
    from beambell.visible import plain

    told = tell(project.store.files, params or project.params.notifications, notice)
    console = Console(as_json=as_json)
    document = {"id": notice.id, "sent": told.sent, "before": told.before, "failed": dict(told.failed)}
    console.show(document | {"notice": asdict(notice)}, [f"sent to {plain(', '.join(told.sent)) or 'nobody'}"])
    console.warn(told.complaints)
    if told.failed:
        raise typer.Exit(1)
