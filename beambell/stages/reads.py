"""What every stage reads that no other stage makes, written down for DVC.

DVC compares files, and knows nothing of globs, of labeling functions, or of the environment. So its first stage
writes, for each of the others, what that would be made from: names and digests of files, fingerprints of labeling
functions, and parameters as they are in force. A file is written only if what it says has changed.
"""

from __future__ import annotations

import importlib
from typing import Any

from beambell.config.formats import number_of
from beambell.project import Project
from beambell.stages.order import STAGES, Stage
from beambell.store import Layout, canonical_json


def refresh_inputs(project: Project) -> list[str]:
    """Write down what each stage reads; return the names of those for which that has changed."""
    names = {f"{Layout.INPUTS}/{stage.name}.json": stage for stage in STAGES}
    written = project.store.files.read_many(list(names))
    changed = []
    for name, stage in names.items():
        text = canonical_json({"format": number_of(stage.name), **_outer_inputs(project, stage)})
        if written.get(name) != text:
            project.store.files.write(name, text)
            changed.append(stage.name)
    return changed


def _outer_inputs(project: Project, stage: Stage) -> dict[str, Any]:
    """Ask the stage's module, unless all that it reads is made by other stages."""
    read = getattr(importlib.import_module(f"beambell.stages.{stage.name}"), "outer_inputs", None)
    return read(project) if read else {}
