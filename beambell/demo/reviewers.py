"""People who review rows of the demo's data set: they know the hidden labels, and err now and then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from beambell.demo.rng import Rng
from beambell.demo.writing import FIRST_DAY


@dataclass(frozen=True)
class Reviewer:
    """One of them.

    Attributes
    ----------
    wrong, unsure
        Shares of rows that get the other label, and that get none.
    """

    name: str
    wrong: float
    unsure: float


REVIEWERS: Final = (Reviewer("ada", 0.02, 0.0), Reviewer("ben", 0.05, 0.02), Reviewer("cleo", 0.03, 0.5))
_FIRST_ANSWER: Final = timedelta(days=60)


def review(
    rows: Iterable[tuple[str, str, int, float]], classes: Sequence[str], *, seed: int = 2026
) -> Iterator[dict[str, Any]]:
    """Answer: each row is shown to two of the reviewers, without the votes.

    Parameters
    ----------
    rows
        Stream, id, number of the true class, and the probability with which the row was picked.
    classes
        Names of the classes.
    """
    for number, (stream, row_id, truth, probability) in enumerate(rows):
        absent = number % len(REVIEWERS)
        for place, reviewer in enumerate(REVIEWERS):
            if place == absent:
                continue
            rng = Rng(seed, "review", stream, row_id, reviewer.name)
            unsure, wrong = rng.chance(reviewer.unsure), rng.chance(reviewer.wrong)
            label = classes[(truth + (1 if wrong else 0)) % len(classes)]
            yield {
                "row_id": row_id,
                "stream": stream,
                "verdict": "unsure" if unsure else "label",
                "label": None if unsure else label,
                "reviewer": reviewer.name,
                "time": (FIRST_DAY + _FIRST_ANSWER + timedelta(seconds=30 * number + place)).isoformat(),
                "picked_by": "random",
                "probability": probability,
                "random_share": 1.0,
                "votes_shown": False,
            }
