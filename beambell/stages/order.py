"""The stages in their order: one command, one function, one DVC stage, one Airflow task each.

Modules are named, not imported: Beam, Great Expectations and torch load only when a stage has work to do.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beambell.project import Project
    from beambell.stages.stage import Outcome, Plan
    from beambell.store import Selection


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes
    ----------
    name
        The command's word.
    planner, runner
        Modules with ``plan(project, selection)`` and ``run(project, selection)``.
    summary
        What it does, in a line.
    command
        Its command, where that is not its name.
    """

    name: str
    planner: str
    runner: str
    summary: str
    command: str | None = None

    def plan(self, project: Project, selection: Selection) -> Plan:
        """Say what is stale, and why; imports nothing heavy."""
        plan: Plan = importlib.import_module(self.planner).plan(project, selection)
        return plan

    def run(self, project: Project, selection: Selection) -> Outcome:
        """Do what is stale."""
        if self.runner != self.planner:
            # A Beam job without work is answered by its planner: importing Beam takes seconds.
            plan = self.plan(project, selection)
            if not plan.tasks:
                from beambell.stages.stage import Outcome

                return Outcome(self.name, 0, plan.current, warnings=plan.warnings)
        outcome: Outcome = importlib.import_module(self.runner).run(project, selection)
        return outcome


def _driver(name: str, summary: str) -> Stage:
    return Stage(name, f"beambell.stages.{name}", f"beambell.stages.{name}", summary)


INGEST = Stage(
    "ingest", "beambell.stages.ingest", "beam_jobs.ingest", "Read new raw files into partitions by event time."
)
STAGES = (
    INGEST,
    Stage(
        "aggregate",
        "beambell.stages.aggregate",
        "beam_jobs.aggregate",
        "Aggregate rows by key, for stateful labeling functions.",
    ),
    Stage("apply", "beambell.stages.apply", "beam_jobs.apply_lfs", "Let the labeling functions vote on partitions."),
    _driver("merge", "Bring the state up to the sum of the partitions' pattern counts."),
    Stage(
        "feedback",
        "beambell.stages.feedback",
        "beambell.stages.feedback",
        "Take in new files of feedback, and bring all that was said to one answer per row.",
        command="feedback sync",
    ),
    _driver("fit", "Fit the label model from the state."),
    Stage("label", "beambell.stages.label", "beam_jobs.label", "Make candidate labels from votes and label model."),
    _driver("validate", "Judge candidate labels; publish those that pass the gate."),
    _driver("train", "Train the end model on published labels."),
    _driver("evaluate", "Measure labels and end model on gold rows."),
    _driver("register", "Register the trained model as a new version."),
    _driver("promote", "Make the newest version the champion, if the policy of promotion allows."),
)

COLLECT = Stage(
    "collect",
    "beambell.stages.collect",
    "beambell.stages.collect",
    "Take in new files of feedback, and no more; `aggregate` and `feedback sync` begin with it.",
    command="feedback collect",
)
"""No stage of its own but for DVC, whose stages may not write to each other's folders."""
