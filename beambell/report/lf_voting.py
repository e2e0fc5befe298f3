"""Letting labeling functions vote on a sample exactly as `beambell apply` would: compiled, each row with its past."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from beambell.labeling import LabelingFunction, compile_lfs, patterns
from beambell.labeling.compiler import CompiledLFs
from beambell.labeling.evaluate import Evaluation
from beambell.project import Project
from beambell.report.sample import Part
from beambell.state.past import with_pasts


class Voter:
    """Lets labeling functions of a project vote, each set of them compiled once.

    Parameters
    ----------
    project
        Whose labeling functions, pasts and time limit.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._compilations: dict[tuple[str, ...], CompiledLFs] = {}

    def vote(self, lfs: Sequence[LabelingFunction], part: Part) -> Evaluation:
        """Let labeling functions vote on the rows of a part; the time that each took is without compiling it."""
        params, partition = self._project.params, part.partition
        if not lfs:
            return Evaluation(np.empty((part.rows.num_rows, 0), np.int8), (), {})
        result = self._compiled(lfs).evaluate(
            with_pasts(self._project.store, params, lfs, partition, part.rows),
            cardinality=params.cardinality,
            stream=partition.stream,
            fingerprints=self._project.catalogue.fingerprints,
            time_limit_s=params.lfs.time_limit_s,
        )
        votes = patterns.unpack(result.patterns, len(lfs), params.cardinality)
        return Evaluation(votes, result.dead_letters, result.n_errors, result.seconds)

    def warm_up(self, lf: LabelingFunction, part: Part) -> None:
        """Vote once for nothing where no code of a user's runs: loading the loops takes longer than they do."""
        compiled, stream = self._compiled([lf]), part.partition.stream
        if not any(plan.plain for plan in compiled.explain(stream)):
            compiled.votes(part.rows, stream)

    def _compiled(self, lfs: Sequence[LabelingFunction]) -> CompiledLFs:
        names = tuple(lf.name for lf in lfs)
        if names not in self._compilations:
            cache = self._project.volatile / "compiled"
            self._compilations[names] = compile_lfs(lfs, cache_dir=cache)
        return self._compilations[names]
