"""What the command prints: for people on a terminal, JSON for machines, structured logs elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from beambell.document import write_document
from beambell.errors import BeamBellError
from beambell.visible import plain, visible

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType
    from rich.text import Text

    from beambell.cli.running import Ended
    from beambell.stages.stage import Outcome, Plan

REASONS_SHOWN = 5
WARNINGS_SHOWN = 4
FILE_WIDTH = 10_000
"""Columns of a file or pipe: a line for each row, for whoever greps, and nothing folded."""


class Console:
    """Results on stdout; progress, warnings and errors on stderr.

    Parameters
    ----------
    as_json
        Print results as one JSON document, and nothing else on stdout.
    gathers
        Report stages that had nothing to do together.
    """

    def __init__(self, *, as_json: bool, gathers: bool = False) -> None:
        self.as_json = as_json
        self.gathers = gathers
        self._idle: list[str] = []

    @property
    def out(self) -> RichConsole:
        """Where people read results."""
        return _console(stderr=False)

    @property
    def err(self) -> RichConsole:
        """Where people read progress and trouble."""
        return _console(stderr=True)

    def json(self, value: Any) -> None:
        """Print one JSON document."""
        write_document(value)

    def show(self, view: Any, text: Iterable[RenderableType]) -> None:
        """Print a view (a dataclass, a list of them, or plain JSON values): as JSON, or as text made of it."""
        from dataclasses import asdict, is_dataclass

        if self.as_json:
            plain = [asdict(one) if is_dataclass(one) else one for one in (view if isinstance(view, list) else [view])]  # type: ignore[arg-type]
            self.json(plain if isinstance(view, list) else plain[0])
            return
        out = self.out
        for part in text:
            out.print(part)

    @contextmanager
    def working(self, stage: str) -> Iterator[Callable[[int], None]]:
        """Show that a stage is at work, and how far it is: on a terminal; a log line elsewhere.

        Yields
        ------
        callable
            To be called with the number of units of work, once it is known.
        """
        if sys.stderr.isatty():
            with self.err.status(f"{stage} ...") as status, _counted(stage, status.update) as announce:
                yield announce
        else:
            self.log("started", stage=stage)
            yield lambda _: None
            self.log("finished", stage=stage)

    def log(self, event: str, **facts: str) -> None:
        """Write one line to stderr, in logfmt; its words have no spaces."""
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        words = {**facts, "event": event, "timestamp": moment}
        sys.stderr.write(" ".join(f"{name}={word}" for name, word in words.items()) + "\n")

    def ended(self, ended: Ended) -> None:
        """Report how a stage of a run ended; its error is for the end."""
        if ended.error is None and ended.ran:
            if ended.outcome.is_idle and self.gathers and not self.as_json:
                self._warn_of(ended.outcome)
                self._idle.append(ended.outcome.stage)
            else:
                self.outcome(ended.outcome)
            return
        self._warn_of(ended.outcome)
        if not self.as_json:
            did = f"{ended.outcome.done} done, {ended.outcome.current} up to date" if ended.ran else ""
            figures = _figures(ended.outcome)
            self.out.print(
                f"[bold]{ended.outcome.stage:<9}[/] [red]{ended.end}[/]"
                + "".join(f", {part}" for part in (did, figures) if part)
            )

    def idle(self) -> None:
        """Report, in one line, the stages that had nothing to do."""
        if self._idle:
            self.out.print(f"nothing to do in {', '.join(self._idle)}: up to date")

    def outcome(self, outcome: Outcome) -> None:
        """Report what a stage did."""
        self._warn_of(outcome)
        if not self.as_json:
            done = f"{outcome.done} done" if outcome.done else "nothing to do"
            self.out.print(
                f"[bold]{outcome.stage:<9}[/] {done}, {outcome.current} up to date. {plain(_figures(outcome))}"
            )

    def _warn_of(self, outcome: Outcome) -> None:
        if sys.stderr.isatty() or not self.as_json:  # the document has them
            self.warn(outcome.warnings)

    def warn(self, warnings: Sequence[str]) -> None:
        """Tell people what they should know, the first few."""
        for warning in warnings[:WARNINGS_SHOWN]:
            self.err.print(f"[yellow]warning:[/] {plain(warning)}")
        if len(warnings) > WARNINGS_SHOWN:
            self.err.print(f"[yellow]warning:[/] and {len(warnings) - WARNINGS_SHOWN} more (see --json)")

    def plans(self, plans: Sequence[Plan[Any]]) -> None:
        """Report what stages would do, and why."""
        if self.as_json:
            self.json({"plans": [plan_to_dict(plan) for plan in plans]})
            return
        for plan in plans:
            self.plan(plan)

    def plan(self, plan: Plan[Any]) -> None:
        """Report what a stage would do, and why."""
        from beambell.stages.stage import some_of

        self.warn(plan.warnings)
        head = f"[bold]{plan.stage:<9}[/] {len(plan.tasks)} to do, {plan.current} up to date"
        self.out.print(head if plan.tasks else f"[dim]{head}[/]")
        for task in plan.tasks[:REASONS_SHOWN]:
            self.out.print(f"            {plain(task.key)}: {plain(task.reason)}")
        if len(plan.tasks) > REASONS_SHOWN:
            self.out.print(f"            and {len(plan.tasks) - REASONS_SHOWN} more")
        for reason in dict.fromkeys(task.reason for task in plan.waiting):
            keys = [task.key for task in plan.waiting if task.reason == reason]
            self.out.print(f"            {len(keys)} wait: {plain(reason)}: {plain(some_of(keys, REASONS_SHOWN))}")
        for note in plan.notes:
            self.out.print(f"            {plain(note)}")
        if plan.refused:
            self.out.print(
                f"            [red]{len(plan.refused)} refused[/] by the gate, and left out of what follows:"
            )
        for refusal in plan.refused[:REASONS_SHOWN]:
            self.out.print(f"            {plain(refusal.key)}: {plain(refusal.reason)} (judged {refusal.judged})")
        if len(plan.refused) > REASONS_SHOWN:
            self.out.print(f"            and {len(plan.refused) - REASONS_SHOWN} more (see --json)")

    def finding(self, severity: str, where: str, what: str, fix: str) -> None:
        """Report something that is not as it should be."""
        colour = "red" if severity == "error" else "yellow"
        self.out.print(f"[{colour}]{severity}:[/] {plain(where)}: {plain(what)}\n  what to do: {plain(fix)}")

    def error(self, error: BeamBellError) -> None:
        """Report why the command failed."""
        if self.as_json:
            self.json(error.to_dict())
        self.complain(error)

    def complain(self, error: BeamBellError) -> None:
        """Tell people of an error."""
        self.err.print(f"[red]error:[/] {plain(str(error))}")


def _console(*, stderr: bool) -> RichConsole:
    """Make a console that spells out whatever a terminal would obey; its own colours it adds afterwards."""
    from rich.console import Console as RichConsole

    class Visible(RichConsole):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(visible(text), **options)

    width = None if (sys.stderr if stderr else sys.stdout).isatty() else FILE_WIDTH
    return Visible(stderr=stderr, highlight=False, soft_wrap=True, width=width)


@contextmanager
def _counted(stage: str, show: Callable[[str], None]) -> Iterator[Callable[[int], None]]:
    """Show how many artefacts a stage has published, of how many: each is one manifest."""
    from beambell.store.files import Files

    before, done, of = Files.observer, count(1), ""

    def watch(verb: str, name: str) -> None:
        if before:
            before(verb, name)
        if name.endswith("/manifest.json"):
            show(f"{stage} {next(done):,}{of} ...")

    def announce(total: int) -> None:
        nonlocal of
        of = f" of {total:,}"
        show(f"{stage} 0{of} ...")

    Files.observer = watch
    try:
        yield announce
    finally:
        Files.observer = before


def plan_to_dict(plan: Plan[Any]) -> dict[str, Any]:
    """As plain JSON values."""
    from dataclasses import asdict

    tasks, waiting = ([{"key": t.key, "reason": t.reason} for t in some] for some in (plan.tasks, plan.waiting))
    return {
        "stage": plan.stage,
        "tasks": tasks,
        "current": plan.current,
        "waiting": waiting,
        "figures": plan.figures,
        "refused": [asdict(refusal) for refusal in plan.refused],
        "warnings": list(plan.warnings),
        "notes": list(plan.notes),
    }


def _figures(outcome: Outcome) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in outcome.figures.items())


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
