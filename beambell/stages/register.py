"""Register: the trained model becomes a numbered version, with its metrics and all that made it."""

from __future__ import annotations

from beambell.artefacts.kinds.models import EndModel, Evaluation
from beambell.project import Project
from beambell.registry import assign_stage, champion, register, tag_version, versions
from beambell.registry.versions import holds
from beambell.stages.stage import Outcome, Plan, Task
from beambell.store import Layout

STAGE = "register"


def plan(project: Project) -> Plan[None]:
    """Say whether there is a trained model that no version holds."""
    model = project.store.read(Layout.END_MODEL)
    if model is None:
        return Plan(STAGE)
    known = versions(project, EndModel.of(model).model)
    if known and holds(known[-1], model):
        return Plan(STAGE, current=1)
    return Plan(STAGE, (Task(EndModel.of(model).model, "newly trained" if known else "first version"),))


def run(project: Project, plan: Plan[None]) -> Outcome:
    """Register what is new, and tag it where git can say which data it is."""
    model, evaluation = project.store.read(Layout.END_MODEL), project.store.read(Layout.EVALUATION)
    if model is None:
        return Outcome(STAGE)
    if evaluation and Evaluation.of(evaluation).end_model != model.id:
        evaluation = None  # it measured an older model
    version = register(project, model, evaluation)
    tagging = tag_version(project, version)
    figures = {"version": version.name, "tag": tagging.text}
    if tagging.holds and champion(project, version.model) == version:
        figures["stage"] = assign_stage(project, version, project.params.promotion.stage).text
    return Outcome(STAGE, len(plan.tasks), plan.current, figures, (tagging.text,) if tagging.wrong else ())
