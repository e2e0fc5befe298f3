"""End models: from a text to the probability of each class, trained on probabilistic labels. Their kinds by name.

A kind of one's own is one class, registered in a module that ``lfs.modules`` in params.yaml names.
"""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import Floats
from beambell.errors import ArtefactError, TrainingError
from beambell.kinds import Kinds
from beambell.model.features import Texts

DESCRIPTION: Final = "model.json"
"""Name of the file of every end model that says what it is; its key ``format`` names the kind's `EndModel.FORMAT`."""
FIX: Final = "restore the model's files together from its version in the registry, or train again"


class EndModel(ABC):
    """A trained end model.

    Attributes
    ----------
    classes
        Names of the K classes, in the order of the columns of probabilities.
    """

    kind: ClassVar[str]
    """Name of the kind, as ``model.kind`` in params.yaml."""
    FORMAT: ClassVar[str]
    """Name and number of the form of its files, as ``mine/1``."""

    classes: tuple[str, ...]

    @classmethod
    @abstractmethod
    def fit(cls, texts: Sequence[str | None], proba: Floats, *, classes: tuple[str, ...], seed: int) -> Self:
        """Train a model. A kind's options are further keyword parameters.

        Parameters
        ----------
        texts
            Texts of n rows on which labeling functions voted.
        proba
            Probabilities of the classes, float64 [n, K].
        classes
            Names of the K classes.
        seed
            Number from which everything random follows: equal rows give equal bytes.

        Raises
        ------
        TrainingError
            If there is nothing to be learnt from these rows.
        """

    @abstractmethod
    def predict_proba(self, texts: Texts) -> Floats:
        """Probability of each class for each text: float64 [n, K]. A row does not depend on the others."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields of a row that it reads besides the text."""
        return ()

    def predict_rows(self, rows: pa.Table) -> Floats:
        """Probability of each class for each row, given its ``text`` and `fields`: float64 [n, K]."""
        return self.predict_proba(rows["text"])

    def predict(self, texts: Texts) -> npt.NDArray[np.int8]:
        """Most probable class of each text: int8 [n]; the first of equals."""
        return np.asarray(self.predict_proba(texts).argmax(axis=1), dtype=np.int8)

    @abstractmethod
    def to_files(self) -> dict[str, bytes]:
        """Contents of the files that keep the model, by name, `DESCRIPTION` among them; no pickle."""

    @classmethod
    @abstractmethod
    def restore(cls, files: Mapping[str, bytes]) -> Self:
        """Rebuild a model of this kind from the contents that `to_files` gave.

        Raises
        ------
        ArtefactError
            If a file is missing, damaged, or of another model than its companion.
        """

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> EndModel:
        """Rebuild a model of any kind that is registered, from the contents that `to_files` gave.

        Raises
        ------
        ArtefactError
            If a file is missing, damaged, of another model than its companion, or of no kind that is registered.
        """
        if DESCRIPTION not in files:
            raise ArtefactError("the file is missing from the model", where=DESCRIPTION, fix=FIX)
        return _KINDS[kind_of(files) or DEFAULT].restore(files)


DEFAULT: Final = "tfidf_logistic"
"""Kind of end model that is trained where params.yaml names none."""
M = TypeVar("M", bound=EndModel)
_KINDS: Kinds[EndModel] = Kinds(
    "end model",
    TrainingError,
    where="model.kind",
    more="; one of your own is to be in a module that lfs.modules names",
)


def kinds() -> tuple[str, ...]:
    """Names of the kinds of end models there are."""
    return _KINDS.names()


def kind_of(files: Mapping[str, bytes]) -> str | None:
    """Name of the kind whose files these are; ``None`` if none that is registered says so."""
    try:
        format_name = json.loads(files[DESCRIPTION])["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return next((model.kind for model in _KINDS.values() if format_name == model.FORMAT), None)


def register(model: type[M]) -> type[M]:
    """Make a kind of end model known by its ``kind``; a class decorator.

    The same class, imported afresh, takes the place of the earlier one.

    Raises
    ------
    TrainingError
        If another one has that name.
    """
    return _KINDS.register(model)


def fit(kind: str, rows: pa.Table, proba: Floats, *, classes: tuple[str, ...], seed: int, **options: Any) -> EndModel:
    """Train a model of a kind on rows with ``text`` and fields; for the other parameters see `EndModel.fit`.

    Raises
    ------
    TrainingError
        If there is no such kind, it has no such option, or there is nothing to be learnt from these rows.
    """
    model: Any = _KINDS[kind]
    takes_rows = hasattr(model, "fit_rows")
    train = model.fit_rows if takes_rows else model.fit
    known = inspect.signature(train).parameters.keys() - {"texts", "rows", "proba", "classes", "seed"}
    _KINDS.check_options(options, sorted(known), where=f"model.options of {kind}")
    trained: EndModel = train(
        rows if takes_rows else rows["text"].to_pylist(), proba, classes=classes, seed=seed, **options
    )
    return trained
