"""``python -m beam_jobs.NAME``: one job as a process of its own, as Airflow runs it."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext

from pydantic import ValidationError

from beambell.arguments import refuse_credentials
from beambell.config import Params
from beambell.document import alone_on_stdout, write_document
from beambell.errors import BeamBellError, UsageError
from beambell.project import Project
from beambell.stages.order import STAGES
from beambell.visible import visible


def main(module: str) -> None:
    """Run a job from the command line and exit with its code.

    Parameters
    ----------
    module
        The job's importable name. A job is imported by it, never run out of ``__main__``, so that remote workers
        can find its classes.
    """
    arguments, beam_options = _parser(module).parse_known_args()
    with alone_on_stdout(for_good=True) if arguments.json else nullcontext():
        _run(module, arguments, beam_options)


def _run(module: str, arguments: argparse.Namespace, beam_options: list[str]) -> None:
    try:
        refuse_credentials(sys.argv[1:])
        project = Project(arguments.project)
        if beam_options:
            project.params = _with_options(project.params, beam_options)
        selection = project.select(arguments.stream, arguments.start, arguments.end)
        outcome = next(stage for stage in STAGES if stage.job == module).refresh(project, selection)
    except BeamBellError as error:
        if arguments.json:
            write_document(error.to_dict())
        sys.stderr.write(visible(f"{error}\n"))
        sys.exit(error.exit_code)
    for warning in outcome.warnings:
        sys.stderr.write(visible(f"warning: {warning}\n"))
    if arguments.json:
        write_document(outcome.to_dict())
    else:
        figures = ", ".join(f"{name} {value}" for name, value in outcome.figures.items())
        line = f"{outcome.stage}: {outcome.done} done, {outcome.current} up to date. {figures}\n"
        sys.stdout.write(visible(line))


def _with_options(params: Params, options: list[str]) -> Params:
    try:
        return params.with_beam_options(options)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(problem, where=" ".join(options), fix="options not listed in --help go to Beam") from None


def _parser(module: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description="Options not listed here go to Apache Beam as they are."
    )
    parser.add_argument("--project", default=".", help="folder with params.yaml")
    parser.add_argument("--stream", action="append", help="only this stream (repeatable)")
    parser.add_argument("--from", dest="start", help="first partition, such as 2026-01-03")
    parser.add_argument("--to", dest="end", help="last partition, included")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    return parser
