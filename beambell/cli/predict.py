"""``beambell predict``: what the champion says of rows, of a file or of partitions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import DryRun, End, Folder, Json, Start, Streams, open_project
from beambell.errors import UsageError
from beambell.visible import plain

if TYPE_CHECKING:
    from beambell.exports.predicted import Predicted

File = Annotated[
    str | None, typer.Argument(metavar="[FILE]", help="CSV, JSON lines or Parquet; partitions if left out.")
]
Out = Annotated[
    str | None, typer.Option("--out", help="File to write, .csv, .jsonl or .parquet; CSV on stdout if left out.")
]
Model = Annotated[str, typer.Option("--model", help="champion, newest, or a version such as spam@v3.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the file that --out names.")]


def predict(
    file: File = None,
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    model: Model = "champion",
    out: Out = None,
    replace: Replace = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Predict, by the champion, the rows of a file, or of partitions: those that params.yaml or the options name."""
    _check(file, out, of_partitions=bool(start or end or dry_run or len(stream or ()) > 1), json=json)
    if file is None:
        _predict_partitions(project, stream, start, end, model=model, json=json, dry_run=dry_run)
        return
    from beambell.exports.predicted import predict_file

    console, opened = Console(as_json=json), open_project(project)
    done = predict_file(opened, file, out=out, stream=stream[0] if stream else None, model=model, replace=replace)
    console.warn(done.warnings if not json else ())
    if json:
        console.json(asdict(done))
    else:
        (console.err if out is None else console.out).print(_text(done))


def _check(file: str | None, out: str | None, *, of_partitions: bool, json: bool) -> None:
    if file is None and out:
        raise UsageError("--out is for the predictions of a file", fix="beambell predict FILE --out OUT")
    if file and of_partitions:
        raise UsageError("--from, --to, --dry-run and several streams are for partitions", fix="leave the file out")
    if file and json and out is None:
        raise UsageError("--json and predictions would both go to stdout", fix="name a file with --out")


def _predict_partitions(
    folder: Path,
    streams: list[str] | None,
    start: str | None,
    end: str | None,
    *,
    model: str,
    json: bool,
    dry_run: bool,
) -> None:
    """Predict what is selected, whatever params.yaml asks for; without a selection, what params.yaml asks for."""
    from beambell.registry.served import CHAMPION
    from beambell.stages.order import stage_named
    from beambell.stages.predict import plan_asked

    console, project, stage = Console(as_json=json), open_project(folder), stage_named("predict")
    selection = project.select(streams, start, end)
    is_asked = bool(streams or start or end or model != CHAMPION)
    with project.writing(sweep=not dry_run):
        plan = plan_asked(project, selection, model) if is_asked else stage.plan(project, selection)
        if dry_run:
            console.plans([plan])
            return
        with console.working(stage.name):
            outcome = stage.run(project, plan)
    if json:
        console.json(outcome.to_dict())
        return
    console.outcome(outcome)
    if not is_asked and project.params.predictions.mode == "off":
        console.out.print("params.yaml asks for no predictions: name partitions (--stream, --from), or a file")


def _text(done: Predicted) -> str:
    counts = ", ".join(f"{plain(name)} {number:,}" for name, number in done.counts.items())
    where = f": {plain(done.out)}" if done.out else ""
    return f"[bold]predict  [/] {done.rows:,} rows by {plain(done.model)}{where} ({counts or 'none'})"
