"""Predict with a model that BeamBell trained, without BeamBell: this one file, numpy and scikit-learn are enough.

>>> model = load("spam-v3")  # doctest: +SKIP
>>> model.predict_proba(["win a prize", "see you at lunch"])  # doctest: +SKIP
>>> model.predict_proba([{"text": "win a prize", "likes": 3}])  # doctest: +SKIP

The folder has a ``model.json``, which says what the model is, and its weights. `beambell models export` writes it with
a copy of this file. The folder of a version in the registry, or what ``dvc artifacts get`` delivers, loads the same
way. No pickle is read.
"""

# BeamBell itself predicts by these very functions, so what they give is the same to the last bit.
from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

TOKEN = r"(?u)\w+|[^\w\s]"  # noqa: S105 - a pattern of text, not a secret
BATCH = 16_384  # rows at a time; bounds memory, does not change results
CLIP = 10.0  # standard deviations beyond which a number says no more
TEXT = "text"


def load(folder: str | Path) -> Model:
    """Load the model in a folder.

    Parameters
    ----------
    folder
        Folder with a ``model.json`` and the files that it names; names may hold a digest, as in the registry.

    Returns
    -------
    Model
        Model with ``classes`` and ``predict_proba``.

    Raises
    ------
    ValueError
        If a file is missing, damaged, or of a kind that this file does not know.
    """
    return from_files(_read(Path(folder)))


def from_files(files: Mapping[str, bytes]) -> Model:
    """Load a model from the contents of its files, by name.

    Raises
    ------
    ValueError
        If a file is missing, damaged, or of a kind that is not known here.
    """
    described = json.loads(files["model.json"])
    kinds = {
        "beambell-end-model/1": _text_model,
        "beambell-rows-logistic/1": Logistic,
        "beambell-boosting/1": Boosting,
        "beambell-estimator/1": Estimator,
    }
    kind: Any = kinds.get(described.get("format"))
    if kind is None:
        raise ValueError(f"model.json has the format {described.get('format')!r}; known here are {sorted(kinds)}")
    if "weights" in described:
        weights = files.get("weights.npz", b"")
        if hashlib.sha256(weights).hexdigest() != described["weights"]["sha256"]:
            raise ValueError("weights.npz is missing, damaged, or of another model than model.json")
        with np.load(io.BytesIO(weights), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    else:
        arrays = {}
    made: Model = kind(described, arrays, files)
    return made


def _read(folder: Path) -> dict[str, bytes]:
    """Read the files of a model by the names that they were trained with, whatever digests theirs hold now."""
    there = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    manifest = there.get("manifest.json")
    if manifest is not None:  # a folder of the registry: its manifest says which file is which
        roles = json.loads(manifest.read_bytes())["files"]
        named = {role: there[ref["name"]] for role, ref in roles.items() if ref["name"] in there}
    else:
        named = {f"{name.split('-')[0]}{path.suffix}": path for name, path in there.items()} | there
    if "model.json" not in named:
        raise ValueError(f"there is no model.json in {folder}")
    return {name: path.read_bytes() for name, path in named.items() if name != "predictions"}


# -- rows ----------------------------------------------------------------------------------------------------------


def columns_of(rows: Any) -> dict[str, Sequence[Any]]:
    """Lay rows out as columns: of a data frame, a mapping of columns, or a list of texts or of mappings."""
    if hasattr(rows, "columns") and not isinstance(rows, Mapping):
        return {str(name): rows[name].tolist() for name in rows.columns}
    if isinstance(rows, Mapping):
        return {str(name): list(values) for name, values in rows.items()}
    listed = list(rows)
    if all(isinstance(row, Mapping) for row in listed):
        names = {name for row in listed for name in row}
        return {name: [row.get(name) for row in listed] for name in names} or {TEXT: []}
    return {TEXT: listed}


def as_texts(values: Iterable[Any]) -> list[str]:
    """Texts as such; a missing one is empty."""
    return [value if isinstance(value, str) else "" for value in values]


def as_numbers(values: Any, n: int) -> np.ndarray:
    """Numbers as float64 [n]; whatever is missing or not finite is NaN."""
    if values is None:
        return np.full(n, np.nan)
    array = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)


class Features:
    """Function from rows to numbers: hashed words of the text, weighted by TF-IDF, and fields.

    Parameters
    ----------
    described
        Description of the features in ``model.json``: n-grams of the text, and the fields with what was learnt of each.
    columns, idf
        Hashed columns that occurred in training, ascending, int32 [T], and their inverse document frequencies [T].
    """

    def __init__(self, described: Mapping[str, Any], columns: np.ndarray, idf: np.ndarray) -> None:
        self.ngrams = tuple(described["ngrams"])
        self.n_features = int(described["n_features"])
        self.fields: list[dict[str, Any]] = list(described.get("fields", []))
        self.columns, self.idf = columns, idf

    def text(self, texts: Sequence[str]) -> Any:
        """TF-IDF of texts, each row of unit length: sparse float64 [n, T]."""
        return weighted(counted(texts, self.ngrams, self.n_features)[:, self.columns], self.idf)

    def field_columns(self, rows: Mapping[str, Sequence[Any]], n: int) -> list[np.ndarray]:
        """Columns of the fields, float64 [n] each: of a number itself (NaN if missing), of a category one for each."""
        found = []
        for field in self.fields:
            values = rows.get(field["name"])
            if field["kind"] == "number":
                found.append(as_numbers(values, n))
                continue
            at = {category: i for i, category in enumerate(field["categories"])}
            places = np.array([at.get(value, -1) for value in values] if values is not None else [-1] * n, np.int64)
            found += [(places == i).astype(np.float64) for i in range(len(at))]
        return found

    def linear(self, rows: Mapping[str, Sequence[Any]], n: int) -> Any:
        """Features for a linear model, sparse float64 [n, T + F]: numbers are standardised, and missing ones marked."""
        from scipy.sparse import csr_matrix, hstack

        columns, at = [], 0
        values = self.field_columns(rows, n)
        for field in self.fields:
            if field["kind"] == "number":
                missing = np.isnan(values[at])
                scaled = np.clip((values[at] - field["mean"]) / field["scale"], -CLIP, CLIP)
                columns += [np.where(missing, 0.0, scaled), missing.astype(np.float64)]
                at += 1
            else:
                columns += values[at : at + len(field["categories"])]
                at += len(field["categories"])
        text = self.text(as_texts(rows.get(TEXT, [None] * n)))
        if not columns:
            return text
        return hstack([text, csr_matrix(np.column_stack(columns))]).tocsr()

    def dense(self, rows: Mapping[str, Sequence[Any]], n: int) -> np.ndarray:
        """Features for trees, float64 [n, T + F]: numbers as they are, missing ones NaN."""
        text = np.asarray(self.text(as_texts(rows.get(TEXT, [None] * n))).todense())
        return np.column_stack([text, *self.field_columns(rows, n)])


def counted(texts: Sequence[str], ngrams: tuple[int, ...], n_features: int) -> Any:
    """Counts of hashed word n-grams, sparse float64 [n, n_features]."""
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        ngram_range=ngrams, n_features=n_features, token_pattern=TOKEN, alternate_sign=False, norm=None
    ).transform(texts)


def weighted(counts: Any, idf: np.ndarray) -> Any:
    """Weight counts by inverse document frequencies, and scale each row to unit length; an empty one stays zero."""
    from sklearn.feature_extraction.text import TfidfTransformer

    transformer = TfidfTransformer()
    transformer.idf_ = idf
    return transformer.transform(counts)


# -- models --------------------------------------------------------------------------------------------------------


class Model:
    """A model, ready to predict.

    Attributes
    ----------
    classes
        Names of the K classes, in the order of the columns of probabilities.
    features
        Features of its rows.
    """

    def __init__(self, described: Mapping[str, Any], arrays: Mapping[str, Any], files: Mapping[str, bytes]) -> None:  # noqa: ARG002
        self.classes = tuple(described["classes"])
        self.features = Features(described["features"], arrays["columns"], arrays["idf"])

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that it reads besides the text."""
        return tuple(field["name"] for field in self.features.fields)

    def predict_proba(self, rows: Any) -> np.ndarray:
        """Probability of each class for each row: float64 [n, K]. A row does not depend on the others.

        Parameters
        ----------
        rows
            Texts; or rows with a ``text`` and fields: a data frame, a mapping of columns, a list of mappings. Fields
            may be missing.
        """
        columns = columns_of(rows)
        n = len(next(iter(columns.values()), ()))
        result = np.empty((n, len(self.classes)))
        for start in range(0, n, BATCH):
            some = {name: values[start : start + BATCH] for name, values in columns.items()}
            here = min(BATCH, n - start)
            result[start : start + here] = self._predict(some, here)
        return result

    def predict(self, rows: Any) -> list[str]:
        """Name of the most probable class of each row; the first of equals."""
        return [self.classes[k] for k in self.predict_proba(rows).argmax(axis=1)]

    def _predict(self, rows: Mapping[str, Sequence[Any]], n: int) -> np.ndarray:
        raise NotImplementedError


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of rows of logits, safe from overflow; a logit of -inf has probability zero."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: np.ndarray = np.exp(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
    return result


class Logistic(Model):
    """Logistic regression on text and fields."""

    def __init__(self, described: Mapping[str, Any], arrays: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        super().__init__(described, arrays, files)
        self.coef, self.intercept = arrays["coef"], arrays["intercept"]

    def _predict(self, rows: Mapping[str, Sequence[Any]], n: int) -> np.ndarray:
        return softmax(self.features.linear(rows, n) @ self.coef + self.intercept)


def _text_model(described: Mapping[str, Any], arrays: Mapping[str, Any], files: Mapping[str, bytes]) -> Logistic:
    features = {"ngrams": described["ngrams"], "n_features": described["n_features"]}
    return Logistic({**described, "features": features}, arrays, files)


class Boosting(Model):
    """Gradient-boosted trees on text and fields; of one tree, each row follows the branches to a leaf."""

    def __init__(self, described: Mapping[str, Any], arrays: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        super().__init__(described, arrays, files)
        self.nodes = {name: arrays[name] for name in ("feature", "threshold", "left", "right", "nan_left", "value")}
        self.roots, self.of_class = arrays["roots"], arrays["of_class"]
        self.baseline, self.seen = arrays["baseline"], arrays["seen"]

    def _predict(self, rows: Mapping[str, Sequence[Any]], n: int) -> np.ndarray:
        X = self.features.dense(rows, n)
        raw = np.tile(self.baseline, (n, 1))
        for root, k in zip(self.roots.tolist(), self.of_class.tolist(), strict=True):
            raw[:, k] += self._leaves(X, root)
        logits = np.full((n, len(self.classes)), -np.inf)
        logits[:, self.seen] = np.column_stack([np.zeros(n), raw[:, 0]]) if raw.shape[1] == 1 else raw
        return softmax(logits)

    def _leaves(self, X: np.ndarray, root: int) -> np.ndarray:
        nodes, at = self.nodes, np.full(len(X), root)
        open_ = np.flatnonzero(nodes["left"][at] >= 0)
        while len(open_):
            here = at[open_]
            x = X[open_, nodes["feature"][here]]
            is_left = np.where(np.isnan(x), nodes["nan_left"][here], x <= nodes["threshold"][here])
            at[open_] = np.where(is_left, nodes["left"][here], nodes["right"][here])
            open_ = open_[nodes["left"][at[open_]] >= 0]
        leaves: np.ndarray = nodes["value"][at]
        return leaves


class Estimator(Model):
    """An estimator of scikit-learn's interface, kept by skops.

    Raises
    ------
    ValueError
        If its file is missing or damaged.
    """

    def __init__(self, described: Mapping[str, Any], arrays: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        super().__init__(described, arrays, files)
        data = files.get("estimator.skops", b"")
        if hashlib.sha256(data).hexdigest() != described["estimator"]["sha256"]:
            raise ValueError("estimator.skops is missing, damaged, or of another model than model.json")
        self.estimator = restored(data)
        self.dense, self.seen = bool(described["dense"]), arrays["seen"]

    def _predict(self, rows: Mapping[str, Sequence[Any]], n: int) -> np.ndarray:
        X = np.nan_to_num(self.features.dense(rows, n)) if self.dense else self.features.linear(rows, n)
        result = np.zeros((n, len(self.classes)))
        result[:, self.seen] = self.estimator.predict_proba(X)
        return result


def restored(data: bytes) -> Any:
    """Restore an estimator from what skops wrote, if it is made of scikit-learn, scipy and numpy alone.

    Raises
    ------
    ValueError
        If it holds a type of another package: whoever wrote the file chose it.
    """
    from skops.io import get_untrusted_types, loads

    types = get_untrusted_types(data=data)
    if strange := [name for name in types if name.split(".")[0] not in ("sklearn", "scipy", "numpy")]:
        raise ValueError(f"estimator.skops holds {strange[0]}, which is not of scikit-learn, scipy or numpy")
    return loads(data, trusted=types)
