"""``dags/stages.json``, made from the declarations of the stages: all that the DAGs know of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from beambell.errors import UsageError
from beambell.stages.order import STAGES, Stage
from beambell.store import Layout

FILE: Final = "stages.json"


def stages_text() -> str:
    """Spell the file: a list of the stages in their order, each with the name of its group of tasks."""
    group, stages = "", []
    for stage in STAGES:
        group = stage.group or group
        stages.append(_stage(stage, group))
    return json.dumps(stages, indent=2) + "\n"


def write_stages(folder: Path) -> bool:
    """Bring the file in a folder of DAGs up to date; return whether it changed.

    Raises
    ------
    UsageError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError("there is no such folder", where=str(folder), fix="name the folder of the DAGs with --folder")
    file, text = folder / FILE, stages_text()
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    file.write_text(text, encoding="utf-8")
    return True


def _stage(stage: Stage, group: str) -> dict[str, Any]:
    return {
        "name": stage.name,
        "group": group,
        "task": (stage.job or stage.name).rpartition(".")[2],
        "command": stage.command or stage.name,
        "summary": stage.summary,
        "scope": stage.scope,
        "beam": bool(stage.job),
        "long": stage.scope != "all" or Layout.PARTITIONS in stage.reads,  # it works on rows
        "may_be_empty": stage.may_be_empty,
    }
