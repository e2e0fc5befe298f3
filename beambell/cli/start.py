"""``beambell init``: a project to start from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import Json
from beambell.visible import visible

NewFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where; made if it is not there.")]
Source = Annotated[
    Path | None, typer.Option("--from", help="Make it of this file: CSV, TSV, JSON lines or Parquet, also .gz.")
]
Text = Annotated[str | None, typer.Option("--text", help="Column of the texts, if the choice is not right.")]
Id = Annotated[str | None, typer.Option("--id", help="Column of the ids; '' if there is none.")]
Time = Annotated[str | None, typer.Option("--time", help="Column of the times; '' if there is none.")]
Label = Annotated[str | None, typer.Option("--label", help="Column of labels that are known; '' if there is none.")]
Classes = Annotated[str | None, typer.Option("--classes", help="Names of the classes, with commas, without labels.")]
Stream = Annotated[str | None, typer.Option("--stream", help="Name of the stream; by default that of the file.")]


def add_start(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("init")(init)


def init(
    folder: NewFolder = Path(),
    source: Source = None,
    text: Text = None,
    id: Id = None,  # noqa: A002 - the option's name
    time: Time = None,
    label: Label = None,
    classes: Classes = None,
    stream: Stream = None,
    json: Json = False,
) -> None:
    """Start a project: of a few rows to try it on, or, with --from, of a file of your own."""
    from beambell.workshop.starter import start, start_from

    console = Console(as_json=json)
    if source is None:
        made = start(folder)
    else:
        named = [name.strip() for name in (classes or "").split(",") if name.strip()]
        made = start_from(folder, source, text=text, id=id, time=time, label=label, classes=named, stream=stream)
    if json:
        console.json(asdict(made))
        return
    lines = [*made.found, *(["", ""][: bool(made.found)]), *(f"made {folder / file}" for file in made.files)]
    lines += [f"kept {folder / file}, which was there" for file in made.kept]
    console.out.print(visible("\n".join([*lines, "", "go on with:", *(f"  {c}" for c in made.next)])), markup=False)
