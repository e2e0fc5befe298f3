"""End models that learn from a row's text and fields. They predict by `beambell.model.standalone`, as others may."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beambell.arrays import Floats
from beambell.errors import ArtefactError
from beambell.model.end_model import DESCRIPTION, FIX, EndModel
from beambell.model.features import Texts, as_list
from beambell.model.row_features import as_columns
from beambell.model.standalone import TEXT, Model, from_files
from beambell.store.arrays import pack_arrays

WEIGHTS = "weights.npz"


@dataclass(frozen=True, eq=False)
class RowModel(EndModel):
    """A trained model of text and fields.

    Attributes
    ----------
    files
        Contents of its files by name.
    model
        Model that these files say.
    """

    OTHER: ClassVar[str | None] = None
    """Name of a file that it has besides the description and the weights; its key in the description is the stem."""

    files: Mapping[str, bytes]
    model: Model

    @property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the classes, in the order of the columns of probabilities."""
        return self.model.classes

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that it reads besides the text."""
        return self.model.fields

    @classmethod
    @abstractmethod
    def fit_rows(cls, rows: pa.Table, proba: Floats, *, classes: tuple[str, ...], seed: int) -> Self:
        """Train a model on rows with ``text`` and fields; for the rest see `EndModel.fit`."""

    @classmethod
    def fit(
        cls, texts: Sequence[str | None], proba: Floats, *, classes: tuple[str, ...], seed: int, **options: Any
    ) -> Self:
        """Train a model on texts alone; see `EndModel.fit`."""
        rows = pa.table({TEXT: pa.array(texts, pa.string())})
        return cls.fit_rows(rows, proba, classes=classes, seed=seed, **options)

    def predict_proba(self, texts: Texts) -> Floats:
        """Probability of each class for each text whose row has no fields: float64 [n, K]."""
        return self.model.predict_proba({TEXT: as_list(texts)})

    def predict_rows(self, rows: pa.Table) -> Floats:
        """Probability of each class for each row: float64 [n, K]; a row does not depend on the others."""
        wanted = [name for name in (TEXT, *self.fields) if name in rows.column_names]
        return self.model.predict_proba(as_columns(rows.select(wanted)))

    def to_files(self) -> dict[str, bytes]:
        """Contents of the files that keep the model."""
        return dict(self.files)

    @classmethod
    def made(
        cls, described: dict[str, Any], arrays: Mapping[str, npt.NDArray[Any]], other: bytes | None = None
    ) -> Self:
        """Make a model of its description, its arrays, and another file."""
        files = {WEIGHTS: pack_arrays(arrays)}
        described = {"format": cls.FORMAT, **described, "weights": _ref(files[WEIGHTS])}
        if cls.OTHER is not None and other is not None:
            files[cls.OTHER] = other
            described[cls.OTHER.partition(".")[0]] = _ref(other)
        text = json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        return cls.restore({DESCRIPTION: text.encode(), **files})

    @classmethod
    def restore(cls, files: Mapping[str, bytes]) -> Self:
        """Rebuild the model from the contents that `to_files` gave.

        Raises
        ------
        ArtefactError
            If a file is missing, damaged, of another format, or of another model than its companion.
        """
        names = [name for name in (DESCRIPTION, WEIGHTS, cls.OTHER) if name is not None]
        if missing := [name for name in names if name not in files]:
            raise ArtefactError("the file is missing from the model", where=missing[0], fix=FIX)
        try:
            described = json.loads(files[DESCRIPTION])
            _check_format(described["format"], cls.FORMAT)
            model = from_files({name: files[name] for name in names})
            model.predict_proba({TEXT: ["whether it predicts"]})
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OSError, RecursionError) as error:
            raise ArtefactError(f"not a model that can be read ({error})", where=DESCRIPTION, fix=FIX) from error
        return cls({name: files[name] for name in names}, model)


def _check_format(found: str, wanted: str) -> None:
    if found != wanted:
        raise ValueError(f"it is of the format {found!r}, not {wanted!r}")


def _ref(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def of_features(model_features: Any) -> dict[str, npt.NDArray[Any]]:
    """Arrays of features, as every row model keeps them."""
    return {"columns": model_features.columns.astype(np.int32), "idf": model_features.idf}
