from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beambell.errors import ArtefactError
from beambell.model import EndModel, train
from beambell.model.end_model import DESCRIPTION
from beambell.model.tfidf_logistic import WEIGHTS

TEXTS = ["win cash now!", "lunch at noon?", "cash prize, win", "see you at lunch", "ÄRGER über 2€ 🎁", "noon"]
PROBA = np.array([[0.9, 0.1], [0.2, 0.8], [1.0, 0.0], [0.0, 1.0], [0.6, 0.4], [0.3, 0.7]])


@pytest.fixture(scope="module")
def model() -> EndModel:
    return train(TEXTS, PROBA, covered=np.ones(6, bool), classes=("spam", "ham"), seed=1, n_features=2**12)


def described(files: dict[str, bytes], change: Callable[[dict], object]) -> dict[str, bytes]:
    description = json.loads(files[DESCRIPTION])
    change(description)
    return files | {DESCRIPTION: json.dumps(description).encode()}


def weighed(files: dict[str, bytes], **arrays: np.ndarray) -> dict[str, bytes]:
    """The same model with other arrays, and a description that knows their hash."""
    with np.load(io.BytesIO(files[WEIGHTS])) as archive:
        everything = dict(archive) | arrays
    buffer = io.BytesIO()
    np.savez(buffer, **everything)
    content = buffer.getvalue()
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return described(files | {WEIGHTS: content}, lambda d: d.update(weights=entry))


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(max_size=40) | st.sampled_from(TEXTS), max_size=8))
def test_round_trip_predicts_the_same_to_the_last_bit(model: EndModel, texts: list[str]) -> None:
    files = model.to_files()
    again = EndModel.from_files(files)
    p = again.predict_proba(texts)
    assert p.tobytes() == model.predict_proba(texts).tobytes()
    assert p.shape == (len(texts), 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    assert again.to_files() == files


def test_a_row_is_predicted_the_same_in_any_company(model: EndModel, monkeypatch: pytest.MonkeyPatch) -> None:
    together = model.predict_proba(TEXTS)
    assert together.tobytes() == b"".join(model.predict_proba([text]).tobytes() for text in TEXTS)
    monkeypatch.setattr("beambell.model.tfidf_logistic.BATCH", 4)
    assert together.tobytes() == model.predict_proba(TEXTS).tobytes()


def test_predicts_arrow_nulls_and_unknown_words(model: EndModel) -> None:
    p = model.predict_proba(pa.chunked_array([TEXTS[:2], ["unheardof", None]]))
    assert p[:2].tobytes() == model.predict_proba(TEXTS[:2]).tobytes()
    prior = np.exp(model.intercept) / np.exp(model.intercept).sum()
    np.testing.assert_allclose(p[2:], [prior, prior], atol=1e-15)
    prediction = model.predict(TEXTS[:2])
    assert prediction.tolist() == [0, 1]
    assert prediction.dtype == np.int8


def test_same_bytes_in_another_process_at_another_time(model: EndModel) -> None:
    script = (
        "import hashlib\n"
        "import numpy as np, time; time.time = lambda: 2e9; time.localtime = lambda *_: time.gmtime(2e9)\n"
        "from beambell.model import train\n"
        f"m = train({TEXTS!r}, {PROBA.tolist()!r}, covered=np.ones(6, bool), classes=('spam', 'ham'), seed=1,"
        " n_features=2**12)\n"
        "print(*(hashlib.sha256(c).hexdigest() for c in m.to_files().values()))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [hashlib.sha256(content).hexdigest() for content in model.to_files().values()]


def test_only_columns_that_occurred_are_kept(model: EndModel) -> None:
    assert 0 < len(model.columns) < 60
    assert len(model.to_files()[WEIGHTS]) < 5000


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_missing_file(model: EndModel, name: str) -> None:
    files = model.to_files()
    del files[name]
    with pytest.raises(ArtefactError, match="missing") as caught:
        EndModel.from_files(files)
    assert caught.value.where == name
    assert caught.value.fix


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_truncation_and_flipped_weight_is_noticed(model: EndModel, data: st.DataObject) -> None:
    files = model.to_files()
    name = data.draw(st.sampled_from([DESCRIPTION, WEIGHTS]))
    whole = files[name]
    # Without its last newline the JSON is whole still.
    cut = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(ArtefactError) as caught:
        EndModel.from_files(files | {name: whole[:cut]})
    assert caught.value.where == name
    flipped = bytearray(files[WEIGHTS])
    flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= 1
    with pytest.raises(ArtefactError, match="damaged"):
        EndModel.from_files(files | {WEIGHTS: bytes(flipped)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="beambell-end-model/99"), "format: Input should be 'beambell-end-model/1'"),
        (lambda d: d.pop("classes"), "classes: Field required"),
        (lambda d: d.update(classes="spam"), "classes: "),
        (lambda d: d.update(ngrams=[1]), "ngrams"),
        (lambda d: d.update(ngrams=[2, 1]), "shortest"),
        (lambda d: d.update(n_features="many"), "n_features: "),
        (lambda d: d.update(weights=None), "weights: "),
        (lambda d: d["weights"].update(bytes="7"), "weights.bytes: "),
        (lambda d: d.update(surprise=1), "surprise: "),
        (lambda d: d["classes"].append("third"), r"coef is float64 \[\d+, 2\]"),
        (lambda d: d.update(columns=3), r"speaks of int32 \[3\]"),
        (lambda d: d.update(n_features=7), "within n_features"),
    ],
)
def test_a_description_that_does_not_fit(model: EndModel, change: Callable[[dict], object], message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        EndModel.from_files(described(model.to_files(), change))


@pytest.mark.parametrize("content", [b"[]", b"null", b"\xff\xfe", b"{", b"3"])
def test_a_description_that_is_no_description(model: EndModel, content: bytes) -> None:
    with pytest.raises(ArtefactError):
        EndModel.from_files(model.to_files() | {DESCRIPTION: content})


def test_weights_of_another_model(model: EndModel) -> None:
    other = train(TEXTS, PROBA[:, ::-1], covered=np.ones(6, bool), classes=("a", "b"), seed=1, n_features=2**12)
    with pytest.raises(ArtefactError, match="of another model"):
        EndModel.from_files(model.to_files() | {WEIGHTS: other.to_files()[WEIGHTS]})


def test_weights_that_cannot_be_a_model(model: EndModel) -> None:
    files = model.to_files()
    F = len(model.columns)
    for arrays, message in [
        ({"coef": model.coef.astype(np.float32)}, "float32"),
        ({"idf": model.idf[:-1]}, "idf"),
        ({"idf": model.idf * np.nan}, "finite"),
        ({"coef": model.coef + np.inf}, "finite"),
        ({"intercept": np.full(2, -np.inf)}, "finite"),
        ({"columns": model.columns[::-1].copy()}, "ascend"),
        ({"columns": np.arange(F, dtype=np.int32) - 1}, "within"),
        ({"columns": np.array([{}] * F)}, "not a readable archive of arrays"),  # a pickle: never loaded
    ]:
        with pytest.raises(ArtefactError, match=message):
            EndModel.from_files(weighed(files, **arrays))


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = (
        "import sys, beambell.model; "
        "print(sorted({'sklearn', 'scipy', 'pandas', 'torch', 'apache_beam'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
