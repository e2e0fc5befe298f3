"""A project to start from: thirty rows of its own, or a file of yours, and all that a project has around its data."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from beambell.errors import UsageError, storage_errors
from beambell.workshop.starter.around import around

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
    kept
        Paths of files that were there already, and were left alone.
    found
        Sentences about the file that it was made from.
    next
        Commands to go on with.
    """

    project: str
    folder: str
    files: tuple[str, ...]
    kept: tuple[str, ...]
    found: tuple[str, ...]
    next: tuple[str, ...]


def start(folder: Path) -> Started:
    """Make a project in a folder, which is made if it is not there.

    Raises
    ------
    UsageError
        If anything would be overwritten. Nothing is written then.
    """
    name = _name_of(folder)
    texts = {}
    for file, template in _TEMPLATES.items():
        text = _PACKAGE if template is None else files(__package__).joinpath("files", template).read_text("utf-8")
        # Quoted, for a folder may be called 2026, or no.
        texts[file] = text.replace(_NAME, f"project: {json.dumps(name)}", 1)
    made, kept = _write(folder, name, texts)
    return Started(name, str(folder), made, kept, (), _next(folder, "beambell lf new refund --kind keyword"))


def start_from(
    folder: Path,
    source: Path,
    *,
    text: str | None = None,
    id: str | None = None,  # noqa: A002 - the column's name for people
    time: str | None = None,
    label: str | None = None,
    classes: Sequence[str] = (),
    stream: str | None = None,
) -> Started:
    """Make a project of a file of records: its columns are looked at, and the file is copied.

    Parameters
    ----------
    folder
        Folder of the project.
    source
        CSV, TSV, JSON lines or Parquet.
    text, id, time, label
        Names of columns; ``None`` leaves the choice to us, an empty name says that there is none.
    classes
        Names of the classes, where no column tells them.
    stream
        Name of the stream; ``None`` for that of the file.

    Raises
    ------
    UsageError
        If anything would be overwritten, or the file has no such columns. Nothing is written then.
    """
    from beambell.workshop.starter.from_file import Made
    from beambell.workshop.starter.profile import Chosen

    name = _name_of(folder)
    made = Made(source, name, Chosen(text, id, time, label), classes, stream)
    written, kept = _write(folder, name, made.files, copies={made.raw: source})
    return Started(name, str(folder), written, kept, made.said, _next(folder, "beambell lf test"))


def _write(
    folder: Path, name: str, texts: dict[str, str], copies: dict[str, Path] | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the files of a project; params.yaml last but one, for it is what makes a folder one."""
    copies = copies or {}
    _check(folder, [*texts, *copies])
    beside = around(name)
    kept = [file for file in (*beside, "dvc.yaml") if (folder / file).exists()]
    todo = {**{file: text for file, text in texts.items() if file != "params.yaml"}, **beside}
    todo = {file: text for file, text in todo.items() if file not in kept} | {"params.yaml": texts["params.yaml"]}
    with storage_errors(str(folder)):
        for file, source in copies.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / file)
        for file, text in todo.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")
        if "dvc.yaml" not in kept:
            from beambell.project import Project
            from beambell.stages.dvc import write_dvc

            write_dvc(Project(folder))
    made = [*texts, *copies, *(file for file in (*beside, "dvc.yaml") if file not in kept)]
    return tuple(made), tuple(kept)


def _check(folder: Path, wanted: Sequence[str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError("this is a file", where=str(folder), fix="name a folder: beambell init FOLDER")
    if there := [file for file in wanted if (folder / file).exists()]:
        raise UsageError(
            f"{' and '.join(there)} would be overwritten",
            where=str(folder.absolute()),
            fix="start in another folder: beambell init FOLDER; `beambell lf new` adds to a project that is there",
        )


def _name_of(folder: Path) -> str:
    """Make a project's name of a folder's."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower())
    return name.strip("-_")[:64] or "starter"


def _next(folder: Path, then: str) -> tuple[str, ...]:
    enter = () if folder.resolve() == Path.cwd() else (f"cd {shlex.quote(str(folder))}",)
    more = (
        ("beambell lf test refund",) if "refund" in then else ("beambell labels export --format csv --out labels.csv",)
    )
    return (*enter, "beambell run", "beambell lf list", then, *more)
