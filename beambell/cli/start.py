"""``beambell init``: a project to start from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import Json

NewFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where; made if it is not there.")]


def add_start(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("init")(init)


def init(folder: NewFolder = Path(), json: Json = False) -> None:
    """Start a project: params.yaml, two labeling functions, and a few rows to try them on."""
    from beambell.workshop.starter import start

    console, made = Console(as_json=json), start(folder)
    if json:
        console.json(asdict(made))
        return
    lines = [*(f"made {folder / file}" for file in made.files), "", "go on with:", *(f"  {c}" for c in made.next)]
    console.out.print("\n".join(lines), markup=False)
