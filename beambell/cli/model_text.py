"""One version of a model on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from beambell.cli.text import make_table
from beambell.views.model_views import ModelDetail
from beambell.visible import plain

if TYPE_CHECKING:
    from rich.console import RenderableType


def detail_text(view: ModelDetail) -> Iterator[RenderableType]:
    """Render one version."""
    served = "is served" if view.champion == view.name else f"{view.champion or 'no version'} is served"
    yield f"[bold]{view.name}[/] ({served}), from {view.partitions} partitions and {view.lfs} LFs; {view.folder}"
    figures = view.evidence["challenger"], view.evidence["champion"] or {}
    table = make_table(
        f"on {view.evidence['rows']} gold rows", "figure", view.name, view.evidence.get("against") or "-"
    )
    for name, value in figures[0].items():
        if isinstance(value, float):
            table.add_row(name, f"{value:.4f}", f"{figures[1][name]:.4f}" if name in figures[1] else "-")
    yield table
    for check in view.evidence["checks"]:
        yield f"  {'[green]yes[/]' if check['passed'] else '[red]no[/] '} {plain(check['message'])}"
    for made in view.decisions:
        who = plain(made.by or "policy") + (f", {plain(made.at)}" if made.at else "")
        yield f"  {made.action} {made.version} ({who}): {plain(made.reason)}"
