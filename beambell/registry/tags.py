"""A registered version as a GTO tag in git, so that ``dvc artifacts get`` and every git client can find it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from beambell.project import Project
from beambell.registry.versions import ModelVersion

LOCK = "dvc.lock"


def tag_version(project: Project, version: ModelVersion) -> str:
    """Tag the commit that describes a version, if there is one.

    The tag points at HEAD, so HEAD must say which data the version is: its ``dvc.lock`` has to be committed and to
    agree with the working tree. Inside ``dvc repro`` that cannot be yet.

    Returns
    -------
    str
        What was done, or what to do so that it can be.
    """
    if not (project.path / ".git").exists():
        return "not tagged: the project is not the top of a git repository"
    if not project.store.files.is_local:
        return "not tagged: git says nothing about a data root elsewhere; the version's manifest is its record"
    tag = _tag_name(version)
    if _git(project.path, "tag", "--list", tag):
        return f"tagged {tag}"
    if "DVC_STAGE" in os.environ:
        return "not tagged inside dvc repro: commit dvc.lock, then run `beambell register`"
    if not _is_described(project.path):
        return "not tagged: run `dvc repro`, commit dvc.lock, then run `beambell register` again"
    return _tag(project.path, version, tag)


def assign_stage(project: Project, version: ModelVersion, stage: str) -> str:
    """Tag in git that a version is in a stage, if the version itself is tagged there.

    Returns
    -------
    str
        What was done, or why it was not.
    """
    if not _git(project.path, "tag", "--list", _tag_name(version)):
        return f"not assigned: {version.name} is not tagged in git"
    import gto.api
    from gto.exceptions import GTOException

    number = f"v{version.number}.0.0"
    try:
        now = gto.api.find_versions_in_stage(str(project.path), version.model, stage)
        if now and now[0].version == number:
            return f"{version.model} {number} is {stage}"
        gto.api.assign(str(project.path), version.model, stage, version=number, message=version.manifest.id)
    except GTOException as error:
        return f"not assigned: {error}"
    return f"assigned {version.model} {number} to {stage}"


def _tag_name(version: ModelVersion) -> str:
    return f"{version.model}@v{version.number}.0.0"


def _git(folder: Path, *words: str) -> bytes:
    """Answer of git, or nothing if it fails."""
    answer = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    return b"" if answer.returncode else answer.stdout


def _is_described(folder: Path) -> bool:
    """Whether HEAD's dvc.lock is today's, and today's model is the one it names."""
    lock = folder / LOCK
    if not lock.exists() or _git(folder, "show", f"HEAD:./{LOCK}") != lock.read_bytes():
        return False
    from dvc.repo import Repo

    with Repo(str(folder)) as repo:
        return not repo.status(targets=["train", "register"])


def _tag(folder: Path, version: ModelVersion, tag: str) -> str:
    import gto.api
    from gto.exceptions import GTOException

    try:
        gto.api.register(str(folder), version.model, "HEAD", version=tag.partition("@")[2], message=version.manifest.id)
    except GTOException as error:
        return f"not tagged: {error}"
    return f"tagged {tag}"
