"""The stages in their order, each declared once: commands, DVC's stages and Airflow's tasks are made from this.

Nothing is imported but what a declaration needs: pyarrow, Beam, Great Expectations and torch load only when a stage is
planned or has work to do.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from beambell.project import Project
    from beambell.stages.stage import Outcome, Plan
    from beambell.store import Selection


@dataclass(frozen=True)
class Stage:
    """A stage: what it is called, what it reads and writes, and where its work is.

    Attributes
    ----------
    name
        Name of the stage. Its module is ``beambell.stages.NAME``, with the functions ``plan(project)``
        (``plan(project, selection)`` unless its scope is all) and ``run(project, plan)``.
    summary
        Sentence that says what the stage does.
    reads, writes
        Folders of the artefacts that it reads and writes, below the data root.
    scope
        Unit of its work that a selection may leave out: a raw file of a ``stream``, or a ``partition``. What is made of
        ``all`` partitions is made whole or not at all.
    job
        Name of the module that has ``run`` in place of the stage's own, and is imported only when there is work: Beam
        takes seconds to import.
    command
        Command of the stage, where that is not its name.
    may_be_empty
        Whether there are projects in which the stage never writes anything.
    group
        Name of the group of tasks in Airflow that begins with this stage; the stages after it belong to it, too.
    """

    name: str
    summary: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    scope: Literal["all", "stream", "partition"] = "all"
    job: str | None = None
    command: str | None = None
    may_be_empty: bool = False
    group: str | None = None

    def plan(self, project: Project, selection: Selection) -> Plan[Any]:
        """Find what is stale, and why, without importing anything heavy."""
        planner = importlib.import_module(f"beambell.stages.{self.name}")
        plan: Plan[Any] = planner.plan(project) if self.scope == "all" else planner.plan(project, selection)
        return replace(plan, selection=selection)

    def run(self, project: Project, plan: Plan[Any]) -> Outcome:
        """Do what was planned; no other writer may have come in between."""
        if self.job and not plan.tasks:
            from beambell.stages.stage import Outcome

            return Outcome(self.name, 0, plan.current, warnings=plan.warnings)
        with project.writing(), project.store.files.looked_at_once(once=not plan.tasks):
            outcome: Outcome = importlib.import_module(self.job or f"beambell.stages.{self.name}").run(project, plan)
        return outcome

    def refresh(self, project: Project, selection: Selection) -> Outcome:
        """Plan, and do what was planned, as the only writer."""
        with project.writing():
            return self.run(project, self.plan(project, selection))


INGEST = Stage(
    "ingest",
    "Read new raw files into partitions by event time.",
    writes=("partitions", "deliveries"),
    scope="stream",
    job="beam_jobs.ingest",
    group="deliveries",
)
STAGES = (
    INGEST,
    Stage(
        "feedback",
        "Take in new files of feedback, and bring all that was said to one answer per row.",
        reads=("partitions",),
        writes=("feedback/batches", "feedback/queues", "feedback/consensus"),
        command="feedback sync",
        may_be_empty=True,
        group="votes",
    ),
    Stage(
        "aggregate",
        "Aggregate rows by key, for stateful labeling functions.",
        reads=("partitions", "feedback/consensus"),
        writes=("aggregates",),
        scope="partition",
        job="beam_jobs.aggregate",
        may_be_empty=True,
    ),
    Stage(
        "apply",
        "Let the labeling functions vote on partitions.",
        reads=("partitions", "aggregates"),
        writes=("votes", "lfs"),
        scope="partition",
        job="beam_jobs.apply_lfs",
    ),
    Stage(
        "screen",
        "Compare partitions with the last good ones of their stream; keep those that are broken out of the state.",
        reads=("partitions", "votes"),
        writes=("screenings", "rulings"),
        scope="partition",
        may_be_empty=True,  # most projects have no rulings
    ),
    Stage(
        "merge",
        "Bring the state up to the sum of the partitions' pattern counts.",
        reads=("votes", "screenings"),
        writes=("state",),
    ),
    Stage(
        "count",
        "Count what people said by vote pattern.",
        reads=("feedback/consensus", "votes", "state"),
        writes=("feedback/counts",),
        may_be_empty=True,
        group="labels",
    ),
    Stage(
        "fit",
        "Fit the label model from the state.",
        reads=("state", "feedback/counts", "screenings"),
        writes=("label_models",),
    ),
    Stage(
        "label",
        "Make candidate labels from votes and label model.",
        reads=("votes", "label_models", "feedback/consensus"),
        writes=("candidates",),
        scope="partition",
        job="beam_jobs.label",
    ),
    Stage(
        "validate",
        "Judge candidate labels; publish those that pass the gate.",
        reads=("candidates", "votes", "partitions", "deliveries", "screenings", "rulings"),
        writes=("labels", "published", "verdicts"),
        scope="partition",
    ),
    Stage(
        "train",
        "Train the end model on published labels.",
        reads=("published", "partitions", "screenings"),
        writes=("models/candidate",),
        group="version",
    ),
    Stage(
        "evaluate",
        "Measure labels and end model on gold rows.",
        reads=("models/candidate", "published", "partitions"),
        writes=("evaluation",),
    ),
    Stage(
        "register",
        "Register the trained model as a new version.",
        reads=("models/candidate", "evaluation"),
        writes=("models/registry",),
    ),
    Stage(
        "promote",
        "Make the newest version the champion, if the policy of promotion allows.",
        reads=("models/registry", "verdicts"),
        writes=("decisions",),
        may_be_empty=True,
        group="promotion",
    ),
    Stage(
        "predict",
        "Let the champion predict the rows of partitions, if params.yaml asks for it.",
        reads=("models/registry", "decisions", "partitions"),
        writes=("predictions",),
        scope="partition",
        job="beam_jobs.predict",
        may_be_empty=True,
        group="predictions",
    ),
)


def stage_named(name: str) -> Stage:
    """Return the stage of a name."""
    return next(stage for stage in STAGES if stage.name == name)
