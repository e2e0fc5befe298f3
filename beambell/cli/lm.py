"""``beambell lm``: which label model to choose."""

from __future__ import annotations

from pathlib import Path

import typer

from beambell.cli.console import Console
from beambell.cli.options import End, Folder, Json, Sample, Start, Streams, open_project

lm_app = typer.Typer(help="Compare label models.", no_args_is_help=True)


@lm_app.callback()
def _group() -> None:
    """Keep the word ``compare``: typer would drop it from a group of one command."""


@lm_app.command("compare")
def lm_compare(
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    sample: Sample = 100_000,
    json: Json = False,
) -> None:
    """Fit every kind of label model to the state: quality, agreement, calibration, time."""
    from beambell.report.lm_text import comparison_text
    from beambell.report.lm_views import compare_label_models
    from beambell.steps.evaluate import gold_of

    opened = open_project(project)
    view = compare_label_models(opened, opened.select(stream, start, end), sample, gold=gold_of(opened))
    Console(as_json=json).show(view, comparison_text(view))
