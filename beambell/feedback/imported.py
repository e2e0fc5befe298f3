"""What became of files of answers that were taken in by hand: every record is an answer, skipped, or not understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class NotUnderstood:
    """Records of a file that are not understood, for one reason.

    Attributes
    ----------
    code, records
        The reason, and how many.
    line, message
        Line, or number, of the first, and what is wrong with it.
    """

    code: str
    records: int
    line: int
    message: str


@dataclass(frozen=True)
class Imported:
    """A file that was taken in by hand.

    Attributes
    ----------
    file
        Name of the file.
    new
        Whether it was not taken in before.
    records, answers, skipped, not_understood
        Number of records in the file, and how many of them were answers, were skipped and were not understood.
    events, quarantined
        Events that it gave, those of rows that a reviewer skipped among them; and the same as ``not_understood``.
    problems
        Problems of the file as a whole.
    skipped_because
        Number of records without an answer, by reason.
    not_understood_because
        Reasons, each with the first record that it is of.
    rejects
        Line and reason of the first that were set aside.
    unknown, unknown_rows
        Number of rows named in the file that are not there (yet), and the first of them.
    counted_by
        Unit of the numbers of ``rejects``: ``line``, or ``record`` of an array.
    repeated
        Number of its events that other files brought before: they are the same events.
    replaced
        Number of answers of the same file, with other words for the classes, that do not count any more.
    """

    file: str
    new: bool
    records: int
    answers: int
    skipped: int
    not_understood: int
    events: int
    quarantined: int
    problems: tuple[str, ...]
    skipped_because: Mapping[str, int]
    not_understood_because: tuple[NotUnderstood, ...]
    rejects: tuple[tuple[int, str], ...]
    unknown: int
    unknown_rows: tuple[str, ...]
    counted_by: str
    repeated: int
    replaced: int = 0

    @property
    def failed(self) -> bool:
        """Whether it gave no answer, and should have."""
        return not self.answers and bool(self.not_understood or self.problems)
