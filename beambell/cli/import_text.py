"""Imported files of answers on a terminal: what became of their records, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from beambell.feedback.imported import Imported
from beambell.visible import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

FILES_SHOWN: Final = 20


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
