"""The stages as BeamBell declares them, and the tasks that are made of them.

``beambell dags`` makes ``stages.json`` from ``beambell/stages/order.py``; BeamBell is not imported.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, chain
from stages import StageOperator, ValidateOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = Asset("beambell_labels", uri="beambell://labels")
"""Labels that passed the gate, one event per partition key. Consumers schedule on it."""

LONG = timedelta(hours=2)
"""Timeout of what works on rows."""

_UNITS = {
    "all": "Works on the project as a whole.",
    "stream": "Works on the raw files of each stream.",
    "partition": "Works on each partition of the run that is out of date.",
}
_ANNOUNCED = (
    " What passes is announced as the asset `beambell_labels`, under the run's key or the date of each partition; what "
    "does not is not published, and the task shows the figures. What to do then: docs/operating.md."
)


@dataclass(frozen=True)
class Stage:
    """A stage, as it is declared.

    Attributes
    ----------
    name
        Name of the stage.
    group
        Name of the group of tasks that it belongs to.
    task
        Name of its task.
    command
        Words of its command, separated by spaces.
    summary
        Sentence that says what the stage does.
    scope
        Unit of its work: a raw file of a ``stream``, a ``partition``, or ``all``. What is made of all knows neither
        ``--stream`` nor ``--to``.
    beam
        Whether it runs on Beam.
    long
        Whether it works on rows, and so may take hours.
    may_be_empty
        Whether there are projects in which it never has anything to do.
    """

    name: str
    group: str
    task: str
    command: str
    summary: str
    scope: str
    beam: bool
    long: bool
    may_be_empty: bool

    @property
    def text(self) -> str:
        """What a person reads of its task."""
        remarks = [self.summary, _UNITS[self.scope]]
        remarks += ["Runs on Beam."] if self.beam else []
        remarks += ["Some projects have nothing for it to do."] if self.may_be_empty else []
        return " ".join(remarks)

    def words(self, selection: Sequence[str] = ()) -> list[str]:
        """Return its command, with a selection of partitions if it works on such."""
        return ["beambell", *self.command.split(), *(selection if self.scope != "all" else ())]

    def operator(self, selection: Sequence[str] = (), streams: Sequence[str] = (), **about: Any) -> StageOperator:
        """Make its task; ``about`` are arguments of the operator."""
        settings: dict[str, Any] = {
            "task_id": self.task,
            "command": self.words(selection),
            "streams": None if self.scope == "all" else streams,
            "doc_md": self.text,
            **({"execution_timeout": LONG} if self.long else {}),
        }
        if self.name != "validate":
            return StageOperator(**{**settings, **about})
        return ValidateOperator(**{**settings, "doc_md": self.text + _ANNOUNCED, "outlets": [LABELS], **about})


STAGES = tuple(Stage(**one) for one in json.loads(Path(__file__).with_name("stages.json").read_text("utf-8")))
"""All stages, in their order."""


def stages_of(group: str) -> list[Stage]:
    """Return the stages of a group of tasks, in their order."""
    return [stage for stage in STAGES if stage.group == group]


def stage_named(name: str) -> Stage:
    """Return the stage of a name."""
    return next(stage for stage in STAGES if stage.name == name)


def in_order(
    stages: Sequence[Stage], selection: Sequence[str] = (), streams: Sequence[str] = (), **special: dict[str, Any]
) -> list[StageOperator]:
    """Make the tasks of stages, each after the one before it.

    Parameters
    ----------
    stages
        Stages to make tasks of.
    selection
        Words that select partitions, for those that work on such.
    streams
        Names of the streams to narrow them to.
    **special
        More arguments of the operator of a stage, by the stage's name.
    """
    made = [stage.operator(selection, streams, **special.get(stage.name, {})) for stage in stages]
    chain(*made)
    return made
