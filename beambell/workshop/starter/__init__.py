"""A project to start from: its parameters, two labeling functions, and thirty rows to try them on."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from beambell.errors import UsageError

_TEMPLATES = {
    "params.yaml": "params.yaml",
    "labeling_functions/__init__.py": None,
    "labeling_functions/mails.py": "mails.py.txt",
    "data/raw/mails/2026-01-03.csv": "mails.csv",
}
"""What is made, and the template it is made from."""
_PACKAGE = '"""Labeling functions of this project."""\n'
_NAME = "project: starter"


@dataclass(frozen=True)
class Started:
    """What was made.

    Attributes
    ----------
    project
        The project's name.
    folder
        Folder, as it was asked for.
    files
        Paths relative to the folder.
    next
        Commands to go on with.
    """

    project: str
    folder: str
    files: tuple[str, ...]
    next: tuple[str, ...]


def start(folder: Path) -> Started:
    """Make a project in a folder, which is made if it is not there.

    Raises
    ------
    UsageError
        If anything would be overwritten. Nothing is written then.
    """
    _check(folder)
    name = _name_of(folder)
    for file, template in _TEMPLATES.items():
        text = _PACKAGE if template is None else files(__package__).joinpath("files", template).read_text("utf-8")
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        # Quoted, for a folder may be called 2026, or no.
        path.write_text(text.replace(_NAME, f"project: {json.dumps(name)}", 1), encoding="utf-8")
    return Started(name, str(folder), tuple(_TEMPLATES), _next(folder))


def _check(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError("this is a file", where=str(folder), fix="name a folder: beambell init FOLDER")
    if there := [file for file in _TEMPLATES if (folder / file).exists()]:
        raise UsageError(
            f"{' and '.join(there)} would be overwritten",
            where=str(folder.absolute()),
            fix="start in another folder: beambell init FOLDER; `beambell lf new` adds to a project that is there",
        )


def _name_of(folder: Path) -> str:
    """Make a project's name of a folder's."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower())
    return name.strip("-_")[:64] or "starter"


def _next(folder: Path) -> tuple[str, ...]:
    enter = () if folder.resolve() == Path.cwd() else (f"cd {shlex.quote(str(folder))}",)
    return (
        *enter,
        "beambell run",
        "beambell lf list",
        "beambell lf new refund --kind keyword",
        "beambell lf test refund",
    )
