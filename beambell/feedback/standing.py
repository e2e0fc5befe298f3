"""What each reviewer says of each row in the end: an answer, or classes that it is not.

"Not A" stands until the same reviewer says "A", and the other way round; "not A" and "not B" of one reviewer stand
together. Where one class is left, that is his answer; where none is left, the row is of no class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from beambell.arrays import Integers, Mask


@dataclass(frozen=True)
class Given:
    """Events, the latest of each reviewer on each row (of exclusions: and of each class), in order of rows.

    Attributes
    ----------
    row, reviewer, answer
        Numbers of row and reviewer of each event, and the class or another answer (of an exclusion: the class), [n].
    order
        [n]: greater is later.
    """

    row: Integers
    reviewer: Integers
    answer: Integers
    order: Integers

    def take(self, kept: Mask) -> Given:
        """Keep some of them."""
        return Given(self.row[kept], self.reviewer[kept], self.answer[kept], self.order[kept])


@dataclass(frozen=True)
class Standing:
    """What stands.

    Attributes
    ----------
    decided
        Answers that decide, row and reviewer by row and reviewer: a class, or none of them.
    excluded
        Classes that a row is not, of reviewers who decided on no other.
    unsure
        Rows where a reviewer could not tell, and said nothing else.
    superseded
        Number of events that a later one of the same reviewer contradicts.
    """

    decided: Given
    excluded: Given
    unsure: Given
    superseded: int


def find_standing(answers: Given, exclusions: Given, n_classes: int) -> Standing:
    """Find what each reviewer says in the end.

    Parameters
    ----------
    answers, exclusions
        Events sorted by row and reviewer; exclusions by class as well.
    n_classes
        K; the answer K is none of them, a greater one decides nothing.
    """
    n_reviewers = int(max(answers.reviewer.max(initial=0), exclusions.reviewer.max(initial=0))) + 1
    pair = answers.row * n_reviewers + answers.reviewer
    of_exclusion = exclusions.row * n_reviewers + exclusions.reviewer
    at = np.searchsorted(pair, of_exclusion)
    there = at < len(pair)
    there[there] = pair[at[there]] == of_exclusion[there]
    mine = np.where(there, at, 0)
    contradicts = there & (_take(answers.answer, mine) == exclusions.answer)
    later = exclusions.order > _take(answers.order, mine)
    void = np.zeros(len(pair), bool)
    void[at[contradicts & later]] = True
    standing, left = answers.take(~void), exclusions.take(~contradicts | later)
    decides = standing.answer <= n_classes
    decided = standing.take(decides)
    # Who decided on a class excludes the others anyway.
    rest = left.take(~np.isin(left.row * n_reviewers + left.reviewer, decided.row * n_reviewers + decided.reviewer))
    inferred, excluded = _infer(rest, n_reviewers, n_classes)
    unsure = standing.take(~decides)
    answered = np.isin(unsure.row * n_reviewers + unsure.reviewer, rest.row * n_reviewers + rest.reviewer)
    superseded = int(void.sum() + (contradicts & ~later).sum())
    return Standing(_joined(decided, inferred), excluded, unsure.take(~answered), superseded)


def _take(values: Integers, at: Integers) -> Integers:
    return values[at] if len(values) else np.zeros(len(at), np.int64)


def _infer(left: Given, n_reviewers: int, n_classes: int) -> tuple[Given, Given]:
    """Part exclusions into the answers that they amount to, one per reviewer and row, and those that leave a choice."""
    pairs, first, of = np.unique(left.row * n_reviewers + left.reviewer, return_index=True, return_inverse=True)
    n_left = n_classes - np.bincount(of, minlength=len(pairs))
    # Of the numbers of all classes, the one that is missing is what their sum lacks.
    remaining = n_classes * (n_classes - 1) // 2 - np.bincount(of, weights=left.answer, minlength=len(pairs))
    answer = np.where(n_left == 1, remaining.astype(np.int64), n_classes)
    clear = n_left <= 1
    inferred = Given(left.row[first], left.reviewer[first], answer, left.order[first]).take(clear)
    return inferred, left.take(~clear[of])


def _joined(some: Given, others: Given) -> Given:
    """Bring two together, in order of row and reviewer."""
    row, reviewer = np.concatenate([some.row, others.row]), np.concatenate([some.reviewer, others.reviewer])
    order = np.lexsort((reviewer, row))
    answer, when = np.concatenate([some.answer, others.answer]), np.concatenate([some.order, others.order])
    return Given(row[order], reviewer[order], answer[order], when[order])


@dataclass(frozen=True)
class Tally:
    """What several reviewers of each of n rows say, counted.

    Attributes
    ----------
    votes
        [n, K + 1]: reviewers that decided on each class, or on none of them.
    against
        [n, K]: reviewers that said it is not this class, and decided on no other.
    excluding
        [n]: how many reviewers these are.
    """

    votes: Integers
    against: Integers
    excluding: Integers

    @classmethod
    def of(cls, standing: Standing, rows: Integers, n_classes: int) -> Tally:
        """Count them.

        Parameters
        ----------
        rows
            Row numbers, in order.
        """
        n, decided, excluded = len(rows), standing.decided, standing.excluded
        votes = np.zeros((n, n_classes + 1), np.int64)
        np.add.at(votes, (np.searchsorted(rows, decided.row), decided.answer), 1)
        against = np.zeros((n, n_classes), np.int64)
        at = np.searchsorted(rows, excluded.row)
        np.add.at(against, (at, excluded.answer), 1)
        new = np.ones(len(at), bool)
        new[1:] = (at[1:] != at[:-1]) | (excluded.reviewer[1:] != excluded.reviewer[:-1])
        return cls(votes, against, np.bincount(at[new], minlength=n))

    @property
    def deciding(self) -> Integers:
        """Reviewers that said something of which class a row is, [n]."""
        return np.asarray(self.votes.sum(axis=1) + self.excluding)

    def support(self) -> Integers:
        """Reviewers behind each answer that someone gave, [n, K + 1]; -1 for the others.

        Who says "not A" stands behind every other answer that someone gave.
        """
        against = np.concatenate([self.against, np.zeros((len(self.against), 1), np.int64)], axis=1)
        return np.where(self.votes > 0, self.votes + self.excluding[:, None] - against, -1)

    def opposed(self, answer: Integers) -> Mask:
        """Tell where as many are against an answer, [n] with -1 for none, as have given it."""
        n_classes = self.against.shape[1]
        at, named = np.arange(len(answer)), np.clip(answer, 0, n_classes - 1)
        is_class = (answer >= 0) & (answer < n_classes)
        return np.asarray(is_class & (self.against[at, named] >= self.support()[at, named]))

    def ruled_out(self, least: int) -> Mask:
        """Tell which classes a row is not, [n, K]: by so many reviewers at least, and more than say that it is."""
        return np.asarray((self.against >= least) & (self.against > self.votes[:, :-1]))
