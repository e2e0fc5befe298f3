"""The demo as a project: its parameters and labeling functions, which stand once in git, at the top of the clone."""

from __future__ import annotations

import shutil
from pathlib import Path

import beambell

FILES = ("params.yaml", "dvc.yaml", "labeling_functions/__init__.py", "labeling_functions/spam.py")


def make_project(folder: Path) -> tuple[str, ...]:
    """Copy the demo's files to a folder that is empty or not there; any other folder is left as it is.

    Returns
    -------
    tuple of str
        Names of the files that were made, relative to the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return ()
    for file in FILES:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_source() / file, path)
    return FILES


def _source() -> Path:
    """Folder of the demo's files: inside the package where a wheel put them, the clone's top level otherwise."""
    package = Path(beambell.__file__).parent
    installed = package / "demo" / "project"
    return installed if installed.is_dir() else package.parent
