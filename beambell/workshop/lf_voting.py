"""Labeling functions vote on a sample exactly as `beambell apply` would: compiled, each row with its history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from beambell.errors import ArtefactError
from beambell.history.tables import with_histories
from beambell.labeling import LabelingFunction, compile_lfs
from beambell.labeling.compiler import CompiledLFs
from beambell.labeling.evaluate import DeadLetter, Evaluation, PackedEvaluation
from beambell.labeling.time_limit import TOO_SLOW
from beambell.project import Project
from beambell.state import patterns
from beambell.workshop.sample import Part

TRIAL_S: Final = 10.0
"""Seconds that a labeling function may take for the rows of one partition while somebody waits."""

_FRAME = re.compile(r"^(\S.*:\d+) in ", re.MULTILINE)


@dataclass(frozen=True)
class Stop:
    """Where a labeling function was when its time was up.

    Attributes
    ----------
    seconds
        Seconds that it had for the rows of one partition.
    time_limit_s
        Seconds that `beambell apply` gives it: ``lfs.time_limit_s``.
    partition, id
        The first row that it did not vote on.
    place
        ``file:line``, where known.
    """

    seconds: float
    time_limit_s: float
    partition: str
    id: str
    place: str | None

    def __str__(self) -> str:
        """Say it in one line."""
        whose = "lfs.time_limit_s"
        if self.seconds < self.time_limit_s:
            whose = f"the most that `lf test` allows; lfs.time_limit_s is {self.time_limit_s:g} s"
        place = f" at {self.place}" if self.place else ""
        return f"stopped after {self.seconds:g} s ({whose}){place}, in row {self.id[:16]} of {self.partition}"


class Voter:
    """Lets labeling functions of a project vote, each set of them compiled once.

    Parameters
    ----------
    project
        Project with the labeling functions, their histories and the time limit.
    most_s
        Seconds that one may take for a part, if that is less than the project's own limit.

    Attributes
    ----------
    stops
        Labeling functions whose time was up, by name. Who lets them vote again waits again.
    """

    def __init__(self, project: Project, *, most_s: float | None = None) -> None:
        self.stops: dict[str, Stop] = {}
        self._project = project
        limit = project.params.lfs.time_limit_s
        self._limit = limit if most_s is None else min(limit, most_s)
        self._compilations: dict[tuple[str, ...], CompiledLFs] = {}
        self._apart = project.voters()  # they end when this is gone

    def vote(self, lfs: Sequence[LabelingFunction], part: Part) -> Evaluation:
        """Let labeling functions vote on the rows of a part; the time that each took is without compiling it.

        Raises
        ------
        ArtefactError
            If the history that one votes by is not up to date.
        """
        params, partition = self._project.params, part.partition
        if not lfs:
            return Evaluation(np.empty((part.rows.num_rows, 0), np.int8), (), {})
        rows = with_histories(self._project.store, params, lfs, partition, part.rows)
        result = self._evaluate(lfs, rows, part, self._limit)
        for letter in result.dead_letters:
            if ran_out_of_time(letter) and letter.lf not in self.stops:
                self.stops[letter.lf] = self._stop(letter, part)
        votes = patterns.unpack(result.patterns, len(lfs), params.cardinality)
        return Evaluation(votes, result.dead_letters, result.n_errors, result.seconds)

    def _evaluate(
        self, lfs: Sequence[LabelingFunction], rows: pa.Table, part: Part, time_limit_s: float
    ) -> PackedEvaluation:
        return self._compiled(lfs).evaluate(
            rows,
            cardinality=self._project.params.cardinality,
            stream=part.partition.stream,
            fingerprints=self._project.catalogue.fingerprints,
            time_limit_s=time_limit_s,
            evaluate_plainly=self._apart.evaluate,
        )

    def lacks_past(self, lf: LabelingFunction, part: Part) -> str:
        """Say what the history that a labeling function votes by lacks here, and what to do; nothing if it is there."""
        try:
            with_histories(self._project.store, self._project.params, [lf], part.partition, part.rows.slice(0, 0))
        except ArtefactError as error:
            return f"{error.message}; {error.fix}" if error.fix else error.message
        return ""

    def warm_up(self, lf: LabelingFunction, part: Part) -> None:
        """Do what is done once per process, so that it counts neither as time per row nor against the limit."""
        compiled, stream = self._compiled([lf]), part.partition.stream
        if not any(plan.plain for plan in compiled.explain(stream)):
            compiled.votes(part.rows, stream)  # to load the compiled loops takes longer than they do
            return
        with suppress(Exception):  # what fails here will fail again where it is recorded
            self._evaluate([lf], part.rows.slice(0, 0), part, self._project.params.lfs.time_limit_s)

    def _stop(self, letter: DeadLetter, part: Part) -> Stop:
        usual = self._project.params.lfs.time_limit_s
        place = _place(letter.traceback, self._project.path)
        return Stop(self._limit, usual, str(part.partition), letter.row_id, place)

    def _compiled(self, lfs: Sequence[LabelingFunction]) -> CompiledLFs:
        names = tuple(lf.name for lf in lfs)
        if names not in self._compilations:
            cache = self._project.volatile / "compiled"
            self._compilations[names] = compile_lfs(lfs, cache_dir=cache)
        return self._compilations[names]


def ran_out_of_time(letter: DeadLetter) -> bool:
    """Whether this row was not voted on because the time was up."""
    return (letter.error, letter.message) == (TimeoutError.__name__, TOO_SLOW)


def _place(traceback: str, folder: Path) -> str | None:
    """Return the innermost ``file:line`` of a traceback, of the project's own files if one is among them."""
    places: list[str] = _FRAME.findall(traceback)
    own = [place for place in places if (folder / place.rpartition(":")[0]).is_file()]
    return next(reversed(own or places), None)
