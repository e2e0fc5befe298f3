"""``dvc.yaml``, made from the declarations of the stages: DVC runs the same commands in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from beambell.errors import UsageError
from beambell.project import Project
from beambell.stages.order import STAGES, Stage
from beambell.store import Layout

FILE: Final = "dvc.yaml"
_MADE_BY: Final = "# Made by `beambell dvc` from the declarations of the stages; edit those, or take this line out."

_HEAD: Final = f"""\
{_MADE_BY}
# The same stages over the same commands. `persist: true`: the stage itself knows what is new.
# What a stage reads that no other stage makes (files wherever they lie, labeling functions, parameters as they are in
# force) is written down by `inputs` alone, which always runs: a second `dvc repro` runs that and nothing else.
params: [params.yaml]

stages:
"""

_INPUTS: Final = """\
  inputs:
    cmd: beambell inputs
    always_changed: true
    outs:
      - {data}/inputs: {{persist: true}}
"""

_GENERATED: Final = """\
  generate:
    cmd: beambell generate
    params: [demo]
    outs: [{data}/raw, {data}/gold]
  inputs:
    cmd: beambell inputs
    deps: [{data}/raw, {data}/gold] # to come after them
    always_changed: true
    outs:
      - {data}/inputs: {{persist: true}}
"""

_TAIL: Final = """
artifacts:
  {model}:
    path: {data}/models/candidate
    type: model
    desc: The end model that was trained last; registered versions are tagged in git by GTO.

metrics:
  - {data}/evaluation/metrics.json

plots:
  - Confusion matrix on held-out gold rows:
      template: confusion
      x: actual
      y: {{{data}/evaluation/confusion.csv: predicted}}
  - Calibration on held-out gold rows:
      template: simple
      x: predicted
      y: {{{data}/evaluation/calibration.csv: observed}}
"""


def dvc_text(project: Project) -> str:
    """Spell the project's ``dvc.yaml``.

    Raises
    ------
    UsageError
        If the data root is not a folder in the project: DVC's outputs are paths there.
    """
    data = project.params.data
    if "://" in data or Path(data).is_absolute() or ".." in Path(data).parts:
        raise UsageError(
            f"DVC cannot track the data root {data}",
            where="data in params.yaml",
            fix="name a folder in the project there; or run the stages with `beambell run`",
        )
    before = _GENERATED if "demo" in project.params.model_fields_set else _INPUTS
    stages = "".join(line + "\n" for stage in STAGES for line in _stage(stage, data))
    return _HEAD + before.format(data=data) + stages + _TAIL.format(data=data, model=project.params.model.name)


def write_dvc(project: Project) -> bool:
    """Bring the project's ``dvc.yaml`` up to date; return whether it changed.

    Raises
    ------
    UsageError
        If there is one that was written by hand.
    """
    file, text = project.path / FILE, dvc_text(project)
    before = file.read_text(encoding="utf-8") if file.exists() else None
    if before == text:
        return False
    if before is not None and _MADE_BY not in before:
        raise UsageError(
            "this file was not made by `beambell dvc`", where=FILE, fix="move it elsewhere, then try again"
        )
    file.write_text(text, encoding="utf-8")
    return True


def _stage(stage: Stage, data: str) -> Iterator[str]:
    folders = [f"{data}/{folder}" for folder in stage.writes]
    command = f"beambell {stage.command or stage.name}"
    made = f"mkdir -p {' '.join(folders)} && " if stage.may_be_empty else ""  # DVC wants every output to be there
    yield f"  {stage.name}:"
    yield f"    cmd: {made}{command}"
    yield f"    deps: [{_listed(data, (f'{Layout.INPUTS}/{stage.name}.json', *stage.reads))}]"
    yield "    outs:"
    yield from (f"      - {folder}: {{persist: true}}" for folder in folders)


def _listed(data: str, names: Iterable[str]) -> str:
    return ", ".join(f"{data}/{name}" for name in names)
