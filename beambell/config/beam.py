"""``beam`` of ``params.yaml``: which runner takes the jobs, and with which options."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field

from beambell.config.places import Text
from beambell.config.section import Section

RUNNERS = (
    *("FnApiRunner", "PortableRunner", "FlinkRunner", "SparkRunner", "DataflowRunner", "PrismRunner"),
    *("DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner", "InteractiveRunner", "KafkaStreamsRunner"),
    *("TestDirectRunner", "TestDataflowRunner"),
)
"""Runners that Beam knows by name, those first that are of use here; a test compares them with Beam's."""

_BY_NAME = {name.lower().removesuffix("runner"): name for name in RUNNERS}
_RUNNER = "--runner="


def _known_runner(name: str) -> str:
    """Return a runner's name as Beam spells it; a dotted one is for Beam to import."""
    if "dask" in name.lower():
        raise ValueError("Beam's DaskRunner leaves out parts of a job without a word: name another")
    plain = name.lower().removesuffix("runner")
    if "." in name:
        return name
    if plain not in _BY_NAME:
        near = get_close_matches(plain, _BY_NAME, n=1)
        hint = f"did you mean {_BY_NAME[near[0]]!r}?" if near else f"it knows {', '.join(RUNNERS)}"
        raise ValueError(f"Beam knows no such runner ({hint})")
    return _BY_NAME[plain]


def _are_options(words: tuple[str, ...]) -> tuple[str, ...]:
    for before, word in pairwise(("", *words)):
        is_value = before.startswith("--") and "=" not in before
        if not word.startswith("--") and not is_value:
            raise ValueError(f"an option begins with --, unlike {word!r}")
        if word == _RUNNER[:-1] or word.startswith(_RUNNER):
            raise ValueError("name the runner in beam.runner")
    return words


class BeamParams(Section):
    """How the Beam jobs run.

    Attributes
    ----------
    runner
        ``FnApiRunner`` (embedded), or any runner Beam knows by name.
    options
        Further Beam options, as on the command line: ``["--job_endpoint=localhost:8099"]``.
    workers
        Work items that each of Beam's workers does at once, in threads; the embedded runner has one worker.
    rows_per_item
        Rows of one work item, the unit of memory and of parallelism.
    """

    runner: Annotated[Text, AfterValidator(_known_runner)] = "FnApiRunner"
    options: Annotated[tuple[Text, ...], AfterValidator(_are_options)] = ()
    workers: int = Field(default=2, ge=1)
    rows_per_item: int = Field(default=65_536, ge=1)

    def with_options(self, options: Iterable[str]) -> BeamParams:
        """Copy, with options added as on Beam's command line; ``--runner=NAME`` (or ``--runner NAME``) is the runner.

        Raises
        ------
        ValueError
            If Beam knows no such runner, or if a word is no option.
        """
        runner, extra = self.runner, list[str]()
        words = iter(options)
        for word in words:
            if word == _RUNNER[:-1]:
                runner = next(words, "")
            elif word.startswith(_RUNNER):
                runner = word.removeprefix(_RUNNER)
            else:
                extra.append(word)
        return BeamParams(**{**self.model_dump(), "runner": runner, "options": (*self.options, *extra)})
