from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beambell.errors import TrainingError
from beambell.model import EndModel, evaluate, train

DATA = Path(__file__).parents[2].parent / "shared" / "data"
CLASSES = ("ham", "spam", "other")
WORDS = (["lunch", "noon", "see"], ["cash", "win", "prize"], ["bonjour", "salut", "merci"])


def corpus(n: int, K: int = 3, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Texts of each class's own words among shared ones, and soft labels for them."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K, n)
    texts = [" ".join([*rng.choice(WORDS[k], 2), *rng.choice(["the", "a", "you"], 3)]) for k in y]
    return texts, 0.7 * np.eye(K)[y] + 0.3 / K


def fit(texts: list[str], proba: np.ndarray, covered: np.ndarray | None = None, **options: object) -> EndModel:
    mask = np.ones(len(texts), bool) if covered is None else covered
    defaults = {"classes": CLASSES[: proba.shape[1]], "seed": 1, "n_features": 2**12}
    return train(texts, proba, covered=mask, **(defaults | options))


def test_learns_the_classes_and_their_softness() -> None:
    texts, proba = corpus(300)
    model = fit(texts, proba, C=1000.0)
    p = model.predict_proba(["lunch see", "cash prize", "bonjour merci"])
    assert p.argmax(axis=1).tolist() == [0, 1, 2]
    # It is told 0.8, and must not become surer than that.
    assert 0.7 < p[1, 1] < 0.9


def test_uncovered_rows_are_not_even_read() -> None:
    texts, proba = corpus(200)
    covered = np.arange(200) % 3 > 0
    spoilt = np.where(covered[:, None], proba, np.nan)
    noise = [text if keep else "cash cash zebra" for text, keep in zip(texts, covered, strict=True)]
    expected = fit([t for t, keep in zip(texts, covered, strict=True) if keep], proba[covered])
    assert fit(noise, spoilt, covered).to_files() == expected.to_files()


def test_arrow_texts_give_the_same_model() -> None:
    texts, proba = corpus(60)
    arrow = pa.chunked_array([texts[:20], texts[20:]])
    assert fit(arrow, proba).to_files() == fit(texts, proba).to_files()  # type: ignore[arg-type]


def test_small_weights_are_dropped() -> None:
    texts, proba = corpus(100)
    doubtful = 0.96 * np.eye(3)[proba.argmax(axis=1)] + 0.04 / 3
    hard = 0.96 * np.eye(3)[proba.argmax(axis=1)] + 0.04 / 3 * np.eye(3)[proba.argmax(axis=1)]
    assert fit(texts, doubtful).to_files() == fit(texts, doubtful, drop_below=0.02).to_files()
    assert fit(texts, doubtful).to_files() != fit(texts, doubtful, drop_below=0.01).to_files()
    np.testing.assert_allclose(
        fit(texts, doubtful).predict_proba(texts),
        fit(texts, hard / hard.sum(1)[:, None]).predict_proba(texts),
        atol=0.01,
    )


def test_two_classes_drop_below_one_percent() -> None:
    texts, proba = corpus(100, K=2)
    side = proba.argmax(axis=1)
    at = [np.where(np.eye(2)[side] == 1, 1 - q, q) for q in (0.02, 0.005)]
    assert fit(texts, at[0]).to_files() == fit(texts, at[0], drop_below=0.0).to_files()
    assert fit(texts, at[1]).to_files() != fit(texts, at[1], drop_below=0.0).to_files()


def test_a_class_without_mass_gets_probability_zero() -> None:
    texts, proba = corpus(100, K=2)
    wide = np.column_stack([proba[:, 0], np.zeros(100), proba[:, 1]])
    model = fit(texts, wide)
    assert model.classes == CLASSES
    p = EndModel.from_files(model.to_files()).predict_proba(texts)
    assert (p[:, 1] == 0).all()
    assert p[:, [0, 2]].tobytes() == fit(texts, proba).predict_proba(texts).tobytes()


def test_max_rows_takes_a_seeded_sample_of_the_covered() -> None:
    texts, proba = corpus(200)
    texts = [f"{text} row{i}x" for i, text in enumerate(texts)]
    covered = np.arange(200) >= 100
    first, again, other = (fit(texts, proba, covered, max_rows=50, seed=s).to_files() for s in (1, 1, 2))
    assert first == again != other
    assert fit(texts, proba, covered, max_rows=100).to_files() == fit(texts, proba, covered).to_files()
    assert len(EndModel.from_files(first).columns) < len(fit(texts, proba, covered).columns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"covered": np.zeros(30, bool)}, "no labeling function votes on any of the 30 rows"),
        ({"covered": np.ones(29, bool)}, "30 texts"),
        ({"covered": np.ones(30)}, "float64"),
        ({"proba": np.tile([0.99, 0.005, 0.005], (30, 1))}, "one class, 'ham'"),
        ({"proba": np.full((30, 2), 0.5)}, r"\[30, 2\], but there are 30 rows and 3 classes"),
        ({"proba": np.full((29, 3), 1 / 3)}, r"\[29, 3\]"),
        ({"proba": np.full((30, 3), np.nan)}, "not probabilities"),
        ({"proba": np.full((30, 3), 0.5)}, "not probabilities"),
        ({"proba": np.tile([1.5, -0.5, 0.0], (30, 1))}, "not probabilities"),
        ({"texts": ["  \n", None, ""] * 10}, "none of the 30 texts has a single word"),
        ({"texts": []}, "there are 0 texts"),
    ],
)
def test_impossible_training_says_why_and_what_to_do(change: dict, message: str) -> None:
    texts, proba = corpus(30)
    given = {"texts": texts, "proba": proba, "covered": np.ones(30, bool)} | change
    with pytest.raises(TrainingError, match=message) as caught:
        fit(**given, classes=CLASSES)
    assert caught.value.fix


def test_no_rows_at_all() -> None:
    with pytest.raises(TrainingError, match="any of the 0 rows"):
        fit([], np.empty((0, 3)))


def test_doubt_below_the_threshold_everywhere_is_no_class() -> None:
    many = tuple(f"c{k}" for k in range(30))
    with pytest.raises(TrainingError, match="no class"):
        fit(["some words"] * 5, np.full((5, 30), 1 / 30), classes=many)


@pytest.mark.skipif(not (DATA / "youtube").exists(), reason="shared/data/youtube is not on this machine")
def test_youtube_comments_with_gold_labels() -> None:
    splits = {name: pq.read_table(DATA / "youtube" / f"{name}.parquet") for name in ("train", "test")}
    y = splits["train"]["label"].to_numpy()
    model = train(splits["train"]["text"], np.eye(2)[y], covered=np.ones(len(y), bool), classes=("ham", "spam"), seed=7)
    files = model.to_files()
    result = evaluate(
        splits["test"]["label"].to_numpy(),
        EndModel.from_files(files).predict_proba(splits["test"]["text"]),
        classes=model.classes,
    )
    assert result.n == 250
    assert result.accuracy > 0.88 > result.majority_accuracy + 0.3
    assert result.roc_auc is not None
    assert result.roc_auc > 0.96
