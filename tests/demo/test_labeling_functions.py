"""The example's labeling functions against the hidden truth: useful together, insufficient alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from projects import REPOSITORY

import labeling_functions.spam as example
from beambell.demo.authors import MODERATORS
from beambell.labeling import ABSTAIN, Catalogue, LabelingFunction, StatefulFunction

# Those that need a past have tests of their own, in tests/stages/test_stateful.py.
LFS = [
    thing
    for name, thing in vars(example).items()
    if isinstance(thing, LabelingFunction) and not isinstance(thing, StatefulFunction) and not name.startswith("_")
]


@dataclass(frozen=True)
class Voted:
    L: np.ndarray
    y: np.ndarray


@pytest.fixture(scope="module")
def voted(data_set: Any) -> Voted:
    parts = []
    for stream, numbers in (("comments", "likes"), ("messages", "recipients")):
        records = [record for record in data_set.records if record.stream == stream]
        table = _table(records, numbers)
        L = np.full((len(records), len(LFS)), ABSTAIN, dtype=np.int8)
        for column, lf in enumerate(LFS):
            if lf.votes_on(stream):
                L[:, column] = lf.votes(table)
        parts.append((L, np.array([record.label for record in records])))
    return Voted(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _table(records: list[Any], numbers: str) -> pa.Table:
    texts = [name for name in records[0].fields if name not in ("created_at", "sent_at")]
    columns = {name: [record.fields[name] for record in records] for name in texts}
    columns[numbers] = [int(number) for number in columns[numbers]]
    return pa.table(columns | {"stream": [record.stream for record in records]})


def majority(L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of votes for spam (0.5 in a tie), and whether there is any vote."""
    spam, ham = (L == example.SPAM).sum(axis=1), (L == example.HAM).sum(axis=1)
    return np.sign(spam - ham) / 2 + 0.5, spam + ham > 0


def test_there_are_enough_of_every_kind() -> None:
    kinds = [lf.kind for lf in LFS]
    assert len(kinds) - kinds.count("python") >= 18
    assert kinds.count("python") >= 3
    assert {"keyword", "regex", "length", "count", "numeric", "lookup", "lexicon"} < set(kinds)


@pytest.mark.parametrize("lf", LFS, ids=lambda lf: lf.name)
def test_each_is_documented_and_does_something(lf: LabelingFunction, voted: Voted) -> None:
    assert lf.description
    assert lf.owner
    assert getattr(example, lf.name) is lf
    votes = voted.L[:, LFS.index(lf)]
    assert 0.002 < (votes != ABSTAIN).mean() < 0.3


def test_most_rows_are_covered_and_many_in_conflict(voted: Voted) -> None:
    _, covered = majority(voted.L)
    assert 0.75 < covered.mean() < 0.90
    conflict = (voted.L == example.SPAM).any(axis=1) & (voted.L == example.HAM).any(axis=1)
    assert 0.10 < conflict.mean() < 0.30


def test_together_they_are_good_and_alone_they_are_not(voted: Voted) -> None:
    vote, covered = majority(voted.L)
    right = np.where(vote == 0.5, 0.5, vote == voted.y)
    together = right[covered].mean()
    assert 0.80 < together < 0.90
    best = max(_alone(votes, voted.y) for votes in voted.L.T)
    assert best < together - 0.08


def _alone(votes: np.ndarray, y: np.ndarray) -> float:
    """Accuracy on all rows, with the better of both classes where it abstains."""
    return max((np.where(votes == ABSTAIN, default, votes) == y).mean() for default in (0, 1))


def test_moderators_exist() -> None:
    assert set(example.moderator.values) <= set(MODERATORS)


def test_a_function_written_for_snorkel_works_as_it_is() -> None:
    # By the catalogue: in this process, a test of another project may have left a package of the same name.
    catalogue = Catalogue.load(["labeling_functions.spam_snorkel"], root=REPOSITORY)
    lf = catalogue["replies_to_somebody"]
    assert lf.vote({"text": "@Hana you should tune it first", "stream": "comments"}) == example.HAM
    assert lf.vote({"text": "write to @lucky_dan", "stream": "comments"}) == ABSTAIN
