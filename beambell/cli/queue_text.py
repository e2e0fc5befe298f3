"""A review queue as text on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from beambell.cli.text import make_table
from beambell.label_model.expected_gain import Estimate, ExpectedGain
from beambell.visible import plain
from beambell.workshop.queue_views import QueueView
from beambell.workshop.sample import excerpt

if TYPE_CHECKING:
    from rich.console import RenderableType

ROWS_SHOWN = 20


def queue_text(view: QueueView) -> Iterator[RenderableType]:
    """Render a queue: its first rows, where they come from, and what answers would buy."""
    for warning in view.warnings:
        yield f"[yellow]warning:[/] {plain(warning)}"
    if view.files:
        yield f"{len(view.tasks):,} rows written to {plain(' and '.join(view.files))}"
    else:
        yield _rows(view)
        if len(view.tasks) > ROWS_SHOWN:
            yield f"and {len(view.tasks) - ROWS_SHOWN:,} more (see --json)"
    yield f"{_counted(view)}; {', '.join(f'{n:,} of {stream}' for stream, n in view.by_stream.items())}"
    yield (
        f"drawn from {view.rows:,} rows, {view.patterns:,} patterns in {view.partitions:,} partitions, of which "
        f"{view.partitions_read:,} were read; {view.known:,} were asked about before, {view.repeated:,} repeat a text"
    )
    if view.gain is not None:
        yield from _gain(view.gain)


def _rows(view: QueueView) -> RenderableType:
    table = make_table(f"{len(view.tasks):,} rows to review", "row", "picked by", "probability", "label", "text")
    table.columns[-1].justify = "left"
    for task in view.tasks[:ROWS_SHOWN]:
        label = f"{task['suggestion']} {task['confidence']:.2f}" if task["suggestion"] else "-"
        where = f"{task['stream']}/{task['row_id']}"
        table.add_row(where, task["picked_by"], f"{task['probability']:.4f}", label, excerpt(task["text"], 60))
    return table


def _counted(view: QueueView) -> str:
    return "picked by " + ", ".join(f"{reason} {n:,}" for reason, n in view.by_reason.items())


def _gain(gain: ExpectedGain) -> Iterator[str]:
    if not gain.answers:
        yield "none of the answers would be of covered rows: the labels of others do not change by them"
        return
    yield (
        f"{gain.answers:.0f} answers on covered rows are expected to make "
        f"{_points(gain.accuracy)} points more of their labels right, to lower the log loss by {_loss(gain.log_loss)} "
        f"and to change {_points(gain.changed)} % of the labels"
    )
    yield (
        f"about {gain.surprises:.0%} of these answers will differ from the label, if its probabilities are right. All "
        "of these are estimates by simulation (90 % intervals), not measurements: see docs/review-queue.md"
    )


def _points(estimate: Estimate) -> str:
    mean, low, high = (100 * value for value in (estimate.mean, estimate.low, estimate.high))
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"


def _loss(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
