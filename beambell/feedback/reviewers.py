"""Dawid and Skene's model over reviewers: who is borne out by the others weighs more."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from beambell.arrays import Floats, Integers

ACCURACY: Final = 0.8
"""Of a reviewer of whom nothing is known yet."""
STRENGTH: Final = 5.0
"""Answers that this is worth, for each class."""
_ROUNDS: Final = 100
_CONVERGED: Final = 1e-7
_TIE: Final = 1e-6


def weigh(
    n: int, row: Integers, reviewer: Integers, answer: Integers, n_answers: int, n_reviewers: int
) -> tuple[Integers, Floats]:
    """Find the most probable answer of each row.

    Parameters
    ----------
    n
        Number of rows.
    row, reviewer, answer
        Numbers of row, reviewer and answer: one entry per answer, sorted by row and reviewer.
    n_answers, n_reviewers
        Numbers of possible answers and of reviewers.

    Returns
    -------
    winner, probability
        [n]: the answer, or -1 where there is none or several are as probable; and how probable it is, 0 where there
        is none.

    Notes
    -----
    Each reviewer has a confusion matrix, P(says a | is c), pulled towards `ACCURACY`; expectation maximisation, from
    the shares of answers. Only answers that someone gave are candidates of a row, and all are equally likely
    beforehand: two reviewers that disagree are a tie, not a victory of the commoner class.
    """
    winner, probability = np.full(n, -1, np.int64), np.zeros(n)
    if not len(row):
        return winner, probability
    pairs, of_pair = np.unique(row * n_answers + answer, return_inverse=True)
    candidate_row, candidate = np.divmod(pairs, n_answers)
    first = np.searchsorted(candidate_row, np.arange(n))
    size = np.bincount(candidate_row, minlength=n)
    # Every answer against every candidate of its row.
    times = size[row]
    one = np.repeat(np.arange(len(row)), times)
    against = np.arange(len(one)) - np.repeat(np.cumsum(times) - times, times) + np.repeat(first[row], times)
    cell = (reviewer[one] * n_answers + candidate[against]) * n_answers + answer[one]
    prior = np.full((n_answers, n_answers), STRENGTH * (1 - ACCURACY) / max(n_answers - 1, 1))
    np.fill_diagonal(prior, STRENGTH * ACCURACY)
    shares = np.bincount(of_pair, minlength=len(pairs)) / np.bincount(row, minlength=n)[candidate_row]
    for _ in range(_ROUNDS):
        weights = np.bincount(cell, weights=shares[against], minlength=n_reviewers * n_answers**2)
        confusion = weights.reshape(n_reviewers, n_answers, n_answers) + prior
        confusion /= confusion.sum(axis=2, keepdims=True)
        score = np.bincount(against, weights=np.log(confusion.ravel())[cell], minlength=len(pairs))
        before, shares = shares, _softmax(score, candidate_row, n)
        if np.abs(shares - before).max() < _CONVERGED:
            break
    np.maximum.at(probability, candidate_row, shares)
    top = shares >= probability[candidate_row] - _TIE
    winner[candidate_row[top]] = candidate[top]
    winner[np.bincount(candidate_row[top], minlength=n) > 1] = -1
    return winner, probability


def _softmax(score: npt.NDArray[Any], group: Integers, n: int) -> Floats:
    highest = np.full(n, -np.inf)
    np.maximum.at(highest, group, score)
    odds = np.exp(score - highest[group])
    return np.asarray(odds / np.bincount(group, weights=odds, minlength=n)[group])
