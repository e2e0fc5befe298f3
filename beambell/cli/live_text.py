"""Live labeling in words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from beambell.cli.tables import PlainTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from beambell.live.audit import Audit


def status_text(status: dict[str, Any]) -> Iterator[RenderableType]:
    """Say how a live job is."""
    if "state" not in status:
        yield "no live job has run in this project yet: `beambell live start`"
        return
    age = time.time() - status["at"]
    yield f"{status['state']}, as of {age:.0f} s ago; labeling functions {status['lfs']}"
    if model := status["label_model"]:
        size = f"{model['rows']:,} rows, {model['patterns']:,} patterns"
        yield f"label model {model['name']}: {size}, fitted in {model['seconds']:.2f} s"
    yield from (f"warning: {said}" for said in status["trouble"])
    rows = [
        [
            name, f"{stream['rows']:,}", f"{stream['rows_per_s']:,.0f}", _ms(stream["p50_ms"]), _ms(stream["p99_ms"]),
            stream["low"] or "unknown", f"{sum(max(0, part['behind']) for part in stream['parts'].values()):,}",
        ]
        for name, stream in status["streams"].items()
    ]  # fmt: skip
    yield _table("", ("stream", "rows", "rows/s", "p50", "p99", "event time", "behind"), rows)
    for name, stream in status["streams"].items():
        for part in stream["stalled"]:
            yield f"warning: {name}/{part} stalls: {stream['parts'][part]['error'] or 'records wait, and none comes'}"
        yield from (f"{name}: {count:,} {what}" for what, count in stream["figures"].items())
        yield from (f"{name}: {count:,} rows came late for {dt}" for dt, count in stream["late"].items())
    for name, gaps in status["gaps"].items():
        for gap in gaps:
            which = f"offsets {gap['first']} to {gap['next'] - 1} were lost at the source"
            days = f"; {' to '.join(sorted(set(gap['dates'])))} may lack them" if gap["dates"] else ""
            yield f"warning: {name}/{gap['part']}: {which}{days}"
    if model := status["online_model"]:
        yield _online_text(model)
    for name, found in status["topics"].items():
        yield from _topics_text(name, found or {})
    if status["open"]:
        yield "open: " + ", ".join(f"{one} ({rows:,} rows)" for one, rows in status["open"].items())
    if closing := sorted({*status["closing"], *status["waiting"]}):
        yield f"closed, and not yet labelled by batch: {', '.join(closing)}"
    if said := status["feedback"]:
        again = f", {said['said again']:,} labels said again"
        yield f"feedback: {said['events']:,} events{again}" + (f"; {said['error']}" if said["error"] else "")


def _online_text(model: dict[str, Any]) -> str:
    """Say how the online model does."""
    told = f"online end model {model['name']}: {model['learnt']:,} rows learnt"
    if model["recent_rows"]:
        told += f"; agrees with the label on {model['recent_accuracy']:.1%} of the last {model['recent_rows']:,} rows"
    if model["answers"]:
        told += f", with people on {model['answers_right']:,} of {model['answers']:,}"
    return told


def _topics_text(stream: str, found: dict[str, Any], most: int = 5) -> Iterator[str]:
    """Say what rows without a vote have in common this hour."""
    topics = found.get("topics", ())[:most]
    if topics and found["hours_before"]:
        yield f"{stream}: new since {found['hour']}, and no labeling function votes on it:"
        for topic in topics:
            example = topic["examples"][0][1] if topic["examples"] else ""
            yield f"  {topic['term']}: {topic['rows']:,} rows, {topic['expected']:,} expected; such as: {example[:80]}"


def audit_text(audits: Sequence[Audit]) -> Iterator[RenderableType]:
    """Say what an audit found."""
    if not audits:
        yield "no partition closed yet"
        return
    rows = [
        [
            str(one.partition), f"{one.rows:,}", f"{one.labelled:,}", f"{one.differences:,}", f"{one.moved:,}",
            f"{one.repeated:,}", f"{one.gone:,}",
        ]
        for one in audits
    ]  # fmt: skip
    names = ("partition", "rows", "labelled live", "differences", "label moved", "replaced", "gone")
    yield _table("", names, rows)
    for one in audits:
        for why, count in one.reasons.items():
            yield f"{one.partition}: {count:,} rows have other votes: {why}"
        if one.missing:
            yield f"{one.partition}: no live label for {', '.join(one.missing[:3])}"
        if one.incomplete:
            yield f"{one.partition}: records of its time were lost at the source"


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    made = PlainTable(title, *names)
    for row in rows:
        made.add_row(*row)
    return made


def _ms(value: int | None) -> str:
    return "" if value is None else f"{value:,} ms"
