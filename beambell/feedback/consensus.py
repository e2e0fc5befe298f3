"""Consensus: from all events to one answer per row.

Of each reviewer the latest answer on a row counts (by time, then by event id), unless it was withdrawn. What comes out
depends on the set of events alone: neither on their order, nor on how they were cut into batches, nor on repetitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beambell.config import FeedbackParams
from beambell.feedback.events import EVENTS_SCHEMA, Verdict
from beambell.feedback.reviewers import weigh
from beambell.feedback.standing import Given, Standing, Tally, find_standing
from beambell.records.split import holdout

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

UNDECIDED: Final = "undecided"
SALT: Final = "feedback"

#: One row per row that anyone said anything of, by stream and id.
CONSENSUS_SCHEMA: Final = pa.schema(
    [
        pa.field("stream", pa.string(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("verdict", pa.string()),
        pa.field("label", pa.string()),
        pa.field("excluded", pa.list_(pa.string())),
        pa.field("reviewers", pa.int32(), nullable=False),
        pa.field("deciding", pa.int32(), nullable=False),
        pa.field("agreement", pa.float64()),
        pa.field("confidence", pa.float64()),
        pa.field("evaluate", pa.bool_(), nullable=False),
        pa.field("picked_by", pa.string()),
        pa.field("probability", pa.float64()),
        pa.field("votes_shown", pa.bool_()),
    ]
)
LF_VERDICTS_SCHEMA: Final = pa.schema(
    [
        pa.field("stream", pa.string(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("lf", pa.string(), nullable=False),
        pa.field("right", pa.int32(), nullable=False),
        pa.field("wrong", pa.int32(), nullable=False),
    ]
)
REVIEWERS_SCHEMA: Final = pa.schema(
    [
        pa.field("reviewer", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("unsure", pa.int64(), nullable=False),
        pa.field("compared", pa.int64(), nullable=False),
        pa.field("agreed", pa.int64(), nullable=False),
    ]
)
_COLUMNS: Final = tuple(name for name in EVENTS_SCHEMA.names if name not in ("comment", "random_share"))
_OF_ROWS: Final = (Verdict.LABEL, Verdict.NOT_LABEL, Verdict.NOT_A_CLASS, Verdict.UNSURE)
_OF_LFS: Final = (Verdict.LF_RIGHT, Verdict.LF_WRONG)


@dataclass(frozen=True)
class Consensus:
    """What the reviewers say together.

    Attributes
    ----------
    rows
        `CONSENSUS_SCHEMA`. ``verdict`` is ``label``, ``not_a_class``, ``not_label`` (of none of the classes in
        ``excluded``), ``unsure`` (nobody could tell), ``undecided`` (a tie, too few, or too little agreement), or null
        where only labeling functions were judged. ``agreement`` is the share of the ``deciding`` reviewers that are
        behind the commonest answer; below 1, they contradict each other. ``confidence`` is the same, or the answer's
        probability by Dawid-Skene.
    lf_verdicts
        `LF_VERDICTS_SCHEMA`: how many reviewers called a labeling function's vote on a row right, or wrong.
    reviewers
        `REVIEWERS_SCHEMA`: rows each answered, on how many of them he was unsure; of all pairs of his decisions with
        another's on the same row, those that are equal.
    figures
        Counts of ``events`` (each once), those ``withdrawn``, ``superseded`` by a later answer, of labels ``outside``
        of the classes, and of event ids under which ``different`` things were said.
    """

    rows: pa.Table
    lf_verdicts: pa.Table
    reviewers: pa.Table
    figures: dict[str, int]


def find_consensus(events: pa.Table, classes: Sequence[str], params: FeedbackParams) -> Consensus:
    """Bring all events together.

    Parameters
    ----------
    events
        `EVENTS_SCHEMA`, in any order, repetitions included.
    classes
        Names of the K classes.
    params
        Rules by which several answers become one, and the share of rows that only measures.
    """
    table = pa.table({name: events[name].combine_chunks() for name in _COLUMNS})
    coded = _Coded(table, classes)
    once, different = _once(coded)
    withdrawn = once[_withdrawn(table, coded, once)]
    standing = np.setdiff1d(once, withdrawn, assume_unique=True)
    of_rows = standing[np.isin(coded.kind[standing], coded.kinds(_OF_ROWS))]
    outside = of_rows[coded.answer[of_rows] == coded.outside]
    of_rows = np.setdiff1d(of_rows, outside, assume_unique=True)
    excludes = np.isin(coded.kind[of_rows], coded.kinds([Verdict.NOT_LABEL]))
    answers, exclusions = of_rows[~excludes], of_rows[excludes]
    on_lfs = standing[np.isin(coded.kind[standing], coded.kinds(_OF_LFS))]
    latest = _latest(coded, answers, (coded.row, coded.reviewer))
    latest_not = _latest(coded, exclusions, (coded.row, coded.reviewer, coded.answer))
    latest_on_lfs = _latest(coded, on_lfs, (coded.row, coded.lf, coded.reviewer))
    said = find_standing(_given(coded, latest), _given(coded, latest_not), len(classes))
    figures = {
        "events": len(once),
        "withdrawn": len(withdrawn),
        "superseded": len(of_rows) - len(latest) - len(latest_not) + said.superseded + len(on_lfs) - len(latest_on_lfs),
        "outside": len(outside),
        "different": different,
    }
    everything = np.concatenate([latest, latest_not, latest_on_lfs])
    rows = np.unique(coded.row[everything])
    tally = Tally.of(said, rows, len(classes))
    return Consensus(
        rows=_rows(table, coded, said, tally, everything, rows, classes, params),
        lf_verdicts=_lf_verdicts(coded, latest_on_lfs),
        reviewers=_reviewers(coded, said, tally, rows, np.concatenate([latest, latest_not])),
        figures=figures,
    )


class _Coded:
    """Columns of events as integers that sort as their values do, whatever the order of the events."""

    def __init__(self, table: pa.Table, classes: Sequence[str]) -> None:
        # Integers of the ranks of values, not of their first occurrence: sorting these breaks ties between events,
        # and who wins must not depend on the order in which events were delivered.
        k = len(classes)
        self.not_a_class, self.unsure, self.outside = k, k + 1, k + 2
        self.n_answers = k + 1  # those that decide: a class, or none of them
        self.event, _ = codes(table["event_id"])
        self.stream, self.streams = codes(table["stream"])
        row, self.ids = codes(table["row_id"])
        # One number per row: a stream's rows lie together, and within it they are in order of their ids.
        self.row = np.where((row >= 0) & (self.stream >= 0), self.stream * max(len(self.ids), 1) + row, -1)
        self.reviewer, self.reviewers = codes(table["reviewer"])
        self.lf, self.lfs = codes(table["lf"])
        self.withdraws, _ = codes(table["withdraws"])
        self.time = table["time"].cast(pa.int64()).to_numpy()
        verdicts, named = (pa.array(list(names), pa.string()) for names in (Verdict, classes))
        self.kind = pc.index_in(table["verdict"].combine_chunks(), value_set=verdicts).to_numpy().astype(np.int64)
        label = pc.index_in(table["label"].combine_chunks(), value_set=named)
        self.answer = pc.fill_null(label, self.outside).to_numpy().astype(np.int64)
        self.answer[np.isin(self.kind, self.kinds([Verdict.NOT_A_CLASS]))] = self.not_a_class
        self.answer[np.isin(self.kind, self.kinds([Verdict.UNSURE]))] = self.unsure
        self.order = np.empty(len(self.time), np.int64)
        self.order[np.lexsort((self.event, self.time))] = np.arange(len(self.time))
        shown = pc.fill_null(table["votes_shown"].cast(pa.int8()), -1).to_numpy().astype(np.int64)
        self.asked = shown, pc.fill_null(table["probability"], -1.0).to_numpy(), codes(table["picked_by"])[0]

    @staticmethod
    def kinds(verdicts: Sequence[Verdict]) -> list[int]:
        """Numbers of some verdicts."""
        return [list(Verdict).index(verdict) for verdict in verdicts]

    def names_of(self, rows: Ints) -> tuple[pa.Array, pa.Array]:
        """Give streams and ids of row numbers."""
        stream, row = np.divmod(rows, max(len(self.ids), 1))
        return self.streams.take(pa.array(stream)), self.ids.take(pa.array(row))


def codes(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Number values by their rank: int64 [n], -1 where null; and the distinct values in order."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = array.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    rank = np.empty(len(order), np.int64)
    rank[order.to_numpy()] = np.arange(len(order))
    at = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
    found = np.full(len(at), -1, np.int64)
    found[at >= 0] = rank[at[at >= 0]]
    return found, encoded.dictionary.take(order)


def starts(*keys: Ints) -> Mask:
    """Say where a new group starts in arrays that are sorted by these keys, the first of them first."""
    first = np.ones(len(keys[0]), bool)
    if len(first):
        first[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return first


def _once(coded: _Coded) -> tuple[Ints, int]:
    """Keep each event once; of different things said under one id, the latest, and the same one in any order."""
    said = (*coded.asked, coded.withdraws, coded.lf, coded.reviewer, coded.answer, coded.row, coded.kind, coded.time)
    order = np.lexsort((*said, coded.event))
    new = starts(coded.event[order])
    other = starts(*(column[order] for column in said)) & ~new
    last = np.append(new[1:], True) if len(new) else new
    return order[last], int(other.sum())


def _withdrawn(table: pa.Table, coded: _Coded, once: Ints) -> Mask:
    """Say which events were taken back; a withdrawal itself cannot be."""
    is_withdrawal = np.isin(coded.kind[once], coded.kinds([Verdict.WITHDRAWN]))
    gone = table["withdraws"].take(pa.array(once[is_withdrawal])).combine_chunks()
    named = pc.is_in(table["event_id"].take(pa.array(once)), value_set=gone).to_numpy()
    return np.asarray(named & ~is_withdrawal)


def _latest(coded: _Coded, at: Ints, keys: Sequence[Ints]) -> Ints:
    """Keep the latest event of each key, in order of the keys."""
    columns = [key[at] for key in keys]
    order = np.lexsort((coded.event[at], coded.time[at], *columns[::-1]))
    new = starts(*(column[order] for column in columns))
    last = np.append(new[1:], True) if len(new) else new
    return at[order[last]]


def _given(coded: _Coded, at: Ints) -> Given:
    return Given(coded.row[at], coded.reviewer[at], coded.answer[at], coded.order[at])


def _rows(
    table: pa.Table, coded: _Coded, said: Standing, tally: Tally, everything: Ints, rows: Ints,
    classes: Sequence[str], params: FeedbackParams,
) -> pa.Table:  # fmt: skip
    n, deciding = len(rows), tally.deciding
    reviewers = deciding + np.bincount(np.searchsorted(rows, said.unsure.row), minlength=n)
    best = _Best.of(tally.support())
    # Who only says what a row is not contradicts nobody, where nobody says what it is.
    behind = np.where(best.count < 0, deciding, best.count)
    agreement = np.divide(behind, deciding, out=np.full(n, np.nan), where=deciding > 0)
    winner, confidence = best.winner, agreement
    if params.consensus == "dawid_skene":
        decided = said.decided
        who = np.searchsorted(rows, decided.row)
        winner, weighed = weigh(n, who, decided.reviewer, decided.answer, coded.n_answers, len(coded.reviewers))
        confidence = np.where(best.count < 0, agreement, weighed)
    winner = np.where(tally.opposed(winner), -1, winner)
    clear = (winner >= 0) & (deciding >= params.min_reviewers) & (confidence >= params.min_agreement)
    ruled_out = tally.ruled_out(params.min_reviewers) & ~clear[:, None]
    n_left = len(classes) - ruled_out.sum(axis=1)
    winner = np.where(clear, winner, np.where(n_left == 1, ruled_out.argmin(axis=1), len(classes)))
    clear |= n_left <= 1
    partly = ~clear & ruled_out.any(axis=1)
    verdicts = np.full(n, None, dtype=object)
    verdicts[reviewers > 0] = Verdict.UNSURE.value
    verdicts[deciding > 0] = UNDECIDED
    verdicts[partly] = Verdict.NOT_LABEL.value
    verdicts[clear] = Verdict.LABEL.value
    verdicts[clear & (winner == coded.not_a_class)] = Verdict.NOT_A_CLASS.value
    label = np.where(clear & (winner < len(classes)), winner, -1)
    stream, ids = coded.names_of(rows)
    picked = _picked(table, coded, everything, rows)
    keys = pc.binary_join_element_wise(stream, ids, "/")
    columns = {
        "stream": stream,
        "row_id": ids,
        "verdict": pa.array(verdicts, pa.string()),
        "label": pa.array(list(classes), pa.string()).take(pa.array(label, pa.int64(), mask=label < 0)),
        "excluded": _names(ruled_out & partly[:, None], classes),
        "reviewers": pa.array(reviewers, pa.int32()),
        "deciding": pa.array(deciding, pa.int32()),
        "agreement": pa.array(agreement, mask=deciding == 0),
        "confidence": pa.array(confidence, mask=deciding == 0),
        "evaluate": pa.array(holdout(keys, params.evaluate, salt=SALT)),
        **picked,
    }
    return pa.table(columns, schema=CONSENSUS_SCHEMA)


def _names(mask: Mask, classes: Sequence[str]) -> pa.Array:
    """Name the classes of each row of a mask [n, K]; null where there is none."""
    counts = mask.sum(axis=1)
    values = pa.array(list(classes), pa.string()).take(pa.array(np.nonzero(mask)[1]))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    missing = np.append(counts == 0, False)
    return pa.ListArray.from_arrays(pa.array(offsets, mask=missing), values)


@dataclass(frozen=True)
class _Best:
    """The answer of each row that most reviewers are behind.

    Attributes
    ----------
    count
        Number of these reviewers, [n]; -1 where nobody gave an answer.
    winner
        The answer, [n]; -1 where nobody gave one, or as many are behind two.
    """

    count: Ints
    winner: Ints

    @classmethod
    def of(cls, support: Ints) -> _Best:
        """Find it, from the reviewers behind each answer: [n, answers], -1 for those that nobody gave."""
        count = support.max(axis=1, initial=-1)
        several = (support == count[:, None]).sum(axis=1) > 1
        return cls(count, np.where((count < 0) | several, -1, support.argmax(axis=1)))


def _picked(table: pa.Table, coded: _Coded, everything: Ints, rows: Ints) -> dict[str, pa.Array]:
    """How each row came to be asked: as its first event that says so has it; and whether anyone saw the votes."""
    known = table["picked_by"].is_valid().to_numpy() | table["probability"].is_valid().to_numpy()
    at = everything[known[everything]]
    order = np.lexsort((coded.event[at], coded.time[at], coded.row[at]))
    first = at[order[starts(coded.row[at][order])]]
    chosen = np.full(len(rows), -1, np.int64)
    chosen[np.searchsorted(rows, coded.row[first])] = first
    take = pa.array(chosen, mask=chosen < 0)
    shown = pc.fill_null(table["votes_shown"], False).to_numpy()
    is_told = table["votes_shown"].is_valid().to_numpy()
    place = np.searchsorted(rows, coded.row[everything])
    saw = np.bincount(place, weights=shown[everything], minlength=len(rows)) > 0
    said = np.bincount(place, weights=is_told[everything], minlength=len(rows)) > 0
    return {
        "picked_by": table["picked_by"].take(take).combine_chunks(),
        "probability": table["probability"].take(take).combine_chunks(),
        "votes_shown": pa.array(saw, mask=~said),
    }


def _lf_verdicts(coded: _Coded, latest: Ints) -> pa.Table:
    new = np.flatnonzero(starts(coded.row[latest], coded.lf[latest]))
    right = np.isin(coded.kind[latest], coded.kinds([Verdict.LF_RIGHT])).astype(np.int64)
    stream, ids = coded.names_of(coded.row[latest][new])
    rights = np.add.reduceat(right, new) if len(new) else right
    total = np.diff(np.append(new, len(latest)))
    columns = [stream, ids, coded.lfs.take(pa.array(coded.lf[latest][new]))]
    columns += [pa.array(rights, pa.int32()), pa.array(total - rights, pa.int32())]
    return pa.Table.from_arrays(columns, schema=LF_VERDICTS_SCHEMA)


def _reviewers(coded: _Coded, said: Standing, tally: Tally, rows: Ints, latest: Ints) -> pa.Table:
    """Count, of each reviewer, the rows he answered, and how far others that decided bear him out."""
    n, decided, excluded = len(coded.reviewers), said.decided, said.excluded
    row = np.searchsorted(rows, decided.row)
    against = np.concatenate([tally.against, np.zeros((len(rows), 1), np.int64)], axis=1)
    others = tally.deciding[row] - 1
    opposed = others - tally.votes[row, decided.answer] + 1 - tally.excluding[row] + against[row, decided.answer]
    # Who only says what a row is not is compared with those who say what it is.
    who = excluded.reviewer
    of_row = np.searchsorted(rows, excluded.row)
    new = starts(excluded.row, who)
    compared = np.bincount(decided.reviewer, weights=others, minlength=n) + np.bincount(
        who[new], weights=tally.votes[of_row[new]].sum(axis=1), minlength=n
    )
    disagreed = np.bincount(decided.reviewer, weights=opposed, minlength=n) + np.bincount(
        who, weights=tally.votes[of_row, excluded.answer], minlength=n
    )
    pairs = np.unique(np.stack([coded.row[latest], coded.reviewer[latest]]), axis=1)
    figures = [
        np.bincount(pairs[1], minlength=n),
        np.bincount(said.unsure.reviewer, minlength=n),
        compared,
        compared - disagreed,
    ]
    active = np.flatnonzero(figures[0])
    columns = [coded.reviewers.take(pa.array(active)), *(pa.array(one[active].astype(np.int64)) for one in figures)]
    return pa.Table.from_arrays(columns, schema=REVIEWERS_SCHEMA)
