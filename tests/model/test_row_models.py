"""End models of text and fields: they learn from both, predict the same everywhere, and are kept without pickle."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pytest
import yaml
from projects import change_params, run_stages

from beambell import Project
from beambell.errors import ArtefactError, TrainingError
from beambell.model import EndModel, standalone, train
from beambell.model.row_features import as_columns, check_targets, learn_features, repeated
from beambell.registry.served import load_model

CLASSES = ("ham", "odd", "spam")
N = 600
FIELDS = ["likes", "author", "known"]
FOREST = {"estimator": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 5, "max_depth": 6}}
KINDS = {
    "rows_logistic": {},
    "boosting": {"trees": 15, "text_columns": 16},
    "estimator": FOREST,
}


def needs(kind):
    if kind == "estimator":
        pytest.importorskip("skops")


@pytest.fixture(scope="module")
def rows():
    """Rows whose class follows from a number, a category and a word; some of each are missing, and one is no number."""
    rng = np.random.default_rng(5)
    y = rng.integers(2, size=N) * 2  # the middle class never occurs
    likes = rng.normal(size=N) + y
    table = pa.table(
        {
            "text": pa.array([("prize" if k and rng.random() < 0.6 else "lunch") + f" w{rng.integers(9)}" for k in y]),
            "likes": pa.array([None if rng.random() < 0.1 else float(v) for v in likes], pa.float64()),
            "author": pa.array([None if rng.random() < 0.1 else f"a{rng.integers(5) + 5 * (k > 0)}" for k in y]),
            "known": pa.array([bool(rng.random() < 0.5) for _ in y]),
        }
    )
    table = table.set_column(1, "likes", pa.array([float("inf"), float("nan"), *table["likes"].to_pylist()[2:]]))
    proba = np.full((N, 3), 0.02)
    proba[np.arange(N), y] = 0.96
    return table, proba, y


def fit(rows, kind, **options):
    table, proba, _ = rows
    asked = {"fields": FIELDS, **KINDS[kind], **options}
    beside = table.select(FIELDS)
    covered = np.ones(N, bool)
    return train(table["text"], proba, covered=covered, classes=CLASSES, seed=3, kind=kind, beside=beside, **asked)


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_from_fields_and_text(rows, kind):
    needs(kind)
    table, _, y = rows
    proba = fit(rows, kind).predict_rows(table)
    assert proba.sum(axis=1) == pytest.approx(1)
    assert (proba.argmax(axis=1) == y).mean() > 0.94
    assert (proba[:, 1] == 0).all()  # never seen
    of_text = fit(rows, kind, fields=[]).predict_rows(table)
    assert 0.6 < (of_text.argmax(axis=1) == y).mean() < 0.93


@pytest.mark.parametrize("kind", KINDS)
def test_again_it_has_the_same_bytes_and_is_read_back_as_it_was(rows, kind):
    needs(kind)
    model = fit(rows, kind)
    files = model.to_files()
    assert files == fit(rows, kind).to_files()
    back = EndModel.from_files(files)
    assert back.to_files() == files
    assert (back.classes, back.fields) == (CLASSES, tuple(FIELDS))
    assert back.predict_rows(rows[0]).tobytes() == model.predict_rows(rows[0]).tobytes()
    assert not any(data.startswith(b"\x80") or b"cbuiltins" in data for data in files.values())


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_another_process_gives_the_same_bytes(rows, kind):
    """Places in memory, the seed of hashes and the number of threads are others there."""
    needs(kind)
    program = (
        "import hashlib, pickle, sys; sys.path[:0] = ['tests', 'tests/model'];"
        "import test_row_models as t; rows, kind = pickle.load(sys.stdin.buffer);"
        "print(hashlib.sha256(repr(sorted(t.fit(rows, kind).to_files().items())).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=pickle.dumps((rows, kind)),
            capture_output=True,
            check=True,
            env={"PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_its_company(rows, kind):
    needs(kind)
    model, table = fit(rows, kind), rows[0]
    alone = np.vstack([model.predict_rows(table.slice(i, 1)) for i in range(8)])
    np.testing.assert_allclose(alone, model.predict_rows(table)[:8], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_row_lacks_is_missing(rows, kind):
    needs(kind)
    model = fit(rows, kind)
    odd = [
        {"text": None, "likes": None, "author": None, "known": None},
        {"text": "prize", "author": "never seen"},
        {"text": "", "likes": float("-inf")},
        {"text": "prize", "likes": 1e300},
    ]
    proba = standalone.from_files(model.to_files()).predict_proba(odd)
    assert np.isfinite(proba).all()
    assert model.predict_proba([]).shape == (0, 3)
    assert model.predict_proba(["prize", None]).shape == (2, 3)


def test_trees_kept_as_arrays_say_what_scikit_learn_says(rows):
    from sklearn.ensemble import HistGradientBoostingClassifier

    table, proba, _ = rows
    for K in (2, 3):
        shares = np.column_stack([proba[:, 0], proba[:, 1:].sum(axis=1)]) if K == 2 else proba[:, [0, 2, 1]] * 1.0
        if K == 3:
            shares[::3] = [0.1, 0.1, 0.8]
        classes = tuple("abc"[:K])
        model = train(
            table["text"], shares, covered=np.ones(N, bool), classes=classes, seed=3, kind="boosting",
            beside=table.select(FIELDS), fields=FIELDS, trees=12, text_columns=8, min_rows=5,
        )  # fmt: skip
        targets, _ = check_targets(shares, classes, None)
        features, _ = learn_features(
            table, FIELDS, ngrams=(1, 2), n_features=2**18, max_categories=50, text_columns=8, proba=targets
        )
        X = features.dense(as_columns(table), N)
        at, y, weights = repeated(targets)
        theirs = HistGradientBoostingClassifier(
            max_iter=12, min_samples_leaf=5, l2_regularization=1.0, early_stopping=False, random_state=3
        ).fit(X[at], y, sample_weight=weights)
        np.testing.assert_allclose(model.predict_rows(table), theirs.predict_proba(X), rtol=0, atol=1e-9)


def test_probabilities_count_as_weights(rows):
    """A row that is half one class and half another pulls as two rows of half the weight would."""
    table, _, y = rows
    soft = np.where(np.eye(3)[y] > 0, 0.7, 0.15)
    logistic = train(
        table["text"], soft, covered=np.ones(N, bool), classes=CLASSES, seed=1, kind="rows_logistic",
        beside=table.select(FIELDS), fields=FIELDS,
    )  # fmt: skip
    assert 0.1 < logistic.predict_rows(table)[:, 1].mean() < 0.2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["truncated", "swapped", "missing", "not json", "other format"])
def test_damage_is_an_error_of_ours(rows, kind, damage):
    needs(kind)
    files = fit(rows, kind).to_files()
    other = fit(rows, kind, ngrams=[1, 1]).to_files()
    name = "estimator.skops" if kind == "estimator" else "weights.npz"
    if damage == "truncated":
        files[name] = files[name][:-30]
    elif damage == "swapped":
        files[name] = other[name]
    elif damage == "missing":
        del files[name]
    elif damage == "not json":
        files["model.json"] = b"{"
    else:
        files["model.json"] = json.dumps(json.loads(files["model.json"]) | {"classes": 3}).encode()
    with pytest.raises(ArtefactError):
        type(fit(rows, kind)).restore(files)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("rows_logistic", {"fields": ["gone"]}, "no field 'gone'"),
        ("boosting", {"depth": 3}, "no option 'depth'"),
        ("estimator", {"estimator": "sklearn.neighbors.KNeighborsClassifier"}, "takes no sample_weight"),
        ("estimator", {"estimator": "sklearn.gone.Odd"}, "there is no"),
        ("estimator", {"estimator": "subprocess.Popen"}, "no class of scikit-learn"),
        ("estimator", {"estimator": ""}, "no class of scikit-learn"),
        ("estimator", FOREST | {"parameters": {"odd": 1}}, "odd"),
        ("estimator", {"estimator": "sklearn.naive_bayes.GaussianNB", "parameters": {}}, "dense: true"),
    ],
)
def test_what_cannot_be_trained_is_said(rows, kind, options, said):
    needs(kind)
    with pytest.raises(TrainingError, match=said):
        fit(rows, kind, **options)


def test_a_file_that_holds_code_of_others_is_refused():
    skops_io = pytest.importorskip("skops.io")
    from collections import UserList

    with pytest.raises(ValueError, match="not of scikit-learn"):
        standalone.restored(skops_io.dumps(UserList([1])))


def test_a_kept_estimator_has_no_clock(rows):
    pytest.importorskip("skops")
    with zipfile.ZipFile(io.BytesIO(fit(rows, "estimator").to_files()["estimator.skops"])) as archive:
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("kind", ["rows_logistic", "boosting"])
def test_it_goes_the_whole_way(finished, tmp_path, kind):
    """The two streams have different fields; gold judges it, the queue asks it, the registry keeps it."""
    folder = shutil.copytree(finished.path, tmp_path / "p")
    model = {"name": "spam", "kind": kind, "options": {"fields": ["likes", "recipients", "channel"]}}
    whole = yaml.safe_load((folder / "params.yaml").read_text())
    whole["model"] = model
    (folder / "params.yaml").write_text(yaml.safe_dump(whole))
    done = run_stages(folder, "train", "evaluate", "register")
    assert done["evaluate"].figures["end_model_accuracy"] > 0.7
    loaded = load_model(Project(folder), "models/registry/spam/v0002")
    assert loaded.fields == ("likes", "recipients", "channel")
    again = run_stages(folder, "train", "evaluate", "register")
    assert [outcome.done for outcome in again.values()] == [0, 0, 0]


def test_a_field_that_no_stream_has_is_said(finished, tmp_path):
    folder = shutil.copytree(finished.path, tmp_path / "p")
    change_params(folder, model={"kind": "rows_logistic", "options": {"fields": ["odd"]}, "name": "spam"})
    with pytest.raises(TrainingError, match="'odd' is in no stream"):
        run_stages(folder, "train")
