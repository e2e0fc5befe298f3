"""``beambell lf``: the loop of whoever writes labeling functions. Write, try, compare, look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beambell.cli.console import Console
from beambell.cli.options import End, Folder, Json, Sample, Start, Streams, open_project
from beambell.errors import ExitCode
from beambell.visible import plain

if TYPE_CHECKING:
    from beambell.project import Project
    from beambell.store import Selection

lf_app = typer.Typer(help="Write labeling functions, try them, and see what they do.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a labeling function.")]
AnyName = Annotated[str | None, typer.Argument(help="Name of a labeling function; all if left out.")]


@lf_app.command("list")
def lf_list(project: Folder = Path(), json: Json = False) -> None:
    """List the labeling functions, their fingerprints, and what they did so far."""
    from beambell.cli.text import lfs_text
    from beambell.views.views import list_lfs

    console, opened = Console(as_json=json), open_project(project)
    views = list_lfs(opened)
    console.warn(opened.remarks)
    console.show(views, [lfs_text(views)])


@lf_app.command("show")
def lf_show(name: Name, project: Folder = Path(), json: Json = False) -> None:
    """Show one labeling function: what it is, where it is defined, what it did."""
    from beambell.cli.lf_text import detail_text
    from beambell.views.lf_views import show_lf

    view = show_lf(open_project(project), name)
    Console(as_json=json).show(view, detail_text(view))


@lf_app.command("stats")
def lf_stats(
    name: AnyName = None,
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    json: Json = False,
    over_time: Annotated[bool, typer.Option("--over-time", help="Partition by partition, too.")] = False,
) -> None:
    """Coverage, overlaps, conflicts and polarity over all stored votes."""
    from beambell.cli.lf_text import stats_text
    from beambell.views import lf_views

    opened = open_project(project)
    view = lf_views.lf_stats(opened, opened.select(stream, start, end), name, over_time=over_time)
    Console(as_json=json).show(view, stats_text(view))


@lf_app.command("test")
def lf_test(
    name: AnyName = None,
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    sample: Sample = 10_000,
    json: Json = False,
) -> None:
    """Try one on stored rows, before it is applied: votes, conflicts, precision, examples, speed; all, shortly."""
    from beambell.cli.lf_text import trial_text
    from beambell.stages.gold_rows import gold_of
    from beambell.workshop.lf_trial import failure_of, try_lf

    opened = open_project(project)
    if name is None:
        _test_all(opened, opened.select(stream, start, end), sample, as_json=json)
        return
    view = try_lf(opened, name, opened.select(stream, start, end), sample, gold=gold_of(opened))
    failure = failure_of(view)
    if not (json and failure):  # which has all of the view as its details
        Console(as_json=json).show(view, trial_text(view))
    if failure:
        raise failure


def _test_all(project: Project, selection: Selection, sample: int, *, as_json: bool) -> None:
    """Try every labeling function; before there are rows, that they load is all that there is to say."""
    from beambell.stages.gold_rows import gold_of
    from beambell.store import Layout
    from beambell.workshop.lf_trial import failure_of, try_lf

    console, names = Console(as_json=as_json), project.catalogue.names
    has_rows = any(partition in selection for partition in project.store.partitions(Layout.PARTITIONS))
    gold = gold_of(project)
    views = [try_lf(project, name, selection, sample, gold=gold) for name in names] if has_rows else []
    failures = [failure for view in views if (failure := failure_of(view))]
    lines = [
        f"{view.name}: votes on {view.coverage:.1%} of {view.rows:,} rows, fails on {view.errors:,}" for view in views
    ]
    console.show(views, map(plain, lines or [f"{len(names)} labeling functions load; there are no rows yet"]))
    if failures:
        raise failures[0]


@lf_app.command("diff")
def lf_diff(
    name: AnyName = None,
    project: Folder = Path(),
    stream: Streams = None,
    start: Start = None,
    end: End = None,
    sample: Sample = 10_000,
    json: Json = False,
) -> None:
    """Compare with the votes that are stored: which rows would get another vote."""
    from beambell.cli.lf_text import changes_text
    from beambell.workshop.lf_diff import diff_lfs

    opened = open_project(project)
    views = diff_lfs(opened, name, opened.select(stream, start, end), sample)
    Console(as_json=json).show(views, changes_text(views))
    if views and all(view.change == "not compared" for view in views):
        raise typer.Exit(ExitCode.FAILED)


@lf_app.command("new")
def lf_new(
    name: Name,
    kind: Annotated[
        str, typer.Option("--kind", help="keyword, regex, count, length, numeric, lookup, lexicon, python, batch.")
    ],
    project: Folder = Path(),
    module: Annotated[str | None, typer.Option("--module", help="One of lfs.modules; the first by default.")] = None,
    json: Json = False,
) -> None:
    """Append a new one to your module, to be filled in; the module is made if it is not there yet."""
    from beambell.cli.lf_text import new_text
    from beambell.workshop.scaffold import new_lf

    made = new_lf(open_project(project), name, kind, module)
    text = new_text(made.place, made.name, made.code)
    Console(as_json=json).show(made, [*(f"made {file}" for file in made.made), *text])
