"""Comparing today's labeling functions with the votes that are stored: what an edit changed."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass

import numpy as np

from beambell.arrays import Votes
from beambell.artefacts.lf_records import read_record, record_path
from beambell.labeling import ABSTAIN
from beambell.project import Project
from beambell.store import Selection
from beambell.workshop.examples import EXAMPLES, Example, Speaker
from beambell.workshop.lf_voting import Voter
from beambell.workshop.sample import SAMPLE, Part, draw, spread


@dataclass(frozen=True)
class Move:
    """So many rows went from one vote to another."""

    before: str
    after: str
    rows: int


@dataclass(frozen=True)
class Change:
    """What became of a labeling function since it was applied.

    Attributes
    ----------
    change
        ``edited``, ``added``, ``removed``, ``unchanged``, ``not applied`` (nothing was, to these rows) or ``not
        compared``.
    before, after
        Fingerprints; the newest of those applied, and today's.
    rows, changed
        Rows compared, and those whose vote is another one.
    moves
        Every pair of votes that occurs, equal ones included.
    source_diff
        Unified diff of its source.
    why
        Reason why it was not compared.
    """

    name: str
    change: str
    before: str | None
    after: str | None
    rows: int
    changed: int
    moves: tuple[Move, ...]
    examples: tuple[Example, ...]
    source_diff: str
    why: str = ""


def diff_lfs(project: Project, name: str | None, selection: Selection, size: int = SAMPLE) -> list[Change]:
    """Compare today's labeling functions with the votes that are stored, on a sample; what cannot be comes last.

    Parameters
    ----------
    name
        Name of one labeling function; ``None`` for all that changed.
    size
        Rows of the sample.

    Raises
    ------
    UsageError
        If there is no such labeling function, neither now nor in the stored votes, or no row.
    """
    catalogue, parts = project.catalogue, [part for part in draw(project, selection, size) if part.stored]
    names = {*catalogue.names, *(stored for part in parts if part.stored for stored in part.stored.fingerprints)}
    if name is not None:
        names &= {name}
        if not names:
            names = {catalogue[name].name}  # raises, with names that are close
    comparisons, voter = {each: _Comparison(project, each) for each in sorted(names)}, Voter(project)
    unknown: dict[str, str] = {}  # by name, why it cannot be compared
    for part in parts:
        _compare(project, part, comparisons, voter, unknown)
    changes = [comparisons[each].change(unknown.get(each, "")) for each in comparisons]
    changes = [change for change in changes if name is not None or change.change != "unchanged"]
    return sorted(changes, key=lambda change: change.change == "not compared")


def _compare(
    project: Project, part: Part, comparisons: dict[str, _Comparison], voter: Voter, unknown: dict[str, str]
) -> None:
    """Compare what changed on one part; ``unknown`` grows by the names that cannot be compared from here on."""
    catalogue, stored = project.catalogue, part.stored.fingerprints if part.stored else {}
    for comparison in comparisons.values():
        comparison.see_version(part)
    changed = [each for each in comparisons if stored.get(each) != catalogue.fingerprints.get(each)]
    lfs = [catalogue[each] for each in changed if each in catalogue and each not in unknown]
    unknown |= {lf.name: lack for lf in lfs if (lack := voter.lacks_past(lf, part))}
    lfs = [lf for lf in lfs if lf.name not in unknown]
    result = voter.vote(lfs, part)
    unknown |= {each: str(stop) for each, stop in voter.stops.items()}
    after = {lf.name: result.votes[:, j] for j, lf in enumerate(lfs)}
    for each in changed:
        if each not in unknown:
            comparisons[each].add(part, after.get(each))


class _Comparison:
    """Adds up what changed about one labeling function, part by part."""

    def __init__(self, project: Project, name: str) -> None:
        self._project = project
        self._name = name
        self._rows = 0
        self._applied = False
        self._before: str | None = None
        self._moves: Counter[tuple[int, int]] = Counter()
        self._examples: list[Example] = []

    def see_version(self, part: Part) -> None:
        """See which version was applied to a part."""
        if part.stored is not None:
            self._applied = True
            self._before = part.stored.fingerprints.get(self._name, self._before)

    def add(self, part: Part, after: Votes | None) -> None:
        """Compare one part; ``after`` is ``None`` where the labeling function is gone."""
        if part.stored is None:
            return
        old = part.stored.of(self._name)
        new = np.full(len(old), ABSTAIN, np.int8) if after is None else after
        self._rows += len(old)
        self._moves.update(zip(old.tolist(), new.tolist(), strict=True))
        speak, at = Speaker(self._project), np.flatnonzero(old != new)
        for position in at[spread(len(at), EXAMPLES)].tolist():
            partition, row_id, text = speak.row(part, position)
            before, vote = speak.vote(int(old[position])), speak.vote(int(new[position]))
            self._examples.append(Example(partition=partition, id=row_id, text=text, before=before, vote=vote))

    def change(self, unknown: str) -> Change:
        """Sum up; ``unknown`` says why it cannot be compared, if it cannot."""
        if unknown:
            return Change(
                name=self._name,
                change="not compared",
                before=self._before,
                after=self._project.catalogue.fingerprints.get(self._name),
                rows=0,
                changed=0,
                moves=(),
                examples=(),
                source_diff=self._source_diff(),
                why=unknown,
            )
        speak, after = Speaker(self._project), self._project.catalogue.fingerprints.get(self._name)
        chosen = [self._examples[i] for i in spread(len(self._examples), EXAMPLES)]
        return Change(
            name=self._name,
            change=self._kind(after),
            before=self._before,
            after=after,
            rows=self._rows,
            changed=sum(rows for (old, new), rows in self._moves.items() if old != new),
            moves=tuple(
                Move(speak.vote(old), speak.vote(new), rows) for (old, new), rows in sorted(self._moves.items())
            ),
            examples=tuple(chosen),
            source_diff=self._source_diff(),
        )

    def _kind(self, after: str | None) -> str:
        if not self._rows:
            return "unchanged" if self._applied else "not applied"
        if after is None:
            return "removed"
        return "edited" if self._before else "added"

    def _source_diff(self) -> str:
        if self._before is None or self._name not in self._project.catalogue:
            return ""
        record = read_record(self._project.store, record_path(self._name, self._before))
        if record is None:
            return ""
        before, after = record.source, self._project.catalogue.source(self._name)
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "applied", "now", lineterm="", n=2)
        return "\n".join(lines)
