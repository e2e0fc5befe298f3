"""``beambell feedback``: what people say of rows, in and out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import End, Folder, Json, Start, Streams, open_project
from beambell.errors import ExitCode, UsageError

feedback_app = typer.Typer(help="Take in what people say of rows, and see what it tells.", no_args_is_help=True)

Row = Annotated[str | None, typer.Argument(help="Id of the row; none is needed to withdraw an event.")]
OneStream = Annotated[str | None, typer.Option("--stream", help="Its stream; not needed if there is only one.")]
Reviewer = Annotated[str | None, typer.Option("--reviewer", envvar="BEAMBELL_REVIEWER", help="Who says so.")]
Time = Annotated[str | None, typer.Option("--time", help="When, such as 2026-01-03T07:15:00Z; now, if left out.")]
FileTime = Annotated[str | None, typer.Option("--time", help="When, where an event does not say.")]
FileReviewer = Annotated[str | None, typer.Option("--reviewer", help="Who said it, where an event does not say.")]
FileStream = Annotated[str | None, typer.Option("--stream", help="Of which stream, where an event does not say.")]
Files = Annotated[
    list[Path],
    typer.Argument(help="CSV or JSON, BeamBell's, Label Studio's, doccano's, Prodigy's, Argilla's; or folders."),
]
Format = Annotated[str | None, typer.Option("--format", help="csv, jsonl or label-studio, if its name does not tell.")]
FileFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="csv, tsv, jsonl, json, label-studio, prodigy, argilla or doccano, if neither name nor records tell.",
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="CLASS=THEIRS", help="Their word for a class; once for each of their words."),
]
IdField = Annotated[
    str | None,
    typer.Option("--id-field", help="Where the row's id is, such as id or meta.id; row_id, if left out."),
]
LabelField = Annotated[
    str | None,
    typer.Option("--label-field", help="Where the answer is: a column, a control, a question; label, if left out."),
]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Of CSV; told from its header, if left out.")]

Size = Annotated[int | None, typer.Option("--size", min=1, help="Rows; feedback.queue.size, if left out.")]
Again = Annotated[bool, typer.Option("--again", help="Also rows that were given out and have no answer.")]


@feedback_app.command("add")
def feedback_add(
    row: Row = None,
    project: Folder = Path(),
    stream: OneStream = None,
    label: Annotated[str | None, typer.Option("--label", help="The row is of this class.")] = None,
    unsure: Annotated[bool, typer.Option("--unsure", help="The reviewer cannot tell.")] = False,
    not_label: Annotated[str | None, typer.Option("--not-label", help="The row is not of this class.")] = None,
    not_a_class: Annotated[bool, typer.Option("--not-a-class", help="The row is of none of the classes.")] = False,
    lf_wrong: Annotated[str | None, typer.Option("--lf-wrong", help="This LF's vote on the row is wrong.")] = None,
    lf_right: Annotated[str | None, typer.Option("--lf-right", help="This LF's vote on the row is right.")] = None,
    withdraw: Annotated[str | None, typer.Option("--withdraw", help="Take back the event of this id.")] = None,
    reviewer: Reviewer = None,
    time: Time = None,
    comment: Annotated[str | None, typer.Option("--comment", help="Why.")] = None,
    event_id: Annotated[str | None, typer.Option("--id", help="The event's id; the hash of it, if left out.")] = None,
    json: Json = False,
) -> None:
    """Say one thing of one row: its class, that it has none, that an LF is wrong there."""
    from beambell.stages.feedback import add_event

    values = {
        "label": label,
        "not_label": not_label,
        "unsure": unsure or None,
        "not_a_class": not_a_class or None,
        "lf_wrong": lf_wrong,
        "lf_right": lf_right,
        "withdrawn": withdraw,
    }
    given = [verdict for verdict, value in values.items() if value is not None]
    if len(given) != 1:
        raise UsageError(
            f"{len(given)} things are said of the row",
            where="feedback add",
            fix="use one of --label, --not-label, --unsure, --not-a-class, --lf-wrong, --lf-right and --withdraw",
        )
    opened = open_project(project)
    lf = lf_wrong or lf_right
    added = add_event(
        opened,
        event_id=event_id,
        row_id=row,
        stream=stream,
        verdict=given[0],
        label=label or not_label,
        lf=None if lf is None else opened.catalogue[lf].name,
        withdraws=withdraw,
        reviewer=reviewer,
        time=time or datetime.now().astimezone().isoformat(),
        comment=comment,
    )
    known = f"the row is in {', '.join(added.partitions)}" if added.partitions else "there is no such row yet"
    verb = "added" if added.new else "is there already"
    rest = "" if withdraw else f"; {known}"
    Console(as_json=json).show(added, [f"event {added.event_id} {verb}{rest}. `beambell run` applies it"])


@feedback_app.command("import")
def feedback_import(
    files: Files,
    project: Folder = Path(),
    file_format: FileFormat = None,
    theirs: Map = None,
    id_field: IdField = None,
    label_field: LabelField = None,
    delimiter: Delimiter = None,
    reviewer: FileReviewer = None,
    stream: FileStream = None,
    time: FileTime = None,
    json: Json = False,
) -> None:
    """Take in files of answers; every record is taken in, skipped, or not understood, and that is told."""
    from beambell.cli.import_text import import_text
    from beambell.feedback.answers import read_map
    from beambell.stages.feedback_files import How
    from beambell.stages.import_answers import import_files

    console, opened = Console(as_json=json), open_project(project)
    if stream:
        opened.select([stream])
    defaults = {name: value for name, value in (("reviewer", reviewer), ("stream", stream), ("time", time)) if value}
    mapped = read_map(theirs or (), opened.params.classes)
    how = How(defaults, file_format, mapped, id_field, label_field, _character(delimiter))
    imported = import_files(opened, files, how)
    console.show(imported, import_text(imported))
    if any(one.failed for one in imported) or not any(one.answers for one in imported):
        raise typer.Exit(ExitCode.FAILED)


def _character(delimiter: str | None) -> str | None:
    r"""Read a delimiter as people type it: a tab may be ``\t``."""
    found = {"\\t": "\t", "tab": "\t"}.get(delimiter or "", delimiter)
    if found is not None and len(found) != 1:
        raise UsageError(
            f"--delimiter {found!r} is not one character", where="feedback import", fix="use , ; | or \\t, for example"
        )
    return found


@feedback_app.command("status")
def feedback_status(project: Folder = Path(), json: Json = False) -> None:
    """Show what was said, by whom, how far they agree, and what it tells of LFs and labels."""
    from beambell.cli.feedback_text import status_text
    from beambell.stages.feedback import find_work
    from beambell.views.feedback_views import show_feedback

    opened = open_project(project)
    view = show_feedback(opened, find_work(opened).reason)
    Console(as_json=json).show(view, status_text(view))


@feedback_app.command("queue")
def feedback_queue(
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    size: Size = None,
    again: Again = False,
    estimate: Annotated[bool, typer.Option(help="Estimate what the answers would buy.")] = True,
    json: Json = False,
) -> None:
    """Show which rows to review next, why, and what the answers are expected to buy. Nothing is written."""
    from beambell.cli.queue_text import queue_text
    from beambell.workshop.review_queue import build_queue, estimate_gain, show_queue

    opened = open_project(project)
    made = build_queue(opened, opened.select(stream, start, end), size=size, again=again)
    view = show_queue(made, estimate_gain(opened, made) if estimate else None)
    Console(as_json=json).show(view, queue_text(view))


@feedback_app.command("export")
def feedback_export(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    size: Size = None,
    again: Again = False,
    file_format: Format = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Write the rows to review next to a file for reviewers, and note that they were given out."""
    from beambell.cli.queue_text import queue_text
    from beambell.feedback.interchange import check_format
    from beambell.workshop.review_queue import export_queue

    opened = open_project(project)
    form = check_format(out.name, file_format)
    selection = opened.select(stream, start, end)
    view = export_queue(opened, selection, out, form, size=size, again=again, force=force)
    Console(as_json=json).show(view, queue_text(view))
