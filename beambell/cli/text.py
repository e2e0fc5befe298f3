"""Views as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from beambell.views.views import GateView, LFView, ModelView, Summary
from beambell.visible import plain

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from beambell.cli.tables import PlainTable

ROWS_OF_METRICS = {
    "majority_vote": "majority vote (baseline)",
    "labels": "published labels",
    "end_model": "end model, held-out rows",
    "end_model_gold_texts": "end model, gold texts of their own",
}


def make_table(title: str, *columns: str) -> PlainTable:
    """Make a table with the first column to the left and the others to the right; its cells are no markup."""
    from beambell.cli.tables import PlainTable

    return PlainTable(title, *columns)


def summary_text(summary: Summary) -> Iterable[RenderableType]:
    """Render the whole project: streams, state, gate, quality, and where to look next."""
    yield _streams(summary)
    yield (
        f"state: {summary.rows:,} rows are {summary.patterns:,} vote patterns of {summary.lfs} labeling functions; "
        f"label model: {summary.label_model or 'none yet'}"
    )
    yield _gate(summary.gate)
    yield ""
    if summary.metrics:
        yield _quality(summary)
    yield from (f"[yellow]warning:[/] {plain(warning)}" for warning in summary.warnings)
    if summary.model:
        yield f"registered: {summary.model.name}, trained on {summary.model.partitions} partitions"
    yield ""
    yield from _next(summary)


def _next(summary: Summary) -> Iterable[str]:
    """Say where to look next."""
    yield "look next:"
    yield "  beambell lf list     what each labeling function did"
    yield "  beambell status      what would run after an edit, and why"
    if summary.gate.failed or summary.gate.warnings:
        yield "  .beambell/gate/      the gate's report of its last run, as HTML and JSON"
    for view in summary.streams[:1]:
        yield f"  data/labels/stream={view.stream}/dt={view.last}/labels.parquet   published labels"
    if summary.metrics:
        yield "  data/evaluation/     metrics, confusion matrix, calibration (`dvc plots show` draws them)"


def _streams(summary: Summary) -> Table:
    columns = ("stream", "partitions", "from", "to", "rows", "duplicates", "quarantined", "coverage", "conflict")
    table = make_table(f"project {summary.project}", *columns)
    for view in summary.streams:
        table.add_row(
            view.stream,
            f"{view.published}/{view.partitions} published",
            view.first,
            view.last,
            f"{view.rows:,}",
            f"{view.duplicates:,}",
            f"{view.quarantined:,}",
            f"{view.coverage:.1%}",
            f"{view.conflict:.1%}",
        )
    return table


def _gate(gate: GateView) -> str:
    if gate.failed:
        return f"gate: [red]{len(gate.failed)} refused[/] ({', '.join(gate.failed[:3])}), {gate.passed} passed"
    return f"gate: {gate.passed} partitions passed, {gate.warnings} warnings"


def _quality(summary: Summary) -> Table:
    table = make_table(
        "quality against gold labels", "what", "rows", "accuracy", "macro F1", "log loss", "calibration error"
    )
    for name, title in ROWS_OF_METRICS.items():
        figures = summary.metrics.get(name)
        if figures and "accuracy" in figures:
            table.add_row(
                title,
                f"{figures['rows']:,}",
                f"{figures['accuracy']:.3f}",
                f"{figures['macro_f1']:.3f}",
                f"{figures['log_loss']:.3f}",
                f"{figures['calibration_error']:.3f}",
            )
    return table


def lfs_text(views: Iterable[LFView]) -> Table:
    """Render labeling functions as a table."""
    table = make_table(
        "labeling functions", "name", "kind", "label", "fingerprint", "coverage", "errors", "runs as", "description"
    )
    for column in table.columns[-2:]:
        column.justify = "left"
    for view in views:
        table.add_row(
            view.name,
            view.kind,
            view.label or "several",
            view.fingerprint[:12],
            "-" if view.coverage is None else f"{view.coverage:.1%}",
            "-" if view.errors is None else str(view.errors),
            f"{view.how} ({view.why})" if view.why else view.how,
            view.description,
        )
    return table


def models_text(views: Sequence[ModelView]) -> Iterable[RenderableType]:
    """Render registered model versions as a table, and whose decision holds."""
    table = make_table("registered models", "version", "stage", "partitions", "accuracy", "macro F1", "in git")
    table.columns[-1].justify = "left"
    for view in views:
        figures = view.metrics.get("end_model", {})
        shown = [f"{figures[name]:.3f}" if name in figures else "-" for name in ("accuracy", "macro_f1")]
        table.add_row(view.name, view.stage or "", str(view.partitions), *shown, view.tag)
    yield table
    yield from (plain(view.held) for view in views if view.held)
