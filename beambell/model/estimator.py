"""Any estimator of scikit-learn that takes weights of rows, by its import path; kept by skops, never by pickle."""

from __future__ import annotations

import importlib
import inspect
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from beambell.arrays import Floats
from beambell.errors import TrainingError
from beambell.model.end_model import register
from beambell.model.row_features import as_columns, check_targets, learn_features, repeated
from beambell.model.row_model import RowModel, of_features
from beambell.model.standalone import restored

WHERE = "model.options in params.yaml"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@register
@dataclass(frozen=True, eq=False)
class Estimator(RowModel):
    """A classifier of scikit-learn on hashed TF-IDF n-grams and fields."""

    kind: ClassVar[str] = "estimator"
    FORMAT: ClassVar[str] = "beambell-estimator/1"
    OTHER: ClassVar[str | None] = "estimator.skops"

    @classmethod
    def fit_rows(
        cls,
        rows: pa.Table,
        proba: Floats,
        *,
        classes: tuple[str, ...],
        seed: int,
        estimator: str = "",
        parameters: Mapping[str, Any] | None = None,
        fields: Sequence[str] = (),
        dense: bool = False,
        text_columns: int | None = None,
        ngrams: tuple[int, int] = (1, 2),
        n_features: int = 2**18,
        max_categories: int = 100,
        drop_below: float | None = None,
    ) -> Self:
        """Fit the estimator; each row counts once per class, weighted by its probability.

        Parameters
        ----------
        rows, proba, classes, seed
            Rows with ``text`` and fields, their probabilities, names of the classes and a seed: see `EndModel.fit`.
        estimator
            Import path of the class, such as ``sklearn.ensemble.RandomForestClassifier``.
        parameters
            Arguments of its constructor by name; ``random_state`` is the seed unless it is given.
        fields
            Names of the fields to learn from besides the text.
        dense
            Whether it needs a dense array; then ``text_columns`` bounds its width.
        text_columns
            Number of hashed n-grams that are learnt from; ``None`` for all, or 256 of a dense array.
        ngrams, n_features, max_categories, drop_below
            Options of the features and targets, as for ``rows_logistic``.

        Raises
        ------
        TrainingError
            If there is no such class, it takes no weights or gives no probabilities, or skops is not installed.
        """
        made = _construct(estimator, dict(parameters or {}), seed)
        targets, seen = check_targets(proba, classes, drop_below)
        most = 256 if dense and text_columns is None else text_columns
        shortest, longest = ngrams
        features, described = learn_features(
            rows,
            fields,
            ngrams=(shortest, longest),
            n_features=n_features,
            max_categories=max_categories,
            text_columns=most,
            proba=targets,
        )
        columns, n = as_columns(rows), rows.num_rows
        X = np.nan_to_num(features.dense(columns, n)) if dense else features.linear(columns, n)
        at, y, weights = repeated(targets)
        _fit(made, X[at], y, weights, estimator)
        data = canonical(_dumped(made))
        restored(data)  # what cannot be read back is refused now
        arrays = {**of_features(features), "seen": np.flatnonzero(seen).astype(np.int32)}
        said = {"classes": list(classes), "features": described, "dense": dense, "path": estimator}
        return cls.made(said, arrays, data)


def _construct(path: str, parameters: dict[str, Any], seed: int) -> Any:
    module, _, name = path.rpartition(".")
    if find_spec("skops") is None:
        raise TrainingError(
            "models of kind estimator need the package 'skops', which is not installed",
            where=WHERE,
            fix="pip install 'beambell[estimators]', or choose rows_logistic or boosting, which need none",
        )
    try:
        found: Any = getattr(importlib.import_module(module), name) if module else None
    except (ImportError, AttributeError) as error:
        raise TrainingError(f"there is no {path!r} ({error})", where=WHERE, fix="name a class by its path") from None
    if not isinstance(found, type) or not path.startswith("sklearn."):
        raise TrainingError(
            f"{path!r} is no class of scikit-learn",
            where=WHERE,
            fix="name one such as sklearn.ensemble.RandomForestClassifier; a model of your own is a class of its own "
            "(docs/end-models.md)",
        )
    fit: Any = getattr(found, "fit", None)
    if not hasattr(found, "predict_proba") or not fit or "sample_weight" not in inspect.signature(fit).parameters:
        raise TrainingError(
            f"{path!r} takes no sample_weight, or gives no probabilities",
            where=WHERE,
            fix="name one with both, such as sklearn.ensemble.RandomForestClassifier",
        )
    if "random_state" in inspect.signature(found).parameters:
        parameters = {"random_state": seed, **parameters}
    try:
        return found(**parameters)
    except TypeError as error:
        raise TrainingError(f"{path}: {error}", where=f"{WHERE}: parameters", fix="see its documentation") from None


def _fit(estimator: Any, X: Any, y: Any, weights: Floats, path: str) -> None:
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(limits=1):
            estimator.fit(X, y, sample_weight=weights)
    except (TypeError, ValueError, AttributeError) as error:
        raise TrainingError(
            f"{path} cannot be trained: {' '.join(str(error).split())[:300]}",
            where=WHERE,
            fix="add `dense: true` if it takes no sparse array; see its documentation for its parameters",
        ) from error


def _dumped(estimator: Any) -> bytes:
    from skops.io import dumps

    data: bytes = dumps(estimator)
    return data


def canonical(data: bytes) -> bytes:
    """Give what skops wrote the same bytes each time: no clock, and numbers of objects in the order they are met.

    skops numbers objects by their places in memory, and names the arrays after these.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read("schema.json"))
        members = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    numbers: dict[int, int] = {}
    renamed: dict[str, str] = {}
    schema = _renumbered(schema, numbers, renamed)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        text = json.dumps(schema, indent=2)
        contents = {"schema.json": text.encode(), **{renamed[name]: members[name] for name in members}}
        for name in sorted(contents):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), contents[name])
    return made.getvalue()


def _renumbered(tree: Any, numbers: dict[int, int], renamed: dict[str, str]) -> Any:
    if isinstance(tree, list):
        return [_renumbered(one, numbers, renamed) for one in tree]
    if not isinstance(tree, dict):
        return tree
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if key == "__id__":
            found[key] = numbers.setdefault(value, len(numbers) + 1)
        elif key == "file" and isinstance(value, str):
            suffix = value.rpartition(".")[2]
            found[key] = renamed.setdefault(value, f"array-{len(renamed) + 1:05}.{suffix}")
        else:
            found[key] = _renumbered(value, numbers, renamed)
    return found
