"""What every stage reads that no other stage makes: the one place where that is written down, for DVC.

DVC compares files, and knows nothing of globs, of labeling functions, or of the environment. So its first stage
writes, for each of the others, what that would be made from: names and digests of files, fingerprints of labeling
functions, and parameters as they are in force. A file is written only if what it says has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from beambell.config.formats import FORMATS
from beambell.project import Project
from beambell.stages.apply import active_lfs
from beambell.stages.gold_rows import gold_files
from beambell.stages.outside import FileDigests, glob_files
from beambell.stages.raw_files import list_raw_files
from beambell.store import Layout, canonical_json

Tree = dict[str, Any]


def refresh_inputs(project: Project) -> list[str]:
    """Write down what each stage reads; return the names of those for which that has changed."""
    trees = read_by_stages(project)
    names = {f"{Layout.INPUTS}/{stage}.json": stage for stage in trees}
    written = project.store.files.read_many(list(names))
    changed = []
    for name, stage in names.items():
        text = canonical_json(trees[stage])
        if written.get(name) != text:
            project.store.files.write(name, text)
            changed.append(stage)
    return changed


def read_by_stages(project: Project) -> dict[str, Tree]:
    """Return what each stage reads that no other stage makes, by the stage's name."""
    return {stage: {"format": number, **_READS[stage](project)} for stage, number in FORMATS.items()}


def _ingest(project: Project) -> Tree:
    streams = {name: params.model_dump(mode="json") for name, params in project.params.streams.items()}
    return {"files": {file.name: file.sha256 for file in list_raw_files(project, project.select())}, "streams": streams}


def _collect(project: Project) -> Tree:
    digests = FileDigests(project)
    files = {
        file.name: digests.of(file)
        for pattern in project.params.feedback.inputs
        for file in glob_files(project.path, pattern, "feedback.inputs")
    }
    digests.save()
    return {"files": files, **_names(project)}


def _aggregate(project: Project) -> Tree:
    return {
        "aggregates": sorted(project.catalogue.aggregates),
        "feedback": _section(project, "feedback"),
        **_names(project),
    }


def _apply(project: Project) -> Tree:
    return {"lfs": {lf.name: lf.fingerprint for lf in active_lfs(project)}, **_names(project)}


def _merge(project: Project) -> Tree:
    return {**_apply(project), "state": _section(project, "state")}


def _feedback(project: Project) -> Tree:
    return {"feedback": _section(project, "feedback"), **_names(project)}


def _fit(project: Project) -> Tree:
    return {"label_model": _section(project, "label_model"), "shadow": sorted(project.params.lfs.shadow)}


def _label(project: Project) -> Tree:
    return {"labels": _section(project, "labels"), **_names(project)}


def _validate(project: Project) -> Tree:
    return {"gate": _section(project, "gate"), "voteless": list(project.voteless_classes), **_names(project)}


def _train(project: Project) -> Tree:
    texts = {name: params.text for name, params in project.params.streams.items()}
    holdout = project.params.evaluation.holdout
    return {"model": _section(project, "model"), "holdout": holdout, "texts": texts, **_names(project)}


def _evaluate(project: Project) -> Tree:
    files = {name: sha256 for name, (_, sha256) in gold_files(project).items()}
    return {**_train(project), "gold": files, "evaluation": _section(project, "evaluation")}


def _register(project: Project) -> Tree:  # noqa: ARG001 - all that it reads is made by other stages
    return {}


def _promote(project: Project) -> Tree:
    return {"promotion": _section(project, "promotion"), "model": project.params.model.name, **_names(project)}


_READS: Mapping[str, Callable[[Project], Tree]] = {
    "ingest": _ingest,
    "collect": _collect,
    "aggregate": _aggregate,
    "apply": _apply,
    "merge": _merge,
    "feedback": _feedback,
    "fit": _fit,
    "label": _label,
    "validate": _validate,
    "train": _train,
    "evaluate": _evaluate,
    "register": _register,
    "promote": _promote,
}


def _section(project: Project, name: str) -> Tree:
    section: Tree = getattr(project.params, name).model_dump(mode="json")
    return section


def _names(project: Project) -> Tree:
    """Name classes, in order, and streams: hardly a stage does without."""
    return {"classes": list(project.params.classes), "streams": sorted(project.params.streams)}
