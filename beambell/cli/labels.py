"""``beambell labels``: published labels, handed on to others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import End, Folder, Json, Start, Streams, open_project
from beambell.visible import plain

if TYPE_CHECKING:
    from beambell.exports.export import Exported

labels_app = typer.Typer(help="Hand published labels on.", no_args_is_help=True)

Format = Annotated[str, typer.Option("--format", help="parquet, csv, jsonl, hf or delta.")]
Out = Annotated[
    str,
    typer.Option("--out", help="A folder; or one file, if its name ends in .parquet, .csv or .jsonl as the format."),
]
With = Annotated[
    list[str] | None, typer.Option("--with", help="Columns beside the labels: rows, votes, predictions; with commas.")
]
MinProbability = Annotated[
    float | None,
    typer.Option("--min-probability", min=0, max=1, help="Leave out rows whose most probable class is less so."),
]
Split = Annotated[
    str | None,
    typer.Option("--split", help="By a hash of the text: hash (train, valid, test), or train=0.9,test=0.1."),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace what lies there, though it is no export of ours, or was changed.")
]


@labels_app.command("export")
def labels_export(
    format: Format,  # noqa: A002 - the option's name
    out: Out,
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    beside: With = None,
    min_probability: MinProbability = None,
    split: Split = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Write published labels as files for others, in one step; again, and only what changed is written."""
    from beambell.exports.export import export_labels
    from beambell.exports.request import Request, parse_beside
    from beambell.exports.splits import Splits

    console, opened = Console(as_json=json), open_project(project)
    request = Request(
        format,
        opened.select(stream, start, end),
        parse_beside(beside or []),
        min_probability,
        Splits.parse(split) if split else None,
    )
    exported = export_labels(opened, request, out, replace=replace)
    console.warn(exported.warnings if not json else ())
    console.show(exported, _text(exported))


def _text(exported: Exported) -> list[str]:
    left = f", {exported.left_out:,} left out" if exported.left_out else ""
    parts = f"{exported.written} partitions written, {exported.kept} as they were"
    lines = [f"[bold]export   [/] {exported.rows:,} rows{left}; {parts}: {plain(exported.out)}"]
    for split, counts in exported.counts.items():
        shares = {**counts["classes"], "unlabelled": counts["unlabelled"]}
        lines.append(f"          {split}: " + ", ".join(f"{plain(name)} {n:,}" for name, n in shares.items()))
    return lines
