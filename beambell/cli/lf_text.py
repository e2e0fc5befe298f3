"""Views of labeling functions as text on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import indent
from typing import TYPE_CHECKING

from beambell.cli.text import make_table
from beambell.views.lf_views import LFDetail, LFStats
from beambell.visible import plain
from beambell.workshop.examples import NO_VOTE, Example
from beambell.workshop.lf_diff import Change
from beambell.workshop.lf_errors import LFError
from beambell.workshop.lf_trial import Trial

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

NEIGHBOURS_SHOWN = 8
MESSAGES_SHOWN = 5
INDENT = " " * 13


def detail_text(view: LFDetail) -> Iterator[RenderableType]:
    """Render one labeling function."""
    yield f"[bold]{view.name}[/]  {plain(view.description)}"
    facts = {
        "kind": view.kind,
        "votes for": view.label or "several classes",
        "reads": "all columns" if view.fields is None else ", ".join(view.fields) or "nothing",
        "streams": "all" if view.streams is None else ", ".join(view.streams),
        "owner": view.owner,
        "tags": ", ".join(view.tags),
        "version": view.version,
        "defined in": view.place,
        "fingerprint": view.fingerprint,
        "earlier": ", ".join(view.earlier),
        "did": _did(view),
    }
    for name, fact in facts.items():
        if fact:
            yield f"  {name:<12}{plain(fact)}"
    yield ""
    yield plain(view.source.rstrip("\n"))
    if view.failures:
        yield ""
        yield "[bold]errors in the votes that are stored[/]"
    for one in view.failures:
        yield from _failure(one, view.fingerprint)
    if view.more_failures:
        yield f"  and {view.more_failures:,} more"


def _failure(one: LFError, fingerprint: str) -> Iterator[str]:
    version = "" if one.fingerprint == fingerprint else f" (by the earlier version {one.fingerprint[:16]})"
    yield f"  [red]{one.rows:,} rows[/], such as {plain(one.id)} of {one.partition}{version}"
    yield plain(indent(f"{one.error}: {one.message}", "    "))
    if one.traceback:
        yield plain(indent(one.traceback, "      "))


def _did(view: LFDetail) -> str:
    if not view.partitions:
        return "nothing yet: `beambell apply` applies it"
    share = view.votes / view.rows if view.rows else 0.0
    rows = f"{view.rows:,} rows of {view.partitions} partitions"
    return f"{view.votes:,} votes on {rows} ({share:.1%}), {view.errors:,} errors"


def stats_text(view: LFStats) -> Iterator[RenderableType]:
    """Render an analysis: one labeling function a row, then one partition a row."""
    table = make_table("labeling functions", "name", "polarity", "votes", "coverage", "overlaps", "conflicts", "errors")
    for lf in view.lfs:
        shares = (f"{share:.1%}" for share in (lf.coverage, lf.overlaps, lf.conflicts))
        table.add_row(lf.name, ", ".join(lf.polarity) or "-", f"{lf.votes:,}", *shares, f"{lf.errors:,}")
    yield table
    if view.over_time:
        table = make_table("over time", "partition", "rows", "coverage", "overlaps", "conflicts", "errors")
        for moment in view.over_time:
            shares = (f"{share:.1%}" for share in (moment.coverage, moment.overlaps, moment.conflicts))
            table.add_row(moment.partition, f"{moment.rows:,}", *shares, f"{moment.errors:,}")
        yield table
    yield (
        f"{view.rows:,} rows of {view.partitions} partitions: {view.coverage:.1%} have a vote, "
        f"{view.overlaps:.1%} several, {view.conflicts:.1%} votes that disagree"
    )
    if view.behind:
        yield f"[yellow]{view.behind} partitions are left out: their votes are older (run `beambell apply`)[/]"


def trial_text(view: Trial) -> Iterator[RenderableType]:
    """Render a trial on a sample."""
    votes = ", ".join(f"{rows:,} {plain(name)}" for name, rows in view.votes.items()) or "none"
    yield f"[bold]{view.name}[/] on {view.rows:,} rows of {view.partitions} partitions"
    yield f"  votes      {votes} ({view.coverage:.1%} of the rows)"
    yield f"  others     {_others(view)}"
    if view.precision:
        p = view.precision
        interval = f"{p.share:.1%} ({p.low:.1%} to {p.high:.1%})"
        yield f"  precision  {interval}: {p.right:,} right of {p.rows:,} votes on rows with a gold label"
    else:
        yield "  precision  unknown: none of its votes is on a row with a gold label"
    if view.feedback and view.feedback.precision:
        good = view.feedback.precision
        interval = f"{good.share:.1%} ({good.low:.1%} to {good.high:.1%})"
        yield f"  feedback   {interval}: {good.right:,.0f} right of {good.rows:,} votes on rows that people reviewed"
    if view.stopped:
        yield f"  time       [red]{plain(str(view.stopped))}[/]"
        if view.untried:
            yield f"{INDENT}the other {view.untried:,} partitions were not tried"
    else:
        yield f"  time       {1e6 * view.seconds_per_row:,.1f} µs per row"
    yield f"  errors     {view.errors:,}"
    for message, rows in list(view.messages.items())[:MESSAGES_SHOWN]:
        yield f"{INDENT}[red]{rows:,} rows[/]: {plain(indent(message, INDENT).lstrip())}"
    if len(view.messages) > MESSAGES_SHOWN:
        yield f"{INDENT}and {len(view.messages) - MESSAGES_SHOWN:,} more messages (see --json)"
    if view.neighbours:
        table = make_table("others on the same rows", "name", "both vote", "conflicts")
        for one in view.neighbours[:NEIGHBOURS_SHOWN]:
            table.add_row(one.name, f"{one.overlaps:,}", f"{one.conflicts:,}")
        yield table
    if view.examples:
        yield _examples("examples", view.examples)


def _others(view: Trial) -> str:
    if view.overlaps is None or view.conflicts is None:
        return "not known yet: none are applied to these rows (`beambell apply`)"
    rows = "the rows" if view.applied == view.rows else f"the {view.applied:,} rows they are applied to"
    return f"vote, too, on {view.overlaps:.1%} of {rows}, and for another class on {view.conflicts:.1%}"


def changes_text(views: Sequence[Change]) -> Iterator[RenderableType]:
    """Render what became of labeling functions since they were applied."""
    if not views:
        yield "nothing changed since the labeling functions were applied"
    if unapplied := [view.name for view in views if view.change == "not applied"]:
        what = f"[bold]{unapplied[0]}[/] was" if len(unapplied) == 1 else "the labeling functions were"
        yield f"{what} not applied to these rows yet: run `beambell apply`"
        return
    for view in views:
        if view.change == "unchanged":
            yield f"[bold]{view.name}[/] is what was applied"
            continue
        if view.change == "not compared":
            yield f"[bold]{view.name}[/] [red]cannot be compared[/]: {plain(view.why)}"
            continue
        yield f"[bold]{view.name}[/] {view.change}: {view.changed:,} of {view.rows:,} rows get another vote"
        if view.source_diff:
            yield plain(view.source_diff)
        yield _moves(view)
        if view.examples:
            yield _examples("rows that get another vote", view.examples)


def new_text(place: str, name: str, code: str) -> Iterator[RenderableType]:
    """Render what was appended to a module, and what to do next."""
    yield f"added to {plain(place)}:"
    yield ""
    yield plain(code)
    yield f"fill it in, then: beambell lf test {name}"


def _moves(view: Change) -> Table:
    """Render pairs of votes as a matrix."""
    names = _votes_in(view)
    table = make_table("rows by vote", "before, and now:", *names)
    cells = {(move.before, move.after): move.rows for move in view.moves}
    for before in names:
        table.add_row(before, *(f"{cells.get((before, after), 0):,}" for after in names))
    return table


def _votes_in(view: Change) -> list[str]:
    """Return the votes that occur, abstentions first, then in the order they come."""
    seen = dict.fromkeys(vote for move in view.moves for vote in (move.before, move.after))
    return [NO_VOTE, *(vote for vote in seen if vote != NO_VOTE)]


def _examples(title: str, examples: Iterable[Example]) -> Table:
    table = make_table(title, "partition", "id", "vote", "gold", "text")
    for column in table.columns:
        column.justify = "left"
    for one in examples:
        vote = f"{one.before} -> {one.vote}" if one.before is not None else one.vote
        against = f" (not {', '.join(one.against[:2])}{', ...' if len(one.against) > 2 else ''})" if one.against else ""
        table.add_row(one.partition, one.id, vote + against, one.gold or "", one.text)
    return table
