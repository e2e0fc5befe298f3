"""A comparison of label models as text on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from beambell.cli.text import make_table
from beambell.views.lm_views import Comparison
from beambell.visible import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

COPIES_SHOWN = 8


def comparison_text(view: Comparison) -> Iterator[RenderableType]:
    """Render label models side by side."""
    first = view.models[0].kind
    columns = ("label model", "accuracy", "95 % interval", "log loss", "calibration error", f"agrees with {first}")
    table = make_table("label models", *columns, "ties", "entropy", "seconds")
    for model in view.models:
        if model.failure is not None:
            continue
        good = model.quality
        quality = (
            (f"{good.accuracy:.1%}", f"{good.low:.1%} to {good.high:.1%}", f"{good.log_loss:.3f}",
             f"{good.calibration_error:.3f}")
            if good else ("-",) * 4
        )  # fmt: skip
        agrees = f"{model.agreement[first]:.1%}" if model.agreement and first in model.agreement else "-"
        table.add_row(
            model.kind, *quality, agrees, f"{model.ties:.1%}", f"{model.mean_entropy:.3f}", f"{model.seconds:.3f}"
        )
    yield table
    for model in view.models:
        if model.failure is not None:
            yield f"{model.kind} could not be fitted: {plain(model.failure)}"
    yield f"{view.covered:,} of {view.rows:,} rows have a vote; feedback on {view.feedback:,} of them was used"
    judged = next((model.quality for model in view.models if model.quality), None)
    if judged:
        whence = f"{judged.rows:,} covered rows whose class is known by {view.judged_by}"
        yield f"accuracy, log loss and calibration are of {whence}"
    else:
        yield "no covered row has a known class: quality cannot be told (evaluation.gold in params.yaml, or feedback)"
    for pair in view.dependencies[:COPIES_SHOWN]:
        what = "copies" if pair.kind == "copy" else "is a part of"
        share = pair.likeness if pair.kind == "copy" else pair.contained
        yield f"{pair.lf} {what} {pair.of} ({share:.0%} the same)"
    if len(view.dependencies) > COPIES_SHOWN:
        yield f"and {len(view.dependencies) - COPIES_SHOWN} more such pairs (see --json)"
