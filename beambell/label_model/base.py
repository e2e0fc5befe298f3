"""What every label model is: options, and what it has learned from pattern counts, as plain arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from beambell.arrays import ABSTAIN, Floats, Votes
from beambell.errors import BeamBellError, LabelModelError
from beambell.label_model import correction
from beambell.state import FeedbackCounts, PatternCounts
from beambell.state import patterns as packing
from beambell.store import canonical_json
from beambell.store.arrays import pack_arrays

Params = dict[str, npt.NDArray[Any]]
TieBreak = Literal["abstain", "lowest"]

CONFIG, PARAMS = "config.json", "params.npz"
_TIE = 1e-5  # probabilities this close are a tie, as in snorkel
_DECIMALS = 9  # of log-odds: what cannot be told apart is a tie, and not the last bit's choice

OWN_ROWS: Final = 20.0
"""Reviewed rows of a pattern that a label model's word on it is worth."""
OWN_ROWS_UNCOVERED: Final = 2.0
"""The same for the pattern of rows on which no labeling function votes: of these, votes say nothing."""


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


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one vote says: ``log_odds[y] - log_odds[z]`` is what it adds to the log-odds of class y against z."""

    lf: str
    vote: int
    log_odds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a pattern has its posterior: log-odds that add up to it.

    Attributes
    ----------
    votes
        One contribution for each labeling function that voted, in their order.
    prior
        Part that holds for every row, per class: the class balance, and what feedback says of the classes.
    reviewed
        Part that people's labels of rows with this very pattern add, per class; zeros if there are none.
    posterior
        Probability of each class: the softmax of the sum of all of the above.
    """

    votes: tuple[Contribution, ...]
    prior: tuple[float, ...]
    reviewed: tuple[float, ...]
    posterior: tuple[float, ...]


@dataclass(eq=False)
class LabelModel(ABC):
    """Base of the label models. The fields of a subclass are its options: keywords, and JSON.

    A subclass says what it learns from pattern counts (`_learn`), and what that makes of a pattern (`_posterior`).
    Feedback needs nothing more: people's labels of a pattern's own rows correct its posterior in every label model
    and, where the class says that it ``corrects``, a regression anchored to the posterior carries what they teach
    about the votes over to the other patterns (see `correction`).
    """

    kind: ClassVar[str]
    corrects: ClassVar[bool] = False
    _fitted: Fitted | None = field(default=None, init=False, repr=False)

    # -- what a kind of label model defines ------------------------------------------------------------------

    @abstractmethod
    def _learn(self, counts: PatternCounts, feedback: FeedbackCounts | None) -> Params:
        """Return the parameters that fit these counts; names that start with ``feedback_`` are taken."""

    @abstractmethod
    def _posterior(self, patterns: Votes, fitted: Fitted) -> Floats:
        """Return P(class | pattern), [p, K], each row from its own pattern alone, whatever the others are."""

    def _evidence(self, fitted: Fitted) -> tuple[Floats, Floats]:  # noqa: ARG002
        """Return log-odds of the votes, [m, K, K] at ``[j, v, y]``, and of the classes, [K], for `explain`."""
        raise LabelModelError(
            "it does not add up log-odds, so it cannot explain a label by them",
            where=self.kind,
            fix="use the label model 'weighted' or 'dawid_skene'",
        )

    # -- what all have ---------------------------------------------------------------------------------------

    def fit(self, counts: PatternCounts, feedback: FeedbackCounts | None = None) -> Self:
        """Learn from pattern counts, and from people's labels.

        Parameters
        ----------
        counts
            Number of rows of each vote pattern; none negative. The reviewed rows are among them.
        feedback
            Number of rows of each pattern that were given each label; patterns that no row has any more are welcome.

        Raises
        ------
        LabelModelError
            If this label model cannot be fitted to them.
        """
        if np.any(counts.counts < 0):
            raise LabelModelError("a label model cannot be fitted to fewer than no rows", where=self.kind)
        feedback = None if feedback is None else self._kin(counts, feedback)
        fitted = Fitted(counts.lfs, counts.cardinality, self._learn(counts, feedback))
        if feedback is not None:
            fitted.params.update(self._taught(counts, feedback, fitted))
        self._fitted = fitted
        return self

    def posterior(self, patterns: Votes) -> Floats:
        """Return the probability of each class given each pattern.

        Parameters
        ----------
        patterns
            Vote patterns, int8 [p, m], -1 where a labeling function abstained.

        Returns
        -------
        ndarray
            float64 [p, K]; rows sum to 1, and do not depend on each other. A pattern without a vote has the
            prior's, unless people labelled rows of it.

        Raises
        ------
        LabelModelError
            If the model is not fitted, or these are not votes of the labeling functions it was fitted on.
        """
        fitted = self._require(patterns)
        return self._predict(_checked(patterns, fitted), fitted)

    def reviewed(self, patterns: Votes) -> npt.NDArray[np.int64]:
        """Return how many rows of each pattern were given which label by the feedback it was fitted with, [p, K].

        Raises
        ------
        LabelModelError
            As `posterior` does.
        """
        fitted = self._require(patterns)
        return _own_labels(_checked(patterns, fitted), fitted)

    def explain(self, pattern: npt.ArrayLike) -> Explanation:
        """Say what each vote of a pattern contributes to its posterior.

        Parameters
        ----------
        pattern
            Votes, one per labeling function, [m].

        Raises
        ------
        LabelModelError
            As `posterior` does, or if this label model does not add up log-odds.
        """
        fitted = self._require(np.asarray(pattern)[None])
        votes = _checked(np.asarray(pattern)[None], fitted)
        by_vote, prior = self._evidence(fitted)
        if "feedback_votes" in fitted.params and (votes >= 0).any():
            params = fitted.params
            by_vote = params["feedback_scale"] * by_vote + params["feedback_votes"]
            prior = params["feedback_scale"] * prior + params["feedback_bias"]
        before = self._before_review(votes, fitted)
        after = _with_own_labels(before, votes, fitted)[0]
        own = (
            np.log(after) - np.log(np.maximum(before[0], 1e-300))
            if self.reviewed(votes).any()
            else np.zeros(len(after))
        )
        contributions = tuple(
            Contribution(name, int(vote), _centred(by_vote[j, vote]))
            for j, (name, vote) in enumerate(zip(fitted.lfs, votes[0], strict=True))
            if vote >= 0
        )
        return Explanation(contributions, _centred(prior), _centred(own), tuple(after.tolist()))

    def predict_proba(self, L: npt.ArrayLike) -> Floats:
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
        return self._predict(patterns, fitted)[inverse]

    def predict(self, L: npt.ArrayLike, tie_break: TieBreak = "abstain") -> npt.NDArray[np.int8]:
        """Return the most probable class of each row, int8 [n].

        Parameters
        ----------
        L
            Votes, [n, m], -1 where a labeling function abstained.
        tie_break
            Rule for a tie of the most probable classes: -1 (``abstain``), or the ``lowest`` of them.

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
            labels[best.sum(axis=1) > 1] = ABSTAIN
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
            trial = model.posterior(np.full((1, len(config["lfs"])), ABSTAIN, np.int8))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise LabelModelError(
                f"not the configuration and parameters of such a label model ({error!r})",
                where=cls.kind,
                fix="fit it again: `beambell fit`",
            ) from error
        if trial.shape != (1, model._fitted.cardinality) or not np.isfinite(trial).all():
            raise LabelModelError("its parameters give no probabilities", where=cls.kind, fix="fit it again")
        return model

    # -- feedback --------------------------------------------------------------------------------------------

    def _kin(self, counts: PatternCounts, feedback: FeedbackCounts) -> FeedbackCounts | None:
        if (feedback.lfs, feedback.cardinality) != (counts.lfs, counts.cardinality):
            raise LabelModelError(
                f"feedback is for {len(feedback.lfs)} labeling functions and {feedback.cardinality} classes, and the "
                f"counts are for {counts.n_lfs} and {counts.cardinality}, or for others",
                where=self.kind,
                fix="bring it to the same labeling functions: feedback.restrict(), feedback.extend()",
            )
        if np.any(feedback.counts < 0):
            raise LabelModelError("people cannot have labelled fewer than no rows", where=self.kind)
        return feedback if feedback.n_rows else None

    def _taught(self, counts: PatternCounts, feedback: FeedbackCounts, fitted: Fitted) -> Params:
        learnt: Params = {"feedback_patterns": feedback.packed, "feedback_counts": feedback.counts}
        covered = (feedback.patterns >= 0).any(axis=1)
        if not self.corrects or not covered.any():
            return learnt
        # Rows that were reviewed and then left the state have labels, and no rows.
        every = packing.unique(np.concatenate([counts.packed, feedback.packed[covered]]))[0]
        patterns = packing.unpack(every, len(fitted.lfs), fitted.cardinality)
        fires = (patterns >= 0).any(axis=1)
        every, patterns = every[fires], patterns[fires]
        codes = packing.keys(every)
        rows, labels = np.zeros(len(every)), np.zeros((len(every), fitted.cardinality), np.int64)
        seen = (counts.patterns >= 0).any(axis=1)
        rows[np.searchsorted(codes, packing.keys(counts.packed[seen]))] = counts.counts[seen] / counts.unit
        labels[np.searchsorted(codes, packing.keys(feedback.packed[covered]))] = feedback.counts[covered]
        votes, bias, scale = correction.fit(patterns, rows, self._posterior(patterns, fitted), labels)
        return learnt | {"feedback_votes": votes, "feedback_bias": bias, "feedback_scale": np.array([scale])}

    def _predict(self, patterns: Votes, fitted: Fitted) -> Floats:
        return _with_own_labels(self._before_review(patterns, fitted), patterns, fitted)

    def _before_review(self, patterns: Votes, fitted: Fitted) -> Floats:
        proba, params = self._posterior(patterns, fitted), fitted.params
        if "feedback_votes" not in params:
            return proba
        learnt = params["feedback_votes"], params["feedback_bias"], float(params["feedback_scale"][0])
        score = correction.scores(patterns, proba, *learnt)
        covered = np.asarray(
            (patterns >= 0).any(axis=1)
        )  # what was learned from covered rows is not true of the others
        return np.where(covered[:, None], softmax(score), proba)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write it to a folder: ``config.json`` and ``params.npz``, the same bytes for the same model.

        Raises
        ------
        LabelModelError
            If it is not fitted.
        """
        config = {"kind": self.kind, **self.config()}
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / CONFIG).write_bytes(canonical_json(config))
        (Path(folder) / PARAMS).write_bytes(pack_arrays(self.params()))

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


def add_up(patterns: Votes, evidence: Floats, prior: Floats) -> Floats:
    """Add to ``prior`` [K] what each vote says, ``evidence[j, v]`` of [m, K, K]: [p, K], one LF after the other."""
    score = np.tile(prior, (len(patterns), 1))
    for j in range(patterns.shape[1]):
        fired = np.flatnonzero(patterns[:, j] >= 0)
        score[fired] += evidence[j, patterns[fired, j]]
    return score


def softmax(score: Floats) -> Floats:
    """Turn logits [p, K] into probabilities; what differs by less than 1e-9 is equal."""
    odds = np.exp(np.round(score - score.max(axis=1, keepdims=True), _DECIMALS))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _own_labels(patterns: Votes, fitted: Fitted) -> npt.NDArray[np.int64]:
    labels = np.zeros((len(patterns), fitted.cardinality), np.int64)
    if "feedback_patterns" in fitted.params and len(patterns):
        known = packing.keys(fitted.params["feedback_patterns"])
        wanted = packing.keys(packing.pack(patterns, fitted.cardinality))
        at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        found = known[at] == wanted
        labels[found] = fitted.params["feedback_counts"][at[found]]
    return labels


def _with_own_labels(proba: Floats, patterns: Votes, fitted: Fitted) -> Floats:
    if "feedback_patterns" not in fitted.params:
        return proba
    labels = _own_labels(patterns, fitted)
    own = np.asarray(labels.any(axis=1))
    covered = np.asarray((patterns >= 0).any(axis=1))
    worth = np.where(covered, OWN_ROWS, OWN_ROWS_UNCOVERED)[:, None]
    total = worth + labels.sum(axis=1, keepdims=True)
    return np.where(own[:, None], (worth * proba + labels) / total, proba)


def _centred(log_odds: Floats) -> tuple[float, ...]:
    return tuple((log_odds - log_odds.mean()).tolist())
