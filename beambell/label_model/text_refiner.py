"""Labels from votes and text: a text model that is taught by the votes, and never sees the label that it judges.

Votes see a few words of a text, a text model sees all of it. It is fitted to the label model's probabilities in a few
folds; each row is judged by the model of the folds that its text is not in, so that nothing learns its own label.

Whoever learns from uncertain targets stays as uncertain as they are, even of texts that leave no doubt. If votes and
texts were independent within a class, a text of class y would be taught M_yk, the mean of q_ik over the rows of class
y, which the label model's own probabilities give: M_yk = sum_i q_iy q_ik / sum_i q_iy. So that is taken out again, p =
t M^-1 (as in Patrini et al. 2017, "Making deep neural networks robust to label noise"). With the share of the classes
taken out as well, it is evidence beside the votes:

    r_iy  ~  q_iy (p_iy / pi_y)^a

Guards keep the votes' word where the text model cannot follow the votes, or does worse by what people said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from beambell.arrays import NO_CLASS, Floats, Integers, Mask
from beambell.errors import UsageError
from beambell.label_model.text_model import Scaling, TextModel, fold_of, hashes_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    Features: TypeAlias = csr_matrix | npt.NDArray[np.floating[Any]]

VOTES: Final = "votes"
BOTH: Final = "votes+text"
TEXT: Final = "text"
FEEDBACK: Final = "feedback"

_SMALLEST: Final = 1e-12
_NEGLIGIBLE: Final = {2: 0.01}
_NEGLIGIBLE_OF_MANY: Final = 0.05
_SAME: Final = 1e-9
_SUREST: Final = 0.02
"""Probability that a text leaves to each class at least."""
_MOST_CONDITION: Final = 5.0
_SHARES: Final = tuple(round(1 - 0.05 * i, 2) for i in range(21))


class TextRefiner:
    """Correction of a label model's probabilities by what the texts themselves say.

    Parameters
    ----------
    exponent
        Weight a of the text's evidence beside the votes'; the two are not independent, so it is below 1. Where enough
        rows were reviewed, half of it or nothing is taken instead if that is truer of them.
    folds
        Number of parts that the texts are divided into, by a hash of the group, at least 2.
    C
        Inverse strength of the penalty of the text model, which is a logistic regression.
    feedback_weight
        Weight of a row that people labelled, beside 1 of others.
    min_agreement
        Smallest share of the covered rows on which text model and votes must agree, where nobody reviewed enough.
    min_reviewed
        Smallest number of reviewed rows that are asked instead: of the covered rows whether the text helps, and of
        those without a vote whether its word may be published.

    Attributes
    ----------
    source
        Origin of the probabilities of each row that was given to `fit`, n strings: ``votes``, ``votes+text``, ``text``
        or ``feedback``. A row without a vote whose text is not believed has ``votes``, too: its probabilities stay.
    agreement
        Share of the covered rows on which text model and votes name the same class; ``nan`` without such rows.
    confusion
        Mean M of what texts of each class are taught, float64 [K, K], as far as it can be taken out again.
    weight
        Exponent that the evidence of the text has for covered rows; 0 if the text does not count.
    speaks_alone
        Whether the text counts for rows without a vote.
    unusable
        Number of rows with features that are no finite numbers: they keep their probabilities.

    Raises
    ------
    UsageError
        If a parameter is out of its range.

    Notes
    -----
    Rows are told apart by their features and groups alone: their order changes nothing, and a text that comes again has
    the same evidence. Nothing is drawn at random.
    """

    def __init__(
        self,
        *,
        exponent: float = 0.5,
        folds: int = 3,
        C: float = 10.0,
        feedback_weight: float = 3.0,
        min_agreement: float = 0.55,
        min_reviewed: int = 30,
    ) -> None:
        for name, value, fits in (
            ("exponent", exponent, exponent >= 0),
            ("folds", folds, folds >= 2),
            ("C", C, C > 0),
            ("feedback_weight", feedback_weight, feedback_weight > 0),
            ("min_agreement", min_agreement, 0 <= min_agreement <= 1),
            ("min_reviewed", min_reviewed, min_reviewed >= 1),
        ):
            if not fits or not np.isfinite(value):
                raise UsageError(f"{name} = {value} is out of its range", where="TextRefiner", fix="see its docstring")
        self.exponent, self.folds, self.C = exponent, folds, C
        self.feedback_weight, self.min_agreement, self.min_reviewed = feedback_weight, min_agreement, min_reviewed
        self.source: npt.NDArray[np.str_] = np.empty(0, "U10")
        self.agreement = float("nan")
        self.confusion: Floats = np.empty((0, 0))
        self.weight, self.speaks_alone = 0.0, False
        self.unusable = 0
        self._models: list[TextModel] = []
        self._groups: npt.NDArray[Any] = np.empty(0)
        self._covered: Mask = np.empty(0, bool)
        self._labels: Integers = np.empty(0, np.int64)
        self._silent: Floats = np.empty((0, 0))
        self._prior: Floats = np.empty(0)

    def fit(
        self,
        q: npt.ArrayLike,
        X: Features,
        groups: npt.ArrayLike,
        covered: npt.ArrayLike,
        labels: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit the text models, and decide where they are believed.

        Parameters
        ----------
        q
            Probabilities of the label model, float64 [n, K]; feedback may be part of them, an earlier refinement may
            not. A row's sum is taken for 1.
        X
            Features of the texts, [n, d], dense or sparse. Lengths of rows do not count; dense ones are centred.
        groups
            Hash of each text, or the text itself, [n]: rows of one group are in one fold.
        covered
            Whether each row has a vote, bool [n].
        labels
            Class that people gave each row, int [n], -1 for none; ``None`` without feedback.

        Returns
        -------
        TextRefiner
            The refiner itself.

        Raises
        ------
        UsageError
            If shapes do not agree, or probabilities or labels are impossible.
        """
        proba, names = _probabilities(q), np.asarray(groups)
        n, K = proba.shape
        cover, said = _checked(n, K, X, names, covered, labels)
        own = said != NO_CLASS
        self._scaling = Scaling.of(X, cover)
        features, usable = self._scaling.apply(X)
        self.unusable = int((~usable).sum())
        self._groups, self._covered, self._labels = names, cover, said
        self._silent = np.unique(proba[~cover].round(12), axis=0) if (~cover).any() else np.empty((0, K))
        fold = fold_of(names, self.folds)
        target = proba.copy()
        target[own] = np.eye(K)[said[own]]
        target[target < _NEGLIGIBLE.get(K, _NEGLIGIBLE_OF_MANY)] = 0
        target *= np.where(own, self.feedback_weight, 1.0)[:, None]
        order = np.lexsort((*target.T, *proba.T, cover, hashes_of(names)))
        taught = order[((cover | own) & usable)[order]]
        self._models = [
            TextModel.fit(features[part], target[part], self.C)
            for part in (taught[fold[taught] != number] for number in range(self.folds))
        ]
        text, is_known = self._judge(features, fold, usable, K)
        self._decide(proba, text, is_known, cover, said)
        self.source = self._sources(cover, said, is_known)
        return self

    def predict_proba(self, q: npt.ArrayLike, X: Features, groups: npt.ArrayLike) -> Floats:
        """Probability of each class, float64 [n, K].

        Each text is judged by the model that has not seen it, whether it was among those that were fitted or not. Rows
        that people labelled have their class, if these are the rows that were fitted. Of other rows, those are taken to
        be without a vote whose probabilities are those of rows without a vote in the fit.

        Parameters
        ----------
        q, X, groups
            Probabilities, features and groups of n rows, as of `fit`.

        Raises
        ------
        UsageError
            If it is not fitted, or shapes do not agree.
        """
        if not self._models:
            raise UsageError("it is not fitted yet", where="TextRefiner", fix="call `fit` first")
        proba, names = _probabilities(q), np.asarray(groups)
        n, K = proba.shape
        if len(self._prior) != K:
            raise UsageError(f"q has {K} classes, and {len(self._prior)} were fitted", where="TextRefiner")
        same = names.shape == self._groups.shape and bool(np.array_equal(names, self._groups))
        cover = self._covered if same else ~self._is_silent(proba)
        said = self._labels if same else np.full(n, NO_CLASS)
        _checked(n, K, X, names, cover, said)
        features, usable = self._scaling.apply(X)
        text, is_known = self._judge(features, fold_of(names, self.folds), usable, K)
        return self._combine(proba, text, is_known, cover, said)

    # -- what the text says ----------------------------------------------------------------------------------

    def _judge(self, features: Any, fold: Integers, usable: Mask, K: int) -> tuple[Floats, Mask]:
        """Return the text models' probabilities, [n, K], and for which rows there are any, [n].

        A class that the model of a fold was never told of has the probability NaN: that is no evidence against it.
        """
        text = np.full((len(fold), K), 1 / K)
        is_known = np.zeros(len(fold), bool)
        for number, model in enumerate(self._models):
            part = np.flatnonzero((fold == number) & usable)
            if model.knows_something and len(part):
                text[part] = model.predict_proba(features[part], K)
                is_known[part] = True
        return text, is_known

    def _decide(self, proba: Floats, text: Floats, is_known: Mask, cover: Mask, said: Integers) -> None:
        """Say from the text models' own probabilities, [n, K], how far they are believed."""
        judged, K = cover & is_known, proba.shape[1]
        self.confusion = _confusion(proba[judged])
        text = self._cleared(text)
        known = np.isfinite(text[judged])
        sums, counts = np.where(known, text[judged], 0).sum(axis=0), known.sum(axis=0)
        self._prior = np.where(counts > 0, sums / np.maximum(counts, 1), 1 / K)
        agrees = _best(text[judged]) == proba[judged].argmax(axis=1)
        self.agreement = float(agrees.mean()) if judged.any() else float("nan")
        reviewed = np.flatnonzero(judged & (said != NO_CLASS))
        if len(reviewed) >= self.min_reviewed:
            self.weight = self._truest(proba[reviewed], text[reviewed], said[reviewed])
        else:
            self.weight = self.exponent if self.agreement >= self.min_agreement else 0.0
        alone = np.flatnonzero(~cover & is_known & (said != NO_CLASS))
        self.speaks_alone = False
        if len(alone) >= self.min_reviewed:
            right = (_best(text[alone]) == said[alone]).mean()
            self.speaks_alone = bool(right > np.bincount(said[alone]).max() / len(alone))

    def _truest(self, proba: Floats, text: Floats, said: Integers) -> float:
        """Return the largest weight that is better for reviewed rows than a smaller one, by more than chance."""
        best, losses = 0.0, _losses(proba, said)
        for weight in (self.exponent / 2, self.exponent):
            tried = _losses(self._evidence(proba, text, weight), said)
            gain = losses - tried
            if gain.mean() > gain.std(ddof=1) / np.sqrt(len(said)):
                best, losses = weight, tried
        return best

    def _cleared(self, text: Floats) -> Floats:
        """Take the uncertainty of what was taught out of the text models' probabilities; NaN stays."""
        cleared = np.maximum(np.nan_to_num(text) @ np.linalg.inv(self.confusion), _SUREST)
        cleared /= cleared.sum(axis=1, keepdims=True)
        return np.where(np.isnan(text), np.nan, cleared)

    def _evidence(self, proba: Floats, text: Floats, weight: float) -> Floats:
        ratio = np.where(np.isnan(text), 1, np.maximum(text, _SMALLEST) / np.maximum(self._prior, _SMALLEST))
        together = proba * ratio**weight
        total = together.sum(axis=1, keepdims=True)
        return np.where(total > 0, together / np.where(total > 0, total, 1), proba)

    def _combine(self, proba: Floats, text: Floats, is_known: Mask, cover: Mask, said: Integers) -> Floats:
        refined, text = proba.copy(), self._cleared(text)
        both = cover & is_known & (self.weight > 0)
        refined[both] = self._evidence(proba[both], text[both], self.weight)
        alone = ~cover & is_known & self.speaks_alone
        refined[alone] = np.nan_to_num(text[alone], nan=0.0)
        own = said != NO_CLASS
        refined[own] = np.eye(proba.shape[1])[said[own]]
        return refined

    def _sources(self, cover: Mask, said: Integers, is_known: Mask) -> npt.NDArray[np.str_]:
        source = np.full(len(cover), VOTES, "U10")
        source[cover & is_known & (self.weight > 0)] = BOTH
        source[~cover & is_known & self.speaks_alone] = TEXT
        source[said != NO_CLASS] = FEEDBACK
        return source

    def _is_silent(self, proba: Floats) -> Mask:
        found = np.zeros(len(proba), bool)
        for known in self._silent[:100] if len(self._silent) <= 100 else ():
            found |= np.abs(proba - known).max(axis=1) < _SAME
        return found


def _confusion(proba: Floats) -> Floats:
    """Return what each class is taught, [K, K], nearer to the truth as far as its inverse would blow up errors."""
    K = proba.shape[1]
    total = proba.sum(axis=0)
    taught = np.where(total[:, None] > 0, proba.T @ proba / np.maximum(total, _SMALLEST)[:, None], np.eye(K))
    for share in _SHARES:
        mixed: Floats = share * taught + (1 - share) * np.eye(K)
        if np.linalg.cond(mixed) <= _MOST_CONDITION:
            return mixed
    return np.eye(K)


def _best(proba: Floats) -> Integers:
    best: Integers = np.nan_to_num(proba, nan=-1.0).argmax(axis=1).astype(np.int64)
    return best


def _losses(proba: Floats, labels: Integers) -> Floats:
    losses: Floats = -np.log(np.maximum(proba[np.arange(len(labels)), labels], 1e-6))
    return losses


def _probabilities(q: npt.ArrayLike) -> Floats:
    proba = np.array(q, np.float64)
    if proba.ndim != 2 or proba.shape[1] < 2:
        raise UsageError(f"q has the shape {proba.shape}; it should be [n, K] with K of 2 or more", where="TextRefiner")
    if not np.isfinite(proba).all() or (proba < 0).any():
        at = int(np.flatnonzero(~(np.isfinite(proba) & (proba >= 0)).all(axis=1))[0])
        raise UsageError(f"row {at} of q is no distribution: {proba[at].tolist()}", where="TextRefiner")
    total = proba.sum(axis=1, keepdims=True)
    return np.where(total > 0, proba / np.where(total > 0, total, 1), 1 / proba.shape[1])


def _checked(
    n: int, K: int, X: Features, groups: npt.NDArray[Any], covered: npt.ArrayLike, labels: npt.ArrayLike | None
) -> tuple[Mask, Integers]:
    """Return which rows are covered, and labels, once shapes agree."""
    cover = np.asarray(covered, bool)
    said = np.full(n, NO_CLASS, np.int64) if labels is None else np.asarray(labels).astype(np.int64)
    shapes: Sequence[tuple[str, tuple[int, ...]]] = [
        ("X", X.shape[:1]),
        ("groups", groups.shape),
        ("covered", cover.shape),
        ("labels", said.shape),
    ]
    for name, shape in shapes:
        if shape != (n,):
            raise UsageError(f"{name} has the shape {shape}, and q has {n} rows", where="TextRefiner")
    if n and not (said.min() >= NO_CLASS and said.max() < K):
        raise UsageError(
            f"labels run from {said.min()} to {said.max()}; they should be -1 to {K - 1}", where="TextRefiner"
        )
    return cover, said
