"""What every label model is: options, and what it has learned from pattern counts, as plain arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from beambell.errors import BeamBellError, LabelModelError
from beambell.labeling import patterns as packing
from beambell.labeling.patterns import Votes
from beambell.state import PatternCounts

Proba = npt.NDArray[np.float64]
Params = dict[str, npt.NDArray[Any]]
TieBreak = Literal["abstain", "lowest"]

_TIE = 1e-5  # probabilities this close are a tie, as in snorkel


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a label model has learned, and for which votes.

    Attributes
    ----------
    lfs
        Names of the m labeling functions, in the order of the votes.
    cardinality
        Number of classes K.
    params
        Arrays by name; which ones is up to the kind of label model.
    """

    lfs: tuple[str, ...]
    cardinality: int
    params: Params


@dataclass(eq=False)
class LabelModel(ABC):
    """Base of the label models. The fields of a subclass are its options: keywords, and JSON.

    A subclass says what it learns from pattern counts (`_learn`), and what that makes of a pattern (`_posterior`).
    """

    kind: ClassVar[str]
    _fitted: Fitted | None = field(default=None, init=False, repr=False)

    # -- what a kind of label model defines ------------------------------------------------------------------

    @abstractmethod
    def _learn(self, counts: PatternCounts) -> Params:
        """Return the parameters that fit these counts."""

    @abstractmethod
    def _posterior(self, patterns: Votes, fitted: Fitted) -> Proba:
        """Return P(class | pattern), [p, K], each row from its own pattern alone, whatever the others are."""

    # -- what all have ---------------------------------------------------------------------------------------

    def fit(self, counts: PatternCounts) -> Self:
        """Learn from pattern counts.

        Parameters
        ----------
        counts
            How many rows have which vote pattern; none negative.

        Raises
        ------
        LabelModelError
            If this label model cannot be fitted to them.
        """
        if np.any(counts.counts < 0):
            raise LabelModelError("a label model cannot be fitted to fewer than no rows", where=self.kind)
        self._fitted = Fitted(counts.lfs, counts.cardinality, self._learn(counts))
        return self

    def posterior(self, patterns: Votes) -> Proba:
        """Return the probability of each class given each pattern.

        Parameters
        ----------
        patterns
            Vote patterns, int8 [p, m], -1 where a labeling function abstained.

        Returns
        -------
        ndarray
            float64 [p, K]; rows sum to 1, and do not depend on each other.

        Raises
        ------
        LabelModelError
            If the model is not fitted, or these are not votes of the labeling functions it was fitted on.
        """
        fitted = self._require(patterns)
        return self._posterior(_checked(patterns, fitted), fitted)

    def predict_proba(self, L: npt.ArrayLike) -> Proba:
        """Return the probability of each class for each row, working once per distinct pattern.

        Parameters
        ----------
        L
            Votes, [n, m], -1 where a labeling function abstained.

        Returns
        -------
        ndarray
            float64 [n, K].

        Raises
        ------
        LabelModelError
            As `posterior` does.
        """
        fitted = self._require(L)
        packed = packing.pack(_checked(L, fitted), fitted.cardinality)
        distinct, inverse, _ = packing.unique(packed)
        patterns = packing.unpack(distinct, np.shape(L)[1], fitted.cardinality)
        return self._posterior(patterns, fitted)[inverse]

    def predict(self, L: npt.ArrayLike, tie_break: TieBreak = "abstain") -> npt.NDArray[np.int8]:
        """Return the most probable class of each row, int8 [n].

        Parameters
        ----------
        L
            Votes, [n, m], -1 where a labeling function abstained.
        tie_break
            What a tie of the most probable classes becomes: -1 (``abstain``), or the ``lowest`` of them.

        Raises
        ------
        LabelModelError
            As `posterior` does, or for another way to break ties.
        """
        if tie_break not in {"abstain", "lowest"}:
            raise LabelModelError(f"unknown tie_break {tie_break!r}", fix="use 'abstain' or 'lowest'")
        proba = self.predict_proba(L)
        best = proba >= proba.max(axis=1, keepdims=True) - _TIE
        labels: npt.NDArray[np.int8] = best.argmax(axis=1).astype(np.int8)
        if tie_break == "abstain":
            labels[best.sum(axis=1) > 1] = packing.ABSTAIN
        return labels

    # -- kept as JSON and arrays -----------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        """Return the options it was made with."""
        return {option.name: getattr(self, option.name) for option in fields(self) if option.init}

    def config(self) -> dict[str, Any]:
        """Return options, labeling functions and number of classes, as JSON has them."""
        fitted = self._require()
        return {"options": self.options(), "lfs": list(fitted.lfs), "cardinality": fitted.cardinality}

    def params(self) -> Params:
        """Return what was learned: arrays by name."""
        return dict(self._require().params)

    @classmethod
    def restore(cls, config: Mapping[str, Any], params: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Make a fitted label model again from its `config` and `params`.

        Raises
        ------
        LabelModelError
            If they are not those of this kind of label model.
        """
        try:
            model = cls(**config["options"])
            model._fitted = Fitted(tuple(config["lfs"]), int(config["cardinality"]), dict(params))
            # A trial run finds what is missing or misshapen now rather than at the first row.
            trial = model.posterior(np.full((1, len(config["lfs"])), packing.ABSTAIN, np.int8))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise LabelModelError(
                f"not the configuration and parameters of such a label model ({error!r})",
                where=cls.kind,
                fix="fit it again: `beambell fit`",
            ) from error
        if trial.shape != (1, model._fitted.cardinality) or not np.isfinite(trial).all():
            raise LabelModelError("its parameters give no probabilities", where=cls.kind, fix="fit it again")
        return model

    def _require(self, L: npt.ArrayLike | None = None) -> Fitted:  # noqa: ARG002 - for kinds that need no fitting
        if self._fitted is None:
            raise LabelModelError("it is not fitted yet", where=self.kind, fix="call fit(counts) first")
        return self._fitted


def _checked(L: npt.ArrayLike, fitted: Fitted) -> Votes:
    try:
        return packing.check_votes(L, fitted.cardinality, fitted.lfs)
    except BeamBellError as error:
        raise LabelModelError(
            error.message, where=error.where, fix="pass votes of the labeling functions it was fitted on, in order"
        ) from error
