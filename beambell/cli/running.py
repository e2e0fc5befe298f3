"""Stages one after the other: what one could not do in part stops nobody, what one could not do at all ends the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from beambell.errors import BeamBellError, GateError, storage_errors
from beambell.stages.order import Stage

if TYPE_CHECKING:
    from beambell.project import Project
    from beambell.stages.stage import Outcome
    from beambell.store import Selection

End = Literal["done", "refused", "failed", "not run"]


@dataclass(frozen=True)
class Ended:
    """How a stage of a run ended.

    Attributes
    ----------
    outcome
        Work of the stage, also if it is only a part.
    error
        Reason why the stage did not do all its work; ``None`` if it did.
    ran
        Whether it was begun.
    """

    outcome: Outcome
    error: BeamBellError | None = None
    ran: bool = True

    @property
    def end(self) -> End:
        """In a word."""
        if not self.ran:
            return "not run"
        if self.error is None:
            return "done"
        return "refused" if isinstance(self.error, GateError) else "failed"

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        error = {} if self.error is None else {"error": self.error.to_dict()}
        return {**self.outcome.to_dict(), "ended": self.end, **error}


def run_in_order(
    stages: Sequence[Stage],
    project: Project,
    selection: Selection,
    working: Callable[[str], AbstractContextManager[Callable[[int], None]]],
) -> Iterator[Ended]:
    """Run stages, each as far as it comes.

    Parameters
    ----------
    working
        Shows that a stage is at work; is told how many units of work there are once that is planned.
    """
    from beambell.stages.stage import Outcome

    stopped = False
    for stage in stages:
        if stopped:
            yield Ended(Outcome(stage.name), ran=False)
            continue
        try:
            with working(stage.name) as announce, storage_errors("this machine"):
                plan = stage.plan(project, selection)
                announce(len(plan.tasks))
                ended = Ended(stage.run(project, plan))
        except BeamBellError as error:
            ended = Ended(_part_done(stage.name, error), error)
            stopped = not error.partial
        yield ended


def worst(ended: Sequence[Ended]) -> BeamBellError | None:
    """Pick the error whose exit code the run has: a failure before a no of the gate, the first before later ones."""
    errors = [one.error for one in ended if one.error is not None]
    return min(errors, key=lambda error: isinstance(error, GateError), default=None)


def _part_done(stage: str, error: BeamBellError) -> Outcome:
    from beambell.stages.stage import Outcome

    details = dict(error.details or {})
    done, current, figures, warnings = (
        details.pop(name, empty) for name, empty in (("done", 0), ("current", 0), ("figures", {}), ("warnings", ()))
    )
    return Outcome(stage, done, current, figures, tuple(warnings), details=details)
