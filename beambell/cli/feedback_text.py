"""Feedback as text on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from beambell.cli.text import make_table
from beambell.views.feedback_views import FeedbackView
from beambell.visible import plain
from beambell.workshop.reviewed import ReviewedPrecision

if TYPE_CHECKING:
    from rich.console import RenderableType

LFS_SHOWN = 15


def status_text(view: FeedbackView) -> Iterator[RenderableType]:
    """Render what was said, and what it tells."""
    yield (
        f"{view.events:,} events in {view.batches:,} batches ({view.withdrawn} withdrawn, "
        f"{view.superseded} superseded, {view.quarantined} set aside)"
    )
    yield (
        f"{view.rows:,} rows: {view.labelled:,} labelled, {view.not_label:,} not of a class, "
        f"{view.not_a_class} of no class, {view.unsure} unsure, {view.undecided} undecided"
    )
    yield f"{view.fit:,} labelled rows are for fitting label models, {view.evaluate:,} only measure"
    if view.unknown or view.waiting:
        some = plain(", ".join(view.unknown_rows[:3]))
        yield (
            f"{view.unknown} rows are not there yet ({some}); {view.waiting} wait for apply"
            if some
            else (f"{view.waiting} reviewed rows wait for apply")
        )
    if view.reviewers:
        table = make_table("reviewers", "reviewer", "rows", "unsure", "compared", "agreement")
        for one in view.reviewers:
            agreement = "-" if one.agreement is None else f"{one.agreement:.1%}"
            table.add_row(one.reviewer, f"{one.rows:,}", f"{one.unsure:,}", f"{one.compared:,}", agreement)
        yield table
    if view.contradicted:
        table = make_table(
            f"{view.contradicted} rows with contradicting reviewers", "row", "consensus", "deciding", "agreement"
        )
        for row in view.contradictions:
            excluded = row["excluded"] if isinstance(row["excluded"], list) else []
            ruled_out = ", ".join(f"not {name}" for name in excluded)
            where, what = f"{row['stream']}/{row['row_id']}", row["label"] or ruled_out or row["verdict"]
            table.add_row(where, str(what), str(row["deciding"]), f"{row['agreement']:.0%}")
        yield table
    judged = [lf for lf in view.lfs if lf.precision]
    if judged:
        table = make_table(
            "labeling functions on reviewed rows", "name", "precision", "95 % interval", "right", "rows", "of all rows"
        )
        for lf in judged[:LFS_SHOWN]:
            if lf.precision:
                table.add_row(lf.name, *share_cells(lf.precision))
        yield table
        if len(judged) > LFS_SHOWN:
            yield f"and {len(judged) - LFS_SHOWN} more precise ones (see --json)"
    if view.labels:
        cells = share_cells(view.labels)
        yield (
            f"labels: {cells[0]} accurate ({cells[1]}) on {view.labels.rows:,} covered rows that only measure"
            + (f"; of all rows {cells[4]}" if view.labels.of_all is not None else "")
        )
    for reject in view.rejects:
        place = reject["file"] if reject["line"] is None else f"{reject['file']}:{reject['line']}"
        yield plain(f"set aside: {place}: {reject['message']}")
    if view.stale:
        yield f"behind: {plain(view.stale)}; `beambell feedback sync` brings it up to date"


def share_cells(share: ReviewedPrecision) -> tuple[str, str, str, str, str]:
    """Share, interval, right, rows, and the share of all rows, as text."""
    of_all = "-"
    if share.of_all is not None and share.of_all_low is not None and share.of_all_high is not None:
        of_all = f"{share.of_all:.1%} ({share.of_all_low:.1%} to {share.of_all_high:.1%})"
    interval = f"{share.low:.1%} to {share.high:.1%}"
    return f"{share.share:.1%}", interval, f"{share.right:,.0f}", f"{share.rows:,}", of_all
