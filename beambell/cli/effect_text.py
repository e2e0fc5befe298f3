"""What feedback did to the demo's labels, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from beambell.cli.text import make_table
from beambell.demo.feedback_effect import FeedbackEffect

if TYPE_CHECKING:
    from rich.console import RenderableType


def effect_text(effect: FeedbackEffect) -> Iterable[RenderableType]:
    """Render labels before and after."""
    table = make_table(
        f"labels against gold, before and after feedback on {effect.reviewed:,} rows",
        "what", "rows", "accuracy", "macro F1", "log loss",
    )  # fmt: skip
    for what, quality in (
        ("all labelled rows, before", effect.before),
        ("all labelled rows, after", effect.after),
        ("rows nobody reviewed, before", effect.before_others),
        ("rows nobody reviewed, after", effect.after_others),
    ):
        if quality:
            figures = (quality.accuracy, quality.macro_f1, quality.log_loss)
            table.add_row(what, f"{quality.rows:,}", *(f"{figure:.3f}" for figure in figures))
    yield table
