"""A registered version as a GTO tag in git, so that ``dvc artifacts get`` and every git client can find it.

A tag says by its message which model it is: the id of the version's manifest. Names are not enough, for a colleague's
clone or another branch may have registered another model under the same one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beambell.project import Project
from beambell.registry.versions import ModelVersion

LOCK = "dvc.lock"
TRIES = 3
"""GTO orders tags by their second: what is said twice within one may have to be said again in the next."""
EVERY = {"assignments_per_version": -1, "versions_per_stage": -1}


@dataclass(frozen=True)
class Tagging:
    """What git says of a version or of a stage, in a sentence.

    Attributes
    ----------
    text
        Sentence about what was done or found, or why nothing was.
    holds
        Whether git has the tag, and it is of this very model.
    wrong
        Whether somebody should look: git says of another model what is meant of this one.
    """

    text: str
    holds: bool = False
    wrong: bool = False


def find_tag(project: Project, version: ModelVersion) -> Tagging:
    """Find the tag of a version; see `find_tags`."""
    return find_tags(project, [version])[version.name]


def find_tags(project: Project, versions: Iterable[ModelVersion]) -> dict[str, Tagging]:
    """Find the tags of versions, by the versions' names: a tag counts if its message is the id of the manifest."""
    if trouble := _no_repository(project.path):
        return {version.name: Tagging(f"not tagged: {trouble}") for version in versions}
    messages = _tag_messages(project.path)
    return {version.name: _read(version, messages) for version in versions}


def tag_version(project: Project, version: ModelVersion) -> Tagging:
    """Tag the commit that describes a version, if there is one.

    The tag points at HEAD, so HEAD must say which data the version is: its ``dvc.lock`` has to be committed and to
    agree with the working tree. Inside ``dvc repro`` that cannot be yet.
    """
    found = find_tag(project, version)
    if found.holds or found.wrong or _no_repository(project.path):
        return found
    if not project.store.files.is_local:
        return Tagging("not tagged: git says nothing about a data root elsewhere; the version's manifest is its record")
    if "DVC_STAGE" in os.environ:
        return Tagging("not tagged inside dvc repro: commit dvc.lock, then run `beambell register`")
    if not _is_described(project.path):
        return Tagging("not tagged: run `dvc repro`, commit dvc.lock, then run `beambell register` again")
    return _tag(project.path, version)


def assign_stage(project: Project, version: ModelVersion, stage: str) -> Tagging:
    """Let GTO's stage say what the decisions say: the version if git has its tag, else nobody.

    A stage that git gives to any other version is taken back, by a tag, too: nothing is deleted.
    """
    if trouble := _no_repository(project.path):
        return Tagging(f"not assigned: {trouble}")
    found = find_tag(project, version)
    number = _number(version)
    if not found.holds and not _has_stages(project.path, version.model, stage):
        return Tagging(f"not assigned: {version.name} is {found.text}", wrong=found.wrong)
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    wanted = {number} if found.holds else set()
    try:
        before, after = _settle(project.path, version, stage, wanted)
    except (GTOException, SCMError) as error:
        return Tagging(f"not assigned: {error}", wrong=True)
    if after != wanted:
        who = " and ".join(sorted(after)) or "nobody"
        return Tagging(f"not assigned: `gto show` says that {who} is {stage}", wrong=True)
    back = f"; {stage} was taken back from {' and '.join(sorted(before - wanted))}" if before - wanted else ""
    if not wanted:
        return Tagging(f"not assigned: {version.name} is {found.text}{back}", wrong=found.wrong or bool(back))
    name = f"{version.model} {number}"
    said = f"{name} is {stage}" if number in before else f"assigned {name} to {stage}"
    return Tagging(f"{said}{back}", holds=True)


def _read(version: ModelVersion, messages: Mapping[str, str | None]) -> Tagging:
    tag = _tag_name(version)
    if tag not in messages:
        return Tagging(f"not tagged: git has no tag {tag}")
    message = messages[tag]
    if message == version.manifest.id:
        return Tagging(f"tagged {tag}", holds=True)
    if message is None:
        says = "it is a lightweight tag, which does not say of which model it is"
    else:
        says = f"its message says {message!r}, and this one's id is {version.manifest.id}"
    return Tagging(f"not tagged: tag {tag} is of another model ({says})", wrong=True)


def _number(version: ModelVersion) -> str:
    return f"v{version.number}.0.0"


def _tag_name(version: ModelVersion) -> str:
    return f"{version.model}@{_number(version)}"


# -- GTO -----------------------------------------------------------------------------------------------------------


def _settle(folder: Path, version: ModelVersion, stage: str, wanted: set[str]) -> tuple[set[str], set[str]]:
    """Make GTO give a stage to one version, or to none; returns who had it before, and who has it now.

    GTO lets several versions have a stage, and its commands differ in which of them they name: the last that was
    assigned, or the highest. So whoever is not meant loses it.
    """
    import gto.api

    def now() -> set[str]:
        found = gto.api.find_versions_in_stage(str(folder), version.model, stage, **EVERY)
        return {str(one.version) for one in found or ()}

    before = have = now()
    said: Counter[str] = Counter()
    how: dict[str, Any] = {"stage": stage, "message": version.manifest.id, "force": True}
    while wrong := sorted(have ^ wanted):
        change = gto.api.unassign if wrong[0] in have else gto.api.assign
        if said[wrong[0]] == TRIES:
            break
        if said[wrong[0]]:
            time.sleep(1.0 - time.time() % 1.0)
        said[wrong[0]] += 1
        change(str(folder), version.model, version=wrong[0], **how)
        have = now()
    return before, have


def _has_stages(folder: Path, model: str, stage: str) -> bool:
    """Whether git has any tag that gives the stage: GTO takes a while to import."""
    return bool(_git(folder, "tag", "--list", f"{model}#{stage}*"))


def _tag(folder: Path, version: ModelVersion) -> Tagging:
    import gto.api
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    try:
        gto.api.register(str(folder), version.model, "HEAD", version=_number(version), message=version.manifest.id)
    except (GTOException, SCMError) as error:
        return Tagging(f"not tagged: {error}")
    return Tagging(f"tagged {_tag_name(version)}", holds=True)


# -- git and DVC ---------------------------------------------------------------------------------------------------


def _no_repository(folder: Path) -> str | None:
    """Say why git can say nothing here; ``None`` if it can."""
    if not (folder / ".git").exists():
        return "the project is not the top of a git repository"
    if shutil.which("git") is None:
        return "there is no git on this machine"
    answer = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=folder, capture_output=True, text=True, check=False)
    return f"git says: {answer.stderr.strip().partition(chr(10))[0]}" if answer.returncode else None


def _tag_messages(folder: Path) -> dict[str, str | None]:
    """First lines of all tags' messages, by name; ``None`` for a lightweight tag, which has no message of its own."""
    lines = _git(folder, "for-each-ref", "refs/tags", "--format=%(objecttype) %(refname:strip=2) %(contents:subject)")
    tags = (re.fullmatch(r"(\w+) (\S+) (.*)", line) for line in lines.decode("utf-8", "replace").splitlines())
    return {tag[2]: tag[3].strip() if tag[1] == "tag" else None for tag in tags if tag}


def _git(folder: Path, *words: str) -> bytes:
    """Answer of git, or nothing if it fails."""
    answer = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    return b"" if answer.returncode else answer.stdout


def _is_described(folder: Path) -> bool:
    """Whether HEAD's dvc.lock is today's, and today's model is the one it names."""
    lock = folder / LOCK
    if not lock.exists() or _git(folder, "show", f"HEAD:./{LOCK}") != lock.read_bytes():
        return False
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(folder)) as repo:
            return not repo.status(targets=["train", "register"])
    except DvcException:  # no DVC project, or stages of other names
        return False
