"""``beambell live``: labels within a second, and what became of them when their partitions closed."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import Folder, Json, Streams, open_project
from beambell.errors import LiveError, PartError

if TYPE_CHECKING:
    from beambell.cli.running import Ended
    from beambell.project import Project
    from beambell.store import Partition

live_app = typer.Typer(help="Label records as they arrive; see docs/live.md.", no_args_is_help=True)

Detach = Annotated[bool, typer.Option("--detach", help="Start in the background, and come back when labels can flow.")]
Watch = Annotated[bool, typer.Option("--watch", help="Show it again every second, until interrupted.")]
Dt = Annotated[list[str] | None, typer.Argument(help="Partitions, such as 2026-01-03; by default all that closed.")]
Files = Annotated[list[str] | None, typer.Argument(help="Raw files or globs; by default all inputs of the stream.")]
Rate = Annotated[float | None, typer.Option("--rate", min=0.1, help="Records per second; by default all at once.")]
NoRun = Annotated[bool, typer.Option("--no-run", help="Only land; do not run the stages that follow.")]


@live_app.command("start")
def live_start(project: Folder = Path(), detach: Detach = False, json: Json = False) -> None:
    """Start the live job, and look after it until it is told to stop."""
    from beambell.live.supervisor import Supervisor

    opened, console = open_project(project), Console(as_json=json)
    command = _command(opened)
    if detach:
        _detach(opened, console)
        return
    Supervisor(opened, command, lambda said: console.err.print(said, markup=False, highlight=False)).run()
    console.show({"ended": True}, ["live job ended"])


@live_app.command("restart")
def live_restart(project: Folder = Path(), json: Json = False) -> None:
    """Stop the live job, and start it in the background with today's labeling functions; open partitions vote again."""
    from beambell.live.supervisor import stop

    opened = open_project(project)
    stop(opened)
    _detach(opened, Console(as_json=json))


@live_app.command("stop")
def live_stop(project: Folder = Path(), json: Json = False) -> None:
    """Stop the live job: what it has read is landed first."""
    from beambell.live.supervisor import stop

    stopped = stop(open_project(project))
    Console(as_json=json).show({"stopped": stopped}, ["stopped" if stopped else "no live job is at work"])


@live_app.command("status")
def live_status(project: Folder = Path(), watch: Watch = False, json: Json = False) -> None:
    """Show rates, lag, delays, label model and open partitions; exit with 1 if the job died or a part stalls."""
    from beambell.cli.live_text import status_text
    from beambell.live.supervisor import read_status

    opened, console = open_project(project), Console(as_json=json)
    while True:
        status = read_status(opened)
        console.show(status, status_text(status))
        if not watch:
            break
        time.sleep(1.0)
    stalled = any(stream["stalled"] for stream in status.get("streams", {}).values())
    if status.get("state") == "died" or (status.get("state") == "running" and stalled):
        raise typer.Exit(1)


@live_app.command("audit")
def live_audit(dt: Dt = None, project: Folder = Path(), stream: Streams = None, json: Json = False) -> None:
    """Compare live labels with batch's, row by row; exit with 1 if votes differ, or a row has no live label."""
    from beambell.cli.live_text import audit_text
    from beambell.live.audit import audit

    opened = open_project(project)
    opened.select(stream)
    audits = [audit(opened, partition) for partition in _partitions(opened, stream, dt)]
    Console(as_json=json).show([one.to_dict() for one in audits], audit_text(audits))
    if any(one.differences for one in audits):
        raise typer.Exit(1)


@live_app.command("replay")
def live_replay(
    files: Files = None, project: Folder = Path(), stream: Streams = None, rate: Rate = None, json: Json = False
) -> None:
    """Send records of raw files to the live sources, as if they came now."""
    from beambell.live.replay import raw_records, replay

    opened = open_project(project)
    opened.select(stream)
    streams = stream or sorted(opened.params.live.streams)
    _command(opened)
    sent = replay(opened, {name: raw_records(opened, name, files or []) for name in streams}, rate)
    Console(as_json=json).show({"sent": sent}, [f"{name}: {count:,} records sent" for name, count in sent.items()])


@live_app.command("land")
def live_land(project: Folder = Path(), stream: Streams = None, no_run: NoRun = False, json: Json = False) -> None:
    """Land what the sources have, exactly once, run the ordinary stages on it, and end: minutes instead of seconds."""
    from beambell.live.land import land

    opened, console = open_project(project), Console(as_json=json)
    opened.select(stream)
    _command(opened)
    landed = [land(opened, name) for name in stream or sorted(opened.params.live.streams)]
    told = [
        f"{one.stream}: {one.records:,} records landed in {one.segments} files, of {len(one.partitions)} partitions"
        + (f"; {one.lost:,} were lost at the source" if one.lost else "")
        for one in landed
    ]
    ended = [] if no_run or not any(one.records for one in landed) else _run_stages(opened, console)
    console.show({"landed": [asdict(one) for one in landed], "outcomes": [one.to_dict() for one in ended]}, told)
    if any(one.lost for one in landed):
        raise PartError("records were lost at the source before they were landed", fix="lengthen its retention")


def _run_stages(project: Project, console: Console) -> list[Ended]:
    from beambell.cli.running import run_in_order, worst
    from beambell.stages.order import STAGES

    ended = list(run_in_order(STAGES, project, project.select(), console.working))
    if error := worst(ended):
        raise error
    return ended


def _command(project: Project) -> list[str]:
    """Return the words that start the job of a project.

    Raises
    ------
    LiveError
        If nothing is to be labelled live.
    """
    live = project.params.live
    if not live.streams:
        raise LiveError(
            "no stream is labelled live",
            where="live.streams in params.yaml",
            fix="name a source, such as live: {streams: {comments: {folder: incoming/*.jsonl}}}",
        )
    module = "beambell.live.loop" if live.runner == "loop" else "beam_jobs.live"
    return [sys.executable, "-m", module, "--project", str(project.path)]


def _partitions(project: Project, streams: list[str] | None, dates: list[str] | None) -> list[Partition]:
    from beambell.live.closed import closed_partitions
    from beambell.store import Partition

    found = []
    for stream in streams or sorted(project.params.live.streams):
        if dates:
            found += [project.partition(stream, dt) for dt in dates]
        else:
            found += [Partition(stream, dt) for dt in closed_partitions(project.store, stream)]
    return found


def _detach(project: Project, console: Console, wait_s: float = 120.0) -> None:
    import subprocess

    from beambell.live.supervisor import LOG, read_status, running

    if running(project) is not None:
        raise LiveError("a live job of this project is at work", fix="`beambell live stop` ends it")
    project.volatile.mkdir(parents=True, exist_ok=True)
    began = time.time()
    with (project.volatile / LOG).open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "beambell", "live", "start", "--project", str(project.path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    while time.time() - began < wait_s:
        status = read_status(project)
        if status.get("state") == "running" and float(status.get("began", 0)) > began:
            console.show(status, [f"live job at work: process {status['supervisor']}; `beambell live status`"])
            return
        time.sleep(0.2)
    raise LiveError(f"the live job has not begun within {wait_s:.0f} s", where=str(project.volatile / LOG))
