"""snorkel's ``LabelModel``, fitted from pattern counts: the same bits, without the rows.

Its ``fit`` uses the vote matrix through three figures only: the number of rows, the coverage of each labeling function,
and how often two of them cast which two votes. All three are sums over patterns.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from beambell.arrays import Floats, Votes
from beambell.errors import LabelModelError
from beambell.label_model.balance import check_balance
from beambell.label_model.base import Fitted, LabelModel, Params
from beambell.state import FeedbackCounts, PatternCounts

MIN_LFS = 3
"""With fewer, the accuracies cannot be told from agreements alone."""


_LOG_SMALLEST = float(np.log(np.finfo(np.float64).tiny))


@dataclass(eq=False)
class SnorkelLabelModel(LabelModel):
    """snorkel's matrix completion, on a class-conditionally independent model of the votes.

    Fitted from counts it has the parameters, to the last bit, of ``snorkel``'s ``LabelModel.fit`` on all rows, on
    one thread.

    Parameters
    ----------
    n_epochs
        Steps of the optimiser.
    seed
        Seed of the random scale of the first guess.
    lr
        Learning rate.
    l2
        Strength of regularisation towards the first guess.
    optimizer
        ``sgd``, ``adam`` or ``adamax``.
    lr_scheduler
        ``constant``, ``linear``, ``exponential`` or ``step``.
    prec_init
        First guess of every labeling function's precision.
    mu_eps
        Learned probabilities stay in [mu_eps, 1 - mu_eps]; by default it depends on the number of rows.
    class_balance
        Share of each class, summing to 1; uniform by default.
    """

    kind: ClassVar[str] = "snorkel"
    corrects: ClassVar[bool] = True
    n_epochs: int = 500
    seed: int = 123
    lr: float = 0.01
    l2: float = 0.0
    optimizer: Literal["sgd", "adam", "adamax"] = "sgd"
    lr_scheduler: Literal["constant", "linear", "exponential", "step"] = "constant"
    prec_init: float = 0.7
    mu_eps: float | None = None
    class_balance: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.class_balance is not None:
            self.class_balance = [float(share) for share in self.class_balance]  # JSON, also from an array

    def _learn(self, counts: PatternCounts, feedback: FeedbackCounts | None) -> Params:  # noqa: ARG002
        balance = check_balance(self.class_balance, counts.cardinality, self.kind)
        if counts.n_lfs < MIN_LFS:
            raise LabelModelError(
                f"it needs at least {MIN_LFS} labeling functions, and there are {counts.n_lfs}",
                where=self.kind,
                fix="write more of them, or use the label model 'majority'",
            )
        if not counts.n_rows:
            raise LabelModelError("there are no rows to fit it to", where=self.kind, fix="run `beambell merge` first")
        return {"mu": self._mu(counts, balance), "class_balance": balance}

    def _mu(self, counts: PatternCounts, balance: Floats) -> Floats:
        """P(LF j votes v | class y), at [j K + v, y]: float32 [m K, K]."""
        with _undisturbed():
            model = _snorkel_model(counts)
            options = {name: value for name, value in self.options().items() if name != "class_balance"}
            try:
                # One row gives it the shape of the votes; what it would have counted in the others, it is told.
                model.fit(counts.patterns[:1], class_balance=balance, progress_bar=False, **options)
            except Exception as error:
                raise LabelModelError(
                    f"snorkel could not fit it: {error}", where=self.kind, fix="check its options; try a smaller lr"
                ) from error
            return np.array(model.mu.detach().numpy())

    def _evidence(self, fitted: Fitted) -> tuple[Floats, Floats]:
        m, K = len(fitted.lfs), fitted.cardinality
        log_mu = np.log(fitted.params["mu"]).astype(np.float64).reshape(m, K, K)
        return log_mu, np.log(fitted.params["class_balance"])

    def _posterior(self, patterns: Votes, fitted: Fitted) -> Floats:
        K, m = fitted.cardinality, len(fitted.lfs)
        # An abstention says nothing. float32, as snorkel has them: float64 then adds them without rounding, so that
        # the order of addition, and with it the row's company in a matrix product, cannot change a bit.
        log_mu = np.zeros((m, K + 1, K))
        log_mu[:, 1:] = np.log(fitted.params["mu"]).reshape(m, K, K)
        score = np.zeros((len(patterns), K))
        for j in range(m):
            score += log_mu[j, patterns[:, j] + 1]
        score += np.log(fitted.params["class_balance"])
        lost = score.max(axis=1) < _LOG_SMALLEST
        score[lost] -= score[lost].max(axis=1, keepdims=True)  # where exp() gives nothing but zeros
        odds = np.exp(score)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _snorkel_model(counts: PatternCounts) -> Any:
    import torch
    from snorkel.labeling.model import LabelModel as Base

    class FromCounts(Base):  # type: ignore[misc, unused-ignore]
        def _generate_O(self, L: Votes, higher_order: bool = False) -> None:  # noqa: N802 - snorkel's name
            super()._generate_O(L, higher_order)  # the cliques and their sizes
            pairs = counts.cooccurrence()
            votes = np.diagonal(pairs).reshape(counts.n_lfs, counts.cardinality)
            self.n = counts.n_rows
            self.coverage = votes.sum(axis=1) / counts.total
            self.O = torch.from_numpy(pairs / counts.total).float()

        def _loss_l2(self, l2: float = 0) -> torch.Tensor:
            # Without strength it adds zeros to the loss and to its gradient, in a fifth of the time of an epoch.
            return super()._loss_l2(l2) if l2 else torch.zeros(())

    return FromCounts(cardinality=counts.cardinality, verbose=False)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Give the caller back its random numbers, which snorkel seeds (even when imported), and its threads.

    On one thread, sums do not depend on how many processors there are.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - snorkel's own generator
    try:
        import torch

        threads = torch.get_num_threads()
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.set_num_threads(1)
            try:
                yield
            finally:
                torch.set_num_threads(threads)
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
