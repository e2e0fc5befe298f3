"""Logistic regression on hashed TF-IDF n-grams: the end model that is trained unless another is asked for.

It is kept as two files, a JSON that a person can read and the weights; no pickle, so loading a model runs no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from beambell.arrays import Floats
from beambell.errors import ArtefactError, TrainingError
from beambell.logistic import fit_logistic, log_softmax
from beambell.model.end_model import DEFAULT, DESCRIPTION, FIX, EndModel, register
from beambell.model.features import HashedNgrams, Texts, as_list, inverse_document_frequency, tfidf
from beambell.store.arrays import pack_arrays, unpack_arrays

FORMAT: Literal["beambell-end-model/1"] = "beambell-end-model/1"
WEIGHTS = "weights.npz"
BATCH = 16_384  # rows at a time in prediction; bounds memory, does not change results


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    bytes: int
    sha256: str


class _Description(BaseModel):
    """What ``model.json`` says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["beambell-end-model/1"]
    classes: tuple[str, ...] = Field(min_length=2)
    ngrams: tuple[int, int]
    n_features: int
    columns: int
    weights: _File

    @model_validator(mode="after")
    def _features_exist(self) -> _Description:
        HashedNgrams(self.ngrams, self.n_features)
        return self


@register
@dataclass(frozen=True, eq=False)
class TfidfLogistic(EndModel):
    """Logistic regression on hashed TF-IDF n-grams.

    Parameters
    ----------
    classes
        Names of the K classes, in the order of the columns of ``coef``.
    features
        Function from a text to counts.
    columns
        int32 [F], ascending: the hashed columns that occurred in training; the others weigh nothing.
    idf
        float64 [F], inverse document frequency per column.
    coef
        float64 [F, K].
    intercept
        float64 [K]; -inf for a class never seen in training, which makes its probability zero.
    """

    kind: ClassVar[str] = DEFAULT
    FORMAT: ClassVar[str] = FORMAT

    classes: tuple[str, ...]
    features: HashedNgrams
    columns: npt.NDArray[np.int32]
    idf: Floats
    coef: Floats
    intercept: Floats

    @classmethod
    def fit(
        cls,
        texts: Sequence[str | None],
        proba: Floats,
        *,
        classes: tuple[str, ...],
        seed: int,  # noqa: ARG003 - nothing here is random
        C: float = 10.0,
        ngrams: tuple[int, int] = (1, 2),
        n_features: int = 2**18,
        drop_below: float | None = None,
    ) -> Self:
        """Fit logistic regression to probabilities: each row counts once per class, weighted by its probability.

        Parameters
        ----------
        texts, proba, classes, seed
            Texts, their probabilities, names of the classes and a seed: see `EndModel.fit`.
        C
            Inverse strength of the L2 penalty. Vote shares as labels of the YouTube, SMS and ChemProt sets: 10 gives
            4 to 6 points of accuracy or macro-F1 more than 1; from 10 to 30 little changes.
        ngrams, n_features
            Lengths of the sequences of words, and number of buckets: see
            `beambell.model.features.HashedNgrams`.
        drop_below
            Probability from 0 to 1 below which a class counts as impossible: that much is mostly the label model's
            doubt, not evidence. By default 0.05, or 0.01 of two classes.

        Raises
        ------
        TrainingError
            If the labels speak for one class only, or no text has a word.
        """
        threshold = (0.01 if len(classes) == 2 else 0.05) if drop_below is None else drop_below
        targets = np.where(proba < threshold, 0.0, proba)
        seen = targets.any(axis=0)
        if seen.sum() < 2:
            which = f"one class, {classes[int(seen.argmax())]!r}" if seen.any() else "no class"
            raise TrainingError(
                f"the labels of all {len(texts)} covered rows speak for {which}",
                fix="add labeling functions that vote for the other classes, or train on more partitions",
            )
        features = HashedNgrams(ngrams=ngrams, n_features=n_features)
        counts = features.counts(texts)
        columns = np.unique(counts.indices).astype(np.int32)
        if not len(columns):
            raise TrainingError(
                f"none of the {len(texts)} texts has a single word",
                fix="check that the stream's text column in params.yaml is the one with the text",
            )
        counts = counts[:, columns]
        idf = inverse_document_frequency(counts)
        coef = np.zeros((len(columns), len(classes)))
        intercept = np.full(len(classes), -np.inf)
        coef[:, seen], intercept[seen] = fit_logistic(tfidf(counts, idf), targets[:, seen], C=C)
        return cls(classes, features, columns, idf, coef, intercept)

    def predict_proba(self, texts: Texts) -> Floats:
        """Probability of each class for each text: float64 [n, K]. A row does not depend on the others."""
        rows = as_list(texts)
        result = np.empty((len(rows), len(self.classes)))
        for start in range(0, len(rows), BATCH):
            counts = self.features.counts(rows[start : start + BATCH])[:, self.columns]
            logits = tfidf(counts, self.idf) @ self.coef + self.intercept
            result[start : start + BATCH] = np.exp(log_softmax(logits))
        return result

    def to_files(self) -> dict[str, bytes]:
        """Contents of the files that keep the model; the same model gives the same bytes."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "columns": self.columns,
            "idf": self.idf,
            "coef": self.coef,
            "intercept": self.intercept,
        }
        weights = pack_arrays(arrays)
        description = _Description(
            format=FORMAT,
            classes=self.classes,
            ngrams=self.features.ngrams,
            n_features=self.features.n_features,
            columns=len(self.columns),
            weights=_File(bytes=len(weights), sha256=hashlib.sha256(weights).hexdigest()),
        )
        text = json.dumps(description.model_dump(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        return {DESCRIPTION: text.encode(), WEIGHTS: weights}

    @classmethod
    def restore(cls, files: Mapping[str, bytes]) -> Self:
        """Rebuild the model from the contents that `to_files` gave.

        Raises
        ------
        ArtefactError
            If a file is missing, truncated, of another format, or of another model than its companion.
        """
        for name in (DESCRIPTION, WEIGHTS):
            if name not in files:
                raise ArtefactError("the file is missing from the model", where=name, fix=FIX)
        description = _read_description(files[DESCRIPTION])
        _check_file(files[WEIGHTS], description.weights)
        features = HashedNgrams(description.ngrams, description.n_features)
        model = cls(description.classes, features, **_read_weights(files[WEIGHTS]))
        model._check(description.columns)
        return model

    def _check(self, F: int) -> None:
        """Raise ArtefactError unless the arrays are those of a model with ``F`` columns."""
        K = len(self.classes)
        expected = {
            "columns": ((F,), np.int32),
            "idf": ((F,), np.float64),
            "coef": ((F, K), np.float64),
            "intercept": ((K,), np.float64),
        }
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise _unusable(
                    f"{name} is {array.dtype} {list(array.shape)}, but {DESCRIPTION} speaks of "
                    f"{np.dtype(dtype)} {list(shape)}"
                )
        inside = (self.columns >= 0) & (self.columns < self.features.n_features)
        if not inside.all() or (np.diff(self.columns) <= 0).any():
            raise _unusable("columns must ascend and lie within n_features")
        if not (np.isfinite(self.idf).all() and np.isfinite(self.coef).all()):
            raise _unusable("idf and coef must be finite")
        if not np.isfinite(self.intercept.max()):
            raise _unusable("the intercept of some class must be finite")


def _read_description(content: bytes) -> _Description:
    try:
        return _Description.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ArtefactError(
            f"not a description of a model: {place + ': ' if place else ''}{first['msg']}",
            where=DESCRIPTION,
            fix=FIX,
        ) from error


def _check_file(content: bytes, described: _File) -> None:
    """Compare the weights with what the description says of them, before anything parses them."""
    if len(content) < described.bytes:
        raise _unusable(f"truncated: {len(content)} of {described.bytes} bytes")
    if hashlib.sha256(content).hexdigest() != described.sha256:
        raise _unusable(f"damaged, or of another model than {DESCRIPTION}: its SHA-256 differs")


def _read_weights(content: bytes) -> dict[str, npt.NDArray[Any]]:
    arrays = unpack_arrays(content, WEIGHTS, FIX)
    names = ("columns", "idf", "coef", "intercept")
    if missing := [name for name in names if name not in arrays]:
        raise _unusable(f"not a file of weights (no {missing[0]})")
    return {name: arrays[name] for name in names}


def _unusable(message: str) -> ArtefactError:
    return ArtefactError(message, where=WEIGHTS, fix=FIX)
