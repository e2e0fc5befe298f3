"""Rows as examples of what a labeling function does: votes and texts in words."""

from __future__ import annotations

from dataclasses import dataclass

from beambell.labeling import ABSTAIN
from beambell.project import Project
from beambell.workshop.sample import Part, excerpt

EXAMPLES = 10
NO_VOTE = "abstain"


@dataclass(frozen=True)
class Example:
    """One row.

    Attributes
    ----------
    text
        The row's text, shortened to a line.
    before
        The vote that was stored, in a comparison.
    against
        Names of the labeling functions that voted for another class.
    gold
        Name of the known class, where there is one.
    """

    partition: str
    id: str
    vote: str
    text: str
    before: str | None = None
    against: tuple[str, ...] = ()
    gold: str | None = None


class Speaker:
    """Puts votes and rows into words."""

    def __init__(self, project: Project) -> None:
        self._classes = project.params.classes
        self._texts = {stream: params.text for stream, params in project.params.streams.items()}

    def vote(self, vote: int) -> str:
        """Name of the class voted for."""
        return NO_VOTE if vote == ABSTAIN else self._classes[vote]

    def row(self, part: Part, position: int) -> tuple[str, str, str]:
        """Partition, id and shortened text of the row at a position of a part."""
        row = part.rows.slice(position, 1)
        text = row[self._texts[part.partition.stream]][0].as_py()
        return str(part.partition), str(row["id"][0].as_py()), "(null)" if text is None else excerpt(text)
