"""``beambell lm``: which label model to choose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import End, Folder, Json, Sample, Start, Streams, open_project
from beambell.errors import UsageError

Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        help="Judge by gold, or by feedback that only measures; by gold, if any.",
    ),
]

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
    against: Against = None,
    json: Json = False,
) -> None:
    """Fit every kind of label model to the state, with feedback: quality, agreement, calibration, time."""
    from beambell.cli.lm_text import comparison_text
    from beambell.stages.fit import read_feedback
    from beambell.stages.gold_rows import gold_files, gold_of
    from beambell.stages.train import find_sources
    from beambell.views.lm_views import compare_label_models

    if against not in (None, "gold", "feedback"):
        raise UsageError(f"unknown judge {against!r}", where="--against", fix="use gold or feedback")
    opened = open_project(project)
    by_gold = against == "gold" or (against is None and bool(gold_files(opened)))
    reviewed = None if by_gold else read_feedback(opened, opened.weighing_lfs, "evaluate")
    if against == "feedback" and reviewed is None:
        raise UsageError("no feedback only measures", where="--against", fix="`beambell feedback status` says why")
    feedback, chosen = read_feedback(opened, opened.weighing_lfs), opened.select(stream, start, end)
    published = find_sources(opened).labels
    view = compare_label_models(
        opened,
        chosen,
        sample,
        gold=gold_of(opened),
        feedback=feedback,
        reviewed=reviewed,
        among=published or None,
    )
    Console(as_json=json).show(view, comparison_text(view))
