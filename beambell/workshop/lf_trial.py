"""Trying a labeling function on stored rows before it is applied: what it does there."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from beambell.arrays import Votes
from beambell.artefacts.kinds.feedback import Consensus
from beambell.errors import LabelingFunctionError, UsageError
from beambell.labeling import ABSTAIN, LabelingFunction
from beambell.labeling.evaluate import Evaluation
from beambell.project import Project
from beambell.store import Layout, Partition, Selection
from beambell.workshop.examples import EXAMPLES, Example, Speaker
from beambell.workshop.lf_voting import TRIAL_S, Stop, Voter, ran_out_of_time
from beambell.workshop.reviewed import LFPrecision, Precision, ReviewedRows
from beambell.workshop.sample import SAMPLE, Gold, Part, draw, harmless, spread


@dataclass(frozen=True)
class Neighbour:
    """Another labeling function: rows of the sample on which both voted, and for different classes."""

    name: str
    overlaps: int
    conflicts: int


@dataclass(frozen=True)
class Trial:
    """What a labeling function does on a sample.

    Attributes
    ----------
    rows, partitions
        Number of rows of the sample, and of partitions they are from.
    votes
        Number of votes by class.
    coverage
        Fraction of rows with a vote of it, 0 to 1.
    applied, overlaps, conflicts
        Rows for which votes of the others are stored, and of these the shares with another vote, too, and with
        another vote for another class; ``None`` where there are no such rows.
    neighbours
        The labeling functions it meets, most conflicts first.
    precision
        Against gold labels; ``None`` where it voted on no row that has one.
    errors, messages
        Rows it failed on, and how often with which message (none where its time was up: see ``stopped``).
    seconds_per_row
        Measured here and now: of what `beambell apply` runs, compiled where it can be.
    examples
        Rows it voted on, conflicts first.
    feedback
        Precision of the function on all rows that people reviewed, in the sample or not; ``None`` if there are none.
    stopped, untried
        Place where it was when its time was up, if it was; and number of partitions of the sample that it was not given
        then.
    """

    name: str
    rows: int
    partitions: int
    votes: dict[str, int]
    coverage: float
    applied: int
    overlaps: float | None
    conflicts: float | None
    neighbours: tuple[Neighbour, ...]
    precision: Precision | None
    errors: int
    messages: dict[str, int]
    seconds_per_row: float
    examples: tuple[Example, ...]
    feedback: LFPrecision | None = None
    stopped: Stop | None = None
    untried: int = 0


def try_lf(project: Project, name: str, selection: Selection, size: int = SAMPLE, *, gold: Gold | None = None) -> Trial:
    """Try a labeling function on a sample of the streams that it votes on.

    Parameters
    ----------
    size
        Rows of the sample.
    gold
        Known classes, where there are any.

    Raises
    ------
    UsageError
        If there is no such labeling function, or no row.
    """
    lf = project.catalogue[name]
    streams = frozenset(s for s in project.params.streams if lf.votes_on(s) and selection.has_stream(s))
    if not streams:
        raise UsageError(
            f"{name!r} does not vote on the selected streams",
            where="--stream",
            fix=f"use {' or '.join(lf.streams or ())}",
        )
    parts = draw(project, Selection(streams, selection.start, selection.end), size)
    found, voter = _Findings(project, name), Voter(project, most_s=TRIAL_S)
    voter.warm_up(lf, parts[0])
    for part in parts:
        found.add(part, voter.vote([lf], part), gold(part) if gold else None)
        if name in voter.stops:
            return replace(found.trial(), stopped=voter.stops[name], untried=len(parts) - found.partitions)
    feedback = _on_reviewed_rows(project, voter, lf, selection)
    return replace(found.trial(), feedback=feedback, stopped=voter.stops.get(name))


def failure_of(trial: Trial) -> LabelingFunctionError | None:
    """Say that a trial failed as a whole: its time was up, or there was an error on every row."""
    where, details = f"labeling function {trial.name!r}", asdict(trial)
    if trial.stopped:
        fix = "see that it ends on every row; if it is only slow, try fewer rows (`--sample 100`)"
        return LabelingFunctionError(str(trial.stopped), where=where, fix=fix, details=details)
    if trial.errors < trial.rows:
        return None
    first = next(iter(trial.messages)).partition("\n")[0]
    return LabelingFunctionError(
        f"it failed on each of the {trial.rows:,} rows it was tried on: {first}",
        where=where,
        fix="mend it, then try it again",
        details=details,
    )


def _on_reviewed_rows(project: Project, voter: Voter, lf: LabelingFunction, selection: Selection) -> LFPrecision | None:
    """Let it vote on the rows that people reviewed, wherever they are, and compare; unless its time is up."""
    manifest = project.store.read(Layout.FEEDBACK)
    if manifest is None:
        return None
    reviewed = ReviewedRows.read(project, manifest)
    votes = np.full(reviewed.rows.num_rows, ABSTAIN, np.int8)
    for key, (start, stop, _) in Consensus.of(manifest).partitions.items():
        partition = Partition(*key.split("/"))
        if partition not in selection or not lf.votes_on(partition.stream):
            continue
        ids = reviewed.rows["row_id"].slice(start, stop - start).combine_chunks()
        rows = project.rows(partition.stream, partition.dt, "arrow")
        rows = rows.filter(pc.is_in(rows["id"], value_set=ids))
        at = pc.index_in(rows["id"], value_set=ids).to_numpy()
        votes[start + at] = voter.vote([lf], Part(partition, rows, None)).votes[:, 0]
        if lf.name in voter.stops:
            return None
    return reviewed.precision(lf.name, votes)


@dataclass
class _Findings:
    """Adds up what a labeling function does, part by part."""

    project: Project
    name: str
    rows: int = 0
    partitions: int = 0
    seconds: float = 0.0
    overlapping: int = 0
    conflicting: int = 0
    right: int = 0
    judged: int = 0
    applied: int = 0
    errors: int = 0
    votes: Counter[int] = field(default_factory=Counter)
    overlaps: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    clear: list[Example] = field(default_factory=list)
    disputed: list[Example] = field(default_factory=list)

    def add(self, part: Part, result: Evaluation, gold: npt.NDArray[np.int64] | None) -> None:
        mine = result.votes[:, 0]
        voted = mine != ABSTAIN
        names = [other for other in (part.stored.fingerprints if part.stored else ()) if other != self.name]
        others = np.stack([part.stored.of(other) for other in names], axis=1) if part.stored and names else None
        theirs = np.empty((len(mine), 0), np.int8) if others is None else others
        both = voted[:, None] & (theirs != ABSTAIN)
        against = both & (theirs != mine[:, None])
        self.rows += len(mine)
        self.partitions += 1
        self.applied += len(mine) if part.stored else 0
        self.seconds += result.seconds[self.name]
        self.votes.update(mine[voted].tolist())
        self.overlaps.update(dict(zip(names, both.sum(axis=0).tolist(), strict=True)))
        self.conflicts.update(dict(zip(names, against.sum(axis=0).tolist(), strict=True)))
        self.overlapping += int(both.any(axis=1).sum())
        self.conflicting += int(against.any(axis=1).sum())
        self.errors += len(result.dead_letters)
        letters = [letter for letter in result.dead_letters if not ran_out_of_time(letter)]
        self.messages.update(f"{letter.error}: {harmless(letter.message)}" for letter in letters)
        if gold is not None:
            known = voted & (gold >= 0)
            self.judged += int(known.sum())
            self.right += int((mine[known] == gold[known]).sum())
        self._keep_examples(part, mine, names, against, gold)

    def _keep_examples(
        self,
        part: Part,
        mine: Votes,
        names: list[str],
        against: npt.NDArray[np.bool_],
        gold: npt.NDArray[np.int64] | None,
    ) -> None:
        speak, disputed = Speaker(self.project), against.any(axis=1)
        for kept, mask in ((self.disputed, disputed), (self.clear, (mine != ABSTAIN) & ~disputed)):
            at = np.flatnonzero(mask)
            for position in at[spread(len(at), EXAMPLES)].tolist():
                partition, row_id, text = speak.row(part, position)
                kept.append(
                    Example(
                        partition=partition,
                        id=row_id,
                        vote=speak.vote(int(mine[position])),
                        text=text,
                        against=tuple(names[j] for j in np.flatnonzero(against[position])),
                        gold=None if gold is None or gold[position] < 0 else speak.vote(int(gold[position])),
                    )
                )

    def trial(self) -> Trial:
        voted, classes = sum(self.votes.values()), self.project.params.classes
        disputed = [self.disputed[i] for i in spread(len(self.disputed), EXAMPLES // 2)]
        clear = [self.clear[i] for i in spread(len(self.clear), EXAMPLES - len(disputed))]
        met = [Neighbour(name, rows, self.conflicts[name]) for name, rows in self.overlaps.items() if rows]
        return Trial(
            name=self.name,
            rows=self.rows,
            partitions=self.partitions,
            votes={classes[y]: rows for y, rows in sorted(self.votes.items())},
            coverage=voted / self.rows,
            applied=self.applied,
            overlaps=self.overlapping / self.applied if self.applied else None,
            conflicts=self.conflicting / self.applied if self.applied else None,
            neighbours=tuple(sorted(met, key=lambda one: (-one.conflicts, -one.overlaps, one.name))),
            precision=Precision.of_rows(self.right, self.judged),
            errors=self.errors,
            messages=dict(self.messages.most_common()),
            seconds_per_row=self.seconds / self.rows,
            examples=(*disputed, *clear),
        )
