"""Help in the order in which one needs it: begin, run, look; the stages in their order; then tools."""

from __future__ import annotations

from typer import Context
from typer.core import TyperGroup

from beambell.stages.order import STAGES

_FIRST = ("init", "run", "status", "summary", "labels", "lf", "feedback", "models")
_THEN = ("lm", "state", "quarantine", "dead-letters", "lineage", "verify", "gc")


class InOrderOfUse(TyperGroup):
    """The root of the commands; what it does not know comes last."""

    def list_commands(self, ctx: Context) -> list[str]:  # type: ignore[override]
        """List the commands."""
        order = (*_FIRST, *(stage.name for stage in STAGES if stage.name != "feedback"), *_THEN)
        known = super().list_commands(ctx)
        return sorted(known, key=lambda name: order.index(name) if name in order else len(order))
