"""The end model: what training leaves, and all that prediction needs.

It is kept as two files, a JSON that a person can read and the weights; no pickle, so loading a model runs no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from beambell.errors import ArtefactError
from beambell.model.features import HashedNgrams, Texts, as_list, tfidf
from beambell.model.logistic import log_softmax
from beambell.store.arrays import pack_arrays, unpack_arrays

FORMAT: Literal["beambell-end-model/1"] = "beambell-end-model/1"
DESCRIPTION, WEIGHTS = "model.json", "weights.npz"
FIX = "restore the model's files together from its version in the registry, or train again"
BATCH = 16_384  # rows at a time in prediction; bounds memory, does not change results

Floats = npt.NDArray[np.float64]


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


@dataclass(frozen=True, slots=True, eq=False)
class EndModel:
    """Logistic regression on hashed TF-IDF n-grams.

    Parameters
    ----------
    classes
        Names of the K classes, in the order of the columns of ``coef``.
    features
        How a text becomes counts.
    columns
        int32 [F], ascending: the hashed columns that occurred in training; the others weigh nothing.
    idf
        float64 [F], inverse document frequency per column.
    coef
        float64 [F, K].
    intercept
        float64 [K]; -inf for a class never seen in training, which makes its probability zero.
    """

    classes: tuple[str, ...]
    features: HashedNgrams
    columns: npt.NDArray[np.int32]
    idf: Floats
    coef: Floats
    intercept: Floats

    def predict_proba(self, texts: Texts) -> Floats:
        """Probability of each class for each text: float64 [n, K]. A row does not depend on the others."""
        rows = as_list(texts)
        result = np.empty((len(rows), len(self.classes)))
        for start in range(0, len(rows), BATCH):
            counts = self.features.counts(rows[start : start + BATCH])[:, self.columns]
            logits = tfidf(counts, self.idf) @ self.coef + self.intercept
            result[start : start + BATCH] = np.exp(log_softmax(logits))
        return result

    def predict(self, texts: Texts) -> npt.NDArray[np.int8]:
        """Most probable class of each text: int8 [n]; the first of equals."""
        return np.asarray(self.predict_proba(texts).argmax(axis=1), dtype=np.int8)

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
    def from_files(cls, files: Mapping[str, bytes]) -> EndModel:
        """Rebuild the model from the contents that :meth:`to_files` gave.

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
