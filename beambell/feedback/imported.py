"""What became of files of answers that were taken in by hand: every record is an answer, skipped, or not understood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from beambell.visible import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

FILES_SHOWN: Final = 20


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
        Its name.
    new
        Whether it was not taken in before.
    records, answers, skipped, not_understood
        What became of it: ``records`` is the sum of the others.
    events, quarantined
        Events that it gave, those of rows that a reviewer skipped among them; and the same as ``not_understood``.
    problems
        Of the file as a whole.
    skipped_because
        Why -> how many records nobody gave an answer in.
    not_understood_because
        Each reason, with the first record that it was.
    rejects
        Line and reason of the first that were set aside.
    unknown, unknown_rows
        How many rows that it speaks of are not there (yet), and the first of them.
    counted_by
        What the numbers of ``rejects`` count: ``line``, or ``record`` of an array.
    repeated
        How many of its events other files brought before: they are the same events.
    replaced
        How many answers of the same file, with other words for the classes, do not count any more.
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


def import_text(imported: Sequence[Imported]) -> Iterator[RenderableType]:
    """Render what became of the records of files, and why."""
    for one in imported[:FILES_SHOWN]:
        yield from map(plain, _import_lines(one))
    if len(imported) > FILES_SHOWN:
        yield f"and {len(imported) - FILES_SHOWN:,} more files (see --json)"
    if len(imported) > 1:
        records, answers, skipped, strange = (
            sum(getattr(one, name) for one in imported) for name in ("records", "answers", "skipped", "not_understood")
        )
        yield (
            f"{len(imported):,} files, {records:,} records: {answers:,} answers taken in, {skipped:,} skipped, "
            f"{strange:,} not understood"
        )
    if any(one.events for one in imported):
        yield "`beambell run` applies them"


def _import_lines(one: Imported) -> Iterator[str]:
    reasons = [f"{n:,} {reason}" for reason, n in one.skipped_because.items()]
    reasons += [f"{why.records:,} {why.code}" for why in one.not_understood_because]
    because = f", because {', '.join(reasons)}" if reasons else ""
    again = "" if one.new else " (the file was taken in before; nothing changes)"
    yield (
        f"{one.file}: {one.records:,} records: {one.answers:,} answers taken in, {one.skipped:,} skipped, "
        f"{one.not_understood:,} not understood{because}{again}"
    )
    if one.new and one.repeated:
        yield f"  {one.repeated:,} of these answers were there already, and count once"
    if one.replaced:
        yield (
            f"  {one.replaced:,} answers that were taken in from the same file with other words for the classes do not "
            "count any more"
        )
    yield from (f"  {one.counted_by} {line}: {message}" for line, message in one.rejects)
    if one.not_understood > len(one.rejects):
        yield f"  and {one.not_understood - len(one.rejects):,} more (`beambell feedback status` lists them)"
    yield from (f"  {problem}" for problem in one.problems)
    if one.unknown:
        yield (
            f"  {one.unknown:,} rows are not there (yet): {', '.join(one.unknown_rows[:3])}; their answers are kept"
            + (". Is the rows' id in another field? --id-field" if one.unknown >= one.answers else "")
        )
