"""What is to be exported, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from beambell.errors import UsageError
from beambell.exports.splits import Splits
from beambell.store import Selection

ROWS, VOTES, PREDICTIONS = "rows", "votes", "predictions"
WITH: Final = (ROWS, VOTES, PREDICTIONS)
"""What may stand beside each label."""


@dataclass(frozen=True)
class Request:
    """What is to be exported, and how.

    Attributes
    ----------
    format
        Name of the format, one of `beambell.exports.formats.names`.
    selection
        Selection of partitions.
    beside
        Names of what stands beside each label: some of `WITH`.
    min_probability
        Least probability of a row's most probable class, in [0, 1]; other rows are left out, and counted. ``None``
        leaves none out.
    splits
        Splits of the rows; ``None`` for none.
    """

    format: str
    selection: Selection = field(default_factory=Selection)
    beside: tuple[str, ...] = ()
    min_probability: float | None = None
    splits: Splits | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """All that was asked for, as JSON values."""
        return {
            "format": self.format,
            "streams": sorted(self.selection.streams),
            "from": self.selection.start,
            "to": self.selection.end,
            "with": list(self.beside),
            "min_probability": self.min_probability,
            "splits": dict(zip(self.splits.names, self.splits.shares, strict=True)) if self.splits else None,
        }

    @property
    def of_each(self) -> dict[str, Any]:
        """What of it bears on every partition's files, as JSON values: not which partitions there are."""
        return {name: value for name, value in self.parameters.items() if name not in ("streams", "from", "to")}


def parse_beside(words: list[str]) -> tuple[str, ...]:
    """Read what stands beside each label: words with commas or without.

    Raises
    ------
    UsageError
        For a word that is none of `WITH`.
    """
    asked = {word.strip() for words_ in words for word in words_.split(",") if word.strip()}
    if unknown := sorted(asked - set(WITH)):
        raise UsageError(f"--with {unknown[0]!r} is unknown", fix=f"choose of {', '.join(WITH)}")
    return tuple(word for word in WITH if word in asked)
