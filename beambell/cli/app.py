"""The commands. Each is a few lines: parse, call, print."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from beambell import __version__
from beambell.arguments import refuse_credentials
from beambell.cli.console import Console
from beambell.cli.feedback import feedback_app
from beambell.cli.gate import gate_app
from beambell.cli.help import InOrderOfUse
from beambell.cli.labels import labels_app
from beambell.cli.lf import lf_app
from beambell.cli.live import live_app
from beambell.cli.lm import lm_app
from beambell.cli.models import models_app
from beambell.cli.notices import tell_of
from beambell.cli.notify import notify_app
from beambell.cli.options import DryRun, End, Folder, Json, Restore, Start, Streams, Until, Withdraw, open_project
from beambell.cli.predict import predict
from beambell.cli.running import run_in_order, worst
from beambell.cli.set_aside import add_set_aside
from beambell.cli.start import add_start
from beambell.cli.state import state_app
from beambell.cli.upkeep import add_upkeep
from beambell.credentials import masked
from beambell.document import alone_on_stdout, write_document
from beambell.errors import BeamBellError, ExitCode, UsageError, storage_errors
from beambell.stages.order import INGEST, STAGES, Stage, stage_named
from beambell.visible import plain, visible

if TYPE_CHECKING:
    from beambell.project import Project
    from beambell.store import Selection

app = typer.Typer(
    help="Continuous weak supervision: labeling functions over partitions, exact state, tracked models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rendering help with rich costs half a second of imports
    cls=InOrderOfUse,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"beambell {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version, and exit.")
    ] = False,
) -> None:
    pass


app.add_typer(feedback_app, name="feedback")
app.add_typer(labels_app, name="labels")
app.add_typer(gate_app, name="gate")
app.add_typer(lf_app, name="lf")
app.add_typer(live_app, name="live")
app.add_typer(lm_app, name="lm")
app.add_typer(models_app, name="models")
app.add_typer(notify_app, name="notify")
app.add_typer(state_app, name="state")
app.command("predict")(predict)
add_start(app)
add_set_aside(app)
add_upkeep(app)

# Click's UsageError: typer brings a click of its own, and names of it only what is derived from that.
_WrongUsage: Any = typer.BadParameter.__base__

_COLLECT_AFTER = 20_000
"""New objects between two searches for cycles. Imports make hundreds of thousands and leave next to no cycle; with
Python's 700, a tenth of the time of each command went into searching."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code: 0 done, 1 failed, 2 usage, 3 the gate said no."""
    gc.set_threshold(_COLLECT_AFTER)
    words = list(sys.argv[1:] if arguments is None else arguments)
    with alone_on_stdout(for_good=arguments is None) if "--json" in words else nullcontext():
        _run_command(words)


def _run_command(words: list[str]) -> None:
    try:
        with storage_errors("this machine"):
            refuse_credentials(words)
            sys.exit(app(args=words, prog_name="beambell", standalone_mode=False) or 0)
    except BeamBellError as error:
        Console(as_json="--json" in words).error(error)
        sys.exit(error.exit_code)
    except _WrongUsage as error:
        if "--json" in words:
            usage = UsageError(
                error.format_message(), fix="beambell --help lists the commands, COMMAND --help its options"
            )
            write_document(usage.to_dict())
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - a defect; its traceback repeats whatever it was told
        if "--json" in words:
            write_document(BeamBellError(masked(f"{type(error).__name__}: {error}")).to_dict())
        sys.stderr.write(visible(masked(traceback.format_exc())))
        sys.exit(ExitCode.FAILED)


# -- stages ------------------------------------------------------------------------------------------------------


@app.command()
def ingest(
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    withdraw: Withdraw = None,
    restore: Restore = None,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Read new raw files into partitions by event time; take the rows of files out that are gone or withdrawn."""
    if withdraw or restore:
        from beambell.stages.withdrawal import Wishes

        console, opened = Console(as_json=json), open_project(project)
        with opened.writing():
            wishes = Wishes(opened, opened.select(stream), withdraw or (), restore or ())
            if dry_run:
                console.plans([wishes.plan()])
                return
            wishes.keep()
            _do(console, (INGEST,), opened, opened.select(stream, start, end))
        return
    _run_stages((INGEST,), project, stream, start, end, as_json=json, dry_run=dry_run)


def _add_stage(stage: Stage) -> None:
    def command(
        project: Folder = Path(),
        stream: Streams = None,
        start: Start = None,
        end: End = None,
        json: Json = False,
        dry_run: DryRun = False,
    ) -> None:
        _run_stages((stage,), project, stream, start, end, as_json=json, dry_run=dry_run)

    groups = {"": app, "feedback": feedback_app}
    group, _, word = (stage.command or stage.name).rpartition(" ")
    groups[group].command(word, help=stage.summary)(command)


for _stage in STAGES[1:]:
    if _stage.name not in {"predict", "validate"}:  # which predicts files, too, and which explains
        _add_stage(_stage)


@app.command(help=stage_named("validate").summary)
def validate(
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    json: Json = False,
    dry_run: DryRun = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what was found of each partition, and what to do; judge nothing.")
    ] = False,
) -> None:
    """Judge candidate labels, or say what was found when they were judged."""
    if not explain:
        _run_stages((stage_named("validate"),), project, stream, start, end, as_json=json, dry_run=dry_run)
        return
    from beambell.cli.gate_text import explained_text
    from beambell.views.gate_views import list_verdicts

    opened = open_project(project)
    views = list_verdicts(opened, opened.select(stream, start, end))
    Console(as_json=json).show(views, explained_text(views))


@app.command()
def run(
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Run every stage that has something to do, in order; what the gate refuses is left out, and told at the end."""
    _run_stages(STAGES, project, stream, start, end, as_json=json, dry_run=dry_run)


@app.command()
def status(
    project: Folder = Path(), stream: Streams = None, start: Start = None, end: End = None, json: Json = False
) -> None:
    """Say what `run` would do, and why."""
    _run_stages(STAGES, project, stream, start, end, as_json=json, dry_run=True)


@app.command()
def inputs(project: Folder = Path(), json: Json = False) -> None:
    """Write down what each stage reads from outside, for DVC: `data/inputs/STAGE.json`, anew where it changed."""
    from beambell.stages.reads import refresh_inputs

    console, opened = Console(as_json=json), open_project(project)
    with opened.writing(sweep=False):
        changed = refresh_inputs(opened)
    if json:
        console.json({"changed": changed})
    else:
        console.out.print(f"[bold]inputs   [/] {'changed for ' + ', '.join(changed) if changed else 'unchanged'}")


@app.command()
def dvc(project: Folder = Path(), json: Json = False) -> None:
    """Write the project's `dvc.yaml`: the stages as DVC runs them, made from their declarations."""
    from beambell.stages.dvc import FILE, write_dvc

    console, changed = Console(as_json=json), write_dvc(open_project(project))
    if json:
        console.json({"changed": changed})
    else:
        console.out.print(f"[bold]dvc      [/] {FILE} {'written' if changed else 'unchanged'}")


@app.command()
def dags(
    folder: Annotated[Path, typer.Option("--folder", help="Folder of the DAGs.")] = Path("dags"), json: Json = False
) -> None:
    """Write `stages.json` beside the DAGs: the stages as Airflow runs them, made from their declarations."""
    from beambell.stages.dags import FILE, write_stages

    console, changed = Console(as_json=json), write_stages(folder)
    if json:
        console.json({"changed": changed})
    else:
        console.out.print(f"[bold]dags     [/] {FILE} {'written' if changed else 'unchanged'}")


def _run_stages(
    stages: Sequence[Stage],
    folder: Path,
    streams: list[str] | None,
    start: str | None,
    end: str | None,
    *,
    as_json: bool,
    dry_run: bool,
) -> None:
    console = Console(as_json=as_json)
    project = open_project(folder)
    selection = project.select(streams, start, end)
    if dry_run:
        _show_plans(console, stages, project, selection)
    else:
        _do(console, stages, project, selection)


def _show_plans(console: Console, stages: Sequence[Stage], project: Project, selection: Selection) -> None:
    with project.store.files.looked_at_once():
        plans = [stage.plan(project, selection) for stage in stages]
    console.plans(plans)
    if console.as_json:
        return
    if stale := next((plan.stage for plan in plans if plan.tasks), None):
        console.out.print(f"stages after {stale} may find more to do once it has run")


def _do(console: Console, stages: Sequence[Stage], project: Project, selection: Selection) -> None:
    """Run stages; exit with the code of the worst that happened, when all is done that could be."""
    console = Console(as_json=console.as_json, gathers=len(stages) > 1)
    ended = []
    with project.writing(), project.store.files.looked_at_once():
        for one in run_in_order(stages, project, selection, console.working):
            ended.append(one)
            console.ended(one)
    console.idle()
    tell_of(console, project, ended)
    error = worst(ended)
    if error and len(ended) == 1:
        raise error
    if console.as_json:
        documents = [one.to_dict() for one in ended]
        console.json(
            documents[0] if len(documents) == 1 else {**(error.to_dict() if error else {}), "outcomes": documents}
        )
    for one in ended:
        if one.error:
            console.complain(one.error)
    if error:
        sys.exit(error.exit_code)


# -- the demo's data set ---------------------------------------------------------------------------------------


@app.command()
def generate(project: Folder = Path(), until: Until = None, json: Json = False) -> None:
    """Generate the demo's data set: raw files, and the gold labels that only evaluation sees."""
    console = Console(as_json=json)
    figures = _generate(console, open_project(project), until)
    if json:
        console.json(figures)
    else:
        console.out.print("[bold]generate [/] " + ", ".join(f"{name} {value:,}" for name, value in figures.items()))


@app.command()
def demo(project: Folder = Path()) -> None:
    """Generate the demo's data set, run every stage over it, have some rows reviewed, run again, and sum up."""
    from beambell.cli.effect_text import effect_text
    from beambell.demo.feedback_effect import show_effect
    from beambell.demo.files import make_project
    from beambell.demo.simulate import simulate_reviews
    from beambell.stages.gold_rows import gold_of

    console = Console(as_json=False)
    if made := make_project(project):
        console.out.print(f"[bold]project  [/] made {plain(', '.join(made))}")
    opened = open_project(project)
    _generate(console, opened)
    _do(console, STAGES, opened, opened.select())
    with console.working("review"):
        reviewed = simulate_reviews(opened)
    console.out.print(
        f"[bold]review   [/] {reviewed.events:,} answers of simulated reviewers, in {plain(reviewed.file)}"
    )
    _do(console, STAGES, opened, opened.select())
    _print_summary(console, opened)
    for part in effect_text(show_effect(opened, gold_of(opened))):
        console.out.print(part)


@app.command()
def summary(project: Folder = Path(), json: Json = False) -> None:
    """Sum up: streams, coverage, conflicts, gate, quality, registered model."""
    _print_summary(Console(as_json=json), open_project(project))


def _generate(console: Console, project: Project, until: str | None = None) -> dict[str, int]:
    from beambell.demo import STREAMS as GENERATED
    from beambell.demo import generate

    if missing := sorted(set(GENERATED) - set(project.params.streams)):
        raise UsageError(
            f"params.yaml names no stream {missing[0]!r}, so nobody would read what is generated",
            fix="go on with your own files: beambell run. The generated streams are for a clone of BeamBell itself",
        )
    params = project.params.demo
    days = params.days if until is None else _days_until(until)
    with project.writing(), console.working("generate"):
        made = generate(project.path / _raw(project.params.data), scale=params.scale, days=days)
    return {"files": len(made.files), "rows": made.rows, "late": made.late, "again": made.again, "broken": made.broken}


def _days_until(last: str) -> int:
    """Number of days from the first that is generated to the last, both included."""
    from datetime import UTC, date, datetime, timedelta

    from beambell.demo import FIRST_DAY

    try:
        day = (datetime.now(UTC) - timedelta(days=1)).date() if last == "yesterday" else date.fromisoformat(last)
    except ValueError:
        raise UsageError(f"--until {last} is no day", fix="name one such as 2026-01-20, or: yesterday") from None
    first = FIRST_DAY.date()
    if day < first:
        raise UsageError(f"--until {last} is before the first day, {first}", fix="name a later one")
    return (day - first).days + 1


def _raw(data: str) -> str:
    """Folder of the raw files: below a local data root, and below ``data`` where that is elsewhere."""
    return "data/raw" if "://" in data else f"{data}/raw"


def _print_summary(console: Console, project: Project) -> None:
    from beambell.cli.text import summary_text
    from beambell.stages.gold_rows import gold_warnings
    from beambell.views.views import summarise

    view = replace(summarise(project), warnings=gold_warnings(project))
    if console.as_json:
        console.json(view.to_dict())
        return
    for part in summary_text(view):
        console.out.print(part)
