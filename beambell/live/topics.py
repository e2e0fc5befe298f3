"""Emerging topics: what rows that no labeling function covers say this hour more often than in the hours before."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import sqrt
from typing import Any, NamedTuple

from beambell.live.clock import spell_micros

MOST_TERMS = 5_000
"""Terms that are counted for an hour at least; of more than twice as many, the rarest go."""
HOURS = 25
"""Hours that are remembered: the newest, and a day before it."""
MOST_EXAMPLES = 2_000
LONGEST_TEXT = 500
"""Characters of a text that are looked at."""
FEWEST_ROWS = 3
"""Rows of an hour in which a term must occur to be a topic."""
_OUTLIERS = 0.01
"""Share of the rows that may be of hours to come, by a wrong clock, without being taken for the newest hour."""
_HOUR = 3_600_000_000
_WORD = re.compile(r"\w+")


class Uncovered(NamedTuple):
    """A row that no labeling function covers.

    Attributes
    ----------
    offset
        Offset of its record.
    hour
        Hour of its event time, in hours since 1970.
    id
        Id of the row.
    text
        Beginning of its text.
    """

    offset: int
    hour: int
    id: str
    text: str


def uncovered(offset: int, micros: int, name: str, text: str | None) -> Uncovered:
    """Return what topics need of a row, given its event time in microseconds since 1970."""
    return Uncovered(offset, micros // _HOUR, name, (text or "")[:LONGEST_TEXT])


@dataclass(frozen=True, slots=True)
class Topic:
    """A word, or two words in a row, that uncovered rows of the newest hour have unusually often.

    Attributes
    ----------
    term
        The word, or the two words.
    rows
        Number of uncovered rows of the newest hour that have it.
    expected
        Number of rows that would have it, if the share were that of the hours before.
    score
        Difference of the two, in standard deviations.
    examples
        Id and text of some of these rows, the newest first.
    """

    term: str
    rows: int
    expected: float
    score: float
    examples: tuple[tuple[str, str], ...] = ()


@dataclass
class _Hour:
    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, terms: Iterable[str]) -> None:
        self.rows += 1
        self.counts.update(terms)
        if len(self.counts) > 2 * MOST_TERMS:
            # As of Misra and Gries (1982): what is cut off is taken from all, so that no count is too small by more
            # than the number of occurrences over the number of terms that are kept, whatever the order.
            cut = sorted(self.counts.values(), reverse=True)[MOST_TERMS]
            self.counts = Counter({term: count - cut for term, count in self.counts.items() if count > cut})


class Topics:
    """Uncovered rows of one stream, summed up by the hour: of a bounded size, whatever comes."""

    def __init__(self) -> None:
        self._hours: dict[int, _Hour] = {}
        self._examples: deque[Uncovered] = deque(maxlen=MOST_EXAMPLES)

    def add(self, rows: Iterable[Uncovered]) -> None:
        """Count rows; the hours that are farthest from the newest are forgotten."""
        for row in rows:
            self._hours.setdefault(row.hour, _Hour()).add(terms_of(row.text))
            self._examples.append(row)
            if len(self._hours) > HOURS:
                newest = self._newest_hour()
                del self._hours[max(self._hours, key=lambda hour: (abs(hour - newest), hour))]

    def _newest_hour(self) -> int:
        """Return the newest hour, but for a few rows of a wrong clock."""
        most = max(FEWEST_ROWS - 1, int(_OUTLIERS * sum(hour.rows for hour in self._hours.values())))
        beyond = 0
        for hour in sorted(self._hours, reverse=True):
            beyond += self._hours[hour].rows
            if beyond > most:
                return hour
        return max(self._hours)

    def newest(self, most: int = 10) -> list[Topic]:
        """Return the topics of the newest hour, the most unusual first; no two share a word."""
        if not self._hours:
            return []
        at = self._newest_hour()
        now, before = self._hours[at], [one for hour, one in self._hours.items() if hour < at]
        found = sorted(self._scored(now, before), key=lambda topic: (-topic.score, topic.term))
        kept: list[Topic] = []
        words: set[str] = set()
        for topic in found:
            if len(kept) == most:
                break
            if words.isdisjoint(topic.term.split()):
                words.update(topic.term.split())
                kept.append(topic)
        return [self._with_examples(topic, at) for topic in kept]

    def to_dict(self, most: int = 10) -> dict[str, Any]:
        """Return the topics of the newest hour as plain JSON values."""
        if not self._hours:
            return {"hour": None, "rows": 0, "hours_before": 0, "topics": []}
        at = self._newest_hour()
        return {
            "hour": spell_micros(at * _HOUR),
            "rows": self._hours[at].rows,
            "hours_before": sum(hour < at for hour in self._hours),
            "topics": [asdict(topic) for topic in self.newest(most)],
        }

    @staticmethod
    def _scored(now: _Hour, before: list[_Hour]) -> Iterator[Topic]:
        """Compare shares of rows: mean and deviation of a binomial count, with half a row added to what was before."""
        rows = sum(hour.rows for hour in before)
        for term, count in now.counts.items():
            if count >= FEWEST_ROWS:
                share = min(1.0, (sum(hour.counts[term] for hour in before) + 0.5) / (rows + 1))
                expected = now.rows * share
                score = (count - expected) / sqrt(expected * (1 - share) + 1)
                if score > 0:
                    yield Topic(term, count, round(expected, 2), round(score, 2))

    def _with_examples(self, topic: Topic, hour: int, most: int = 3) -> Topic:
        rows = (row for row in reversed(self._examples) if row.hour == hour and topic.term in terms_of(row.text))
        once = {row.id: row.text for row in rows}
        return Topic(topic.term, topic.rows, topic.expected, topic.score, tuple(once.items())[:most])


def terms_of(text: str) -> set[str]:
    """Return the words of a text in small letters, and its pairs of words; numbers are left out."""
    words = [word for word in _WORD.findall(text.lower()) if not word.isdecimal()]
    return {*words, *(f"{one} {other}" for one, other in pairwise(words))}
