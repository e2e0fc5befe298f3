"""States on a terminal: what one is, their log, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from beambell.artefacts.stored import SHORT_ID
from beambell.cli.text import make_table
from beambell.views.state_views import LogEntry, StateDiff, StateView

if TYPE_CHECKING:
    from rich.console import RenderableType


def state_text(view: StateView) -> Iterable[RenderableType]:
    """Render a state."""
    when = "" if view.current else " (of the past)"
    of = f" of stream {view.stream}" if view.stream else ""
    yield f"state {view.id[:SHORT_ID]}{when}{of}: {view.policy}; newest day {view.newest or 'none'}"
    yield f"{view.rows:,} rows of {view.partitions:,} partitions, {view.patterns:,} vote patterns"
    if view.kept < 1:
        yield (
            f"[yellow]patterns are a sample[/]: 1 of {round(1 / view.kept):,} is kept (state.max_patterns); "
            "votes, and pairs of votes, are counted exactly on all rows"
        )
    shares = f"{view.covered:.1%}, with several {view.overlapping:.1%}, in conflict {view.conflicting:.1%}"
    yield f"rows with a vote {shares}"
    if view.streams:
        table = make_table("streams", "stream", "partitions", "rows", "patterns")
        for stream, facts in view.streams.items():
            table.add_row(stream, *(f"{facts[name]:,}" for name in ("partitions", "rows", "patterns")))
        yield table
    table = make_table("labeling functions", "name", "coverage", "overlaps", "conflicts", "")
    for lf in view.lfs:
        figures = (f"{share:.1%}" for share in (lf.coverage, lf.overlap, lf.conflict))
        table.add_row(lf.name, *figures, "shadow" if lf.shadow else "")
    yield table


def log_text(entries: Iterable[LogEntry]) -> Iterable[RenderableType]:
    """Render the log of states."""
    table = make_table("states", "number", "id", "newest day", "partitions", "rows", "patterns", "LFs", "weights")
    for entry in entries:
        figures = (f"{figure:,}" for figure in (entry.partitions, entry.rows, entry.patterns, entry.lfs))
        table.add_row(str(entry.number), entry.id[:SHORT_ID], entry.newest or "none", *figures, entry.policy)
    yield table


def diff_text(diff: StateDiff) -> Iterable[RenderableType]:
    """Render how two states differ."""
    yield f"from {diff.before[:SHORT_ID]} to {diff.after[:SHORT_ID]}: {diff.rows[0]:,} rows, then {diff.rows[1]:,}"
    for what, partitions in (("joined", diff.joined), ("left", diff.left), ("replaced", diff.replaced)):
        if partitions:
            yield f"{len(partitions)} {what}: {', '.join(partitions)}"
    if diff.lfs:
        table = make_table("labeling functions", "name", "coverage", "then", "conflicts", "then")
        for shift in diff.lfs:
            cells = [
                "-" if share is None else f"{share[at]:.2%}" for at in (0, 1) for share in (shift.before, shift.after)
            ]
            table.add_row(shift.name, *cells)
        yield table
    if diff.grew:
        table = make_table("patterns that changed most" + (" (estimates)" if diff.sampled else ""), "votes", "rows")
        for growth in diff.grew:
            votes = ", ".join(f"{name} {vote}" for name, vote in growth.pattern.items()) or "no vote"
            table.add_row(votes, f"{growth.rows:+,}")
        yield table
