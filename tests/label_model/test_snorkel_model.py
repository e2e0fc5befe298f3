from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from snorkel.labeling.model import LabelModel

from beambell.errors import LabelModelError
from beambell.label_model import SnorkelLabelModel
from beambell.state import PatternCounts

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@contextmanager
def threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def by_snorkel(L: np.ndarray, cardinality: int, class_balance: list[float] | None = None, **options: Any) -> LabelModel:
    """Fit the original on all rows."""
    model = LabelModel(cardinality=cardinality, verbose=False)
    with threads(1):
        model.fit(L, class_balance=class_balance, progress_bar=False, **options)
    return model


def assert_equal_bits(L: np.ndarray, cardinality: int, **options: Any) -> None:
    options = {"n_epochs": 20, "seed": 123} | options
    expected = by_snorkel(L, cardinality, **options)
    model = SnorkelLabelModel(**options).fit(PatternCounts.from_votes(L, cardinality))
    mu = expected.mu.detach().numpy()
    assert model.params()["mu"].dtype == mu.dtype
    np.testing.assert_array_equal(model.params()["mu"], mu)
    np.testing.assert_array_equal(model.predict_proba(L), expected.predict_proba(L))


def noisy_votes(n: int, m: int, cardinality: int, seed: int = 0) -> np.ndarray:
    """Votes of labeling functions that abstain and err, each in its own measure."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, cardinality, (n, 1))
    guesses = rng.integers(0, cardinality, (n, m))
    L = np.where(rng.random((n, m)) < rng.uniform(0.3, 0.9, m), y, guesses)
    L[rng.random((n, m)) < rng.uniform(0.1, 0.9, m)] = -1
    return L.astype(np.int8)


@pytest.mark.parametrize("m", [3, 6, 18])
@pytest.mark.parametrize("cardinality", [2, 3, 5])
@pytest.mark.parametrize("n", [1, 10, 101, 5000])
def test_equal_to_snorkel_on_all_rows(n: int, m: int, cardinality: int) -> None:
    assert_equal_bits(noisy_votes(n, m, cardinality, seed=n), cardinality)


@pytest.mark.parametrize(
    "options",
    [
        {"class_balance": [0.2, 0.3, 0.5]},
        {"class_balance": [0.25, 0.25, 0.5]},  # two classes that the symmetry step may swap
        {"optimizer": "adam", "lr": 0.1, "l2": 0.01},
        {"lr_scheduler": "linear", "seed": 7},
        {"prec_init": 0.9, "mu_eps": 0.05},
        {"n_epochs": 500},
    ],
)
def test_equal_to_snorkel_with_every_option(options: dict[str, Any]) -> None:
    assert_equal_bits(noisy_votes(2000, 8, 3), 3, **options)


def test_equal_to_snorkel_where_little_is_voted() -> None:
    L = noisy_votes(300, 5, 2)
    L[:, 2] = -1  # never votes
    L[:, 3] = 1  # always votes the same
    assert_equal_bits(L, 2)
    assert_equal_bits(np.full((20, 4), -1, np.int8), 2)


@pytest.mark.parametrize(("name", "cardinality"), [("youtube", 2), ("sms", 2), ("chemprot", 10)])
def test_equal_to_snorkel_on_published_votes(name: str, cardinality: int) -> None:
    path = DATA / name / "train.parquet"
    if not path.exists():
        pytest.skip(f"{path.name} of {name} is not here: see shared/data")
    L = votes_of(path)
    assert_equal_bits(L, cardinality)


def votes_of(path: Path) -> np.ndarray:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return np.column_stack([table[c].to_numpy() for c in table.column_names if c.startswith("lf_")])


def test_o_is_what_snorkel_counts() -> None:
    L = noisy_votes(997, 6, 3)
    counts = PatternCounts.from_votes(L, 3)
    O = torch.from_numpy(counts.cooccurrence() / counts.n_rows).float()  # noqa: E741
    assert torch.equal(O, by_snorkel(L, 3, n_epochs=1).O)
    np.testing.assert_array_equal(counts.coverage(), by_snorkel(L, 3, n_epochs=1).coverage)


def test_the_number_of_threads_does_not_matter() -> None:
    counts = PatternCounts.from_votes(noisy_votes(1000, 26, 10), 10)  # large enough for torch to share the work
    fitted = []
    for n in (1, 2):
        with threads(n):
            fitted.append(SnorkelLabelModel(n_epochs=20).fit(counts).params()["mu"])
            assert torch.get_num_threads() == n
    np.testing.assert_array_equal(*fitted)


def test_the_callers_random_numbers_are_left_alone() -> None:
    counts = PatternCounts.from_votes(noisy_votes(50, 3, 2), 2)

    def draws() -> list[float]:
        return [random.random(), np.random.random(), float(torch.rand(1))]  # noqa: NPY002

    def seed() -> None:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)

    seed()
    undisturbed = draws()
    seed()
    SnorkelLabelModel(n_epochs=1).fit(counts)
    assert draws() == undisturbed


def test_a_billion_rows_cost_no_more_than_their_patterns() -> None:
    counts = PatternCounts.from_votes(noisy_votes(1000, 5, 2), 2)
    billion = PatternCounts.from_packed(counts.packed, 2, counts.lfs, counts.counts * 1_000_000)
    model = SnorkelLabelModel(n_epochs=5).fit(billion)
    assert np.isfinite(model.posterior(counts.patterns)).all()


def test_far_from_every_class_the_posterior_is_still_a_probability() -> None:
    L = np.zeros((1, 60), np.int8)
    model = SnorkelLabelModel(n_epochs=1).fit(PatternCounts.from_votes(L, 2))
    mu = np.full((120, 2), 1e-7, np.float32)  # where exp() of the sum of their logarithms is zero
    mu[0] = [1e-7, 3e-7]
    model = SnorkelLabelModel.restore(model.config(), model.params() | {"mu": mu})
    np.testing.assert_allclose(model.predict_proba(L), [[0.25, 0.75]], rtol=1e-5)


def test_what_cannot_be_fitted() -> None:
    def fit(L: np.ndarray, **options: Any) -> None:
        SnorkelLabelModel(n_epochs=3, **options).fit(PatternCounts.from_votes(L, 2))

    with pytest.raises(LabelModelError, match="at least 3 labeling functions, and there are 2"):
        fit(noisy_votes(10, 2, 2))
    with pytest.raises(LabelModelError, match="no rows"):
        fit(np.empty((0, 3), np.int8))
    with pytest.raises(LabelModelError, match="Unrecognized optimizer"):
        fit(noisy_votes(10, 3, 2), optimizer="lion")
    with pytest.raises(LabelModelError, match="NaN"):
        fit(noisy_votes(10, 3, 2), lr=1e30)
    for balance in ([0.5], [1.0, 0.0], [0.5, 0.6], [0.2, 0.3, 0.5]):
        with pytest.raises(LabelModelError, match="class_balance"):
            fit(noisy_votes(10, 3, 2), class_balance=balance)


def test_a_restored_model_predicts_without_torch() -> None:
    model = SnorkelLabelModel(n_epochs=1).fit(PatternCounts.from_votes(noisy_votes(10, 3, 2), 2))
    script = f"""
import sys, numpy as np
from beambell import label_model
mu = np.array({model.params()["mu"].tolist()}, np.float32)
model = label_model.restore("snorkel", {model.config()!r}, {{"mu": mu, "class_balance": np.full(2, 0.5)}})
model.predict_proba(np.zeros((2, 3), np.int8))
assert not {{"torch", "snorkel", "pandas", "sklearn"}} & set(sys.modules), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])
