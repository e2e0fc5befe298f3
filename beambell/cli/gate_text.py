"""What the gate found, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from beambell.cli.tables import PlainTable
from beambell.quality.finding import Finding
from beambell.views.gate_views import CaseView, JudgedView
from beambell.visible import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLOURS = {"critical": "red", "warning": "yellow", "info": "dim"}


def list_text(views: Sequence[JudgedView]) -> Iterator[RenderableType]:
    """Render a list of verdicts."""
    if not views:
        yield "nothing to read: every partition passed without a warning (--all lists them)"
        return
    table = PlainTable(
        "verdicts of the gate", "partition", "verdict", "critical", "warnings", "judged", "first finding"
    )
    for view in views:
        critical = sum(finding.blocks for finding in view.findings)
        table.add_row(
            view.partition,
            "passed" if view.passed else "refused",
            str(critical or "-"),
            str(len(view.told) - critical or "-"),
            view.judged,
            view.told[0].message if view.told else "",
        )
    yield table


def explained_text(views: Sequence[JudgedView]) -> Iterator[RenderableType]:
    """Render all that a person should read of several partitions."""
    if not views:
        yield "nothing to explain: every partition passed without a warning"
    for view in views:
        yield from _verdict_text(view, everything=False)


def case_text(view: CaseView, *, everything: bool = False) -> Iterator[RenderableType]:
    """Render one partition: what was found of it, and what was said before."""
    yield from _verdict_text(view.now, everything=everything)
    for ruling in view.now.rulings:
        words = f"{ruling['action']}ed by {ruling['by']}, {ruling['at']}: {ruling['reason']}"
        yield f"  {plain(words)}"
    for past in view.past:
        if everything:
            yield from _verdict_text(past, everything=True)
        else:
            word = "passed" if past.passed else "refused"
            yield f"[dim]{past.judged} {word}, {len(past.told)} findings (--all shows them)[/]"


def _verdict_text(view: JudgedView, *, everything: bool) -> Iterator[str]:
    word = "[green]passed[/]" if view.passed else "[red]refused[/]"
    after = f", compared with {view.reference} earlier partitions" if view.in_state is not None else ""
    yield f"[bold]{plain(view.partition)}[/] {word} {view.judged} (verdict {view.verdict}{after})"
    if view.in_state is False:
        yield "  it is kept out of the state and of training"
    shown = view.findings if everything else view.told
    yield from (line for finding in shown for line in finding_text(finding))
    if len(shown) < len(view.findings):
        yield f"  and {len(view.findings) - len(shown)} for the record (--all)"


def finding_text(finding: Finding) -> Iterator[str]:
    """Render one finding: its sentence, and what to do."""
    colour = _COLOURS[finding.severity]
    yield f"  [{colour}]{finding.severity}[/] {finding.check}: {plain(finding.message)}"
    if finding.severity != "info":
        yield f"    what to do: {plain(finding.fix)}"
