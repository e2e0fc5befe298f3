from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array
from sklearn.linear_model import LogisticRegression

from beambell.logistic import fit_logistic, log_softmax


def problem(n: int, F: int, K: int, seed: int = 0) -> tuple[csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = csr_matrix(random_array((n, F), density=0.2, rng=rng, data_sampler=rng.exponential))
    targets = rng.dirichlet(np.full(K, 0.5), n)
    return X, np.where(targets < 0.05, 0.0, targets)


@pytest.mark.parametrize("K", [2, 3, 7])
@pytest.mark.parametrize("C", [0.3, 10.0])
def test_same_optimum_as_sklearn_on_a_row_per_class(K: int, C: float) -> None:
    X, targets = problem(120, 30, K)
    rows, labels = np.nonzero(targets)
    sklearn = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
    sklearn.fit(X[rows], labels, sample_weight=targets[rows, labels])
    coef, intercept = fit_logistic(X, targets, C=C, tolerance=1e-6)
    np.testing.assert_allclose(np.exp(log_softmax(X @ coef + intercept)), sklearn.predict_proba(X), rtol=0, atol=1e-5)


def test_threads_of_blas_do_not_reach_the_bits() -> None:
    from threadpoolctl import threadpool_limits

    X, targets = problem(40, 40_000, 3)  # long enough for OpenBLAS to split its dot products
    with threadpool_limits(limits=1):
        one, _ = fit_logistic(X, targets)
    with threadpool_limits(limits=2):
        two, _ = fit_logistic(X, targets)
    assert one.tobytes() == two.tobytes()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(2, 20), st.integers(0, 2**32 - 1))
def test_softmax_is_a_distribution_and_a_row_depends_on_itself(n: int, K: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(scale=300, size=(n, K))
    logits[:, 0] = -np.inf
    p = np.exp(log_softmax(logits))
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    assert (p[:, 0] == 0).all()
    alone = np.concatenate([np.exp(log_softmax(row[None])) for row in logits])
    assert alone.tobytes() == p.tobytes()
