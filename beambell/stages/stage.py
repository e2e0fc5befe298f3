"""What every stage is: a plan (what is stale, and why) and an outcome (what was done)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from beambell.store import Manifest, Partition, Selection

Work = TypeVar("Work")
NO_WORK: Any = None
"""Stands for the work behind a plan that says all with its tasks."""


@dataclass(frozen=True)
class Task:
    """One unit of work that is stale.

    Attributes
    ----------
    key
        Name of the unit: a partition, a raw file, or a part of the project.
    reason
        Reason why it is stale, for people.
    """

    key: str
    reason: str


@dataclass(frozen=True)
class Refusal:
    """One unit of work that was judged, and is refused until something changes.

    Attributes
    ----------
    key
        Name of the partition.
    reason
        The figures that are beyond their bounds, for people.
    judged
        Time of the verdict, as ``2026-01-03T07:15:00Z``, by the clock of where the verdict lies.
    """

    key: str
    reason: str
    judged: str


@dataclass(frozen=True)
class Plan(Generic[Work]):
    """What a stage would do now.

    Attributes
    ----------
    stage
        The stage's name.
    tasks
        Stale units of work, in order.
    current
        Number of units that are up to date.
    waiting
        Units that are behind, and cannot be worked on before another stage has.
    figures
        Flat figures for machines that decide by them.
    refused
        Units, up to date, that the gate refuses.
    warnings
        Sentences that a person should read, whether there is work or not.
    notes
        Sentences about what holds, though there is nothing to do.
    work
        Work behind the tasks, as the stage's ``run`` takes it; no part of what is shown.
    selection
        Selection that was planned for.
    """

    stage: str
    tasks: tuple[Task, ...] = ()
    current: int = 0
    waiting: tuple[Task, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    work: Work = field(default=NO_WORK, repr=False)
    selection: Selection = field(default_factory=Selection)


@dataclass(frozen=True)
class Outcome:
    """What a stage did.

    Attributes
    ----------
    stage
        The stage's name.
    done, current
        Units of work done, and units found up to date.
    figures
        Flat figures for people and machines.
    warnings
        Sentences that a person should read.
    details
        Facts that only machines read (``--json``), such as times: never part of an artefact.
    stands
        Whether its figures tell of something that holds, and that a person should read though nothing was done.
    """

    stage: str
    done: int = 0
    current: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    stands: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to do, and nothing to read."""
        return not self.done and not self.stands

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "stage": self.stage,
            "done": self.done,
            "current": self.current,
            "figures": self.figures,
            "warnings": list(self.warnings),
            "details": self.details,
        }


def some_of(words: Sequence[str], most: int = 3) -> str:
    """Spell a list for people: the first few, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return f"{', '.join(words[:most])}{more}"


def plan_whole(
    stage: str,
    what: str,
    before: Manifest | None,
    inputs: dict[str, str] | None,
    names: dict[str, str] | None = None,
    warnings: tuple[str, ...] = (),
    work: Work = NO_WORK,
) -> Plan[Work]:
    """Plan a stage that makes one artefact of the whole project.

    Parameters
    ----------
    stage
        Name of the stage.
    what
        Words for what it makes.
    before
        Manifest of the artefact as it is, if there is one.
    inputs
        Digests of what it would be made from now, by name; ``None`` as long as that is not there.
    names
        Words for inputs whose names are not what people call them.
    warnings
        Sentences that a person should read.
    work
        Work behind the task.
    """
    reason = None if inputs is None else staleness(before, inputs, names)
    tasks = (Task(what, reason),) if reason else ()
    return Plan(stage, tasks, current=int(inputs is not None and not tasks), warnings=warnings, work=work)


class Unit(Protocol):
    """Unit of work that is about one partition."""

    @property
    def partition(self) -> Partition:
        """Partition that it is about."""
        ...


AUnit = TypeVar("AUnit", bound=Unit)


def plan_units(stage: str, units: Iterable[AUnit], why: Callable[[AUnit], str | None]) -> Plan[list[AUnit]]:
    """Plan a stage that makes something of each partition.

    Parameters
    ----------
    stage
        Name of the stage.
    units
        Units that the stage could work on, in order.
    why
        Function that says why a unit is stale, for people, and nothing of one that is not; see `staleness`.
    """
    looked = [(unit, why(unit)) for unit in units]
    tasks = tuple(Task(str(unit.partition), reason) for unit, reason in looked if reason)
    return Plan(stage, tasks, len(looked) - len(tasks), work=[unit for unit, reason in looked if reason])


def staleness(
    manifest: Manifest | None, inputs: Mapping[str, str], names: Mapping[str, str] | None = None
) -> str | None:
    """Say why an artefact is stale, or ``None`` if it is not.

    Parameters
    ----------
    manifest
        Manifest of the artefact as published, if it was.
    inputs
        Digests of what it would be made from now.
    names
        Name of each input for people.
    """
    if manifest is None:
        return "new"
    changed = [name for name in {**manifest.inputs, **inputs} if manifest.inputs.get(name) != inputs.get(name)]
    if not changed:
        return None
    titles = sorted({(names or {}).get(name, name) for name in changed})
    return f"{' and '.join(titles)} changed" if len(titles) <= 3 else f"{len(titles)} inputs changed"
