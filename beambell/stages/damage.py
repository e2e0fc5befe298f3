"""Partitions whose files are damaged are left out of a stage's work, so that they stop nobody but themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from beambell.errors import ArtefactError, PartError
from beambell.project import Project
from beambell.stages.stage import Outcome
from beambell.store import FileRef

Work = TypeVar("Work")

SPOKEN = 10


@dataclass(frozen=True)
class Sound(Generic[Work]):
    """Work that can be done, and what was found damaged.

    Attributes
    ----------
    work
        Work that reads nothing damaged.
    damage
        Errors of the files that the rest of the work would have read, by their names.
    """

    work: list[Work]
    damage: tuple[ArtefactError, ...]

    def with_warnings(self, outcome: Outcome) -> Outcome:
        """Return what a stage did, unless something was left out.

        Raises
        ------
        PartError
            If something was; it names the damaged files.
        """
        if not self.damage:
            return outcome
        lines = [f"  {error.where}: {error.message}" for error in self.damage[:SPOKEN]]
        more = [f"  and {len(self.damage) - SPOKEN} more"] if self.damage[SPOKEN:] else []
        raise PartError(
            "\n".join([f"damaged files ({len(self.damage)}); what is made from them was left out", *lines, *more]),
            fix="; or: ".join(dict.fromkeys(str(error.fix) for error in self.damage[:SPOKEN])),
            details={
                "done": outcome.done,
                "current": outcome.current,
                "figures": outcome.figures,
                "damaged": [error.to_dict() for error in self.damage],
            },
        )


def sound_work(
    project: Project, work: Sequence[Work], reads: Callable[[Work], Iterable[tuple[str, FileRef]]]
) -> Sound[Work]:
    """Set work aside that would read damaged files.

    Where reading takes requests, nothing is set aside: workers check what they read, and the first damage ends the job.

    Parameters
    ----------
    reads
        The files that a piece of work reads, with their folders.
    """
    kept, damage = [], []
    for item in work:
        found = project.store.damage(reads(item))
        damage += found
        if not found:
            kept.append(item)
    return Sound(kept, tuple(damage))
