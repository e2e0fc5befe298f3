"""Rows that people reviewed, beside their votes: how precise labeling functions are there, and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.arrays import ABSTAIN, Floats, Votes
from beambell.artefacts.kinds.feedback import Consensus
from beambell.artefacts.kinds.labels import LabelModel
from beambell.feedback.stored import with_excluded
from beambell.model.evaluation import wilson_interval
from beambell.project import Project
from beambell.stages.count import find_patterns
from beambell.state import patterns as packed
from beambell.store import Layout, Manifest
from beambell.store.tables import read_table

SHOWN = 10
_TIE = 1e-5


@dataclass(frozen=True)
class Precision:
    """How often something was right on rows whose class is known, with a 95 % Wilson interval.

    Attributes
    ----------
    right, rows
        ``right`` of ``rows``; a tie of k classes counts as 1/k.
    share, low, high
        Fraction of ``rows`` that was right, 0 to 1, and the ends of its interval.
    """

    right: float
    rows: int
    share: float
    low: float
    high: float

    @classmethod
    def of_rows(cls, right: float, rows: int) -> Self | None:
        """Sum up counts; ``None`` of no row."""
        return cls(right, rows, right / rows, *wilson_interval(right, rows)) if rows else None


@dataclass(frozen=True)
class ReviewedPrecision(Precision):
    """The same on rows that were picked for review, each with a probability of its own.

    Attributes
    ----------
    of_all
        The share among all rows rather than those picked, from the rows that say with what probability they were
        picked; with ``of_all_low`` and ``of_all_high``. ``None`` where none does.
    """

    of_all: float | None = None
    of_all_low: float | None = None
    of_all_high: float | None = None

    @classmethod
    def of(cls, right: Floats, probability: Floats | None = None) -> Self | None:
        """Sum up rows, [n], and weigh each by one over the probability with which it was picked, NaN unknown."""
        plain = cls.of_rows(float(right.sum()), len(right))
        if plain is None or probability is None or not (known := np.isfinite(probability)).any():
            return plain
        weights = 1.0 / probability[known]
        share = float(weights @ right[known] / weights.sum())
        # As many equally likely rows would tell as much.
        worth = max(int(weights.sum() ** 2 / (weights**2).sum()), 1)
        low, high = wilson_interval(share * worth, worth)
        return replace(plain, of_all=share, of_all_low=low, of_all_high=high)


@dataclass(frozen=True)
class LFPrecision:
    """How often a labeling function's votes were right on reviewed rows.

    Attributes
    ----------
    name
        Name of the labeling function.
    precision
        Share of right votes, over rows with a label and rows on which people judged its vote and no label; ``None``
        without any.
    by_label, by_verdict
        Numbers of rows that were judged by the row's label, and by an answer about the vote.
    """

    name: str
    precision: ReviewedPrecision | None
    by_label: int
    by_verdict: int


@dataclass(frozen=True, eq=False)
class ReviewedRows:
    """All reviewed rows with the votes they have now.

    Attributes
    ----------
    project, manifest
        The project, and the manifest of its consensus.
    rows
        Table of the consensus, one of its n rows per reviewed row.
    lf_names
        Names of the m labeling functions, in the order of the columns of ``L``.
    known
        Mask of the rows that have votes, bool [n].
    L
        Votes on the rows, int8 [n, m]; abstentions where there are none.
    y
        Class by consensus, [n]; -1 without.
    """

    project: Project
    manifest: Manifest
    rows: pa.Table
    lf_names: tuple[str, ...]
    known: npt.NDArray[np.bool_]
    L: Votes
    y: npt.NDArray[np.int64]

    @classmethod
    def read(cls, project: Project, manifest: Manifest) -> ReviewedRows:
        """Read them."""
        rows = with_excluded(read_table(project.store, Layout.FEEDBACK, manifest.files["rows"]))
        classes, found = Consensus.of(manifest).classes, find_patterns(project, manifest)
        known = found.patterns.is_valid().to_numpy()
        L = np.full((rows.num_rows, len(found.lfs)), ABSTAIN, np.int8)
        L[known] = packed.unpack(packed.from_arrow(found.patterns.drop_null()), len(found.lfs), len(classes))
        y = pc.index_in(rows["label"].combine_chunks(), value_set=pa.array(classes, pa.string()))
        return cls(project, manifest, rows, found.lfs, known, L, pc.fill_null(y, -1).to_numpy().astype(np.int64))

    def counted(self, role: str) -> int:
        """How many labelled rows with votes are of one part."""
        measures = self.rows["evaluate"].to_numpy()
        return int((self.known & (self.y >= 0) & (measures == (role == "evaluate"))).sum())

    def waiting(self) -> int:
        """How many rows of partitions have no votes of these labeling functions."""
        return int((self.rows["dt"].is_valid().to_numpy() & ~self.known).sum())

    def contradictions(self) -> tuple[Mapping[str, object], ...]:
        """Rows on which reviewers disagree, those that stay undecided first."""
        mine = self.rows.filter(pc.less(self.rows["agreement"], 1.0)).sort_by(
            [("agreement", "ascending"), ("stream", "ascending"), ("row_id", "ascending")]
        )
        columns = ["stream", "row_id", "verdict", "label", "excluded", "deciding", "agreement"]
        return tuple(mine.select(columns).slice(0, SHOWN).to_pylist())

    def unknown(self) -> tuple[str, ...]:
        """Rows that are not there."""
        rows = self.rows.filter(self.rows["dt"].is_null()).slice(0, SHOWN)
        return tuple(f"{row['stream']}/{row['row_id']}" for row in rows.select(["stream", "row_id"]).to_pylist())

    def verdicts(self, lf: str) -> npt.NDArray[np.int64]:
        """What people said of the vote of one labeling function on each row, [n]: 1 right, 0 wrong, -1 nothing."""
        table = read_table(self.project.store, Layout.FEEDBACK, self.manifest.files["lf_verdicts"])
        table = table.filter(pc.equal(table["lf"], lf))
        clear = table.filter(pc.not_equal(table["right"], table["wrong"]))
        keys, mine = (pc.binary_join_element_wise(t["stream"], t["row_id"], "/") for t in (clear, self.rows))
        at = pc.fill_null(pc.index_in(mine, value_set=keys.combine_chunks()), -1).to_numpy()
        right = pc.greater(clear["right"], clear["wrong"]).to_numpy().astype(np.int64)
        return np.where(at >= 0, right[at], -1) if len(right) else np.full(len(at), -1, np.int64)

    def lfs(self) -> tuple[LFPrecision, ...]:
        """Precision of every labeling function, the least precise first."""
        found = [self.precision(name, self.L[:, j]) for j, name in enumerate(self.lf_names)]
        return tuple(sorted(found, key=lambda one: (one.precision.share if one.precision else 2.0, one.name)))

    def precision(self, name: str, votes: npt.NDArray[np.int8]) -> LFPrecision:
        """Precision of one labeling function.

        Parameters
        ----------
        votes
            Votes of the function on these rows, [n]. An answer about its vote counts where that is the vote it has now.
        """
        stored = self.L[:, self.lf_names.index(name)] if name in self.lf_names else None
        voted = votes != ABSTAIN
        labelled = voted & (self.y >= 0)
        verdicts = self.verdicts(name)
        judged = voted & (self.y < 0) & (verdicts >= 0) & (False if stored is None else votes == stored)
        right = np.concatenate([votes[labelled] == self.y[labelled], verdicts[judged] == 1]).astype(np.float64)
        picked = self._probability()
        share = ReviewedPrecision.of(right, np.concatenate([picked[labelled], picked[judged]]))
        return LFPrecision(name, share, int(labelled.sum()), int(judged.sum()))

    def labels(self) -> tuple[ReviewedPrecision | None, float | None]:
        """Accuracy of the label model on covered rows that only measure; and how many of those are covered."""
        measures = self.known & (self.y >= 0) & self.rows["evaluate"].to_numpy()
        model = self.project.store.read(Layout.LABEL_MODEL)
        names = LabelModel.of(model).lfs if model else ()
        if model is None or not measures.any() or not set(names) <= set(self.lf_names):
            return None, None
        votes = self.L[:, [self.lf_names.index(name) for name in names]]
        covered = measures & (votes >= 0).any(axis=1)
        proba = self.project.label_model().predict_proba(votes[covered])
        best = proba >= proba.max(axis=1, keepdims=True, initial=0.0) - _TIE
        right = best[np.arange(len(best)), self.y[covered]] / best.sum(axis=1)
        return ReviewedPrecision.of(right, self._probability()[covered]), float(covered.sum() / measures.sum())

    def _probability(self) -> Floats:
        return np.asarray(pc.fill_null(self.rows["probability"], np.nan).to_numpy(), np.float64)
